// What runs in a sandbox before a customer's code, and stands between the two and the host ever after.
//
// Customers' code shares this realm and may change every object it can reach. So all that is needed after it was
// started is captured here first, and nothing below looks a method up on an object that the code could have changed.
// The process has no permission whatever, serves one job, and is killed afterwards.

const { Deno } = globalThis;
const { apply, ownKeys, defineProperty, deleteProperty, getOwnPropertyDescriptor: describeProperty } = Reflect;
const uncurried = (method) => (self, ...values) => apply(method, self, values);
const getter = (type, name) => uncurried(describeProperty(type.prototype, name).get);

const realm = globalThis;
const runtime = Deno[Deno.internal];
const { stringify, parse } = JSON;
const { compileFunction, destructureError } = runtime.core;
const write = Deno.stdout.writeSync.bind(Deno.stdout);
const read = Deno.stdin.read.bind(Deno.stdin);
const exit = Deno.exit.bind(Deno);

const Bytes = Uint8Array, View = DataView, Text = String, Count = Number, Later = Promise, Failure = Error;
const NativeRequest = Request, NativeResponse = Response, NativeHeaders = Headers, Mistake = TypeError;
const typedArray = Reflect.getPrototypeOf(Bytes.prototype);
const lengthOf = uncurried(describeProperty(typedArray, "length").get);
const bufferOf = uncurried(describeProperty(typedArray, "buffer").get);
const put = uncurried(typedArray.set), part = uncurried(typedArray.subarray), copy = uncurried(typedArray.slice);
const readNumber = uncurried(View.prototype.getUint32), writeNumber = uncurried(View.prototype.setUint32);
const encode = TextEncoder.prototype.encode.bind(new TextEncoder());
const encodeInto = TextEncoder.prototype.encodeInto.bind(new TextEncoder());
const decode = TextDecoder.prototype.decode.bind(new TextDecoder());
const cut = uncurried(Text.prototype.slice), split = uncurried(Text.prototype.split);
const includes = uncurried(Text.prototype.includes), endsWith = uncurried(Text.prototype.endsWith);
const match = uncurried(RegExp.prototype.exec), bind = uncurried(Function.prototype.bind);
const then = uncurried(Later.prototype.then);
const remembered = uncurried(Map.prototype.get), remember = uncurried(Map.prototype.set);
const forget = uncurried(Map.prototype.delete), forEachHeader = uncurried(NativeHeaders.prototype.forEach);
const addHeader = uncurried(NativeHeaders.prototype.append);
const methodOf = getter(NativeRequest, "method"), urlOf = getter(NativeRequest, "url");
const headersOf = getter(NativeRequest, "headers"), bodyOf = getter(NativeRequest, "body");
const redirectOf = getter(NativeRequest, "redirect"), signalOf = getter(NativeRequest, "signal");
const bytesOf = uncurried(NativeRequest.prototype.arrayBuffer);
const isAborted = getter(AbortSignal, "aborted"), reasonOf = getter(AbortSignal, "reason");
const listen = uncurried(EventTarget.prototype.addEventListener);
const preventDefault = uncurried(Event.prototype.preventDefault);

// --- frames: u32 length | 16 bytes token | u32 length of the header | header, JSON | body ------------------------------

const NOTHING = new Bytes(0);
// Zeros until the job brings the real one: a frame before the job proves nothing but life.
let token = new Bytes(16);
let received = NOTHING;

function send(header, body) {
  const head = encode(header);
  const length = 20 + lengthOf(head) + lengthOf(body);
  const frame = new Bytes(4 + length);
  const view = new View(bufferOf(frame));
  writeNumber(view, 0, length);
  put(frame, token, 4);
  writeNumber(view, 20, lengthOf(head));
  put(frame, head, 24);
  put(frame, body, 24 + lengthOf(head));
  for (let written = 0; written < 4 + length;) written += write(part(frame, written));
}

async function receive() {
  for (;;) {
    if (lengthOf(received) >= 4) {
      const length = readNumber(new View(bufferOf(received)), 0);
      if (lengthOf(received) >= 4 + length) {
        const frame = copy(received, 4, 4 + length);
        received = copy(received, 4 + length);
        const header = readNumber(new View(bufferOf(frame)), 0);
        return { header: parse(decode(part(frame, 4, 4 + header))), body: copy(frame, 4 + header) };
      }
    }
    const chunk = new Bytes(65536);
    const size = await read(chunk);
    if (size === null) exit(0);
    const longer = new Bytes(lengthOf(received) + size);
    put(longer, received, 0);
    put(longer, part(chunk, 0, size), lengthOf(received));
    received = longer;
  }
}

// --- what the code finds: the language and the web platform, and nothing that a later Deno may add -----------------------

const ALLOWED = new Set(`
  globalThis Infinity NaN undefined Object Function Array Number Boolean String Symbol BigInt Date RegExp Math JSON Intl
  Promise Proxy Reflect Iterator Map Set WeakMap WeakSet WeakRef FinalizationRegistry Temporal Atomics
  Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError SuppressedError
  ArrayBuffer DataView Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array
  Uint8ClampedArray Float16Array Float32Array Float64Array DisposableStack AsyncDisposableStack
  parseFloat parseInt isFinite isNaN decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape eval
  fetch Headers Request Response FormData Blob File URL URLPattern URLSearchParams
  AbortController AbortSignal Event EventTarget CustomEvent DOMException QuotaExceededError
  ReadableStream ReadableStreamDefaultReader ReadableStreamBYOBReader ReadableStreamBYOBRequest
  ReadableStreamDefaultController ReadableByteStreamController WritableStream WritableStreamDefaultWriter
  WritableStreamDefaultController TransformStream TransformStreamDefaultController
  ByteLengthQueuingStrategy CountQueuingStrategy CompressionStream DecompressionStream
  TextDecoder TextEncoder TextDecoderStream TextEncoderStream atob btoa
  crypto Crypto CryptoKey SubtleCrypto performance structuredClone Buffer console
  setTimeout clearTimeout setInterval clearInterval queueMicrotask
`.trim().split(/\s+/));

function removeTheRest() {
  for (const name of ownKeys(realm)) {
    if (typeof name !== "string" || ALLOWED.has(name)) continue;
    if (!deleteProperty(realm, name)) realm[name] = undefined;
    if (realm[name] !== undefined) throw new Failure(`${name} cannot be removed`);
  }
}

// Much of the platform is read by Deno when somebody first asks for it. What the code names is asked for now, before
// the code can have changed anything that the reading would use. Buffer could not even be read any more, once its
// ancestors are pinned, so it is there for those who name it and for nobody else.
function loadWhatIsNamed(code) {
  for (const name of ownKeys(realm)) {
    if (typeof name !== "string" || !describeProperty(realm, name).get) continue;
    if (includes(code, name)) {
      defineProperty(realm, name, { value: realm[name], writable: true, configurable: true, enumerable: false });
    } else if (name === "Buffer") {
      deleteProperty(realm, name);
    }
  }
}

// Deno's own code looks these up while it works. Changed, they would be handed its inner functions and our buffers.
function pin(object, names) {
  for (const name of names) {
    const property = describeProperty(object, name);
    if (!property?.configurable) continue;
    defineProperty(object, name, "value" in property ? { writable: false, configurable: false } : { configurable: false });
  }
}

function pinWhatRunsUnderneath() {
  pin(Function.prototype, ["call", "apply", "bind", Symbol.hasInstance]);
  for (const object of [Reflect, JSON, Promise, typedArray, Map.prototype]) pin(object, ownKeys(object));
  pin(Promise.prototype, ["then", "catch", "finally", "constructor"]);
  pin(Array.prototype, [Symbol.iterator, "values"]);
  pin(Reflect.getPrototypeOf([][Symbol.iterator]()), ["next"]);
}

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
