// What plain HTML cannot do: rows that open as a whole, a few keys, a menu that closes. Everything works without it.
(() => {
  "use strict";
  const typing = (event) => event.target.closest("input, textarea, select, [contenteditable]");

  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input") && !String(getSelection())) location.href = row.dataset.href;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // j and k walk through a list, / goes to the search, n raises an issue, Escape closes the menu
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
    }
  });

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
