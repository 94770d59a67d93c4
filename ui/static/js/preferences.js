/* What a person set on this machine: colours, and whether the details are shown. Cookies, so that the server
   renders the page right the first time. */
const YEAR = 60 * 60 * 24 * 365;
const keep = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=lax`; };

document.addEventListener("click", (event) => {
  const root = document.documentElement;
  if (event.target.closest("[data-theme-switch]")) {
    const isDark = getComputedStyle(root).colorScheme === "dark"
      || (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = isDark ? "light" : "dark";
    keep("theme", root.dataset.theme);
    return;
  }
  const toggle = event.target.closest("[data-toggles]");
  if (toggle) {
    const open = switchPart(toggle.dataset.toggles);
    toggle.setAttribute("aria-expanded", String(open));
    return;
  }
  closeWhatWasLeft(event.target);
});

function switchPart(name) {
  const root = document.documentElement;
  if (name === "side") {
    const closed = root.dataset.side !== "closed";
    if (closed) root.dataset.side = "closed"; else delete root.dataset.side;
    keep("side", closed ? "closed" : "open");
    return !closed;
  }
  if (name === "side-drawer") return document.getElementById("pane").classList.toggle("shows-side");
  return document.getElementById("rail").classList.toggle("is-open");
}

function closeWhatWasLeft(target) {
  const rail = document.getElementById("rail");
  if (rail && (!rail.contains(target) || target.closest("a"))) {
    rail.classList.remove("is-open");
    document.querySelector('[data-toggles="rail"]')?.setAttribute("aria-expanded", "false");
  }
  const pane = document.querySelector(".ticket.shows-side");
  if (pane && !target.closest(".side, dialog")) pane.classList.remove("shows-side");
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}

/* Which sections of the details are open is remembered, also when the section is swapped. */
const SECTION = "desk.section.";
document.addEventListener("toggle", (event) => {
  const name = event.target.dataset?.remember;
  if (name) localStorage.setItem(SECTION + name, event.target.open ? "open" : "closed");
}, true);
export function restoreSections() {
  for (const each of document.querySelectorAll("details[data-remember]")) {
    const kept = localStorage.getItem(SECTION + each.dataset.remember);
    if (kept) each.open = kept === "open";
  }
}
document.addEventListener("htmx:afterSettle", restoreSections);
restoreSections();
