// The page of a custom action: the parameter table, the test form that follows it, and the marks of a failed run.
(() => {
  "use strict";
  const form = document.getElementById("action-form");
  const test = document.getElementById("test-form");
  if (!form || !test) return;

  const code = document.getElementById("id_code");
  const editor = window.ChatzuriEditors.of(code);
  const untouched = code.value;
  const rows = document.getElementById("parameter-rows");
  const blank = document.getElementById("parameter-row").content;
  const FILLED = [...document.querySelectorAll("[data-parameter-filled]")].map((button) => button.dataset.parameterFilled);

  // --- the parameter table ---

  const cell = (row, name) => row.querySelector(`[name="parameter-${name}"]`);

  function addRow(name) {
    const row = blank.firstElementChild.cloneNode(true);
    delete row.dataset.spare;
    cell(row, "name").value = name || "";
    rows.append(row);
    tableChanged();
    cell(row, "name").focus();
  }

  function tableChanged() {
    [...rows.children].forEach((row) => row.toggleAttribute("data-filled", FILLED.includes(cell(row, "name").value.trim())));
    const used = [...rows.children].map((row) => cell(row, "name").value.trim());
    document.querySelectorAll("[data-parameter-filled]").forEach((button) => { button.hidden = used.includes(button.dataset.parameterFilled); });
    drawTest();
  }

  function move(row, by) {
    const other = by < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    if (by < 0) other.before(row); else other.after(row);
    changed();
    tableChanged();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const row = button.closest("[data-parameter]");
    if (button.matches("[data-parameter-add]")) { changed(); addRow(""); }
    else if (button.matches("[data-parameter-filled]")) { changed(); addRow(button.dataset.parameterFilled); }
    else if (button.matches("[data-parameter-up]")) { move(row, -1); button.focus(); }
    else if (button.matches("[data-parameter-down]")) { move(row, 1); button.focus(); }
    else if (button.matches("[data-parameter-remove]")) {
      row.remove();
      changed();
      tableChanged();
      document.querySelector("[data-parameter-add]").focus();
    } else if (button.matches("[data-goto-line]") && editor) editor.goTo(Number(button.dataset.gotoLine));
  });

  rows.addEventListener("input", tableChanged);

  // --- the test form ---

  function widget(declared, id) {
    const values = declared.allowed;
    if (values.length || declared.type === "boolean") {
      const field = document.createElement("select");
      ["", ...(values.length ? values : ["true", "false"])].forEach((value) => field.add(new Option(value || "–", value)));
      return field;
    }
    if (declared.type === "array" || declared.type === "object") {
      const field = document.createElement("textarea");
      field.rows = 2;
      field.placeholder = declared.type === "array" ? '["a", "b"]' : '{"key": "value"}';
      return field;
    }
    const field = document.createElement("input");
    const kinds = { email: "email", phone: "tel", uri: "url", date: "date" };
    field.type = declared.type === "string" ? kinds[declared.format] || "text" : "number";
    if (declared.type === "number") field.step = "any";
    if (declared.format === "date-time") field.placeholder = "2030-01-31T09:30:00Z";
    return field;
  }

  function allowedValues(text) {
    if (!text.trim().startsWith("[")) return text.split(",").map((word) => word.trim()).filter(Boolean);
    try {
      return JSON.parse(text).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
    } catch {
      return [];
    }
  }

  function declaredRows() {
    return [...rows.children].map((row) => ({
      name: cell(row, "name").value.trim(),
      type: row.hasAttribute("data-filled") ? "string" : cell(row, "type").value,
      required: Boolean(cell(row, "required").value),
      description: cell(row, "description").value,
      allowed: row.hasAttribute("data-filled") ? [] : allowedValues(cell(row, "enum").value),
      standard: cell(row, "default").value,
      format: cell(row, "format").value,
      filled: row.hasAttribute("data-filled"),
    })).filter((declared) => declared.name);
  }

  // Values that were typed stay while the table changes around them.
  const typed = new Map();
  test.addEventListener("input", (event) => { if (event.target.name) typed.set(event.target.name, event.target.value); });

  function drawTest() {
    const place = document.getElementById("test-fields");
    place.replaceChildren(...declaredRows().map((declared) => {
      const label = document.createElement("label");
      label.className = "ac-field";
      const title = document.createElement("span");
      const note = document.createElement("i");
      note.textContent = declared.filled ? "filled in automatically" : declared.required ? "required" : "optional";
      title.append(declared.name, " ", note);
      const field = widget(declared);
      field.name = `value-${declared.name}`;
      field.classList.add("cz-input");
      field.autocomplete = "off";
      field.value = typed.get(field.name) || "";
      if (declared.standard && "placeholder" in field) field.placeholder = `default: ${declared.standard}`;
      label.append(title, field);
      if (declared.description && !declared.filled) {
        const help = document.createElement("small");
        help.textContent = declared.description;
        label.append(help);
      }
      return label;
    }));
  }

  const run = () => test.requestSubmit();
  document.addEventListener("editor:run", run);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
    event.preventDefault();
    run();
  });

  test.addEventListener("htmx:beforeRequest", (event) => { if (event.target === test && editor) editor.mark(0); });
  test.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== test || event.detail.successful) return;
    document.getElementById("test-result").textContent = "The test was not started. Your code is still here: try again in a moment.";
  });
  document.addEventListener("htmx:afterSwap", () => {
    const done = document.querySelector("#test-result [data-run][data-failed-line]");
    if (done && editor) editor.mark(Number(done.dataset.failedLine));
  });

  // --- the credential that was chosen decides what the side panel says ---

  const credential = document.getElementById("test-credential");
  function showKind() {
    const chosen = credential.selectedOptions[0];
    const kind = chosen && chosen.dataset.kind;
    document.querySelectorAll("[data-kind-fields]").forEach((each) => { each.hidden = Boolean(kind) && each.dataset.kindFields !== kind; });
  }
  credential.addEventListener("change", showKind);

  // --- examples, the suggested name, and what would be lost ---

  const snippets = document.getElementById("snippets");
  snippets.addEventListener("change", () => {
    const chosen = document.getElementById(snippets.value);
    if (chosen && editor) editor.insert(chosen.content.textContent, untouched);
    snippets.value = "";
  });

  const suggested = document.querySelector("[data-suggested-from]");
  if (suggested) {
    const source = document.getElementById(suggested.dataset.suggestedFrom);
    let last = suggested.value;
    source.addEventListener("input", () => {
      if (suggested.value !== last) return;
      const plain = source.value.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+|_+$/g, "");
      suggested.value = last = plain.slice(0, 64);
    });
  }

  let unsaved = false;
  function changed() { unsaved = true; }
  form.addEventListener("input", changed);
  form.addEventListener("submit", () => { unsaved = false; });
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  if (form.hasAttribute("data-refused")) changed();

  // --- what only works with this script appears with it ---

  [...rows.children].forEach((row) => { if (row.hasAttribute("data-spare")) row.remove(); });
  document.querySelectorAll("[data-parameter-add], .ac-filled-in, .ac-insert, #test-form").forEach((each) => { each.hidden = false; });
  rows.classList.add("ac-live");
  tableChanged();
  showKind();
})();
