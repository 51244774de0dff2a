// The cards of providers can be searched. Without a script all of them are shown, and there is no field.
(() => {
  "use strict";

  const field = document.getElementById("provider-search");
  if (!field) return;
  const cards = [...document.querySelectorAll("#providers .ch-choice")];
  const none = document.getElementById("no-provider");
  field.closest("[hidden]").hidden = false;

  const search = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const card of cards) {
      const text = card.textContent.toLowerCase();
      card.hidden = !words.every((word) => text.includes(word));
      found += card.hidden ? 0 : 1;
    }
    none.hidden = found > 0;
  };

  field.addEventListener("input", search);
  field.addEventListener("keydown", (event) => {
    const shown = cards.filter((card) => !card.hidden);
    if (event.key === "Enter" && shown.length === 1) shown[0].click();
  });
  search();
})();
