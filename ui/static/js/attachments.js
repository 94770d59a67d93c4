/* Files for the reply: chosen, dropped on the composer or pasted, then uploaded one after another. What is uploaded is
   kept with the ticket by the desk, so that a reload loses none of it. */
const waiting = [];
const form = () => document.getElementById("upload");
const bar = () => document.getElementById("upload-progress");

function add(files) {
  waiting.push(...files);
  if (bar()?.hidden) next();
}

function next() {
  const file = waiting.shift();
  if (!form()) waiting.length = 0;
  if (!form() || !bar()) return;
  bar().hidden = !file;
  if (!file) return;
  const one = new DataTransfer();
  one.items.add(file);
  bar().value = 0;
  bar().setAttribute("aria-label", `Uploading ${file.name}`);
  form().elements.file.files = one.files;
  form().requestSubmit();
}

const composer = (event) => event.target.closest?.("#composer");

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-attach]")) document.getElementById("chosen-files").click();
});
document.addEventListener("change", (event) => {
  if (event.target.id !== "chosen-files") return;
  add(event.target.files);
  event.target.value = "";
});
document.addEventListener("paste", (event) => {
  if (!composer(event) || !event.clipboardData.files.length) return;
  event.preventDefault();
  add(event.clipboardData.files);
});
for (const name of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(name, (event) => {
    const over = composer(event);
    if (!over || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    over.classList.toggle("is-over", name === "dragover");
    if (name === "drop") add(event.dataTransfer.files);
  });
}
document.addEventListener("htmx:xhr:progress", (event) => {
  if (event.target.id === "upload" && event.detail.lengthComputable) bar().value = event.detail.loaded / event.detail.total;
});
document.addEventListener("htmx:afterRequest", (event) => {
  /* Not before htmx has let go of the form. */
  if (event.detail.elt.id === "upload") setTimeout(next);
});
