/* Weights: slider and number move together, and the shares are shown as they will be stored. */
document.addEventListener("input", (event) => {
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
