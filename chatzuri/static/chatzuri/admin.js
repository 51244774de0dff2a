// Small behaviours for pages of our own. Everything works without them, with one more click.
"use strict";

document.addEventListener("change", (event) => {
  const field = event.target.closest("[data-submit-on-change]");
  if (field) field.form.requestSubmit();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault();
  const source = document.getElementById(button.dataset.copy);
  const text = source.value === undefined ? source.textContent : source.value;
  const label = button.querySelector("[data-label]") || button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    label.textContent = "Copied";
  } catch {
    // Without https the clipboard is closed to pages: select the text, so that Ctrl-C is enough.
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    label.textContent = "Press Ctrl-C";
  }
  setTimeout(() => { label.textContent = before; }, 1500);
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.ask;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  // A double click shall not send twice; the form token on the server says the same.
  if (event.target.matches("[data-once]")) {
    event.target.querySelectorAll("button").forEach((button) => { button.disabled = true; });
  }
});

// A table of fields grows by a copy of its last row; without a script there are empty rows, and more after saving.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-add-row]").forEach((button) => { button.hidden = false; });
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add-row]");
  if (!button) return;
  const body = button.closest("[data-rows]").querySelector("tbody");
  const row = body.lastElementChild.cloneNode(true);
  row.querySelectorAll("input").forEach((field) => { field.value = ""; });
  body.append(row);
  row.querySelector("input").focus();
});
