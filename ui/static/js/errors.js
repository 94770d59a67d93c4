/* An answer that is an error goes beside the form it belongs to, else into a toast. Typed text is never swapped away. */
import { showToast } from "./toasts.js";

const AWAY = "The desk did not answer. Nothing was changed; try again.";

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  const { elt } = event.detail.requestConfig;
  if (xhr.status < 400) return;
  event.detail.shouldSwap = false;
  const fragment = new DOMParser().parseFromString(xhr.responseText, "text/html");
  const words = fragment.querySelector("[data-problem]")?.textContent.trim().replace(/\s+/g, " ") || AWAY;
  const slot = elt.closest("form")?.querySelector(".form-error") ?? null;
  if (slot) {
    slot.replaceChildren(Object.assign(document.createElement("div"), { className: "notice bad", textContent: words }));
    slot.scrollIntoView({ block: "nearest" });
  } else if (!elt.matches("[data-quiet]")) {
    showToast(words, "bad");
  }
  if (xhr.status === 409) document.body.dispatchEvent(new Event("desk-refresh"));
});

document.addEventListener("htmx:sendError", (event) => {
  if (!event.detail.elt.matches("#lines, #pane")) showToast(AWAY, "bad");
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const slot = event.detail.elt.closest("form")?.querySelector(".form-error");
  if (slot && !event.detail.elt.matches("textarea")) slot.replaceChildren();
});

/* The line at the top shows only when an answer takes noticeably long. */
let waiting = 0;
let timer = 0;
document.addEventListener("htmx:beforeRequest", () => {
  waiting += 1;
  timer ||= setTimeout(() => document.body.classList.add("is-waiting"), 250);
});
document.addEventListener("htmx:afterRequest", () => {
  waiting = Math.max(0, waiting - 1);
  if (waiting) return;
  clearTimeout(timer);
  timer = 0;
  document.body.classList.remove("is-waiting");
});
