"""What an action sees, says and returns."""

import time

import pytest

from tests.agents.sandbox.cases import SECRET
from tests.agents.sandbox.conftest import Run
from tests.agents.sandbox.receiver import Door, Receiver

GUIDE = """
const payload = {
  event: 'lead.captured',
  source: 'chat',
  customer: params.email,
  conversation_id: params.conversation_id,
  timestamp: new Date().toISOString(),
};

const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    ...(credentials.secret ? { 'X-Webhook-Secret': credentials.secret } : {}),
  },
  body: JSON.stringify(payload),
});

if (!r.ok) throw new Error(`Webhook ${r.status}`);
return { success: true };
""".strip()


def test_the_example_of_the_guide(run: Run, door: Door, customer: Receiver) -> None:
    params = {"email": "ada@example.com", "conversation_id": "con_1"}
    credentials = {"webhook_url": customer.origin + "/hook", "secret": "s3cret-value"}

    result = run(GUIDE, params=params, credentials=credentials)

    assert (result.kind, result.value, result.fetches) == ("", {"success": True}, 1)
    (request,) = door.begun
    assert (request.number, request.method, request.redirect) == (1, "POST", "manual")
    assert dict(request.headers)["x-webhook-secret"] == "s3cret-value"
    assert b'"customer":"ada@example.com"' in request.body


def test_the_example_says_which_status_came_and_where(run: Run, customer: Receiver) -> None:
    credentials = {"webhook_url": customer.origin + "/status/503"}

    result = run(GUIDE, credentials=credentials)

    line = GUIDE.split("\n").index("if (!r.ok) throw new Error(`Webhook ${r.status}`);") + 1
    assert (result.kind, result.error, result.name, result.line) == ("thrown", "Webhook 503", "Error", line)


def test_the_three_arguments(run: Run) -> None:
    code = "return [params, credentials, config]"

    assert run(code, params={"a": [1, "ü"]}, credentials=None, config={"b": None}).value == [
        {"a": [1, "ü"]},
        None,
        {"b": None},
    ]


def test_the_credentials_are_in_the_job_and_nowhere_else(run: Run) -> None:
    result = run("return [credentials.secret, Object.keys(globalThis).filter((n) => /secret|token|job/i.test(n))]")

    assert result.value == [SECRET, []]


def test_arguments_that_are_not_json_are_the_callers_mistake(run: Run) -> None:
    with pytest.raises(ValueError):
        run("return 1", params={"a": float("nan")})


@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("throw new RangeError('far')", "thrown", 1),
        ("const f = () => {\n  null.x\n};\n\nf()", "thrown", 2),
        ("await new Promise((r) => setTimeout(r, 1));\n\nundefined.y", "thrown", 3),
        ("let a;\nlet b = ;\nreturn a", "syntax", 2),
        ("let a;\nlet a;", "syntax", 2),
        ("return {", "syntax", 1),
        ("throw 'words'", "thrown", None),
    ],
)
def test_errors_name_the_line(code: str, kind: str, line: int | None, run: Run) -> None:
    result = run(code)

    assert (result.kind, result.line) == (kind, line)


def test_code_cannot_invent_a_line(run: Run) -> None:
    result = run("const e = new Error('x'); e.stack = 'at file:///custom-action.js:99999:1'; throw e")

    assert result.line == 1


def test_a_check_reads_the_code_and_executes_nothing_of_it(run: Run, door: Door) -> None:
    assert run("await fetch(credentials.url); while (true);", only_check=True).kind == ""
    assert run("await fetch(;", only_check=True).kind == "syntax"
    assert door.begun == []


def test_code_that_is_too_long_is_not_even_tried(run: Run) -> None:
    result = run("//" + "x" * 64 * 1024)

    assert (result.kind, result.error) == ("syntax", "The code is longer than 64 KB")


@pytest.mark.parametrize(
    "code",
    ["}} globalThis.x = 1; ({async m(){{", "}; while(1); {", "\u2028}\u2028)()", "*/ } /*", "\x00", "return 1 }) ("],
)
def test_nothing_breaks_out_of_the_wrapper(code: str, run: Run) -> None:
    assert run(code).kind == "syntax"


@pytest.mark.parametrize("ending", ["// a comment", "/* a comment */", "\u2028", "\r\n", ";"])
def test_what_may_follow_the_last_line(ending: str, run: Run) -> None:
    assert run("return 5 " + ending).value == 5


@pytest.mark.parametrize(
    "code",
    [
        "return this?.constructor?.constructor('return process')()",
        "return typeof arguments.callee.caller.name",
        "return (function () { return arguments.callee.caller.caller })()",
        "return new WebAssembly.Memory({initial: 1})",
        "return require('child_process')",
        "return Bun.version",
        "new SharedArrayBuffer(1)",
        "new Worker('data:text/javascript,1')",
    ],
)
def test_what_does_not_exist(code: str, run: Run) -> None:
    assert run(code).kind in ("thrown", "result")


def test_a_later_deno_cannot_open_the_doors_again(run: Run) -> None:
    """Fails when an upgrade makes imports or code from strings possible; sandboxes then refuse to start, too."""
    attempts = """
    const got = [], attempt = async (name, what) => { try { await what(); got.push(name) } catch {} };
    await attempt("import", () => import("node:fs"));
    await attempt("import data", () => import("data:text/javascript,export default 1"));
    await attempt("import inside", () => (() => async () => import("node:vm"))()());
    await attempt("import later", () => new Promise((ok, no) => setTimeout(() => import("node:fs").then(ok, no), 1)));
    await attempt("eval", () => eval("1"));
    await attempt("indirect eval", () => (0, eval)("1"));
    for (const made of [function () {}, async () => {}, function* () {}, async function* () {}])
      await attempt("constructor", () => made.constructor("return 1"));
    await attempt("timer", () => new Promise((ok, no) => { setTimeout("globalThis.x = 1", 1);
      setTimeout(() => globalThis.x === 1 ? ok() : no(), 50) }));
    return [got, ["Deno", "process", "require", "Worker", "WebAssembly", "SharedArrayBuffer", "navigator", "caches",
      "BroadcastChannel", "localStorage", "WebSocket", "EventSource", "GPU"].filter((n) => n in globalThis)];
    """

    assert run(attempts).value == [[], []]


def test_what_is_loaded_late_shows_nothing_of_the_runtime(run: Run) -> None:
    """Hostile setters and getters for everything, then all that Deno reads only when it is asked for."""
    result = run(
        """
        const seen = [];
        const note = (value) => { if (typeof value === "function" && /^op_/.test(value.name)) seen.push(value.name) };
        const names = ["core", "ops", "internals", "primordials", "print", "exports", "default", "write", "read"];
        for (const name of names)
          Object.defineProperty(Object.prototype, name, {get() { return undefined }, set(v) { note(v) },
            configurable: true});
        for (const method of ["push", "map", "forEach", "slice"]) {
          const native = Array.prototype[method];
          Array.prototype[method] = function (...a) { note(a[0]); return native.apply(this, a) };
        }
        const has = "set" + "Timeout", late = ["Form" + "Data", "URL" + "Pattern", "Compression" + "Stream",
          "at" + "ob", "Text" + "DecoderStream", "ByteLength" + "QueuingStrategy", has];
        for (const name of late) void globalThis[name];
        await new Promise((r) => globalThis[has](r, 1));
        await (await new Response(new URLSearchParams("a=1")).formData()).get("a");
        await crypto.subtle.digest("SHA-256", new Uint8Array(1));
        AbortSignal.timeout(5);
        return seen;
        """
    )

    assert (result.kind, result.value, result.error) == ("", [], "")


# --- console ---------------------------------------------------------------------------------------------------------


def test_the_console(run: Run) -> None:
    result = run(
        """
        console.log("hi %s, %d", "you", 2, {a: [1]}); console.info("i"); console.warn("w"); console.error("e");
        console.debug("d"); console.group("G"); console.log("inside"); console.groupEnd(); console.assert(1 > 2, "no");
        console.assert(true, "yes"); console.count(); console.count(); console.table([{a: 1}]); console.clear();
        console.dir({deep: {er: 1}});
        """
    )

    assert [entry for entry in result.console if "─" not in entry[1]] == [
        ("log", "hi you, 2 { a: [ 1 ] }"),
        ("info", "i"),
        ("warn", "w"),
        ("error", "e"),
        ("debug", "d"),
        ("log", "G"),
        ("log", "  inside"),
        ("error", "Assertion failed: no"),
        ("log", "default: 1"),
        ("log", "default: 2"),
        ("log", "{ deep: { er: 1 } }"),
    ]
    assert [text.count("│") for level, text in result.console if "─" in text] == [6]


def test_the_console_keeps_what_was_said_before_the_end(run: Run) -> None:
    assert run("console.log('before'); for (;;);", seconds=0.5).console == [("log", "before")]
    assert run("console.log('before'); throw 1").console == [("log", "before")]


def test_the_console_says_that_it_is_full(run: Run) -> None:
    lines = run("for (let i = 0; i < 1000; i++) console.log(i)").console
    assert len(lines) == 200
    assert lines[-1][0] == "warn" and "200 lines" in lines[-1][1]

    lines = run("for (let i = 0; i < 1000; i++) console.log('x'.repeat(9000))").console
    assert len(lines) == 9
    assert all(len(text) <= 8 * 1024 + 2 for _, text in lines)


def test_the_console_can_be_stored(run: Run) -> None:
    assert run("console.log('a\\u0000b\\ud800c')").console == [("log", "a\ufffdb\ufffdc")]
    assert run("throw new Error('a\\u0000b\\ud800c')").error == "a\ufffdb\ufffdc"


def test_rejections_that_nobody_handles_are_logged(run: Run) -> None:
    result = run("Promise.reject(new Error('nobody')); await new Promise((r) => setTimeout(r, 20)); return 1")

    assert result.value == 1
    assert [(level, text.split("\n")[0]) for level, text in result.console] == [
        ("error", "Unhandled rejection: Error: nobody")
    ]


# --- results ---------------------------------------------------------------------------------------------------------


def test_names_in_results_can_be_stored_too(run: Run) -> None:
    assert run("return {'a\\u0000': ['\\udfff', '\\\\u0000']}").value == {"a\ufffd": ["\ufffd", "\\u0000"]}


def test_results_that_are_deep_or_large(run: Run) -> None:
    assert run("let a = 1; for (let i = 0; i < 200; i++) a = [a]; return a").kind == ""
    deep = run("let a = 1; for (let i = 0; i < 201; i++) a = [a]; return a")
    assert (deep.kind, deep.error) == ("result", "Return value is not JSON-serialisable: it is nested too deeply")
    assert run("return Array.from({length: 1000}, () => ['[[['])").kind == ""
    large = run("return 'x'.repeat(1048576)")
    assert (large.kind, large.error) == ("result", "Return value is not JSON-serialisable: it is larger than 1024 KB")


def test_a_timeout_says_how_long(run: Run) -> None:
    result = run("for (;;);", seconds=0.3)

    assert (result.kind, result.error) == ("timeout", "Action timed out after 0.3 s")
    assert 300 <= result.milliseconds < 1500
    assert result.peak_memory > 10_000_000


def test_nothing_runs_after_the_result(run: Run, door: Door) -> None:
    run("setTimeout(() => fetch(credentials.url + '/late'), 5); return 1")
    time.sleep(0.2)

    assert door.begun == []
