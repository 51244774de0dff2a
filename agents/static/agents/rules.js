// The builder of trigger rules and of segments: rows that follow the event and the field, groups, and the preview.
(() => {
  "use strict";
  const condition = document.querySelector("[data-condition]");
  const source = document.getElementById("builder-data");
  if (!condition || !source) return;

  const data = JSON.parse(source.textContent);
  const form = condition.closest("form");
  const event = document.getElementById("id_event_type");
  const blankRow = document.getElementById("condition-row").content.firstElementChild;
  const blankGroup = document.getElementById("condition-group").content.firstElementChild;
  const HEADINGS = ["This event", "Customer", "Lead"];
  const WITHOUT_VALUE = ["is_known", "is_empty"];
  const EXAMPLES = { number: "70", moment: "2030-01-31", list: "value", text: "value", any: "value; “70” in quotation marks is text" };

  const cell = (row, name) => row.querySelector(`[name="row-${name}"]`);
  const place = (row, name) => cell(row, name).closest("label");
  const asked = (operator) => operator.replace(/^not /, "");

  // --- what can be asked ---

  function fields() {
    const known = event ? (data.events[event.value] || { fields: [] }).fields : data.segment;
    return known.map((each) => (typeof each === "string" ? { path: each, ...data.fields[each] } : each));
  }

  function fieldOf(path) {
    return fields().find((each) => each.path === path);
  }

  function option(value, text, chosen) {
    const made = new Option(text, value, false, value === chosen);
    return made;
  }

  function offerFields(row) {
    const select = cell(row, "field");
    const chosen = select.value;
    const offered = fields();
    const groups = HEADINGS.map((heading) => {
      const group = document.createElement("optgroup");
      group.label = heading;
      group.append(...offered.filter((each) => each.heading === heading).map((each) => option(each.path, each.label, chosen)));
      return group;
    }).filter((group) => group.children.length);
    const lost = chosen && !offered.some((each) => each.path === chosen) ? [option(chosen, `${chosen} (not in this event)`, chosen)] : [];
    select.replaceChildren(option("", "Choose a field", chosen), ...groups, ...lost);
  }

  // --- one row ---

  function offerOperators(row, field) {
    const select = cell(row, "operator");
    const chosen = select.value;
    const known = field ? field.operators : Object.keys(data.words).map(asked);
    const codes = [...new Set(known)].flatMap((each) => [each, `not ${each}`]);
    select.replaceChildren(...codes.map((code) => option(code, data.words[code], chosen)));
    if (!codes.includes(chosen)) select.value = codes[0];
  }

  function choices(field, operator) {
    if (!field || operator !== "is") return [];
    return field.type === "boolean" ? ["yes", "no"] : field.type === "choice" ? [...field.choices] : [];
  }

  function offerValue(row, field, operator) {
    const old = cell(row, "value");
    const offered = choices(field, operator);
    const wanted = offered.length ? "select" : "input";
    let now = old;
    if (wanted !== old.localName) {
      now = document.createElement(wanted);
      now.className = "cz-input";
      now.name = "row-value";
      if (wanted === "input") {
        now.autocomplete = "off";
        now.maxLength = 1200;
        now.value = old.value;
      }
      old.replaceWith(now);
    }
    if (wanted === "select") {
      const kept = old.value && !offered.includes(old.value) ? [option(old.value, `${old.value} (not in the list)`, old.value)] : [];
      now.replaceChildren(...offered.map((word) => option(word, word, old.value)), ...kept);
    } else {
      const kind = operator === "within_last" ? "number" : field ? field.type : "text";
      now.setAttribute("list", field ? `suggest-${field.path}` : "");
      now.inputMode = kind === "number" ? "decimal" : "text";
      now.placeholder = operator === "is_one_of" ? "with, commas, between" : operator === "within_last" ? "7" : EXAMPLES[kind] || "value";
    }
  }

  function follow(row) {
    const field = fieldOf(cell(row, "field").value);
    offerOperators(row, field);
    const operator = asked(cell(row, "operator").value);
    offerValue(row, field, operator);
    const isFree = cell(row, "field").value.endsWith(".*");
    place(row, "key").toggleAttribute("data-idle", !isFree);
    if (isFree) cell(row, "key").setAttribute("list", `suggest-keys:${cell(row, "field").value}`);
    place(row, "value").toggleAttribute("data-idle", WITHOUT_VALUE.includes(operator));
    place(row, "second").toggleAttribute("data-idle", operator !== "between");
    place(row, "unit").toggleAttribute("data-idle", operator !== "within_last");
  }

  const everyRow = () => condition.querySelectorAll("[data-row]");

  function addRow(list) {
    const row = blankRow.cloneNode(true);
    delete row.dataset.spare;
    cell(row, "group").value = list.dataset.rowsOf;
    list.append(row);
    offerFields(row);
    follow(row);
    return row;
  }

  // --- how often: a new rule's answer follows the event and the rows until somebody chooses one ---

  const fires = document.getElementById("id_fires");
  if (fires) fires.addEventListener("change", () => fires.removeAttribute("data-follows"));

  function followFires() {
    const kind = event && data.events[event.value];
    if (!kind || !fires || !fires.hasAttribute("data-follows")) return;
    const stands = [...everyRow()].some((row) => kind.standing.includes(cell(row, "field").value));
    fires.value = stands ? "becomes_true" : kind.fires;
  }

  // --- adding and removing ---

  function addGroup() {
    const used = [...condition.querySelectorAll("[data-group]")].map((group) => Number(group.dataset.group) || 0);
    const number = String(Math.max(0, ...used) + 1);
    const group = blankGroup.cloneNode(true);
    group.dataset.group = number;
    group.querySelector("[name=group-number]").value = number;
    const list = group.querySelector("[data-rows-of]");
    list.dataset.rowsOf = number;
    condition.querySelector("[data-groups]").append(group);
    return addRow(list);
  }

  document.addEventListener("click", (click) => {
    const button = click.target.closest("button");
    if (!button || !condition.contains(button)) return;
    const group = button.closest("[data-group]");
    if (button.matches("[data-row-add]")) {
      cell(addRow((group || condition).querySelector("[data-rows-of]")), "field").focus();
    } else if (button.matches("[data-group-add]")) {
      cell(addGroup(), "field").focus();
    } else if (button.matches("[data-group-remove]")) {
      group.remove();
      condition.querySelector("[data-group-add]").focus();
    } else if (button.matches("[data-row-remove]")) {
      button.closest("[data-row]").remove();
      if (group && !group.querySelector("[data-row]")) group.remove();
      condition.querySelector(".ag-row [data-row-add]").focus();
    } else return;
    changed();
  });

  condition.addEventListener("change", (change) => {
    const row = change.target.closest("[data-row]");
    if (row && change.target.matches("[name=row-field], [name=row-operator]")) follow(row);
  });

  if (event) {
    event.addEventListener("change", () => {
      const kind = data.events[event.value];
      document.getElementById("event-description").textContent = kind ? kind.description : "";
      everyRow().forEach((row) => { offerFields(row); follow(row); });
      // Nothing chosen: the preview shows the newest event of the new kind.
      document.getElementById("preview-event").selectedIndex = -1;
    });
  }

  // --- what would be lost, and what the preview shows ---

  let unsaved = false;
  function changed() {
    unsaved = true;
    followFires();
    document.body.dispatchEvent(new CustomEvent("rule:changed"));
  }
  form.addEventListener("input", (input) => {
    if (input.target.name !== "days" && input.target.name !== "preview_event") changed();
  });
  form.addEventListener("submit", () => { unsaved = false; });
  window.addEventListener("beforeunload", (leaving) => { if (unsaved) leaving.preventDefault(); });
  if (form.hasAttribute("data-refused")) unsaved = true;

  // What a value may be is chosen, not guessed: an empty tree begins as a copy of something that works.
  const payload = document.getElementById("id_payload");
  const editor = payload && window.ChatzuriEditors ? window.ChatzuriEditors.of(payload) : null;
  form.addEventListener("change", (change) => {
    if (change.target.name !== "sends" || change.target.value !== "own" || !editor || payload.value.trim()) return;
    const tree = { event: "{{ event }}", conversation_id: "{{ conversation_id }}", name: "{{ customer.name }}", email: "{{ customer.email }}" };
    editor.insert(JSON.stringify(tree, null, 2), "");
  });

  document.addEventListener("htmx:afterRequest", (answer) => {
    if (!answer.target.matches("[data-rehearse]") || answer.detail.successful) return;
    document.getElementById("rehearsal").textContent = "The rehearsal was not started. What you typed is still here: try again in a moment.";
  });

  // --- what only works with this script appears with it ---

  condition.querySelectorAll("[data-spare]").forEach((each) => each.remove());
  document.documentElement.classList.add("ar-scripted");
  everyRow().forEach((row) => { offerFields(row); follow(row); });
})();
