/* The web widget, for pages of other sites: one script, no framework, nothing loaded but its own configuration.

   <script src="https://desk.example.com/widget/v1/embed.js?key=wk_..." async></script>

   It lives in a shadow root, so neither page nor widget style each other. Whatever comes from outside is put in by
   textContent. A message is kept in this browser under its own id until the desk has it, however often the line drops;
   the desk takes an id in once. docs/widget.md says what a page's Content-Security-Policy has to allow. */
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.DraftdeskWidget) return;
  const source = new URL(script.src);
  const key = source.searchParams.get("key") ?? "";
  const base = `${source.origin}/widget/v1/${encodeURIComponent(key)}`;
  const WAITS = [500, 1000, 2000, 4000, 8000, 15000];
  const SILENCE = 50_000;
  const HIDDEN = 30_000;
  const RENEW = 24 * 3600 * 1000;
  const PAGE = 30;
  const FINAL = new Set([400, 403, 413, 422]);

  /* What this browser keeps ------------------------------------------------------------------------------- */
  const memory = new Map();
  const prefix = `draftdesk:${key}:`;
  const kept = {
    get(name) {
      try { return JSON.parse(localStorage.getItem(prefix + name)); } catch { return memory.get(name) ?? null; }
    },
    set(name, value) {
      memory.set(name, value);
      try {
        if (value === null) localStorage.removeItem(prefix + name);
        else localStorage.setItem(prefix + name, JSON.stringify(value));
      } catch { /* Storage is full or forbidden: what is kept in memory lasts as long as the page. */ }
    },
    names() {
      let names = [...memory.keys()];
      try { names = Object.keys(localStorage).filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length)); } catch { /* as above */ }
      return names;
    },
  };
  /* One entry a message, so that two tabs never overwrite each other's. */
  const outbox = {
    all: () => kept.names().filter((one) => one.startsWith("out:")).map(kept.get).filter((one) => one?.id).sort((a, b) => a.at - b.at),
    put: (item) => kept.set(`out:${item.id}`, item),
    drop: (id) => kept.set(`out:${id}`, null),
  };

  let look = null;
  /* A token says itself whom it is of; what it says is believed by the desk alone. */
  const named = ({ token = "", user_id = "", signature = "", name = "", email = "" }) => ({ token: String(token), user_id: String(user_id), signature: String(signature), name: String(name), email: String(email) });
  function userOf(known) {
    if (!known.token) return known.user_id;
    try { return JSON.parse(atob(known.token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub; } catch { return ""; }
  }
  const { userToken, userId, userSignature, userName, userEmail } = script.dataset;
  let identity = userToken || userId ? named({ token: userToken, user_id: userId, signature: userSignature, name: userName, email: userEmail }) : null;
  let conversation = kept.get("conversation");
  let messages = new Map();
  let state = null;
  let hasEarlier = false;
  let isOpen = false;
  let wantsPerson = false;
  let suggestions = [];
  let partial = null;

  const lastSeq = () => Math.max(0, ...messages.keys());
  const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
  const jitter = (failures) => WAITS[Math.min(failures, WAITS.length - 1)] * (0.75 + Math.random() / 2);
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    return [...bytes].map((one, at) => ([4, 6, 8, 10].includes(at) ? "-" : "") + one.toString(16).padStart(2, "0")).join("");
  }

  /* Talking to the desk ----------------------------------------------------------------------------------- */
  class Refused extends Error {
    constructor(answer) {
      super(`the desk answered ${answer.status}`);
      this.status = answer.status;
      this.wait = 1000 * Number(answer.headers.get("Retry-After") ?? 0);
    }
  }
  async function call(method, path, body, more = {}) {
    const headers = { ...more.headers };
    const token = kept.get("token");
    if (token && !more.nobody) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(base + path, { method, headers, body: body ? JSON.stringify(body) : undefined, credentials: "omit", cache: "no-store", signal: more.signal });
    if (!answer.ok) throw new Refused(answer);
    if (more.raw) return answer;
    return answer.status === 204 ? null : answer.json();
  }

  function keepToken(answer) {
    kept.set("token", answer.token);
    kept.set("token_at", Date.now());
  }
  let beginning = null;
  const ensureToken = () => (beginning ??= begin().finally(() => { beginning = null; }));
  async function begin() {
    const age = Date.now() - (kept.get("token_at") ?? 0);
    if (!kept.get("token")) keepToken(await call("POST", "/session"));
    else if (age > RENEW) await renew();
    if (identity && kept.get("user") !== userOf(identity)) await introduce();
  }
  async function introduce() {
    try {
      keepToken(await call("POST", "/identify", identity));
    } catch (error) {
      if (error.status !== 403) throw error;
      console.warn("Draftdesk: this identity is refused (a wrong signature, or a token that is too old); the visitor stays unknown.");
      identity = null;
      document.dispatchEvent(new CustomEvent("draftdesk:identity-refused"));
      return;
    }
    kept.set("user", userOf(identity));
    await choose();
  }
  async function renew() {
    try {
      keepToken(await call("POST", "/session"));
    } catch (error) {
      if (error.status !== 401) throw error;
      forget();
      keepToken(await call("POST", "/session", null, { nobody: true }));
    }
  }
  function forget() {
    for (const name of ["token", "token_at", "user"]) kept.set(name, null);
    follow(null);
  }
  async function choose() {
    const mine = (await call("GET", "/conversations")).conversations;
    follow((mine.find((one) => one.status === "open") ?? mine[0])?.id ?? null);
  }
  /* A link from a mail: its conversation goes on in this browser. */
  async function resume() {
    const mark = "#draftdesk=";
    if (!location.hash.startsWith(mark)) return;
    const token = location.hash.slice(mark.length);
    history.replaceState(history.state, "", location.pathname + location.search);
    try {
      const answer = await call("POST", "/resume", { token }, { nobody: true });
      kept.set("user", null);
      keepToken(answer);
      follow(answer.conversation_id);
    } catch { /* Too old, or signed in at the site: the widget opens as it would without the link. */ }
    kept.set("open", true);
  }
  /* The token was refused: this browser's visitor is gone, and a new one begins. Unsent messages stay. */
  async function startAnew() {
    forget();
    await ensureToken();
  }

  function follow(id) {
    if (id === conversation && state) return;
    conversation = id;
    kept.set("conversation", id);
    messages = new Map();
    partial = null;
    state = null;
    hasEarlier = false;
    stream.restart();
    render();
  }

  /* Sending ----------------------------------------------------------------------------------------------- */
  let isSending = false;
  let sendAgain = 0;
  let failures = 0;
  async function flush() {
    clearTimeout(sendAgain);
    if (isSending) return;
    isSending = true;
    try {
      for (let next = waiting()[0]; next; next = waiting()[0]) {
        await ensureToken();
        await send(next);
        failures = 0;
        say("");
      }
    } catch (error) {
      if (error.status === 429) say(look.texts.too_many);
      else if (!error.status || error.status >= 500) say(look.texts.reconnecting);
      sendAgain = setTimeout(flush, error.wait || jitter(failures));
      failures += 1;
    } finally {
      isSending = false;
      render();
    }
  }
  const waiting = () => outbox.all().filter((one) => !one.refused);

  async function send(item) {
    const said = kept.get("said") ?? {};
    const body = { client_message_id: item.id, body: item.body, conversation_id: conversation, page_url: location.href, page_title: document.title.slice(0, 300), name: said.name ?? "", email: said.email ?? "", wants_person: Boolean(item.person), attachments: item.files ?? [] };
    try {
      const taken = await call("POST", "/messages", body);
      outbox.drop(item.id);
      if (taken.conversation_id !== conversation) follow(taken.conversation_id);
      messages.set(taken.message.seq, taken.message);
    } catch (error) {
      if (error.status === 401) await startAnew();
      else if (error.status === 404 && conversation) follow(null);
      else if (FINAL.has(error.status)) outbox.put({ ...item, refused: error.status });
      else throw error;
    }
  }

  /* Following --------------------------------------------------------------------------------------------- */
  const stream = {
    abort: null,
    turn: 0,
    async run() {
      this.turn += 1;
      const turn = this.turn;
      let lost = 0;
      while (turn === this.turn && conversation && !this.isAsleep()) {
        let wait = 0;
        try {
          await ensureToken();
          if (!state) await loadPage();
          await this.read(() => { lost = 0; });
        } catch (error) {
          if (turn !== this.turn) return;
          if (error.status === 401) await startAnew().catch(() => {});
          else if (error.status === 404) follow(null);
          else if (!error.status) say(look.texts.reconnecting);
          wait = error.wait ?? 0;
        }
        await pause(Math.max(wait, jitter(lost)));
        lost += 1;
      }
    },
    async read(alive) {
      const abort = new AbortController();
      this.abort = abort;
      let watchdog = setTimeout(() => abort.abort(), SILENCE);
      try {
        const headers = { "Last-Event-ID": `${state.edition}.${lastSeq()}` };
        const answer = await call("GET", `/conversations/${conversation}/stream`, null, { headers, signal: abort.signal, raw: true });
        say("");
        alive();
        flush();
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = ""; ;) {
          const { done, value } = await reader.read();
          if (done) return;
          clearTimeout(watchdog);
          watchdog = setTimeout(() => abort.abort(), SILENCE);
          const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
          rest = blocks.pop();
          for (const block of blocks) arrived(block);
        }
      } finally {
        clearTimeout(watchdog);
      }
    },
    isAsleep: () => document.hidden && asleep,
    restart() {
      this.turn += 1;
      this.abort?.abort();
      if (conversation && look) this.run();
    },
  };
  let asleep = false;
  let falling = 0;

  const STILL = matchMedia("(prefers-reduced-motion: reduce)");
  function arrived(block) {
    const fields = {};
    for (const line of block.split("\n")) {
      const at = line.indexOf(": ");
      if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
    }
    if (!fields.event) return;
    const data = JSON.parse(fields.data);
    if (fields.event === "message") {
      messages.set(data.seq, data);
      if (data.id === partial?.id) partial = null;
      if (data.client_message_id) outbox.drop(data.client_message_id);
      else quiet();
    } else if (fields.event === "part") partial = STILL.matches ? null : data;
    else if (fields.event === "state") {
      state = data;
      if (state.id !== conversation) return follow(state.id);
    } else if (fields.event === "reset") messages = new Map();
    else if (fields.event === "typing") typing();
    render();
  }

  async function loadPage(before) {
    const query = before ? `?limit=${PAGE}&before=${before}` : `?limit=${PAGE}`;
    const asked = conversation;
    const page = await call("GET", `/conversations/${asked}/messages${query}`);
    if (asked !== conversation) return;
    /* Agents have merged it into another one. */
    if (page.state.id !== asked) return follow(page.state.id);
    for (const one of page.messages) messages.set(one.seq, one);
    hasEarlier = page.has_earlier;
    state = page.state;
    render();
  }

  /* Building ---------------------------------------------------------------------------------------------- */
  function el(tag, attributes = {}, ...inside) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value != null) made.setAttribute(name, value);
    }
    made.append(...inside.filter((one) => one != null && one !== false));
    return made;
  }
  const ICONS = { clip: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.5 3.5 0 0 1 5 5l-8.5 8.5a2 2 0 0 1-3-3L14 7", chat: "M4 4h16v12H9l-5 4z", close: "M6 6l12 12M18 6L6 18", send: "M4 12l16-8-6 16-3-6z" };
  function icon(name) {
    const make = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
    const drawn = make("svg");
    for (const [attribute, value] of Object.entries({ viewBox: "0 0 24 24", width: 24, height: 24, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linejoin": "round", "stroke-linecap": "round", "aria-hidden": "true" })) drawn.setAttribute(attribute, value);
    const path = make("path");
    path.setAttribute("d", ICONS[name]);
    drawn.append(path);
    return drawn;
  }
  /* Text with its web addresses as links; nothing else in it means anything. */
  function linked(text) {
    return text.split(/(https?:\/\/[^\s<>"'`]+)/).flatMap((part, at) => {
      if (at % 2 === 0) return part ? [part] : [];
      const address = part.replace(/[.,;:!?)\]}]+$/, "");
      if (!URL.canParse(address)) return [part];
      return [link(address, address), part.slice(address.length)];
    });
  }
  const link = (address, words) => el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, words);

  const STYLE = `
    :host { all: initial; }
    *, *::before, *::after { box-sizing: border-box; }
    [hidden] { display: none !important; }
    .root { --paper: #fff; --ink: #1b2430; --soft: #5a6675; --line: #d5dbe2; --field: #f3f5f8; position: fixed; z-index: 2147483000; inset-block-end: 16px; inset-inline-end: 16px; font: 15px/1.45 system-ui, sans-serif; color: var(--ink); }
    .root.at-start { inset-inline: 16px auto; }
    button, input, textarea { font: inherit; color: inherit; }
    button { cursor: pointer; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); padding: 6px 12px; min-block-size: 36px; }
    button.main, .launcher { background: var(--colour); color: var(--on-colour); border-color: transparent; }
    :focus-visible { outline: 3px solid var(--colour); outline-offset: 2px; }
    header :focus-visible { outline-color: var(--on-colour); outline-offset: -3px; }
    .launcher { inline-size: 56px; block-size: 56px; border-radius: 50%; display: grid; place-items: center; box-shadow: 0 2px 12px rgb(0 0 0 / 30%); position: relative; padding: 0; margin-inline-start: auto; }
    .root.at-start .launcher { margin-inline: 0 auto; }
    .badge { position: absolute; inset-block-start: -4px; inset-inline-end: -4px; background: #b3261e; color: #fff; border-radius: 12px; min-inline-size: 22px; padding: 1px 6px; font-size: 13px; }
    .panel { display: flex; flex-direction: column; inline-size: min(380px, calc(100vw - 32px)); block-size: min(600px, calc(100vh - 110px)); margin-block-end: 12px; background: var(--paper); border: 1px solid var(--line); border-radius: 14px; overflow: hidden; box-shadow: 0 6px 30px rgb(0 0 0 / 25%); }
    header { display: flex; align-items: center; gap: 8px; background: var(--colour); color: var(--on-colour); padding: 8px 12px; }
    header div { flex: 1; }
    header h2 { font-size: 16px; margin: 0; overflow-wrap: anywhere; }
    .here { font-size: 13px; }
    .seen { align-self: flex-end; font-size: 13px; color: var(--soft); }
    header button { background: none; color: inherit; border: 0; padding: 6px; min-inline-size: 36px; }
    header img { block-size: 28px; max-inline-size: 90px; object-fit: contain; }
    .log { flex: 1; overflow-y: auto; padding: 12px; display: flex; flex-direction: column; gap: 8px; overscroll-behavior: contain; }
    .message { max-inline-size: 85%; align-self: flex-start; background: var(--field); border-radius: 12px; padding: 8px 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
    .message.visitor { align-self: flex-end; background: var(--colour); color: var(--on-colour); }
    .message.waiting { opacity: .7; }
    .who, .small { display: block; font-size: 13px; color: var(--soft); }
    .visitor .who { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
    .visitor .small, .message.visitor a { color: inherit; }
    a { color: inherit; text-decoration: underline; overflow-wrap: anywhere; }
    .notice { align-self: center; text-align: center; color: var(--soft); font-size: 14px; max-inline-size: 90%; }
    .row { display: flex; gap: 8px; flex-wrap: wrap; align-items: center; }
    .below { padding: 0 12px; display: flex; flex-direction: column; gap: 8px; max-block-size: 45%; overflow-y: auto; }
    .below:not(:empty) { padding-block: 8px; border-block-start: 1px solid var(--line); }
    details { border: 1px solid var(--line); border-radius: 8px; padding: 6px 10px; }
    details p { margin: 6px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
    form.details { display: flex; flex-direction: column; gap: 6px; }
    label { font-size: 13px; color: var(--soft); display: block; }
    input, textarea { inline-size: 100%; border: 1px solid #7d8896; border-radius: 8px; background: var(--paper); padding: 8px 10px; }
    .message img { display: block; max-inline-size: 100%; max-block-size: 220px; border-radius: 8px; }
    .file { flex: 1; overflow-wrap: anywhere; }
    .composer { display: flex; gap: 8px; padding: 8px 12px 12px; border-block-start: 1px solid var(--line); align-items: flex-end; }
    .composer textarea { resize: none; max-block-size: 130px; field-sizing: content; min-block-size: 40px; }
    .composer button { padding: 8px; min-inline-size: 42px; block-size: 42px; display: grid; place-items: center; }
    [dir=rtl] .composer svg { transform: scaleX(-1); }
    @media (max-width: 480px) {
      .root.open { inset: 0 !important; }
      .root.open .launcher { display: none; }
      .panel { inline-size: 100%; block-size: 100%; margin: 0; border: 0; border-radius: 0; }
    }
    @media (prefers-color-scheme: dark) {
      .root { --paper: #1c2128; --ink: #e6eaf0; --soft: #a5b0bd; --line: #3a424d; --field: #2a313b; }
    }`;

  const ui = {};
  function build() {
    const words = look.texts;
    const host = el("div", { "data-draftdesk": "", lang: look.language });
    const shadow = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
    ui.badge = el("span", { class: "badge", hidden: true });
    ui.launcher = el("button", { class: "launcher", type: "button", "aria-haspopup": "dialog", "aria-expanded": "false", onclick: () => toggle(!isOpen) }, icon("chat"), ui.badge);
    ui.person = el("button", { type: "button", onclick: askForPerson }, words.ask_person);
    ui.log = el("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": words.title, tabindex: "0" });
    ui.status = el("div", { class: "small notice", role: "status" });
    ui.below = el("div", { class: "below" });
    ui.text = el("textarea", { rows: "1", placeholder: words.placeholder, "aria-label": words.placeholder, enterkeyhint: "send", oninput: typed, onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        submit();
      }
    }, onpaste: (event) => {
      if (event.clipboardData?.files.length) {
        event.preventDefault();
        attach(event.clipboardData.files);
      }
    } });
    ui.chooser = el("input", { type: "file", multiple: true, hidden: true, onchange: () => { attach(ui.chooser.files); ui.chooser.value = ""; } });
    ui.composer = el("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); submit(); } }, ui.chooser, el("button", { type: "button", "aria-label": words.attach, title: words.attach, onclick: () => ui.chooser.click() }, icon("clip")), ui.text, el("button", { class: "main", type: "submit", "aria-label": words.send }, icon("send")));
    const logo = look.logo_url ? el("img", { src: look.logo_url, alt: "", referrerpolicy: "no-referrer" }) : null;
    const closer = el("button", { type: "button", "aria-label": words.close, onclick: () => toggle(false) }, icon("close"));
    ui.here = el("span", { class: "here", hidden: true }, words.here);
    ui.panel = el("section", { class: "panel", role: "dialog", "aria-label": words.title, hidden: true, onkeydown: onKey, ondragover: dragged, ondrop: dragged }, el("header", {}, logo, el("div", {}, el("h2", {}, words.title), ui.here), closer), ui.log, ui.status, ui.below, ui.composer);
    ui.root = el("div", { class: `root at-${look.position}`, dir: words.direction, lang: look.language }, ui.panel, ui.launcher);
    ui.root.style.setProperty("--colour", look.colour);
    ui.root.style.setProperty("--on-colour", look.text_colour);
    ui.shadow = shadow;
    shadow.append(ui.root);
    document.body.append(host);
    ui.text.value = kept.get("text") ?? "";
  }

  function onKey(event) {
    event.stopPropagation();
    if (event.key === "Escape") toggle(false);
    if (event.key !== "Tab" || !matchMedia("(max-width: 480px)").matches) return;
    const stops = [...ui.panel.querySelectorAll("button, textarea, input, a, summary, [tabindex]")].filter((one) => one.offsetParent);
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    if (ui.shadow.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  }

  function toggle(open, takesFocus = true) {
    if (open === isOpen) return;
    isOpen = open;
    ui.panel.hidden = !open;
    ui.root.classList.toggle("open", open);
    ui.launcher.setAttribute("aria-expanded", String(open));
    kept.set("open", open || null);
    if (open) {
      ensureToken().then(render).catch(() => say(look.texts.reconnecting));
      render();
      ui.log.scrollTop = ui.log.scrollHeight;
      if (takesFocus) (ui.composer.hidden ? ui.below.querySelector("input") : ui.text)?.focus();
    } else {
      render();
      ui.launcher.focus();
    }
  }

  /* Writing ----------------------------------------------------------------------------------------------- */
  function submit() {
    if (uploads.some((one) => one.state === "going")) {
      say(look.texts.file_waits);
      return;
    }
    const sent = uploads.filter((one) => one.state === "ready");
    const body = ui.text.value.trim() || sent.map((one) => one.name).join("\n");
    if (!body) return;
    if (body.length > look.longest_message) {
      say(look.texts.too_long);
      return;
    }
    outbox.put({ id: uuid(), body, at: Date.now(), person: wantsPerson, files: sent.map((one) => one.id) });
    uploads = [];
    wantsPerson = false;
    ui.text.value = "";
    kept.set("text", null);
    suggestions = [];
    say("");
    render();
    ui.log.scrollTop = ui.log.scrollHeight;
    flush();
  }

  /* Files: announced, put where the desk says, looked at by the desk, and only then part of what is sent. */
  let uploads = [];
  function attach(chosen) {
    for (const file of [...chosen].slice(0, look.most_files - uploads.length)) upload(file);
    ui.text.focus();
  }
  async function upload(file) {
    const words = look.texts;
    const item = { key: uuid(), name: file.name, state: "going", bar: el("progress", { max: 1, value: 0, "aria-label": file.name }) };
    uploads.push(item);
    render();
    try {
      if (file.size > look.largest_file) throw Object.assign(new Error(), { status: 413 });
      await ensureToken();
      const given = await call("POST", "/attachments", { name: file.name, type: file.type, size: file.size });
      item.id = given.id;
      await put(given, file, item.bar);
      item.state = (await call("POST", `/attachments/${given.id}/complete`)).state;
    } catch (error) {
      item.state = "refused";
      item.why = error.status === 413 ? words.file_too_large.replace("{size}", Math.floor(look.largest_file / 1e6)) : error.status === 429 ? words.too_many : error.status ? words.file_refused : words.reconnecting;
    }
    if (!uploads.includes(item)) return;
    say(`${item.name}: ${item.state === "ready" ? words.file_ready : (item.why ??= words.file_refused)}`);
    render();
  }
  const put = (given, file, bar) => new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PUT", given.url);
    request.setRequestHeader("Content-Type", given.headers["Content-Type"]);
    request.upload.onprogress = (event) => { bar.value = event.loaded / event.total; };
    request.onload = () => (request.status < 300 ? done() : fail(request));
    request.onerror = () => fail(new Error());
    request.send(file);
  });
  function detach(item) {
    uploads = uploads.filter((one) => one !== item);
    if (item.id) call("POST", `/attachments/${item.id}/withdraw`).catch(() => {});
    say("");
    render();
    ui.text.focus();
  }
  function dragged(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (event.type === "drop" && !ui.composer.hidden) attach(event.dataTransfer.files);
  }
  const uploadLine = (item) => el("div", { class: "row" }, el("span", { class: "file small" }, item.name, item.why && `: ${item.why}`), item.state === "going" && item.bar,
    el("button", { type: "button", "aria-label": `${look.texts.detach}: ${item.name}`, onclick: () => detach(item) }, look.texts.detach));
  function fileLine(file) {
    const address = async () => (await call("GET", `/attachments/${file.id}`)).url;
    const inside = file.is_picture && el("img", { alt: "", referrerpolicy: "no-referrer" });
    if (inside) address().then((url) => { inside.src = url; }).catch(() => {});
    return el("a", { href: "#", onclick: async (event) => {
      event.preventDefault();
      address().then((url) => el("a", { href: url, rel: "noopener noreferrer", download: file.name }).click()).catch(() => say(look.texts.reconnecting));
    } }, inside, `${file.name} (${Math.ceil(file.size / 1000)} KB)`);
  }

  let toldTyping = 0;
  let asking = 0;
  function typed() {
    const text = ui.text.value;
    kept.set("text", text || null);
    if (conversation && text && Date.now() - toldTyping > 3000) {
      toldTyping = Date.now();
      call("POST", `/conversations/${conversation}/typing`).catch(() => {});
    }
    clearTimeout(asking);
    if (look.suggest_faqs && !state?.with_person) asking = setTimeout(suggest, 400);
  }
  async function suggest() {
    const text = ui.text.value.trim();
    if (text.length < 4) suggestions = [];
    else {
      try {
        await ensureToken();
        const found = await call("GET", `/suggestions?q=${encodeURIComponent(text.slice(0, 200))}`);
        if (ui.text.value.trim() === text) suggestions = found.suggestions;
      } catch {
        suggestions = [];
      }
    }
    render();
  }

  async function askForPerson() {
    if (!conversation) {
      wantsPerson = true;
      say(look.texts.ask_person_hint);
      ui.text.focus();
      return;
    }
    try {
      await call("POST", `/conversations/${conversation}/person`);
    } catch {
      say(look.texts.reconnecting);
    }
  }

  let isTyping = 0;
  function typing() {
    clearTimeout(isTyping);
    isTyping = setTimeout(() => { isTyping = 0; render(); }, 6000);
  }
  function quiet() {
    clearTimeout(isTyping);
    isTyping = 0;
  }
  function say(words) {
    if (ui.status && ui.status.textContent !== words) ui.status.textContent = words;
  }

  /* Showing ----------------------------------------------------------------------------------------------- */
  /* Nodes are kept by key, so that a screen reader hears only what is new and a selection survives. */
  function arrange(parent, wanted) {
    const known = new Map([...parent.children].map((one) => [one.dataset.key, one]));
    let at = parent.firstElementChild;
    for (const [name, make] of wanted) {
      let node = known.get(name);
      if (!node) {
        node = make();
        node.dataset.key = name;
      }
      known.delete(name);
      if (node === at) at = at.nextElementSibling;
      else parent.insertBefore(node, at);
    }
    for (const node of known.values()) node.remove();
  }

  function render() {
    if (!ui.root) return;
    const near = ui.log.scrollHeight - ui.log.scrollTop - ui.log.clientHeight < 80;
    const shown = [...messages.values()].sort((a, b) => a.seq - b.seq);
    arrange(ui.log, logLines(shown));
    if (partial) ui.log.querySelector(`[data-key="p${partial.id}"] div`).textContent = partial.text;
    arrange(ui.below, belowLines(shown));
    ui.composer.hidden = look.form_required && !conversation && !kept.get("said") && (look.ask_name || look.ask_email);
    ui.here.hidden = !state?.is_person_here;
    /* Read out once, when the answer is whole. */
    ui.log.ariaBusy = String(Boolean(partial));
    if (near) ui.log.scrollTop = ui.log.scrollHeight;
    const readSeq = Math.max(state?.read_seq ?? 0, isLooking() ? lastSeq() : 0);
    const unread = shown.filter((one) => one.from !== "visitor" && one.seq > readSeq).length;
    ui.badge.hidden = unread === 0;
    ui.badge.textContent = String(unread);
    ui.launcher.setAttribute("aria-label", (isOpen ? look.texts.close : look.texts.open) + (unread ? `, ${look.texts.new_messages}: ${unread}` : ""));
    if (state && isLooking() && lastSeq() > state.read_seq) markRead(lastSeq());
  }
  const isLooking = () => isOpen && !document.hidden;
  let marked = "";
  function markRead(seq) {
    if (marked === `${conversation}:${seq}`) return;
    marked = `${conversation}:${seq}`;
    call("POST", `/conversations/${conversation}/read`, { seq }).catch(() => { marked = ""; });
  }

  function logLines(shown) {
    const words = look.texts;
    const lines = [["greeting", () => el("div", { class: "message" }, words.greeting)]];
    if (hasEarlier) lines.push(["earlier", () => el("button", { type: "button", onclick: () => loadPage(shown[0].seq).catch(() => say(words.reconnecting)) }, words.earlier)]);
    const told = new Set(state?.handed_over_after ?? []);
    const asked = new Set(state?.details_asked_after ?? []);
    const mine = shown.findLast((one) => one.from === "visitor");
    for (const one of shown) {
      lines.push([`m${one.client_message_id ?? one.id}`, () => messageLine(one)]);
      if (one === mine && state?.seen_seq >= one.seq && one === shown.at(-1)) lines.push([`v${one.seq}`, () => el("div", { class: "seen", "aria-live": "off" }, words.seen)]);
      if (asked.has(one.seq)) lines.push([`d${one.seq}`, () => el("div", { class: "message" }, words.details)]);
      if (told.has(one.seq)) lines.push([`n${one.seq}`, () => el("div", { class: "notice" }, state.is_away ? words.handed_over_away : words.handed_over)]);
    }
    const arrivedIds = new Set(shown.map((one) => one.client_message_id));
    for (const item of outbox.all()) if (!arrivedIds.has(item.id)) lines.push([`o${item.id}:${item.refused ?? ""}`, () => pendingLine(item)]);
    if (partial) lines.push([`p${partial.id}`, () => el("div", { class: "message machine" }, el("span", { class: "who" }, words.automatic), el("div"))]);
    else if (isTyping) lines.push(["typing", () => el("div", { class: "small" }, words.typing)]);
    else if (state?.is_waiting) lines.push(["looking", () => el("div", { class: "small" }, words.looking)]);
    if (state?.status === "closed") lines.push(["closed", () => el("div", { class: "notice" }, words.closed)]);
    return lines;
  }
  function messageLine(one) {
    const words = look.texts;
    const who = one.from === "visitor" ? words.you : one.from === "machine" ? words.automatic : one.name || words.team;
    const sources = one.sources.length > 0 && el("span", { class: "small" }, `${words.sources}: `, ...one.sources.flatMap((each, at) => [at ? ", " : "", link(each.url, each.title)]));
    return el("div", { class: `message ${one.from}`, "data-seq": one.seq }, el("span", { class: "who" }, who), el("div", {}, ...linked(one.body)), ...(one.files ?? []).map(fileLine), sources);
  }
  function pendingLine(item) {
    const words = look.texts;
    const why = item.refused === 413 ? words.too_long : item.refused ? words.not_sent : words.waiting;
    const choices = item.refused && el("span", { class: "row" },
      el("button", { type: "button", onclick: () => { outbox.put({ ...item, refused: undefined }); render(); flush(); } }, words.retry),
      el("button", { type: "button", onclick: () => { outbox.drop(item.id); ui.text.value ||= item.body; render(); } }, words.discard));
    return el("div", { class: "message visitor waiting" }, el("span", { class: "who" }, words.you), el("div", {}, item.body), el("span", { class: "small" }, why), choices);
  }

  function belowLines(shown) {
    const words = look.texts;
    const lines = uploads.map((item) => [`f${item.key}${item.state}`, () => uploadLine(item)]);
    if (suggestions.length) {
      lines.push(["found", () => el("span", { class: "small" }, words.suggestions)]);
      for (const one of suggestions) lines.push([`s${one.id}`, () => el("details", {}, el("summary", {}, one.question), el("p", {}, ...linked(one.answer)))]);
    }
    const asksFirst = !conversation && !outbox.all().length && !kept.get("said") && (look.ask_name || look.ask_email);
    if (asksFirst) lines.push(["form", () => particulars(words.form, look.ask_name, look.ask_email, words.start, async (said) => { kept.set("said", said); render(); ui.text.focus(); })]);
    else if (state?.is_away && !state.has_email) lines.push(["away", () => particulars(words.away_form, false, true, words.save, async (said) => {
      await call("POST", `/conversations/${conversation}/contact`, { email: said.email });
      say(words.away_thanks);
    })]);
    const last = shown.at(-1);
    if (state && state.rating === null && last?.from === "machine") lines.push([`r${last.seq}`, () => el("div", { class: "row" }, el("span", { class: "small" }, words.rate), ...[[words.rate_yes, 5], [words.rate_no, 1]].map(([answer, rating]) => el("button", { type: "button", onclick: () => rate(rating) }, answer)))]);
    if (!state?.with_person && !asksFirst) lines.push(["person", () => el("div", { class: "row" }, ui.person)]);
    return lines;
  }
  async function rate(rating) {
    try {
      await call("POST", `/conversations/${conversation}/rating`, { rating });
      if (state) state.rating = rating;
      say(look.texts.rate_thanks);
      render();
      ui.text.focus();
    } catch {
      say(look.texts.reconnecting);
    }
  }
  function particulars(title, name, email, button, then) {
    const words = look.texts;
    const field = (label, id, type) => el("label", {}, label, el("input", { name: id, type, required: look.form_required || !name, autocomplete: id, maxlength: "200" }));
    return el("form", { class: "details", onsubmit: async (event) => {
      event.preventDefault();
      try {
        await then(Object.fromEntries(new FormData(event.target)));
      } catch (error) {
        say(error.status === 400 ? words.email_wrong : error.status ? words.not_sent : words.reconnecting);
      }
    } }, el("span", {}, title), name && field(words.name, "name", "text"), email && field(words.email, "email", "email"), el("button", { class: "main", type: "submit" }, button));
  }

  /* Life -------------------------------------------------------------------------------------------------- */
  async function start() {
    const language = script.dataset.language || document.documentElement.lang || navigator.language || "";
    for (let tries = 0; !look; tries += 1) {
      try {
        look = await call("GET", `/configuration?language=${encodeURIComponent(language.slice(0, 20))}`, null, { nobody: true });
      } catch (error) {
        const isFinal = error.status && error.status < 500 && error.status !== 429;
        /* A page that is not on the list may not even read the refusal: to it, it looks like a line that is down. */
        if (isFinal || tries === 3) console.warn("Draftdesk: the widget cannot be loaded. Is this page's origin on the widget's list, and is the widget switched on?");
        if (isFinal) return;
        await pause(error.wait || jitter(tries) * (tries > 6 ? 10 : 1));
      }
    }
    build();
    await resume();
    render();
    if (kept.get("token") || identity) ensureToken().catch(() => {});
    stream.restart();
    flush();
    if (kept.get("open")) toggle(true, false);
    document.addEventListener("visibilitychange", () => {
      clearTimeout(falling);
      if (document.hidden) falling = setTimeout(() => { asleep = true; stream.restart(); }, HIDDEN);
      else {
        if (asleep) { asleep = false; stream.restart(); }
        render();
      }
    });
    window.addEventListener("online", () => { stream.restart(); flush(); });
    window.addEventListener("storage", (event) => {
      if (event.key === `${prefix}conversation`) follow(kept.get("conversation"));
      else if (event.key?.startsWith(`${prefix}out:`)) render();
    });
    document.dispatchEvent(new CustomEvent("draftdesk:ready"));
  }

  window.DraftdeskWidget = Object.freeze({
    open: () => look && toggle(true),
    close: () => look && toggle(false),
    /* {token}, or {user_id, signature}, with name and email as it likes: both are made by the page's own server. */
    async identify(known) {
      identity = named(known);
      await beginning?.catch(() => {});
      await ensureToken();
    },
    logout() {
      identity = null;
      if (kept.get("token")) call("POST", "/logout").catch(() => {});
      for (const name of kept.names()) kept.set(name, null);
      suggestions = [];
      follow(null);
    },
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
