/* The list of tickets: which line is open, which one the keys stand on, and where "next" leads. */
let position = -1;

const links = () => [...document.querySelectorAll("#ticket-lines .line > a")];
export const openTicket = () => document.querySelector("#pane[data-ticket]")?.dataset.ticket ?? null;

function standing() {
  const all = links();
  const open = openTicket();
  const index = open
    ? all.findIndex((link) => link.parentElement.dataset.line === open)
    : all.indexOf(document.activeElement);
  if (index >= 0) position = index;
  return { all, index };
}

/* Step is 1 or -1. Beside an open ticket the next one opens; in the list alone the focus moves. */
export function move(step) {
  const { all, index } = standing();
  if (!all.length) return;
  const from = index >= 0 ? index : Math.max(-1, Math.min(position, all.length) - (step > 0 ? 1 : 0));
  const target = all[Math.max(0, Math.min(all.length - 1, from + step))];
  if (!target || (index >= 0 && target === all[index])) return;
  if (openTicket()) target.click();
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "nearest" });
  if (openTicket()) target.blur();
}

export function openFocused() {
  const { all } = standing();
  const focused = all.find((link) => link === document.activeElement) ?? all[0];
  if (focused && !openTicket()) focused.click();
}

export function markCurrent() {
  const open = openTicket();
  for (const link of links()) {
    const isOpen = link.parentElement.dataset.line === open;
    link.parentElement.classList.toggle("is-current", isOpen);
    if (isOpen) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  }
  standing();
}

/* A refreshed list gives the focus back to the line it took it from. */
let focusedLine = "";
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "lines") return;
  standing();
  focusedLine = document.activeElement?.closest("#lines") ? document.activeElement.id : "";
});
document.addEventListener("htmx:afterSettle", (event) => {
  markCurrent();
  if (event.detail.target?.id === "lines" && focusedLine) document.getElementById(focusedLine)?.focus({ preventScroll: true });
});
markCurrent();
