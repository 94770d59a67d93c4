/* Live updates. The stream says only that something changed; the parts of the page that show it fetch themselves.
   A hidden tab lets its connection go (a browser has six for one desk) and catches up when it is looked at again. */
const PATIENCE_HIDDEN = 20_000;
const WAITS = [500, 1000, 2000, 5000, 10_000];
const address = document.body.dataset.live;
let stream = null;
let failures = 0;
let retry = 0;
let hiding = 0;
let wasOpen = false;

const tell = (name) => document.body.dispatchEvent(new Event(name));

function connect() {
  clearTimeout(retry);
  if (stream || document.hidden) return;
  // How old the page is: what changed since it was made and before the stream was open, the desk tells as a refresh.
  stream = new EventSource(wasOpen ? address : `${address}?age=${(performance.now() / 1000).toFixed(1)}`);
  stream.addEventListener("ready", () => {
    failures = 0;
    document.getElementById("offline").hidden = true;
    document.documentElement.dataset.live = "open";
    if (wasOpen) catchUp();
    wasOpen = true;
  });
  stream.addEventListener("refresh", catchUp);
  stream.addEventListener("queue", () => tell("desk-queue"));
  stream.addEventListener("ticket", (event) => tell(`desk-ticket-${event.data}`));
  stream.addEventListener("typing", (event) => document.body.dispatchEvent(new CustomEvent("desk-typing", { detail: event.data })));
  stream.addEventListener("document", () => tell("desk-document"));
  stream.addEventListener("certificate", () => tell("desk-certificate"));
  stream.addEventListener("sending", () => tell("desk-sending"));
  stream.addEventListener("website", () => tell("desk-website"));
  stream.addEventListener("faq", () => tell("desk-faq"));
  stream.addEventListener("history", () => tell("desk-history"));
  stream.addEventListener("error", lost);
}

function catchUp() {
  tell("desk-queue");
  tell("desk-refresh");
  tell("desk-document");
  tell("desk-website");
  tell("desk-faq");
  tell("desk-history");
  tell("desk-certificate");
  tell("desk-sending");
}

function disconnect() {
  stream?.close();
  stream = null;
  delete document.documentElement.dataset.live;
}

function lost() {
  disconnect();
  const wait = WAITS[Math.min(failures, WAITS.length - 1)];
  failures += 1;
  if (failures > 2) document.getElementById("offline").hidden = false;
  retry = setTimeout(connect, wait);
}

if (address) {
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(disconnect, PATIENCE_HIDDEN);
    else connect();
  });
  window.addEventListener("online", connect);
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", connect);
  connect();
}
