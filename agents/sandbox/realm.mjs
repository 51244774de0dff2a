// What runs in a sandbox before a customer's code, and stands between the two and the host ever after. One module in
// two files: `bootstrap.mjs` follows this one without a break.
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
