// A chosen file becomes the text of a form, so that it is looked at before it is sent. Without this it is pasted.
(() => {
  "use strict";
  document.addEventListener("change", async (event) => {
    const chosen = event.target.closest("input[type=file][data-into]");
    if (!chosen || !chosen.files.length) return;
    document.getElementById(chosen.dataset.into).value = await chosen.files[0].text();
  });
})();
