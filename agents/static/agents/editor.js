// Turns <textarea data-editor> into CodeMirror. The textarea stays what is sent; without this script it is the editor.
window.ChatzuriEditors = (() => {
  "use strict";
  if (!window.CodeMirror) return { of: () => null };

  const { EditorView, EditorState, StateField, StateEffect, Decoration, Prec, keymap, tags } = CodeMirror;
  const editors = new WeakMap();

  // One line at a time is marked; the mark moves with the text and goes with the next run.
  const setFailed = StateEffect.define();
  const failedLine = Decoration.line({ class: "cm-failed", attributes: { "aria-invalid": "true" } });
  const failed = StateField.define({
    create: () => Decoration.none,
    update(marks, transaction) {
      let found = marks.map(transaction.changes);
      transaction.effects.forEach((effect) => {
        if (effect.is(setFailed)) found = effect.value === null ? Decoration.none : Decoration.set([failedLine.range(effect.value)]);
      });
      return found;
    },
    provide: (field) => EditorView.decorations.from(field),
  });

  // The pages' own variables, so that light and dark follow the page.
  const look = EditorView.theme({
    "&": { backgroundColor: "var(--cz-paper)", color: "var(--cz-strong)", fontSize: ".8125rem", border: "1px solid var(--cz-line)", borderRadius: "var(--border-radius, 6px)" },
    "&.cm-focused": { outline: "2px solid var(--color-primary-500)", outlineOffset: "1px" },
    ".cm-scroller": { fontFamily: "ui-monospace, SFMono-Regular, Menlo, monospace", lineHeight: "1.55", maxHeight: "34rem", minHeight: "12rem" },
    "&.cm-short .cm-scroller": { minHeight: "5rem" },
    ".cm-content": { caretColor: "var(--cz-strong)" },
    ".cm-cursor": { borderLeftColor: "var(--cz-strong)" },
    ".cm-gutters": { backgroundColor: "var(--cz-soft)", color: "var(--cz-weak)", border: "none" },
    ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--color-primary-500) 7%, transparent)" },
    ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--cz-strong)" },
    "&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection": { backgroundColor: "color-mix(in srgb, var(--color-primary-500) 28%, transparent) !important" },
    ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--color-primary-500) 30%, transparent)" },
    ".cm-failed": { backgroundColor: "var(--cz-bad-bg)", boxShadow: "inset 3px 0 0 var(--cz-bad)" },
    ".cm-tooltip, .cm-panels": { backgroundColor: "var(--cz-paper)", color: "var(--cz-strong)", border: "1px solid var(--cz-line)" },
    ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--color-primary-600)", color: "#fff" },
    ".cm-textfield, .cm-button": { backgroundColor: "var(--cz-paper)", color: "var(--cz-strong)", backgroundImage: "none", border: "1px solid var(--cz-line)" },
  });
  const colours = CodeMirror.HighlightStyle.define([
    { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--ac-keyword)" },
    { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--ac-string)" },
    { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--ac-number)" },
    { tag: [tags.lineComment, tags.blockComment], color: "var(--cz-weak)", fontStyle: "italic" },
    { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.definition(tags.variableName)], color: "var(--ac-name)" },
    { tag: tags.invalid, color: "var(--cz-bad)" },
  ]);

  function attach(field) {
    const host = document.createElement("div");
    host.className = "ac-editor";
    field.after(host);
    // In a shadow root the editor's styles are adopted sheets: no inline style, which a strict policy would refuse.
    const root = host.attachShadow({ mode: "open" });
    const place = document.createElement("div");
    root.append(place);
    const label = field.labels && field.labels[0] ? field.labels[0].textContent.trim() : "Code";
    const view = new EditorView({
      root,
      parent: place,
      state: EditorState.create({
        doc: field.value,
        extensions: [
          Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => field.dispatchEvent(new CustomEvent("editor:run", { bubbles: true })) || true }])),
          CodeMirror.basicSetup,
          keymap.of([CodeMirror.indentWithTab]),
          field.dataset.editor === "json" ? CodeMirror.json() : CodeMirror.javascript(),
          failed,
          look,
          CodeMirror.syntaxHighlighting(colours),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": label }),
          EditorView.editorAttributes.of({ class: field.rows < 8 ? "cm-short" : "" }),
          EditorState.readOnly.of(field.readOnly),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return;
            field.value = view.state.doc.toString();
            field.dispatchEvent(new Event("input", { bubbles: true }));
          }),
        ],
      }),
    });
    field.hidden = true;
    if (field.labels) [...field.labels].forEach((each) => each.addEventListener("click", (event) => { event.preventDefault(); view.focus(); }));
    const editor = {
      view,
      mark(number) {
        const line = number >= 1 && number <= view.state.doc.lines ? view.state.doc.line(number).from : null;
        view.dispatch({ effects: setFailed.of(line) });
      },
      goTo(number) {
        if (number < 1 || number > view.state.doc.lines) return;
        const { from } = view.state.doc.line(number);
        view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
        host.scrollIntoView({ block: "nearest" });
        view.focus();
      },
      insert(text, untouched) {
        const whole = view.state.doc.toString();
        const { from, to } = whole.trim() === "" || whole === untouched ? { from: 0, to: whole.length } : view.state.selection.main;
        view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, scrollIntoView: true });
        view.focus();
      },
    };
    editors.set(field, editor);
    if (field.dataset.failedLine) editor.mark(Number(field.dataset.failedLine));
  }

  document.querySelectorAll("textarea[data-editor]").forEach(attach);
  return { of: (field) => editors.get(field) || null };
})();
