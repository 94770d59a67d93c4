/* Dialogs open by `data-opens="id"`, close by `data-closes`, Esc, a click beside them, or a request that went well. */
export function openDialog(name, opener = null) {
  const dialog = document.getElementById(name);
  if (!dialog || dialog.open) return;
  const draft = dialog.querySelector("[data-current-draft]");
  if (draft) draft.value = document.getElementById("draft")?.dataset.draft ?? "";
  const chosen = dialog.querySelector("[data-from-opener]");
  if (chosen && opener) chosen.value = opener.dataset.value;
  for (const error of dialog.querySelectorAll(".form-error")) error.textContent = "";
  dialog.showModal();
  dialog.querySelector("input:not([type=hidden]), textarea, select")?.focus();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    opener.closest("details.menu")?.removeAttribute("open");
    openDialog(opener.dataset.opens, opener);
  } else if (event.target.closest("[data-closes]")) {
    event.target.closest("dialog")?.close();
  } else if (event.target.matches("dialog")) {
    event.target.close();
  }
  const folder = event.target.closest("[data-unfolds]");
  if (folder) unfold(folder);
  const copier = event.target.closest("[data-copies]");
  if (copier) copyText(copier);
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) return;
  const form = event.detail.elt.closest("dialog form");
  if (form) {
    form.reset();
    form.closest("dialog").close();
  }
});

function unfold(button) {
  const part = document.getElementById(button.dataset.unfolds);
  part.hidden = !part.hidden;
  button.setAttribute("aria-expanded", String(!part.hidden));
  if (!part.hidden) part.querySelector("textarea, input:not([type=hidden])")?.focus();
}

async function copyText(button) {
  const words = document.getElementById(button.dataset.copies).textContent.trim();
  await navigator.clipboard.writeText(words);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}
