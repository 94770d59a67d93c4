/* Short messages at the bottom. One with an Undo stays as long as undoing is possible. */
const STANDARD_SECONDS = 6;

export function showToast(words, tone = "") {
  const toast = document.createElement("div");
  toast.className = `toast ${tone}`;
  toast.dataset.toast = "";
  toast.append(Object.assign(document.createElement("span"), { textContent: words }));
  document.getElementById("toasts").append(toast);
}

function schedule(toast) {
  const seconds = Number(toast.dataset.seconds || STANDARD_SECONDS);
  setTimeout(() => toast.remove(), 1000 * seconds);
}

new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) schedule(node);
}).observe(document.getElementById("toasts"), { childList: true });

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && event.detail.elt.matches("[data-undo]")) event.detail.elt.closest(".toast")?.remove();
});
document.addEventListener("desk-toast", (event) => showToast(event.detail.words));
for (const toast of document.querySelectorAll("#toasts > *")) schedule(toast);
