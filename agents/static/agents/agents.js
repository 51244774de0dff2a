// The playground: Enter sends, what was typed is never lost, and the newest line stays in view.
(() => {
  "use strict";

  const failed = (text) => {
    const note = document.getElementById("say-error");
    if (note) {
      note.textContent = text;
      note.hidden = !text;
    }
  };

  const follow = () => {
    const chat = document.getElementById("chat");
    if (chat) chat.scrollTop = chat.scrollHeight;
  };

  const isSaying = (event) => event.detail.elt && event.detail.elt.matches("#say, .ag-quick");

  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "say-text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (event.target.value.trim()) event.target.form.requestSubmit();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isSaying(event)) return;
    failed("");
    const field = event.detail.elt.querySelector("textarea");
    if (field) field.dataset.sent = field.value;
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!isSaying(event)) return;
    const answer = event.detail.xhr;
    if (event.detail.successful) {
      const field = event.detail.elt.querySelector("textarea");
      // Whatever was typed while the message was on its way stays.
      if (field && field.value === field.dataset.sent) field.value = "";
      document.querySelectorAll("#chat-empty, .ag-quicks").forEach((old) => old.remove());
      follow();
    } else {
      const said = answer && answer.status === 422 ? answer.responseText : "";
      failed(said || "The message was not taken. It is still in the box: send it again in a moment.");
    }
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.closest("#chat")) follow();
  });

  follow();
})();
