/* Keys. Outside of text fields single letters act; inside one they type. */
import { openDialog } from "./dialogs.js";
import { move, openFocused, openTicket } from "./lines.js";
import { setMode } from "./composer.js";

const ofDraft = (selector) => document.querySelector(`#draft ${selector}`);
const ofCheck = (key) => document.querySelector(`#check [data-key="${key}"]`);
const press = (element) => { if (element && !element.hidden) element.click(); return Boolean(element); };
const writes = (element) => element?.matches?.('input:not([type="checkbox"], [type="radio"], [type="range"], [type="submit"], [type="button"]), textarea, select, [contenteditable]');

const ACTIONS = {
  j: () => press(ofCheck("j")) || move(1),
  k: () => move(-1),
  o: openFocused,
  e: () => { setMode("reply"); focusEditor(); },
  n: () => { if (!press(ofCheck("n"))) { setMode("note"); focusEditor(); } },
  y: () => press(ofCheck("y")),
  d: () => press(ofDraft("[data-show-draft]")),
  u: () => press(ofDraft("[data-use-draft]:not([hidden])")),
  r: () => openTicket() && openDialog("regenerate"),
  x: () => ofDraft('[data-opens="reject"]') && openDialog("reject"),
  a: () => press(document.querySelector('#ticket-head [data-key="a"]')),
  c: () => press(document.querySelector('#ticket-head [data-key="c"]')),
  z: () => press(document.querySelector('#ticket-head [data-key="z"]')),
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": () => openDialog("help"),
};

function focusEditor() {
  const editor = document.getElementById("reply");
  if (!editor) return;
  editor.focus();
  editor.setSelectionRange(editor.value.length, editor.value.length);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.altKey)) {
    sendByKey(event);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    leave(event);
    return;
  }
  if (writes(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && event.target === document.body) openFocused();
  const action = ACTIONS[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

function sendByKey(event) {
  if (event.target.id !== "reply") return;
  event.preventDefault();
  const isNote = document.getElementById("composer").classList.contains("is-note");
  const name = isNote ? "add-note" : event.altKey ? "send" : "send-and-resolve";
  document.getElementById(name).click();
}

function leave(event) {
  if (document.querySelector("dialog[open]")) return;
  if (writes(event.target)) {
    event.target.blur();
    document.getElementById("thread")?.focus({ preventScroll: true });
    return;
  }
  const drawer = document.querySelector(".ticket.shows-side");
  if (drawer) drawer.classList.remove("shows-side");
  else document.querySelector("#ticket-head .back")?.click();
}
