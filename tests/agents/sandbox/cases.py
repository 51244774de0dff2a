"""What people may try with an action, and how it must end: as data, so that other runners can go through it too.

Each case gets `credentials` {"url": a receiver that answers as `receiver.py` says, "secret": SECRET}, empty `params`
and `config`, and a limit of two seconds.
"""

from tests.agents.sandbox.endings import (
    MEMORY,
    NOT_JSON,
    SYNTAX,
    Case,
    ends_as,
    fails,
    finds_nothing,
    returns,
    runs_out,
    survives,
    throws,
    times_out,
)

SECRET = "SECRET-A-0123456789"
SECONDS = 2.0
# However it ends: a limit plus a moment to notice.
OVERTIME = 1.5

LOOK = "typeof Deno + typeof process + typeof require"
NOT_FOUND = "undefinedundefinedundefined"

LIVENESS = [
    times_out("loop", "while (true) {}"),
    times_out("loop_catch", "for (;;) { try { while (true) {} } catch (e) {} }"),
    times_out("never", "await new Promise(() => {})"),
    times_out("microtask_flood", "function f() { Promise.resolve().then(f) } f(); await new Promise(() => {})"),
    fails(
        "timer_flood",
        "for (let i = 0; i < 1e5; i++) setTimeout(() => {}, 1e6);"
        "setInterval(() => { for (let i = 0; i < 1e6; i++); }, 0); await new Promise(() => {})",
    ),
    survives("regex_redos", 'return /^(a+)+$/.test("a".repeat(40) + "!")', False),
    fails("bigint_pow", "let x = 3n ** (1n << 22n); for (let i = 0; i < 40; i++) x = x * x; return 1"),
    fails(
        "sort_comparator",
        "const a = Array.from({length: 1e6}, (_, i) => i);"
        "for (;;) a.sort(() => { for (let i = 0; i < 1e3; i++); return 1 })",
    ),
    throws("atomics_wait", "const s = new SharedArrayBuffer(8); Atomics.wait(new Int32Array(s), 0, 0); return 1"),
    times_out("tojson_loop", "return {toJSON() { for (;;); }}"),
    times_out("result_getter_loop", "return {get a() { for (;;); }}"),
    times_out("proxy_result", "return new Proxy({}, {ownKeys() { for (;;); }})"),
    returns("thenable_value", "return {then(r) { r({a: 1}) }}", {"a": 1}),
    times_out("thenable_never", "return {then() {}}"),
    times_out("thenable_self", "const t = {then(r) { r(t) }}; return t"),
    times_out("finally_loop", "try { throw 1 } finally { for (;;); }"),
]

MEMORY_CASES = [
    runs_out("alloc_bomb", "const a = []; for (;;) a.push(new Array(1e5).fill({}))"),
    runs_out("obj_bomb", 'let o = {}; for (let i = 0;; i++) o = {p: o, q: "k" + i}'),
    runs_out("arraybuffer_bomb", "const a = []; for (;;) { const b = new Uint8Array(5e7); b.fill(1); a.push(b) }"),
    fails(
        "arraybuffer_untouched",
        "const a = []; for (let i = 0; i < 200; i++) a.push(new ArrayBuffer(1e9)); return a.length",
    ),
    fails("string_bomb", 'let s = "x"; for (;;) s += s'),
    runs_out("string_keep", 'const a = []; for (;;) a.push("x".repeat(1e7) + a.length + Math.random())'),
    runs_out("flat_string_bomb", 'const a = []; for (let i = 0;; i++) a.push(encodeURIComponent("y".repeat(5e6) + i))'),
    runs_out("typed_subarray", "const a = []; for (;;) a.push(structuredClone(new Uint8Array(3e7).fill(7)))"),
    fails("array_len", 'return new Array(2 ** 32 - 1).join("x").length'),
    runs_out("map_bomb", "const m = new Map(); for (let i = 0;; i++) m.set(i, new Map())"),
    runs_out("blob_bomb", "const a = []; for (;;) a.push(new Blob([new Uint8Array(2e7).fill(1)]))"),
    runs_out(
        "stream_zip_bomb",
        "const through = (data, stream) => new Response(new Response(data).body.pipeThrough(stream)).arrayBuffer();"
        'const z = await through(new Uint8Array(5e7), new CompressionStream("gzip"));'
        'const a = []; for (;;) a.push(await through(z, new DecompressionStream("gzip")))',
    ),
    throws(
        "wasm_bomb",
        "const m = []; for (let i = 0; i < 50; i++) { const w = new WebAssembly.Memory({initial: 16384});"
        "new Uint8Array(w.buffer).fill(1); m.push(w) } return m.length",
    ),
    throws(
        "sab_bomb",
        "const a = []; for (;;) { const s = new SharedArrayBuffer(1e8); new Uint8Array(s).fill(1); a.push(s) }",
    ),
    throws("deep_recursion", "function f(n) { return f(n + 1) + 1 } return f(0)", "call stack"),
    throws("mutual_getter_recursion", "const o = {get a() { return this.a }}; return o.a", "call stack"),
    fails("deep_json", "let a = []; for (let i = 0; i < 2e5; i++) a = [a]; return a"),
    ends_as(NOT_JSON, "deep_json_2500", "let a = []; for (let i = 0; i < 2500; i++) a = [a]; return a", says=("deep",)),
    survives("json_parse_deep", 'return JSON.parse("[".repeat(5e5) + "]".repeat(5e5)).length', 1),
    survives("regex_compile_deep", 'return new RegExp("(".repeat(1e5) + ")".repeat(1e5)).test("a")'),
    survives("spread_args", "return Math.max(...new Array(5e6).fill(1))", 1),
]

ESCAPES = [
    throws("ctor_ctor", f'return ({{}}).constructor.constructor("return {LOOK}")()', "code generation"),
    throws("ctor_host_fn", f'return fetch.constructor("return {LOOK}")()', "code generation"),
    throws("ctor_console", f'return console.log.constructor("return {LOOK}")()', "code generation"),
    throws(
        "ctor_asyncgen",
        f'const G = (async function* () {{}}).constructor; return (await G("yield {LOOK}")().next()).value',
        "code generation",
    ),
    throws("ctor_params", f'return params.constructor.constructor("return {LOOK}")()', "code generation"),
    throws(
        "promise_ctor",
        'const p = fetch("http://127.0.0.1:1/"); p.catch(() => {});'
        f'return p.constructor.constructor("return {LOOK}")()',
        "code generation",
    ),
    throws("deno_env", "return Deno.env.toObject()", "not defined"),
    throws("deno_read", 'return new TextDecoder().decode(await Deno.readFile("/etc/passwd"))', "not defined"),
    throws("deno_cmd", 'return (await new Deno.Command("id").output()).stdout', "not defined"),
    throws("deno_internal_core", 'return Deno[Deno.internal].core.ops ? "got ops" : "none"', "not defined"),
    throws("process_env", "return process.env", "not defined"),
    throws("process_binding", 'return process.getBuiltinModule("node:fs").readFileSync("/etc/passwd")', "not defined"),
    throws("require_fs", 'return require("fs").readFileSync("/etc/passwd", "utf8")', "not defined"),
    throws("import_node_fs", 'return typeof (await import("node:fs")).readFileSync', "import() is not available"),
    throws(
        "import_node_via_newfunction",
        'return typeof (await (new Function("return import(\\"node:fs\\")"))()).readFileSync',
        "code generation",
    ),
    throws("import_node_via_eval", 'return typeof (await eval("import(\\"node:process\\")")).exit', "code generation"),
    throws("import_file", 'await import("file:///etc/hostname"); return "loaded"', "import() is not available"),
    throws("import_https", 'await import("https://example.com/x.js"); return "loaded"', "import() is not available"),
    throws("import_npm", 'await import("npm:left-pad"); return "loaded"', "import() is not available"),
    throws(
        "import_data",
        'return (await import("data:text/javascript,export default typeof Deno")).default',
        "import() is not available",
    ),
    throws(
        "import_blob",
        'return (await import(URL.createObjectURL(new Blob(["export default 1"], {type: "text/javascript"})))).default',
        "import() is not available",
    ),
    throws(
        "worker_spawn",
        'const w = new Worker("data:text/javascript,self.postMessage(typeof Deno)", {type: "module"});'
        "return await new Promise(r => w.onmessage = e => r(e.data))",
        "not defined",
    ),
    returns("broadcast", "return typeof BroadcastChannel", "undefined"),
    returns("websocket", "return typeof WebSocket + typeof EventSource", "undefinedundefined"),
    throws("localstorage", 'localStorage.setItem("k", "v"); return localStorage.getItem("k")', "not defined"),
    throws("caches", 'await (await caches.open("x")).put("http://x/", new Response("y")); return "stored"'),
    throws("webgpu", 'const a = await navigator.gpu.requestAdapter(); return a.info.description || "adapter"'),
    returns(
        "caller_walk",
        "function f() { return String(f.caller) } const s = f(); return /NativeR[e]quest|unc[u]rried/.test(s) ? s : 1",
        1,
    ),
    finds_nothing(
        "stack_this",
        'let out = ""; Error.prepareStackTrace = (e, frames) => { for (const frame of frames) { try {'
        "const self = frame.getThis && frame.getThis(), made = frame.getFunction && frame.getFunction();"
        "if (self && self !== globalThis) out += Object.prototype.toString.call(self);"
        'if (made && /NativeR[e]quest|unc[u]rried/.test(String(made))) out += "FOUND" } catch {} } return "x" };'
        'void new Error().stack; return out.includes("FOUND") ? out : "blocked"',
    ),
    returns(
        "stack_path",
        "const stacks = []; try { null.x } catch (e) { stacks.push(e.stack) }"
        'try { await fetch("no address") } catch (e) { stacks.push(e.stack) }'
        'return /agents|bootstrap|work|home|\\.py/.test(stacks.join()) ? stacks : "blocked"',
        "blocked",
    ),
    ends_as(SYNTAX, "code_injection", "1})(); globalThis.__x = 1; (async () => { return 2"),
    returns("trailing_comment", "return 5 // done", 5),
    returns("shadow_config", "const config = {a: 1}; let credentials = 2; return config", {"a": 1}),
]

BRIDGE = [
    returns(
        "pollute_json",
        'JSON.stringify = () => "{\\"is\\":\\"result\\"}"; JSON.parse = () => ({}); return {ok: 1}',
        {"ok": 1},
    ),
    survives(
        "pollute_tojson",
        'Object.prototype.toJSON = function () { return "hacked" }; String.prototype.toJSON = () => "h";'
        'const r = await fetch(credentials.url + "/ok"); return [r.status]',
    ),
    survives(
        "pollute_promise",
        'Promise.prototype.then = function () { throw new Error("no") };'
        'const r = await fetch(credentials.url + "/ok"); return r.status',
        200,
    ),
    returns(
        "pollute_proto",
        'Object.defineProperty(Object.prototype, "error", {get() { return "evil" }, set(v) {}, configurable: true});'
        "Object.prototype.number = 1; Object.prototype.status = 999;"
        'const r = await fetch(credentials.url + "/ok"); return r.status',
        200,
    ),
    finds_nothing(
        "pollute_map_array",
        "const got = []; const get = Map.prototype.get;"
        "Map.prototype.get = function (k) { got.push(k); return get.call(this, k) };"
        "const typed = Object.getPrototypeOf(Uint8Array.prototype); const set = typed.set;"
        "typed.set = function (a, o) { got.push(a); return set.call(this, a, o) };"
        "Array.prototype[Symbol.iterator] = function* () { got.push(this) };"
        "const encode = TextEncoder.prototype.encode;"
        "TextEncoder.prototype.encode = function (s) { got.push(s); return encode.call(this, s) };"
        'await fetch(credentials.url + "/ok"); return got.length ? "leak " + got.length : "blocked"',
    ),
    finds_nothing(
        "pollute_reflect_apply",
        "const seen = []; const apply = Reflect.apply;"
        "Reflect.apply = function (...a) { seen.push(a); return apply(...a) };"
        "const call = Function.prototype.call;"
        "Function.prototype.call = function (...a) { seen.push(a); return call.apply(this, a) };"
        'await fetch(credentials.url + "/ok"); return seen.length ? "leak" : "blocked"',
    ),
    returns(
        "forge_console",
        'console.log("\\u0000\\u0000\\u0000\\u0030" + "{\\"is\\":\\"result\\"}\\n{\\"is\\":\\"result\\"}");'
        'return "real"',
        "real",
    ),
    returns(
        "forge_stdout",
        "let n = 0; const w = (s) => { try { Deno.stdout.writeSync(new TextEncoder().encode(s)); n++ } catch {}"
        "try { process.stdout.write(s); n++ } catch {} try { Deno[Deno.internal].core.print(s); n++ } catch {} };"
        'w("\\u0000\\u0000\\u0000\\u0030{\\"is\\":\\"result\\"}"); return n',
        0,
    ),
    returns(
        "forge_alert",
        'let n = 0; for (const f of ["alert", "prompt", "confirm"]) try { globalThis[f]("x"); n++ } catch {} return n',
        0,
    ),
    returns(
        "exit_deno",
        "for (const f of [() => Deno.exit(0), () => process.exit(0), () => close(), () => self.close(),"
        '() => process.abort(), () => process.kill(process.pid)]) try { f() } catch {} return "alive"',
        "alive",
    ),
    returns(
        "report_error",
        'try { reportError(new Error("x")) } catch {} setTimeout(() => { throw new Error("boom") }, 0);'
        'Promise.reject(new Error("unhandled")); await new Promise(r => setTimeout(r, 50)); return "alive"',
        "alive",
    ),
]

OUTPUT = [
    ends_as(MEMORY | NOT_JSON, "huge_result", 'return "x".repeat(5e7)'),
    ends_as(NOT_JSON, "big_result_2mb", 'return "x".repeat(2e6)', says=("large",)),
    returns("huge_console", 'for (let i = 0; i < 3e5; i++) console.log("line " + i + "x".repeat(1000)); return 1', 1),
    survives("one_huge_line", 'console.log("x".repeat(5e7)); return 1', 1),
    returns(
        "console_hostile",
        "console.log({get a() { throw 1 }, toString() { throw 2 }, [Symbol.toPrimitive]() { throw 3 }},"
        "new Proxy({}, {get() { throw 4 }, ownKeys() { throw 5 }})); return 1",
        1,
    ),
]

FETCHES = [
    returns(
        "fetch_flood",
        "const all = []; for (let i = 0; i < 10000; i++)"
        'all.push(fetch(credentials.url + "/ok?" + i).then(r => r.status, () => -1));'
        "return (await Promise.all(all)).filter(x => x === 200).length",
        50,
    ),
    throws("fetch_file", 'return await (await fetch("file:///etc/passwd")).text()', "fetch failed"),
    throws("fetch_data", 'return await (await fetch("data:text/plain,hi")).text()', "fetch failed"),
    throws("fetch_blob", 'return await (await fetch(URL.createObjectURL(new Blob(["x"])))).text()', "fetch failed"),
    throws("fetch_metadata", 'return await (await fetch("http://169.254.169.254/latest/")).text()', "fetch failed"),
    throws("fetch_loopback", 'return (await fetch("http://127.0.0.1:22/")).status', "fetch failed"),
    returns(
        "fetch_loopback_forms",
        'const o = []; for (const h of ["0177.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0",'
        '"localhost"]) try { await fetch("http://" + h + ":22/"); o.push(h) } catch {} return o',
        [],
    ),
    throws("fetch_userinfo", 'return (await fetch("http://u:p@127.0.0.1/")).status'),
    throws(
        "header_crlf", 'return (await fetch(credentials.url + "/ok", {headers: {"x-a": "a\\r\\nHost: evil"}})).status'
    ),
    returns(
        "header_host",
        'const r = await fetch(credentials.url + "/ok", {headers: {"Host": "evil.example", "Content-Length": "3",'
        '"Transfer-Encoding": "chunked"}}); const j = await r.json();'
        'return j.headers.host.includes("evil") || ("transfer-encoding" in j.headers)',
        False,
    ),
    throws(
        "method_smuggle", 'return (await fetch(credentials.url + "/ok", {method: "GET /x HTTP/1.1\\r\\nA: b"})).status'
    ),
    survives(
        "url_crlf",
        'const r = await fetch(credentials.url + "/a\\r\\nX-Evil: 1\\r\\n");'
        'return "x-evil" in (await r.json()).headers',
        False,
    ),
    times_out("fetch_slow", 'return (await fetch(credentials.url + "/slow/30")).status'),
    returns(
        "fetch_abort",
        'try { await fetch(credentials.url + "/slow/1", {signal: AbortSignal.timeout(100)}) }'
        "catch (e) { return e.name }",
        "TimeoutError",
    ),
    throws(
        "fetch_big", 'return (await (await fetch(credentials.url + "/big/30000000")).text()).length', "fetch failed"
    ),
    returns(
        "fetch_status_204",
        'const r = await fetch(credentials.url + "/status/204"); return [r.status, await r.text()]',
        [204, ""],
    ),
    survives("fetch_deep_json", 'return (await (await fetch(credentials.url + "/deep")).json()).length', 1),
]

VALUES = [
    throws("throw_null", "throw null", "null"),
    throws("throw_symbol", 'throw Symbol("x")', "symbol"),
    throws("throw_string", 'throw "plain"', "plain"),
    throws("throw_hostile_getter", "throw {get message() { throw 1 }, toString() { throw 2 }}", "unknown error"),
    times_out("throw_getter_loop", "throw {get message() { for (;;); }}"),
    throws("throw_proxy", 'throw new Proxy(new Error("x"), {get() { throw new Error("trap") }})', "unknown error"),
    throws("throw_huge", 'throw new Error("x".repeat(1e7))', "xxx"),
    throws("throw_message_object", 'const e = new Error("x"); e.message = {a: 1}; throw e'),
    ends_as(NOT_JSON, "bigint", "return {a: 10n}", says=("BigInt",)),
    ends_as(NOT_JSON, "cycle", "const a = {}; a.a = a; return a", says=("circular",)),
    ends_as(NOT_JSON, "function_value", "return () => 1", says=("function",)),
    returns("undefined_value", "return undefined", None),
    returns("no_return", "const x = 1", None),
    returns(
        "nan_value",
        "return {a: NaN, b: Infinity, c: -0, d: new Date(0), e: undefined}",
        {"a": None, "b": None, "c": 0, "d": "1970-01-01T00:00:00.000Z"},
    ),
    returns(
        "proto_key",
        'return JSON.parse("{\\"__proto__\\":{\\"x\\":1},\\"a\\":1}")',
        {"__proto__": {"x": 1}, "a": 1},
    ),
    returns("lone_surrogate", 'return "a\\ud800b"', "a\ufffdb"),
    returns("nul_char", 'return "a\\u0000b"', "a\ufffdb"),
    returns("tojson_value", "return {toJSON() { return 1 }, a: 1}", 1),
    ends_as(SYNTAX, "syntax_error", "return {"),
]

CASES: list[Case] = [*LIVENESS, *MEMORY_CASES, *ESCAPES, *BRIDGE, *OUTPUT, *FETCHES, *VALUES]

# Two runs, one after the other: the second one must find nothing of the first.
LEAVE_BEHIND = """
globalThis.left = credentials.secret; Object.prototype.left2 = credentials.secret;
try { localStorage.setItem("s", credentials.secret) } catch {}
try { await (await caches.open("s")).put("http://s/", new Response(credentials.secret)) } catch {}
try { new BroadcastChannel("x").postMessage(credentials.secret) } catch {}
return 1
"""
LOOK_FOR_IT = """
const found = [globalThis.left, ({}).left2];
try { found.push(localStorage.getItem("s")) } catch {}
try { found.push(await (await (await caches.open("s")).match("http://s/")).text()) } catch {}
return found.filter(x => x).join()
"""
