// What plain HTML cannot do: rows that open as a whole, a few keys, a menu that closes. Everything works without it.
(() => {
  "use strict";
  const typing = (event) => event.target.closest("input, textarea, select, [contenteditable]");

  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, label") && !String(getSelection())) location.href = row.dataset.href;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // how many rows are ticked, and all of them at once
  const ticks = () => [...document.querySelectorAll("input[form=bulk][name^='row:']")];
  const tally = () => {
    const all = document.querySelector("#all");
    if (!all) return;
    const count = ticks().filter((each) => each.checked).length;
    all.closest("label").hidden = false;
    all.checked = count > 0 && count === ticks().length;
    all.indeterminate = count > 0 && !all.checked;
    document.querySelector("#ticked").textContent = count || "";
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "all") for (const each of ticks()) each.checked = event.target.checked;
    if (event.target.id === "all" || event.target.getAttribute("form") === "bulk") tally();
  });
  document.addEventListener("htmx:afterSettle", tally);
  addEventListener("pageshow", tally);

  // the list of keys
  const keys = document.querySelector("#keys");
  for (const each of document.querySelectorAll("[data-keys]")) {
    each.hidden = false;
    each.addEventListener("click", () => keys.showModal());
  }

  // j and k walk through a list, x ticks, / goes to the search, n raises an issue, ? shows these keys, Escape closes the menu
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const search = document.querySelector("#q, #find");
      if (search) {
        search.focus();
        event.preventDefault();
      }
    } else if (event.key === "j" || event.key === "k") {
      const links = [...document.querySelectorAll("td.c-number a, .list a.title")];
      const at = links.indexOf(document.activeElement);
      const next = links[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
      if (next) next.focus();
    } else if (event.key === "x") {
      const tick = document.activeElement.closest("tr")?.querySelector("input[form=bulk]");
      if (tick) tick.click();
    } else if (event.key === "n" && keys) {
      location.href = "/issues/new";
    } else if (event.key === "?" && keys && !keys.open) {
      keys.showModal();
    }
  });

  // a drawing that is unfolded on a small screen shows where the issue stands
  document.addEventListener("toggle", (event) => {
    const here = event.target.matches("details.drawing[open]") && event.target.querySelector(".here");
    if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
  }, true);

  // a form is sent once, however often its button is pressed
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.dataset.sent) {
      if (form.dataset.sent) event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 5000);
  });

  // files that would be refused are not sent at all
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.type !== "file" || !field.dataset.most) return;
    const sizes = [...field.files].map((file) => file.size / 1048576);
    const sum = sizes.reduce((whole, each) => whole + each, 0);
    const wrong = sizes.length > field.dataset.most || sum > field.dataset.together || sizes.some((each) => each > field.dataset.megabytes);
    field.setCustomValidity(wrong ? field.dataset.wrong : "");
    field.reportValidity();
  });

  // a draft is not saved any more once its form is on its way; a session that has ended is said where it is saved
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id === "saved" && event.target.closest("form").dataset.sent) event.preventDefault();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "saved") return;
    if (event.target.querySelector("[data-unsaved]")) event.target.textContent = event.target.dataset.unsaved;
    else dirty = false;
  });

  // what is typed is not lost by closing the page
  let dirty = false;
  document.addEventListener("input", (event) => {
    if (event.target.closest("form.form textarea")) dirty = true;
  });
  document.addEventListener("submit", () => (dirty = false));
  addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });
})();
