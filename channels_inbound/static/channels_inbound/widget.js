// The chat widget. One script tag starts it:
//
//   <script src="https://…/static/channels_inbound/widget.js" data-agent="agt_…" async></script>
//
// Everything it draws is in a shadow root, all text is set as text, and nothing needs inline code or styles, so that it
// runs under a strict content security policy. There are no cookies: a token in localStorage is the whole session.
(() => {
  "use strict";

  const script = document.currentScript || document.querySelector("script[data-agent][src*='channels_inbound/widget.js']");
  const agent = script && script.dataset.agent;
  if (!agent || window.chatzuri) return;

  const ROOT = new URL(`../../api/v1/agents/${encodeURIComponent(agent)}/chat/website/`, script.src).href;
  const MOST_TEXT = 4000;
  const GIVE_UP_AFTER = 10 * 60 * 1000; // a turn whose reply did not come by then
  const WORDS = {
    close: "Close chat",
    message: "Your message",
    placeholder: "Write a message…",
    send: "Send",
    you: "You:",
    they: "Reply:",
    typing: "A reply is being written.",
    unread: "new message",
    sending: "Sending…",
    retry: "Try again",
    notSent: "Not sent: we could not be reached.",
    offline: "You are offline. What you write can be sent once you are connected again.",
    noReply: "No reply came so far. It will appear here when it does.",
    good: "Good reply",
    bad: "Bad reply",
    notRated: "Your rating was not saved. Please try again.",
    log: "Conversation",
  };
  const ICONS = {
    chat: "M4 4h16a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H9l-5 4V5a1 1 0 0 1 1-1z",
    close: "M6 6l12 12M18 6L6 18",
    send: "M4 12l16-8-6 16-3-6z",
    thumb: "M7 10.500v9H4a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zm0 0l3.800-7.200c1.700 0 2.700 1.300 2.400 2.900L12.600 9.500h5.900a2 2 0 0 1 2 2.400l-1.200 6a2 2 0 0 1-2 1.600H7",
  };

  // --- small things --------------------------------------------------------------------------------------------------

  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "onclick") made.addEventListener("click", value);
      else if (value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  };

  const icon = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
  };

  // Letters that no one can guess; randomUUID is missing on pages without https.
  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, "0")).join("");

  // Text as nodes, with addresses as links. What ends a sentence does not belong to the address before it.
  const linked = (text) =>
    text.split(/(https?:\/\/[^\s<>"]*[^\s<>"'.,;:!?)\]}])/i).map((part, n) => {
      if (n % 2 === 0) return part;
      return element("a", { href: part, target: "_blank", rel: "noopener noreferrer nofollow" }, part);
    });

  // Black or white, whichever is easier to read on this colour (WCAG relative luminance).
  const readableOn = (colour) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const part = parseInt(colour.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? "#ffffff" : "#000000";
  };

  // --- what is remembered --------------------------------------------------------------------------------------------

  const { userId = "", userName = "", userEmail = "", userHash = "" } = script.dataset;
  let visitor = { user_id: userId, name: userName, email: userEmail, hash: userHash };
  let life = 0; // grows when another visitor takes over, so that what is still under way for the last one stops

  // Another person in the same browser has a chat of their own. Where storage is closed to us the page remembers.
  const memory = {};
  const storeKey = () => `chatzuri:${agent}:${visitor.user_id || ""}`;
  const recall = () => {
    try {
      return JSON.parse(localStorage.getItem(storeKey())) || {};
    } catch {
      return memory[storeKey()] || {};
    }
  };
  const remember = (facts) => {
    const whole = { ...recall(), ...facts };
    memory[storeKey()] = whole;
    try {
      localStorage.setItem(storeKey(), JSON.stringify(whole));
    } catch {
      // Private windows and full disks: the chat lasts as long as the page.
    }
  };
  const forgetStored = () => {
    delete memory[storeKey()];
    try {
      localStorage.removeItem(storeKey());
    } catch {
      // It was never stored then.
    }
  };

  // --- asking the server ---------------------------------------------------------------------------------------------

  class Refused extends Error {
    constructor(status, detail, wait) {
      super(detail);
      this.status = status;
      this.wait = wait;
    }
  }

  const call = async (path, { body, signal } = {}) => {
    const options = { headers: {}, signal, credentials: "omit", referrerPolicy: "origin", cache: "no-store" };
    if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    if (path === "session") {
      // As plain text browsers send it without asking first, which also lets us read why it was refused.
      options.headers["Content-Type"] = "text/plain";
    } else {
      options.headers.Authorization = `Bearer ${recall().token}`;
      if (body) options.headers["Content-Type"] = "application/json";
    }
    const answer = await fetch(ROOT + path, options);
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, problem.detail || "", Number(answer.headers.get("Retry-After")) || 0);
  };

  const newSession = async () => {
    const given = await (await call("session", { body: { token: recall().token || "", visitor } })).json();
    if (given.identity_problem) console.warn(`Chatzuri: ${given.identity_problem}`);
    if (given.session !== recall().session) {
      const { waiting } = recall();
      forgetStored();
      remember({ waiting });
    }
    remember({ token: given.token, session: given.session });
    return given;
  };

  async function* events(answer, mine) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const pieces = (rest + value).split("\n\n");
      rest = pieces.pop();
      for (const piece of pieces) {
        if (mine !== life) return void reader.cancel();
        if (piece.startsWith("data: ")) yield JSON.parse(piece.slice(6));
      }
    }
  }

  // --- drawing -------------------------------------------------------------------------------------------------------

  const CSS = `
:host{all:initial}
*{box-sizing:border-box}
[hidden]{display:none!important}
.all{--back:#fff;--text:#16202b;--soft:#54616f;--line:#d6dce2;--theirs:#eef2f5;--bad:#b3261e;
 font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;color:var(--text);
 position:fixed;z-index:2147483000;bottom:20px;right:20px}
.all.left{right:auto;left:20px}
button,textarea{font:inherit;color:inherit;margin:0}
button{cursor:pointer;border:0;background:none;padding:0}
svg{width:24px;height:24px;display:block;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
:focus-visible{outline:2px solid var(--text);outline-offset:2px}
.open{width:56px;height:56px;border-radius:50%;background:var(--accent);color:var(--on);display:grid;place-items:center;
 margin-left:auto;position:relative;box-shadow:0 0 0 1px #0000001f,0 4px 14px #0000003d;transition:transform .15s}
.left .open{margin-left:0}
.open svg:nth-child(2),.is-open .open svg:first-child{display:none}
.is-open .open svg:nth-child(2){display:block}
.open:hover{transform:scale(1.05)}
.open:focus-visible{outline:3px solid #fff;outline-offset:0;box-shadow:0 0 0 6px #16202b}
.dot{position:absolute;top:1px;right:1px;width:15px;height:15px;border-radius:50%;background:#d92d20;border:2px solid #fff}
.panel{position:absolute;bottom:70px;right:0;width:380px;height:min(600px,calc(100vh - 110px));display:flex;flex-direction:column;
 background:var(--back);border:1px solid var(--line);border-radius:14px;overflow:hidden;box-shadow:0 12px 40px #00000040;
 animation:rise .16s ease-out}
.left .panel{right:auto;left:0}
header{display:flex;align-items:center;gap:8px;padding:12px 12px 12px 18px;background:var(--accent);color:var(--on)}
h2{font:600 16px/1.3 inherit;font-family:inherit;font-size:16px;font-weight:600;margin:0;flex:1;min-width:0;overflow-wrap:anywhere}
header button{width:36px;height:36px;display:grid;place-items:center;border-radius:8px}
header button:hover{background:#7f7f7f40}
header :focus-visible{outline-color:var(--on);outline-offset:-2px}
.log{flex:1;overflow-y:auto;overscroll-behavior:contain;padding:16px 16px 8px;display:flex;flex-direction:column;gap:10px}
.log:focus-visible{outline-offset:-3px}
.row{display:flex;flex-direction:column;align-items:flex-start;max-width:86%}
.row.customer{align-self:flex-end;align-items:flex-end}
.row.system{align-self:center;align-items:center}
.said{padding:9px 13px;border-radius:14px;background:var(--theirs);white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid transparent;max-width:100%}
.agent .said{border-bottom-left-radius:4px}
.customer .said{background:var(--accent);color:var(--on);border-bottom-right-radius:4px}
.system .said{background:none;color:var(--soft);font-size:13px;text-align:center;padding:2px 8px}
.said a{color:inherit;text-decoration:underline}
.foot{display:flex;align-items:center;gap:4px;font-size:12px;color:var(--soft);min-height:20px;margin-top:3px;padding:0 4px}
.failed .foot{color:var(--bad)}
.foot .retry{color:inherit;font-weight:600;text-decoration:underline;padding:3px 4px;border-radius:4px}
.foot .retry:disabled{opacity:.6;cursor:default}
.rate{width:26px;height:26px;display:grid;place-items:center;border-radius:6px;color:var(--soft)}
.rate svg{width:16px;height:16px}
.rate.down svg{transform:rotate(180deg)}
.rate:hover{background:var(--theirs);color:var(--text)}
.rate[aria-pressed=true]{color:var(--text)}
.rate[aria-pressed=true] svg{fill:currentColor}
.dots{display:flex;gap:4px;padding:5px 2px}
.dots i{width:7px;height:7px;border-radius:50%;background:var(--soft);animation:blink 1.2s infinite both}
.dots i:nth-child(2){animation-delay:.2s}
.dots i:nth-child(3){animation-delay:.4s}
.note{margin:0;padding:8px 16px;font-size:13px;color:var(--soft);border-top:1px solid var(--line)}
.note:empty{display:none}
form{display:flex;align-items:flex-end;gap:8px;padding:10px 12px;border-top:1px solid var(--line)}
textarea{flex:1;min-width:0;resize:none;border:1px solid #7b8794;border-radius:10px;background:var(--back);padding:8px 11px;height:40px;max-height:130px;line-height:22px}
textarea::placeholder{color:var(--soft);opacity:1}
textarea:focus{outline:2px solid var(--text);outline-offset:-1px}
.send{flex:none;width:40px;height:40px;border-radius:10px;background:var(--accent);color:var(--on);display:grid;place-items:center;border:1px solid var(--edge)}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@keyframes rise{from{opacity:0;transform:translateY(10px)}}
@keyframes blink{0%,80%,100%{opacity:.25}40%{opacity:1}}
@media (prefers-color-scheme:dark){
.all{--back:#161d26;--text:#eef2f6;--soft:#a7b4c2;--line:#323d4a;--theirs:#27323e;--bad:#ffb4ab;color-scheme:dark}}
@media (max-width:480px){
.panel,.left .panel{position:fixed;inset:0;width:auto;height:100%;height:100dvh;border:0;border-radius:0}
.is-open .open{display:none}
header{padding-top:max(12px,env(safe-area-inset-top))}
form{padding-bottom:max(10px,env(safe-area-inset-bottom))}
textarea{font-size:16px}}
@media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}.dots i{opacity:.7}}
@media print{.all{display:none}}`;

  const page = {}; // the elements, once they are drawn
  let settings = {};

  const draw = (look) => {
    settings = look;
    if (!page.host) build();
    page.host.style.setProperty("--accent", look.colour);
    page.host.style.setProperty("--on", readableOn(look.colour));
    page.host.style.setProperty("--edge", readableOn(look.colour) === "#000000" ? "#7b8794" : "transparent");
    page.all.classList.toggle("left", look.position === "left");
    page.title.textContent = look.title;
    page.panel.setAttribute("aria-label", look.title);
    tellUnread(!page.dot.hidden);
  };

  const build = () => {
    page.host = element("div", { "data-chatzuri": "" });
    const root = page.host.attachShadow({ mode: "open" });
    style(root);
    page.dot = element("span", { class: "dot", hidden: true });
    page.open = element("button", { class: "open", type: "button", "aria-haspopup": "dialog", onclick: toggle });
    page.open.append(icon("chat"), icon("close"), page.dot);
    page.title = element("h2");
    page.close = element("button", { type: "button", "aria-label": WORDS.close, onclick: close }, icon("close"));
    page.log = element("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": WORDS.log, tabindex: "0" });
    page.note = element("p", { class: "note", role: "status" });
    page.text = element("textarea", {
      rows: "1", maxlength: MOST_TEXT, placeholder: WORDS.placeholder, "aria-label": WORDS.message, enterkeyhint: "send",
    });
    page.form = element("form", {}, page.text, element("button", { class: "send", "aria-label": WORDS.send }, icon("send")));
    page.panel = element("section", { class: "panel", role: "dialog", hidden: true });
    page.panel.append(element("header", {}, page.title, page.close), page.log, page.note, page.form);
    page.all = element("div", { class: "all" }, page.panel, page.open);
    root.append(page.all);
    listen();
    document.body.append(page.host);
  };

  const style = (root) => {
    try {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
      root.adoptedStyleSheets = [sheet];
    } catch {
      root.append(element("style", {}, CSS)); // browsers before 2023; a policy without inline styles stops this one
    }
  };

  const isNarrow = () => matchMedia("(max-width: 480px)").matches;
  const isOpen = () => Boolean(page.panel) && !page.panel.hidden;
  const isAtEnd = () => page.log.scrollHeight - page.log.scrollTop - page.log.clientHeight < 80;
  const toEnd = () => (page.log.scrollTop = page.log.scrollHeight);
  const note = (text) => (page.note.textContent = text);

  const tellUnread = (isNew) => {
    page.dot.hidden = !isNew;
    page.open.setAttribute("aria-label", isNew ? `${settings.title}, ${WORDS.unread}` : settings.title);
    page.open.setAttribute("aria-expanded", String(isOpen()));
  };

  const timeOf = (moment) => {
    const at = new Date(moment);
    const isToday = at.toDateString() === new Date().toDateString();
    const shown = isToday ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" };
    return element("time", { datetime: at.toISOString() }, at.toLocaleString([], shown));
  };

  const row = (role, ...content) => {
    const said = element("div", { class: "said" }, ...content);
    const made = element("div", { class: `row ${role}` });
    if (role !== "system") made.append(element("span", { class: "unseen" }, role === "customer" ? WORDS.you : WORDS.they));
    made.append(said);
    return { made, said };
  };

  const add = (made) => {
    const follow = isAtEnd();
    page.log.append(made);
    if (follow) toEnd();
  };

  const foot = (made, ...content) => {
    made.querySelector(".foot")?.remove();
    if (content.length) made.append(element("div", { class: "foot" }, ...content));
  };

  const rating = (message) => {
    const buttons = [["up", WORDS.good], ["down", WORDS.bad]].map(([name, label]) => {
      const pressed = String(message.rating === name);
      return element("button", { type: "button", class: `rate ${name}`, "aria-label": label, title: label, "aria-pressed": pressed,
        onclick: () => rate(message, name, buttons) }, icon("thumb"));
    });
    return buttons;
  };

  // --- what was said -------------------------------------------------------------------------------------------------

  const shown = new Map(); // rows by message id
  const own = new Map(); // rows of this visitor by client id
  let lastId = "";

  const show = (message, into = null) => {
    if (message.id > lastId) lastId = message.id;
    if (shown.has(message.id)) return into?.remove();
    const mine = message.client_id && own.get(message.client_id);
    if (mine) {
      arrived(mine, message.client_id);
      shown.set(message.id, mine);
      return foot(mine, timeOf(message.at));
    }
    const { made } = row(message.role, ...linked(message.text));
    if (message.role === "agent") foot(made, timeOf(message.at), ...rating(message));
    else if (message.role === "customer") foot(made, timeOf(message.at));
    shown.set(message.id, made);
    if (into) {
      const follow = isAtEnd();
      into.replaceWith(made);
      if (follow) toEnd();
    } else add(made);
    if (message.role !== "customer") noticed();
  };

  // Whoever has the panel open has seen it; for everybody else there is a dot.
  const noticed = () => {
    if (isOpen() && document.visibilityState === "visible") remember({ seen: lastId });
    else if (lastId > (recall().seen || "")) tellUnread(!isOpen());
  };

  const clear = (greeting) => {
    shown.clear();
    own.clear();
    following.clear();
    lastId = "";
    page.log.replaceChildren();
    note("");
    if (greeting) add(row("agent", ...linked(greeting)).made);
    for (const entry of recall().waiting || []) failed(mineOf(entry), entry, WORDS.notSent);
  };

  // Everything that is new, and whatever is still to be answered.
  const refresh = async () => {
    const mine = life;
    const answer = await (await call(`messages?after=${encodeURIComponent(lastId)}`)).json();
    if (mine !== life) return [];
    answer.messages.forEach((message) => show(message));
    return answer.turns;
  };

  const catchUp = async () => {
    try {
      (await refresh()).forEach(follow);
    } catch (failure) {
      if (failure.status === 401) await begin();
    }
  };

  // --- saying something ----------------------------------------------------------------------------------------------

  const mineOf = (entry) => {
    const { made } = row("customer", ...linked(entry.text));
    own.set(entry.client_id, made);
    add(made);
    return made;
  };

  const say = (text) => {
    const entry = { client_id: newId(), text };
    // Kept before it is sent: should the page go away meanwhile, the message is there, with a button.
    remember({ waiting: [...(recall().waiting || []), entry] });
    const made = mineOf(entry);
    toEnd();
    return deliver(entry, made);
  };

  const arrived = (made, clientId) => {
    made.classList.remove("failed");
    remember({ used: true, waiting: (recall().waiting || []).filter((each) => each.client_id !== clientId) });
  };

  // Sent again under the same client id it is still one message, also if the first one did arrive.
  const deliver = async (entry, made, isSecond = false) => {
    const mine = life;
    made.classList.remove("failed");
    foot(made, WORDS.sending);
    try {
      const body = { ...entry, page: location.origin === "null" ? "" : location.origin + location.pathname };
      const taken = await (await call("messages", { body })).json();
      if (mine !== life) return;
      arrived(made, entry.client_id);
      shown.set(taken.message_id, made);
      if (taken.message_id > lastId) lastId = taken.message_id;
      foot(made, timeOf(Date.now()));
      note("");
      follow(taken.turn_id);
    } catch (failure) {
      if (mine !== life) return;
      if (failure.status === 401 && !isSecond && (await renewed())) return deliver(entry, made, true);
      failed(made, entry, await reasonOf(failure), failure.wait);
    }
  };

  const renewed = () => newSession().then(() => true, () => false);

  // A channel that was switched off meanwhile looks like a broken line: only the session's answer tells.
  const reasonOf = async (failure) => {
    if (failure.status) return failure.message || WORDS.notSent;
    if (!navigator.onLine) return WORDS.offline;
    try {
      await newSession();
    } catch (refusal) {
      if (refusal.status === 404 || refusal.status === 403) return settings.offline_text;
    }
    return WORDS.notSent;
  };

  const failed = (made, entry, reason, wait = 0) => {
    made.classList.add("failed");
    const retry = element("button", { type: "button", class: "retry", disabled: wait > 0, onclick: () => {
      page.text.focus();
      deliver(entry, made);
    } }, WORDS.retry);
    if (wait > 0) setTimeout(() => (retry.disabled = false), wait * 1000);
    foot(made, reason, retry);
    if (isAtEnd()) toEnd();
  };

  // --- the reply, while it is written --------------------------------------------------------------------------------

  const following = new Map();

  const follow = (turn) => {
    if (following.has(turn)) return;
    const before = [...following.values()].pop() || Promise.resolve();
    // One after the other, as the agent answers them.
    following.set(turn, before.then(() => listenTo(turn)).catch(() => {}).finally(() => following.delete(turn)));
  };

  const listenTo = async (turn) => {
    const mine = life;
    const { made, said } = row("agent", element("span", { class: "dots" }, element("i"), element("i"), element("i")));
    const label = element("span", { class: "unseen" }, WORDS.typing);
    said.append(label);
    page.log.setAttribute("aria-busy", "true"); // read aloud when it is complete, not word by word
    add(made);
    try {
      for (let wait = 1000, until = Date.now() + GIVE_UP_AFTER; mine === life; wait = Math.min(wait * 2, 15000)) {
        if (await heard(turn, made, said, mine)) return;
        await pause(wait);
        if (mine !== life || !(await isUnanswered(turn))) return;
        if (Date.now() > until) return note(WORDS.noReply);
      }
    } finally {
      made.remove();
      page.log.removeAttribute("aria-busy");
    }
  };

  // Whether the whole reply came through this stream.
  const heard = async (turn, made, said, mine) => {
    let text = "";
    try {
      for await (const event of events(await call(`stream?turn=${turn}`), mine)) {
        if (event.type === "text") {
          const follow = isAtEnd();
          text += event.delta;
          said.replaceChildren(text);
          if (follow) toEnd();
        } else if (event.type === "done") {
          if (event.message) show(event.message, made);
          return true;
        }
      }
    } catch {
      // The line broke or the server is away. The reply is kept there, and the history will tell.
    }
    return false;
  };

  const isUnanswered = async (turn) => {
    try {
      return (await refresh()).includes(turn);
    } catch (failure) {
      return failure.status !== 401; // a session that is over has nothing to wait for
    }
  };

  const rate = async (message, name, buttons) => {
    const press = (which) => buttons.forEach((each, n) => each.setAttribute("aria-pressed", String(which === ["up", "down"][n])));
    press(name);
    try {
      await call(`messages/${message.id}/feedback`, { body: { rating: name } });
      message.rating = name;
      note("");
    } catch (failure) {
      press(message.rating);
      note(failure.status === 429 ? failure.message : WORDS.notRated);
    }
  };

  // --- opening and closing -------------------------------------------------------------------------------------------

  const open = () => {
    if (!page.panel || isOpen()) return;
    page.panel.hidden = false;
    page.all.classList.add("is-open");
    // On a narrow screen it covers the page, so nothing behind it may be reached.
    page.panel.setAttribute("aria-modal", String(isNarrow()));
    tellUnread(false);
    toEnd();
    (page.form.hidden ? page.close : page.text).focus();
    if (lastId) remember({ seen: lastId });
    if (page.form.hidden) begin();
  };

  const close = () => {
    if (!isOpen()) return;
    page.panel.hidden = true;
    page.all.classList.remove("is-open");
    tellUnread(false);
    page.open.focus();
  };

  const toggle = () => (isOpen() ? close() : open());

  // The first and the last thing that Tab reaches in the panel; round and round while it covers the page.
  const keepInside = (event) => {
    const reachable = [...page.panel.querySelectorAll("button:not(:disabled),textarea,a,[tabindex='0']")].filter(
      (each) => each.offsetParent,
    );
    const [first, last] = [reachable[0], reachable[reachable.length - 1]];
    const current = page.host.shadowRoot.activeElement;
    if (current !== (event.shiftKey ? first : last)) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  };

  // As high as what is written in it, up to the most that the style allows.
  const fit = () => {
    const follow = isAtEnd();
    page.text.style.setProperty("height", "auto");
    page.text.style.setProperty("height", `${page.text.scrollHeight + 2}px`);
    if (follow) toEnd();
  };

  const listen = () => {
    page.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = page.text.value.trim();
      page.text.focus();
      if (!text) return;
      page.text.value = "";
      fit();
      say(text);
    });
    page.text.addEventListener("input", fit);
    page.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      page.form.requestSubmit();
    });
    page.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        close();
      }
      if (event.key === "Tab" && isNarrow()) keepInside(event);
    });
    // Pages have shortcuts on single letters; what is typed here is not meant for them.
    for (const name of ["keydown", "keyup", "keypress"]) page.panel.addEventListener(name, (event) => event.stopPropagation());
    addEventListener("offline", () => note(WORDS.offline));
    addEventListener("online", () => {
      note("");
      if (recall().used) catchUp();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && isOpen() && lastId) remember({ seen: lastId });
    });
    addEventListener("pageshow", (event) => event.persisted && recall().used && catchUp());
  };

  // Lines that no message of the visitor's asked for: what a colleague decided, what was paid.
  const lookNowAndThen = async () => {
    for (;;) {
      await pause(isOpen() ? 15000 : 60000);
      const isWorthIt = document.visibilityState === "visible" && navigator.onLine && recall().used && page.host;
      if (isWorthIt && !following.size) await catchUp();
    }
  };

  // --- beginning -----------------------------------------------------------------------------------------------------

  const answered = (isAnswered) => {
    page.form.hidden = !isAnswered;
    note(isAnswered ? (navigator.onLine ? "" : WORDS.offline) : settings.offline_text);
  };

  const refused = (detail) => {
    console.error(`Chatzuri: ${detail} Add it in the settings of the website channel.`);
    draw({ title: "Chat", colour: "#54616f", position: "right", offline_text: detail });
    clear("");
    answered(false);
  };

  let isBegun = false;

  const begin = async () => {
    const mine = life;
    try {
      const given = await newSession();
      if (mine !== life) return;
      draw(given.settings);
      if (!isBegun || given.session !== page.session) clear(given.greeting);
      page.session = given.session;
      isBegun = true;
      answered(given.is_answered);
      if (recall().used) await catchUp();
    } catch (failure) {
      if (mine === life) notBegun(failure);
    }
  };

  const notBegun = (failure) => {
    if (failure.status === 403) return refused(failure.message);
    if (failure.status === 404) {
      if (page.host) return answered(false);
      return console.warn(`Chatzuri: the agent ${agent} has no website channel that is switched on.`);
    }
    if (failure.status && failure.status < 500) return console.error(`Chatzuri: ${failure.message}`);
    // We are away, or the visitor is: nothing to see yet, and another try later.
    const mine = life;
    setTimeout(() => !isBegun && mine === life && begin(), 30000);
  };

  const takeOver = (who) => {
    life += 1;
    isBegun = false;
    visitor = { user_id: "", name: "", email: "", hash: "", ...who };
    return begin();
  };

  window.chatzuri = Object.freeze({
    open,
    close,
    // For pages on which people log in without a new page: {user_id, name, email, hash}.
    identify: (who) => takeOver(who),
    // For logging out: this browser knows nothing of the chat any more.
    forget: () => {
      forgetStored();
      return takeOver({});
    },
  });

  const start = () => {
    begin();
    lookNowAndThen();
  };
  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);
})();
