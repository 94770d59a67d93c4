/* The reply editor: what is typed is kept per ticket in this browser until it is sent, and a refreshed draft never
   replaces it unasked. The form's `draft_id` says which draft the text grew from; empty: written without one. */
const KEY = "desk.reply.";
const OLDEST = 14 * 24 * 3600 * 1000;
const form = () => document.getElementById("composer");
const editor = () => document.getElementById("reply");
const draft = () => document.getElementById("draft");
const draftId = () => form().elements.draft_id;
const draftBody = () => document.getElementById("draft-body")?.value ?? null;
const keyOf = (ticket) => KEY + ticket;

function kept(ticket) {
  const found = localStorage.getItem(keyOf(ticket));
  return found ? JSON.parse(found) : null;
}

function keep() {
  const ticket = form().dataset.ticket;
  const text = editor().value;
  if (!text.trim() || (text === draftBody() && draftId().value === draft()?.dataset.draft)) localStorage.removeItem(keyOf(ticket));
  else localStorage.setItem(keyOf(ticket), JSON.stringify({ text, draft: draftId().value, mode: mode(), at: Date.now() }));
  document.getElementById("kept").textContent = localStorage.getItem(keyOf(ticket)) ? "Kept in this browser" : "";
}

const mode = () => (form().classList.contains("is-note") ? "note" : "reply");

export function setMode(wanted) {
  const composer = form();
  if (!composer) return;
  const area = editor();
  composer.classList.toggle("is-note", wanted === "note");
  area.dataset.replyPlaceholder ??= area.placeholder;
  area.placeholder = wanted === "note" ? area.dataset.notePlaceholder : area.dataset.replyPlaceholder;
  for (const each of composer.querySelectorAll("[data-mode]")) each.setAttribute("aria-pressed", String(each.dataset.mode === wanted));
  for (const each of composer.querySelectorAll("[data-for-mode]")) each.hidden = each.dataset.forMode !== wanted;
  if (wanted === "note") {
    if (area.value === draftBody()) type("");
    document.getElementById("learning").replaceChildren();
  } else if (!area.value && draft()?.dataset.shows === "prefilled") {
    useDraft();
  }
}

/* As if typed, so that Ctrl+Z brings the former text back. */
function type(text) {
  const area = editor();
  area.focus();
  area.select();
  if (!document.execCommand(text ? "insertText" : "delete", false, text)) area.value = text;
}

function useDraft() {
  const text = draftBody();
  if (text === null) return;
  if (mode() === "note") setMode("reply");
  draftId().value = draft().dataset.draft;
  if (editor().value !== text) type(text);
  editor().setSelectionRange(0, 0);
  editor().scrollTop = 0;
  document.getElementById("newer-draft").hidden = true;
  changed();
}

function changed() {
  if (mode() === "reply") {
    const isEdited = draftId().value && editor().value !== draftBody();
    const back = document.querySelector('#draft[data-shows="prefilled"] [data-use-draft]');
    if (back) back.hidden = !isEdited && Boolean(draftId().value);
    if (isEdited) ask();
    else document.getElementById("learning").replaceChildren();
  }
  keep();
}

let asking = 0;
function ask() {
  clearTimeout(asking);
  asking = setTimeout(() => { if (form() && draftId().value && mode() === "reply") editor().dispatchEvent(new Event("desk-edited")); }, 350);
}

/* A ticket was opened: what was typed before comes back, else the draft where it is prefilled. */
function begin() {
  if (!form() || form().dataset.begun) return;
  form().dataset.begun = "yes";
  const restored = document.getElementById("restored-body")?.value ?? null;
  const before = kept(form().dataset.ticket);
  if (before) {
    if (before.mode === "note") setMode("note");
    editor().value = before.text;
    draftId().value = before.draft && before.draft === draft()?.dataset.draft && draftBody() !== null ? before.draft : "";
  } else if (restored !== null) {
    editor().value = restored;
    draftId().value = draftBody() === null ? "" : draft().dataset.draft;
  }
  editor().dataset.begunWith = editor().value;
  hideDismissed();
  changed();
  const thread = document.getElementById("thread");
  thread.scrollTop = thread.scrollHeight;
}

/* The draft card was refreshed: take the new draft over only into an editor that nobody has typed in. */
let shownBefore = "";
function draftRefreshed() {
  if (!form() || !draft()) return;
  form().elements.based_on_seq.value = draft().dataset.seq;
  const isNew = draft().dataset.draft !== shownBefore;
  shownBefore = draft().dataset.draft;
  const usable = draftBody() !== null;
  const untouched = !editor().value.trim() || editor().value === editor().dataset.begunWith;
  if (draftId().value && (draftId().value !== draft().dataset.draft || !usable)) {
    draftId().value = "";
    if (!usable && untouched && mode() === "reply") { editor().value = ""; editor().dataset.begunWith = ""; }
  }
  if (usable && isNew && mode() === "reply") {
    if (draft().dataset.shows === "prefilled" && untouched) {
      editor().value = draftBody();
      editor().dataset.begunWith = draftBody();
      draftId().value = draft().dataset.draft;
    } else if (editor().value.trim()) {
      document.getElementById("newer-draft").hidden = false;
    }
  }
  hideDismissed();
  changed();
}

function hideDismissed() {
  if (!draft() || localStorage.getItem("desk.dismissed") !== draft().dataset.draft || draft().dataset.shows !== "banner") return;
  draft().hidden = true;
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-use-draft]")) useDraft();
  const shower = event.target.closest("[data-show-draft]");
  if (shower) {
    const text = document.getElementById("draft-text");
    text.hidden = !text.hidden;
    shower.setAttribute("aria-expanded", String(!text.hidden));
  }
  if (event.target.closest("[data-dismiss-draft]")) {
    localStorage.setItem("desk.dismissed", draft().dataset.draft);
    hideDismissed();
    editor().focus();
  }
  const chooser = event.target.closest("[data-mode]");
  if (chooser) { setMode(chooser.dataset.mode); changed(); editor().focus(); }
});

document.addEventListener("input", (event) => { if (event.target.id === "reply") changed(); });

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, successful, xhr } = event.detail;
  if (!successful || !elt.matches?.("#send, #send-and-resolve, #add-note")) return;
  const ticket = xhr.getResponseHeader("Desk-Ticket");
  if (ticket) localStorage.removeItem(keyOf(ticket));
  if (elt.id === "add-note") { editor().value = ""; setMode("reply"); changed(); }
});

document.addEventListener("htmx:afterSettle", (event) => {
  begin();
  if (event.detail.target?.id === "pane") document.getElementById("ticket-title")?.scrollIntoView({ block: "nearest" });
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target?.id === "draft") draftRefreshed();
  if (event.detail.target?.id === "thread") followThread();
});

let newest = "";
function followThread() {
  const thread = document.getElementById("thread");
  if (thread.dataset.newest === newest) { thread.scrollTop = before; return; }
  newest = thread.dataset.newest;
  thread.scrollTop = thread.scrollHeight;
  document.getElementById("announcements").textContent = "The conversation has changed.";
}
let before = 0;
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.target?.id !== "thread") return;
  before = event.detail.target.scrollTop;
  newest = event.detail.target.dataset.newest;
});

/* Texts nobody came back to for two weeks are let go. */
for (const name of Object.keys(localStorage)) {
  if (name.startsWith(KEY) && Date.now() - (JSON.parse(localStorage.getItem(name)).at ?? 0) > OLDEST) localStorage.removeItem(name);
}
shownBefore = draft()?.dataset.draft ?? "";
begin();
