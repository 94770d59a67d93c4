/* Who is writing: the visitor of a live conversation is shown to the agent, and the agent to the visitor. */
const EVERY = 3000;
const FADES = 6000;
let told = 0;
let fading = 0;

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
