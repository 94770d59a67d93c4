/* Who is there and who is writing: the visitor of a live conversation is shown to the agent, the agent to the visitor. */
const EVERY = 3000;
const FADES = 6000;
const PRESENT = 20_000;
let told = 0;
let fading = 0;
let seen = "";

/* A live conversation that somebody looks at, and how far it is on the screen; said again while it is looked at. */
function look(again) {
  const composer = document.querySelector("#composer[data-visited]");
  const ticket = document.hidden ? "" : composer?.dataset.ticket ?? "";
  const [before] = seen.split(" ");
  if (before && before !== ticket) tell(before, "gone", {});
  const seq = Number.parseInt(document.getElementById("thread")?.dataset.newest ?? "0", 10);
  const now = ticket ? `${ticket} ${seq}` : "";
  if (now && (again || now !== seen)) tell(ticket, "seen", { seq });
  seen = now;
}
const tell = (ticket, what, values) => window.htmx?.ajax("POST", `/tickets/${ticket}/${what}`, { source: document.body, swap: "none", values });

document.addEventListener("DOMContentLoaded", () => look(false));
document.body.addEventListener("htmx:afterSettle", () => look(false));
document.addEventListener("visibilitychange", () => look(false));
setInterval(() => look(true), PRESENT);

document.body.addEventListener("desk-typing", (event) => {
  const shown = document.getElementById("visitor-typing");
  if (shown?.dataset.ticket !== event.detail) return;
  shown.textContent = "The visitor is writing";
  clearTimeout(fading);
  fading = setTimeout(() => { shown.textContent = ""; }, FADES);
});

document.addEventListener("input", (event) => {
  const composer = event.target.closest("#composer[data-visited]:not(.is-note)");
  if (!composer || event.target.id !== "reply" || Date.now() - told < EVERY) return;
  told = Date.now();
  window.htmx.ajax("POST", `/tickets/${composer.dataset.ticket}/typing`, { source: composer, swap: "none" });
});
