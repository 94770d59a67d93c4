/* Files dropped anywhere on the upload area go into its form and are sent at once. */
const area = (target) => target.closest?.("[data-drop]");

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    const drop = area(event.target);
    if (!drop) return;
    event.preventDefault();
    drop.classList.add("is-over");
  });
}
document.addEventListener("dragleave", (event) => area(event.target)?.classList.remove("is-over"));
document.addEventListener("drop", (event) => {
  const drop = area(event.target);
  if (!drop) return;
  event.preventDefault();
  drop.classList.remove("is-over");
  const field = drop.querySelector('input[type="file"]');
  field.files = event.dataTransfer.files;
  drop.requestSubmit();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-drop] input[type=file]")) event.target.form.requestSubmit();
});
