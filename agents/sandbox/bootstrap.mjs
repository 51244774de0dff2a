// The second half of the module that begins in `realm.mjs`: console, fetch, errors, and the run itself.

// --- console -----------------------------------------------------------------------------------------------------------

let limits = { lines: 200, log_bytes: 65536, line_bytes: 8192 };
let lines = 0, logged = 0;
const OURS = "data:text/javascript";

function log(level, text) {
  if (lines >= limits.lines || done) return;
  if (endsWith(text, "\n")) text = cut(text, 0, -1);
  if (includes(text, OURS)) text = withoutOurs(text);
  const fits = encodeInto(text, new Bytes(limits.line_bytes));
  if (fits.read < text.length) text = cut(text, 0, fits.read) + " …";
  logged += fits.written;
  lines += 1;
  if (lines === limits.lines || logged > limits.log_bytes) {
    lines = limits.lines;
    level = "warn";
    text = "Everything after this line was left out: a run keeps " +
      `${limits.lines} lines and ${limits.log_bytes / 1024} KB of its console.`;
  }
  send('{"is":"log","level":' + stringify(level) + ',"text":' + stringify(text) + "}", NOTHING);
}

// Stacks name this file by its whole source.
function withoutOurs(text) {
  const all = split(text, "\n");
  let kept = "";
  for (let index = 0; index < all.length; index++) {
    if (!includes(all[index], OURS)) kept += (kept && "\n") + all[index];
  }
  return kept;
}

const LEVELS = {
  log: "log", info: "info", warn: "warn", error: "error", debug: "debug", trace: "debug", dir: "log", dirxml: "log",
  table: "log", group: "log", groupCollapsed: "log", groupEnd: "log", assert: "error", count: "log", countReset: "warn",
  time: "warn", timeLog: "log", timeEnd: "log",
};

function makeConsole() {
  let level = "log";
  const native = new runtime.Console((text) => {
    // A trace comes in two parts, and the second one is only the end of its line.
    if (level !== "debug" || text !== "\n") log(level, text);
  });
  const captured = { clear() {}, profile() {}, profileEnd() {}, timeStamp() {} };
  for (const name of ownKeys(LEVELS)) {
    const method = native[name];
    captured[name] = (...values) => {
      if (lines >= limits.lines) return;
      level = LEVELS[name];
      for (let index = 0; index < values.length; index++) {
        const value = values[index];
        if (typeof value === "string" && value.length > limits.line_bytes) values[index] = cut(value, 0, limits.line_bytes);
      }
      try {
        apply(method, native, values);
      } catch {
        log(level, "(a value that cannot be shown)");
      }
    };
    defineProperty(captured[name], "name", { value: name });
  }
  return captured;
}

// --- fetch -------------------------------------------------------------------------------------------------------------

const METHODS = { __proto__: null, GET: true, HEAD: true, POST: true, PUT: true, PATCH: true, DELETE: true, OPTIONS: true };
const waiting = new Map();
let fetches = 0, sent = 0;

async function fetch(input, init) {
  const request = new NativeRequest(input, init);
  const signal = signalOf(request);
  if (isAborted(signal)) throw reasonOf(signal);
  // The platform's own default is to follow. A webhook that moved is something its owner should hear about.
  const redirect = redirectOf(request) === "follow" && init?.redirect === undefined ? "manual" : redirectOf(request);
  const method = methodOf(request), url = urlOf(request);
  if (!METHODS[method]) throw refused(`the method ${cut(method, 0, 30)} is not supported, write it in capitals`);
  if (url.length > limits.url) throw refused(`the address is longer than ${limits.url} characters`);
  if (fetches >= limits.fetches) throw refused(`an action may send ${limits.fetches} requests`);
  fetches += 1;
  const headers = listHeaders(headersOf(request));
  const body = bodyOf(request) === null ? NOTHING : new Bytes(await bytesOf(request));
  if (lengthOf(body) > limits.request_body) throw refused(`the body is larger than ${limits.request_body / 1024} KB`);
  if (isAborted(signal)) throw reasonOf(signal);
  const number = sent += 1;
  return new Later((resolve, reject) => {
    // All of it is held on purpose: Deno forgets a signal that only a request points at, and it would never fire.
    remember(waiting, number, { resolve, reject, request, signal, input, init });
    listen(signal, "abort", () => {
      if (!forget(waiting, number)) return;
      send('{"is":"abort","number":' + number + "}", NOTHING);
      reject(reasonOf(signal));
    });
    send(
      '{"is":"fetch","number":' + number + ',"method":' + stringify(method) + ',"url":' + stringify(url) +
        ',"redirect":' + stringify(redirect) + ',"headers":[' + headers + "]}",
      body,
    );
  });
}

const refused = (why) => new Mistake("fetch failed: " + why);

function listHeaders(headers) {
  let listed = "", count = 0;
  forEachHeader(headers, (value, name) => {
    if (++count > limits.headers) throw refused(`a request may have ${limits.headers} headers`);
    if (name.length > limits.header || value.length > limits.header) {
      throw refused(`a header is longer than ${limits.header / 1024} KB`);
    }
    listed += (listed && ",") + "[" + stringify(name) + "," + stringify(value) + "]";
  });
  return listed;
}

function answer({ header, body }) {
  const asked = remembered(waiting, header.number);
  if (!asked || !forget(waiting, header.number)) return;
  if (header.error !== "") {
    asked.reject(refused(header.error));
    return;
  }
  try {
    asked.resolve(makeResponse(header, body));
  } catch {
    asked.reject(refused(`the answer has the unusual status ${header.status}`));
  }
}

function makeResponse(header, body) {
  const headers = new NativeHeaders();
  for (let index = 0; index < header.headers.length; index++) {
    try {
      addHeader(headers, header.headers[index][0], header.headers[index][1]);
    } catch {
      // A header that browsers would not take either.
    }
  }
  const { status } = header;
  const isEmpty = status === 204 || status === 205 || status === 304;
  const response = new NativeResponse(isEmpty ? null : body, { __proto__: null, status, statusText: header.status_text, headers });
  defineProperty(response, "url", { __proto__: null, value: header.url });
  defineProperty(response, "redirected", { __proto__: null, value: header.redirected });
  return response;
}

// --- errors ------------------------------------------------------------------------------------------------------------

const NO_IMPORT = "A dynamic import callback was not specified";

// What is thrown may be anything, with getters that throw. It never gets further than this.
function describe(error) {
  let name = "Error", message = "Unknown error", line = 0;
  try {
    if (typeof error === "object" && error !== null) {
      const { name: itsName, message: itsMessage } = error;
      if (typeof itsName === "string") name = itsName;
      message = typeof itsMessage === "string" ? itsMessage : Text(itsMessage);
      line = lineOf(error.stack);
    } else {
      message = typeof error === "symbol" ? "a symbol was thrown" : Text(error);
    }
  } catch {
    // The message so far must do.
  }
  if (includes(message, NO_IMPORT)) message = "import() is not available in custom actions";
  return '"name":' + stringify(cut(name, 0, 100)) + ',"message":' + stringify(cut(message, 0, limits.error)) +
    ',"line":' + line;
}

function lineOf(stack) {
  const found = typeof stack === "string" ? match(/custom-action\.js:(\d{1,6}):/, stack) : null;
  return found ? Count(found[1]) : 0;
}

// Set by the first result or error; nothing after it counts.
let done = false;

function finish(header, body) {
  if (done) return;
  done = true;
  send(header, body);
}

const fail = (kind, description) => finish('{"is":"error","kind":' + stringify(kind) + "," + description + "}", NOTHING);

listen(realm, "unhandledrejection", (event) => {
  preventDefault(event);
  console.error("Unhandled rejection:", event.reason);
});
listen(realm, "error", (event) => {
  preventDefault(event);
  console.error("Uncaught:", event.error);
});

// --- running -----------------------------------------------------------------------------------------------------------

const NAMES = ["params", "credentials", "config"];
const FILE = "file:///custom-action.js";
// The mark of code that was compiled by node:vm without a word about imports: import() fails in it, and in all that is
// made in it. The module node:vm would set it for us, but to load that costs as much time as all the rest together.
const NO_IMPORTS = [1];

function readFunction(source, names) {
  const [made, mistake] = compileFunction(source, FILE, NO_IMPORTS, names);
  if (mistake) throw mistake.thrown;
  return made;
}

const asFunction = (code) => readFunction("return (async () => {" + code + "\n})()", NAMES);

// Both must be readable: code that closes one of the wrappers early cannot close the other. The newline is for code
// that ends in a comment; the arrow function for code that has its own `const config`. Line 1 of the code is line 1.
function compile(code) {
  const depth = Failure.stackTraceLimit;
  Failure.stackTraceLimit = 0;
  try {
    readFunction("return {async m(){" + code + "\n}}", []);
    return asFunction(code);
  } catch (error) {
    // Without a stack, the runtime says where in the source the mistake is.
    const place = destructureError(error).frames[0];
    const line = place?.fileName === FILE ? place.lineNumber : 0;
    fail("syntax", '"name":' + stringify(error.name) + ',"message":' + stringify(error.message) + ',"line":' + line);
    return null;
  } finally {
    Failure.stackTraceLimit = depth;
  }
}

function give(value) {
  let json;
  try {
    json = stringify(value);
  } catch (error) {
    fail("result", describe(error));
    return;
  }
  if (json === undefined) {
    if (value !== undefined) return fail("result", describe(new Mistake("a " + typeof value + " cannot be returned")));
    json = "null";
  }
  const body = json.length > limits.result ? null : encode(json);
  if (body === null || lengthOf(body) > limits.result) {
    fail("result", describe(new Mistake(`it is larger than ${limits.result / 1024} KB`)));
  } else {
    finish('{"is":"result"}', body);
  }
}

async function answerAll() {
  for (;;) answer(await receive());
}

// What the first fetch needs is loaded before there is a job that would have to wait for it.
async function warmUp() {
  const request = new NativeRequest("http://warm.invalid/", { method: "POST", body: "x", headers: { a: "b" } });
  isAborted(signalOf(request));
  forEachHeader(headersOf(request), () => {});
  await bytesOf(request);
  await makeResponse({ status: 200, status_text: "", headers: [["a", "b"]], url: "", redirected: false }, encode("{}")).json();
}

// Looked at in every process, before it may have a job: two doors that a later Deno could open again.
async function checkThatCodeStaysInside() {
  const openDoors = await asFunction(`
    const opened = [];
    await import("data:text/javascript,").then(() => opened.push("import()"), () => {});
    try { new Function("return 1")(); opened.push("new Function()"); } catch {}
    return opened;
  `)();
  if (openDoors.length) throw new Failure(`${openDoors.join(" and ")} can be used`);
}

function permissions() {
  const names = ["read", "write", "net", "env", "run", "ffi", "sys", "import"];
  return names.filter((name) => Deno.permissions.querySync({ name }).state === "granted");
}

const granted = permissions();
const console = makeConsole();
removeTheRest();
defineProperty(realm, "fetch", { value: fetch, writable: true, configurable: true, enumerable: true });
defineProperty(realm, "console", { value: { ...console }, writable: true, configurable: true, enumerable: false });
await warmUp();
await checkThatCodeStaysInside();
send('{"is":"ready","granted":' + stringify(granted) + "}", NOTHING);

const first = await receive();
const job = first.header;
token = copy(first.body, 0, 16);
limits = job.limits;
loadWhatIsNamed(job.code);
pinWhatRunsUnderneath();
const run = compile(job.code);
if (run && job.only_check) {
  finish('{"is":"result"}', encode("null"));
} else if (run) {
  answerAll();
  // From an empty stack, so that no function of ours is on the stack of the code.
  const begun = then(Later.resolve(), bind(run, undefined, job.params, job.credentials, job.config));
  then(begun, give, (error) => fail("thrown", describe(error)));
}
