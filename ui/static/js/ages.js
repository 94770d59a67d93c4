/* Ages and countdowns tick here; the server rendered them once, so nothing moves at the start. */
const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [86400 * 14, 86400, "d"], [86400 * 70, 86400 * 7, "wk"]];

function ageOf(moment, now) {
  const seconds = Math.max(0, (now - moment) / 1000);
  if (seconds < 60) return "now";
  for (const [below, size, unit] of STEPS) if (seconds < below) return `${Math.floor(seconds / size)} ${unit}`;
  return moment.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
}

function refreshAges() {
  const now = new Date();
  for (const each of document.querySelectorAll("time[data-age]")) {
    const moment = new Date(each.dateTime);
    const words = ageOf(moment, now);
    if (each.textContent !== words) each.textContent = words;
    each.title = moment.toLocaleString();
  }
}

function refreshCountdowns() {
  const now = Date.now();
  for (const each of document.querySelectorAll("[data-until]")) {
    const left = Math.ceil((new Date(each.dataset.until) - now) / 1000);
    const words = left > 0 ? `${left} s` : each.dataset.then;
    if (each.textContent !== words) each.textContent = words;
    if (left <= 0) {
      each.closest(".delivery, .toast")?.querySelector("[data-undo]")?.remove();
      each.removeAttribute("data-until");
    }
  }
}

/* Hours and minutes, for what ends today or tomorrow. */
function refreshLongCountdowns() {
  for (const each of document.querySelectorAll("[data-counts-to]")) {
    const minutes = Math.max(0, Math.floor((new Date(each.dataset.countsTo) - Date.now()) / 60_000));
    const hours = Math.floor(minutes / 60);
    const words = hours > 0 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${minutes} min`;
    if (each.textContent !== words) each.textContent = words;
    if (minutes === 0) document.body.dispatchEvent(new CustomEvent("desk-refresh"));
  }
}

setInterval(refreshLongCountdowns, 20_000);
setInterval(refreshAges, 20_000);
setInterval(refreshCountdowns, 250);
document.addEventListener("htmx:afterSettle", refreshAges);
refreshAges();
