/* Weights: slider and number move together, and the shares are shown as they will be stored. Recommended weights are
   put into the form, where they can be looked at before they are saved. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-takes-weights]");
  const form = document.querySelector("form[data-weights]");
  if (!button || !form) return;
  for (const pair of button.dataset.takesWeights.trim().split(/\s+/)) {
    const [name, value] = pair.split("=");
    const input = form.elements.namedItem(name);
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  form.scrollIntoView({ block: "start" });
});

document.addEventListener("input", (event) => {
  const pair = event.target.closest("[data-paired]");
  if (pair) for (const each of pair.querySelectorAll("input")) if (each !== event.target) each.value = event.target.value;
  const form = event.target.closest("[data-weights]");
  if (!form) return;
  const row = event.target.closest(".weight");
  if (row) for (const each of row.querySelectorAll("input")) if (each !== event.target) each.value = event.target.value;
  preview(form);
});

function preview(form) {
  const values = [...form.querySelectorAll('.weight input[type="number"]')].map((each) => Math.max(0, Number(each.value) || 0));
  const total = values.reduce((sum, each) => sum + each, 0);
  let start = 0;
  form.querySelectorAll(".share-bar rect").forEach((rect, index) => {
    const share = total ? (100 * values[index]) / total : 0;
    rect.setAttribute("x", `${start}%`);
    rect.setAttribute("width", `${share}%`);
    start += share;
  });
  form.querySelectorAll("[data-share]").forEach((each, index) => {
    each.textContent = total ? `${Math.round((1000 * values[index]) / total) / 10} %` : "–";
  });
}
