/* The reply editor. What is typed, reply and note apart, is kept per ticket in this browser until it is sent, and a
   refreshed draft never replaces it unasked. The form's `draft_id` says which draft the reply grew from; empty:
   written without one. */
const KEY = "desk.reply.";
const DISMISSED = "desk.dismissed";
const OLDEST = 14 * 24 * 3600 * 1000;
const ASK_AFTER = 350;

const form = () => document.getElementById("composer");
const editor = () => document.getElementById("reply");
const card = () => document.getElementById("draft");
const grownFrom = () => form().elements.draft_id;
const draftBody = () => document.getElementById("draft-body")?.value ?? null;
const mode = () => (form().classList.contains("is-note") ? "note" : "reply");

/* Of the ticket that is open: the texts of both modes, the one not in the editor among them. */
let texts = { reply: "", note: "" };
let untouched = "";
let shownDraft = "";
let asking = 0;

/* Keeping ------------------------------------------------------------------------------------------------- */
function keep() {
  texts[mode()] = editor().value;
  const key = KEY + form().dataset.ticket;
  const isPlainDraft = texts.reply === draftBody() && grownFrom().value === card()?.dataset.draft;
  const hasReply = texts.reply.trim() && !isPlainDraft;
  if (hasReply || texts.note.trim()) {
    localStorage.setItem(key, JSON.stringify({ ...texts, reply: hasReply ? texts.reply : "", draft: grownFrom().value, mode: mode(), at: Date.now() }));
  } else localStorage.removeItem(key);
  document.getElementById("kept").textContent = (mode() === "note" ? texts.note.trim() : hasReply) ? "Kept in this browser" : "";
}

function letGoOfOldTexts() {
  for (const name of Object.keys(localStorage)) {
    if (name.startsWith(KEY) && Date.now() - JSON.parse(localStorage.getItem(name)).at > OLDEST) localStorage.removeItem(name);
  }
}

/* Opening a ticket ---------------------------------------------------------------------------------------- */
function begin() {
  if (!form() || form().dataset.begun) return;
  form().dataset.begun = "yes";
  shownDraft = card()?.dataset.draft ?? "";
  untouched = editor().value;
  texts = { reply: editor().value, note: "" };
  const before = JSON.parse(localStorage.getItem(KEY + form().dataset.ticket) ?? "null");
  const restored = document.getElementById("restored-body")?.value ?? null;
  if (before) {
    texts.note = before.note;
    if (before.reply) {
      texts.reply = before.reply;
      grownFrom().value = before.draft === shownDraft && draftBody() !== null ? before.draft : "";
    }
  } else if (restored !== null) {
    texts.reply = restored;
    grownFrom().value = draftBody() === null ? "" : shownDraft;
  }
  editor().value = texts.reply;
  if (before?.mode === "note") setMode("note");
  hideDismissed();
  changed();
  const thread = document.getElementById("thread");
  thread.scrollTop = thread.scrollHeight;
}

/* Modes --------------------------------------------------------------------------------------------------- */
export function setMode(wanted) {
  const composer = form();
  if (!composer || wanted === mode()) return;
  const area = editor();
  texts[mode()] = area.value;
  composer.classList.toggle("is-note", wanted === "note");
  area.dataset.replyPlaceholder ??= area.placeholder;
  area.placeholder = wanted === "note" ? area.dataset.notePlaceholder : area.dataset.replyPlaceholder;
  area.setAttribute("aria-label", area.placeholder);
  area.value = texts[wanted];
  for (const each of composer.querySelectorAll("[data-mode]")) each.setAttribute("aria-pressed", String(each.dataset.mode === wanted));
  for (const each of composer.querySelectorAll("[data-for-mode]")) each.hidden = each.dataset.forMode !== wanted;
  changed();
}

/* Using the draft ----------------------------------------------------------------------------------------- */
/* As if typed, so that Ctrl+Z brings the former text back. */
function type(text) {
  const area = editor();
  area.focus();
  area.select();
  if (!document.execCommand("insertText", false, text)) area.value = text;
}

function useDraft() {
  const text = draftBody();
  if (text === null) return;
  setMode("reply");
  grownFrom().value = card().dataset.draft;
  if (editor().value !== text) type(text);
  untouched = text;
  editor().setSelectionRange(0, 0);
  editor().scrollTop = 0;
  document.getElementById("newer-draft").hidden = true;
  showDraft(false);
  changed();
}

function showDraft(open) {
  const text = document.getElementById("draft-text");
  if (!text) return;
  text.hidden = !open;
  if (open) text.scrollIntoView({ block: "nearest" });
  document.querySelector("[data-show-draft]")?.setAttribute("aria-expanded", String(open));
}

function hideDismissed() {
  const isDismissed = card()?.dataset.shows === "banner" && localStorage.getItem(DISMISSED) === card().dataset.draft;
  if (isDismissed) card().hidden = true;
}

/* While typing: what the edit would teach is asked for when the typing pauses. */
function changed() {
  const isEdited = mode() === "reply" && grownFrom().value && editor().value !== draftBody() && editor().value.trim();
  const back = document.querySelector('#draft[data-shows="prefilled"] [data-use-draft]');
  if (back) back.hidden = mode() === "note" || (Boolean(grownFrom().value) && editor().value === draftBody());
  clearTimeout(asking);
  if (isEdited) {
    asking = setTimeout(() => editor()?.dispatchEvent(new Event("desk-edited")), ASK_AFTER);
  } else showUnchanged();
  keep();
}

/* The line keeps its place whatever it says, so that nothing moves under the hands while typing. */
function showUnchanged() {
  const shown = document.getElementById("learning");
  const isDraft = mode() === "reply" && grownFrom().value && editor().value.trim();
  document.getElementById("learning-said").textContent = "";
  if (!isDraft) return shown.replaceChildren();
  const line = document.createElement("p");
  line.textContent = shown.dataset.unchanged;
  shown.replaceChildren(line);
}

/* What would be learned has come. It stays folded out if it was, and is read out only when it says something else. */
let isFoldedOut = false;
function learningShown(shown) {
  const details = shown.querySelector("details");
  if (!details) return;
  const isStillEdited = mode() === "reply" && grownFrom().value && editor().value !== draftBody();
  if (!isStillEdited) return showUnchanged();
  details.open = isFoldedOut;
  details.addEventListener("toggle", () => { isFoldedOut = details.open; });
  const said = document.getElementById("learning-said");
  if (said.textContent !== details.dataset.said) said.textContent = details.dataset.said;
}

/* The card was refreshed. A new draft is taken over only into an editor that nobody has typed in. */
function draftRefreshed() {
  if (!form() || !card()) return;
  const usable = draftBody() !== null;
  const isNew = card().dataset.draft !== shownDraft;
  const isUntouched = !editor().value.trim() || editor().value === untouched;
  shownDraft = card().dataset.draft;
  if (mode() === "note") texts.reply = texts.reply === untouched ? "" : texts.reply;
  if (grownFrom().value && (grownFrom().value !== shownDraft || !usable)) {
    grownFrom().value = "";
    if (isUntouched && mode() === "reply") editor().value = untouched = "";
  }
  if (usable && isNew && mode() === "reply") {
    if (isUntouched && card().dataset.shows === "prefilled") {
      editor().value = untouched = draftBody();
      grownFrom().value = shownDraft;
    } else if (editor().value.trim()) document.getElementById("newer-draft").hidden = false;
  }
  if (!usable) document.getElementById("newer-draft").hidden = true;
  hideDismissed();
  changed();
}

/* What was there when the reply was begun goes with it, so that nobody answers past somebody else. */
let isOwnChange = false;
function seeAll() {
  form().elements.seen.value = document.getElementById("thread").dataset.seen;
  form().elements.based_on_seq.value = card().dataset.seq;
  document.getElementById("changed-meanwhile").hidden = true;
}

/* The conversation was refreshed: stay where one was reading, follow only when something was added. */
let readTo = 0;
let newest = "";
function threadRefreshed() {
  const thread = document.getElementById("thread");
  const isNew = thread.dataset.seen !== form().elements.seen.value;
  if (isNew && editor().value.trim() && editor().value !== untouched && !isOwnChange) document.getElementById("changed-meanwhile").hidden = false;
  else if (document.getElementById("changed-meanwhile").hidden) seeAll();
  isOwnChange = false;
  if (thread.dataset.newest === newest) {
    thread.scrollTop = readTo;
    return;
  }
  thread.scrollTop = thread.scrollHeight;
  document.getElementById("announcements").textContent = "The conversation has changed.";
}

let isThreadNew = false;
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.target?.id !== "thread") return;
  readTo = event.detail.target.scrollTop;
  newest = event.detail.target.dataset.newest;
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target?.id === "thread") isThreadNew = true;
  if (event.detail.target?.id !== "draft") return;
  draftRefreshed();
  if (isThreadNew) threadRefreshed();
  isThreadNew = false;
});

/* Requests ------------------------------------------------------------------------------------------------ */
document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, successful, xhr } = event.detail;
  if (!successful) return;
  if (elt.matches("#send, #send-and-resolve")) localStorage.removeItem(KEY + xhr.getResponseHeader("Desk-Ticket"));
  if (elt.matches("#add-note") && form()) {
    editor().value = "";
    setMode("reply");
  }
});

let wasUndone = false;
document.addEventListener("htmx:beforeRequest", (event) => {
  wasUndone = event.detail.elt.matches("[data-undo]");
  if (event.detail.elt.matches("#add-note, .delivery button")) isOwnChange = true;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id === "learning") return learningShown(event.detail.target);
  const isOther = form() && !form().dataset.begun;
  begin();
  if (event.detail.target?.id !== "pane" || !isOther) return;
  if (wasUndone) editor().focus();
  else if (document.activeElement === editor()) document.getElementById("thread").focus({ preventScroll: true });
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-use-draft]")) useDraft();
  const shower = event.target.closest("[data-show-draft]");
  if (shower) showDraft(shower.getAttribute("aria-expanded") !== "true");
  if (event.target.closest("[data-seen-it]")) {
    seeAll();
    editor().focus();
  }
  if (event.target.closest("[data-dismiss-draft]")) {
    localStorage.setItem(DISMISSED, card().dataset.draft);
    hideDismissed();
    editor().focus();
  }
  const chooser = event.target.closest("[data-mode]");
  if (chooser) {
    setMode(chooser.dataset.mode);
    editor().focus();
  }
});
document.addEventListener("input", (event) => { if (event.target.id === "reply") changed(); });

letGoOfOldTexts();
begin();
