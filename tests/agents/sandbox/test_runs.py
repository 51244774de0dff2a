"""What an action sees, says and returns."""

import logging
import time
from typing import Any

import pytest

from agents.sandbox import FetchReply, FetchRequest, Job, Limits, Pool
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


# --- fetch -----------------------------------------------------------------------------------------------------------


def test_redirects_are_shown_and_not_followed(run: Run, door: Door) -> None:
    result = run(
        "const r = await fetch(credentials.url + '/moved'); return [r.status, r.ok, r.headers.get('location')]"
    )

    assert result.value == [307, False, "/ok"]
    assert [request.redirect for request in door.begun] == ["manual"]


@pytest.mark.parametrize(
    ("how", "redirect"),
    [
        ("u, {redirect: 'follow'}", "follow"),
        ("u, {redirect: 'error'}", "error"),
        ("u, {redirect: 'manual'}", "manual"),
        ("new Request(u)", "manual"),
        ("new Request(u, {redirect: 'error'})", "error"),
        ("u, {credentials: 'include', mode: 'cors', cache: 'no-store'}", "manual"),
    ],
)
def test_what_the_code_says_about_redirects(how: str, redirect: str, run: Run, door: Door) -> None:
    run(f"const u = credentials.url + '/ok'; return (await fetch({how})).status")

    assert [request.redirect for request in door.begun] == [redirect]


def test_each_hop_is_performed_and_finished(run: Run, door: Door) -> None:
    result = run(
        "const r = await fetch(credentials.url + '/moved', {redirect: 'follow'}); return (await r.json()).path"
    )

    assert result.value == "/ok"
    assert len(door.performed) == len(door.finished) == 2


def test_begin_and_finish_are_called_in_the_thread_of_the_run(run: Run, door: Door) -> None:
    run("await Promise.all([1, 2, 3].map(() => fetch(credentials.url + '/ok')))")

    assert {name for what, name in door.threads if what != "perform"} == {"MainThread"}
    assert all(name.startswith("sandbox-fetch") for what, name in door.threads if what == "perform")


def test_a_fetch_that_nobody_awaits_is_sent_and_finished(run: Run, door: Door) -> None:
    result = run("fetch(credentials.url + '/slow/0.2'); return 7")

    assert (result.value, result.fetches) == (7, 1)
    assert len(door.finished) == 1 and door.finished[0][1][0] == 200


def test_what_is_under_way_at_the_deadline_is_finished(run: Run, door: Door) -> None:
    result = run("fetch(credentials.url + '/slow/5'); for (;;);", seconds=0.4)

    assert result.kind == "timeout"
    assert [answer for _, answer in door.finished] == ["no answer: TimeoutError"]


def test_what_waits_for_its_turn_at_the_end_is_not_begun(run: Run, door: Door) -> None:
    result = run("for (let i = 0; i < 20; i++) fetch(credentials.url + '/slow/0.2'); return 1")

    assert len(door.begun) == len(door.performed) == len(door.finished) == result.fetches == 6


def test_a_redirect_that_comes_after_the_end_gets_no_time(pool: Pool) -> None:
    class Slow(Door):
        def perform(self, begun: FetchRequest, *, seconds: float) -> Any:
            time.sleep(0.2)
            self.finished_with = seconds
            return "hop" if not self.finished else "too late"

        def finish(self, begun: FetchRequest, answer: Any) -> Any:
            self.finished.append((begun, answer))
            return begun if answer == "hop" else FetchReply(error=answer)

    door = Slow("http://x")
    result = pool.run(Job("fetch('http://x/y', {redirect: 'follow'}); return 1", {}, None, {}), door, seconds=5)

    assert result.value == 1
    assert [answer for _, answer in door.finished] == ["hop", "too late"]
    assert door.finished_with == 0.0


@pytest.mark.parametrize("broken", ["begin", "perform", "finish"])
def test_a_fetcher_that_breaks_is_an_error_of_ours(broken: str, pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Door):
        def _note(self, what: str) -> None:
            if what == broken:
                raise RuntimeError("a secret detail")

    code = "try { await fetch('http://x/') } catch (e) { return [e.name, e.message] }"
    with caplog.at_level(logging.CRITICAL, "agents.sandbox"):
        result = pool.run(Job(code, {}, None, {}), Broken("http://x"), seconds=3)

    assert result.value == ["TypeError", "fetch failed: internal error"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("fetch(u, {method: 'PROPFIND'})", "the method PROPFIND is not supported, write it in capitals"),
        ("fetch(u, {method: 'patch'})", "the method patch is not supported, write it in capitals"),
        ("fetch(u + '?' + 'x'.repeat(9000))", "the address is longer than 8192 characters"),
        ("fetch(u, {method: 'POST', body: 'x'.repeat(1048577)})", "the body is larger than 1024 KB"),
        ("fetch(u, {headers: {a: 'x'.repeat(20000)}})", "a header is longer than 16 KB"),
        ("fetch(u, {headers: Array.from({length: 101}, (_, i) => ['h' + i, '1'])})", "a request may have 100 headers"),
        ("fetch('http://elsewhere.invalid/')", "this address is not allowed"),
        ("fetch(u + '/big/2097153')", "the answer is larger than 2048 KB"),
    ],
)
def test_why_a_fetch_failed(code: str, error: str, run: Run) -> None:
    result = run(f"const u = credentials.url; await {code}")

    assert (result.kind, result.name, result.error) == ("thrown", "TypeError", f"fetch failed: {error}")


def test_a_body_of_the_largest_size_arrives(run: Run) -> None:
    code = "return (await (await fetch(credentials.url + '/big/2097152')).arrayBuffer()).byteLength"

    assert run(code).value == 2097152


@pytest.mark.parametrize("status", [204, 205, 304])
def test_statuses_without_a_body(status: int, pool: Pool) -> None:
    class Fixed(Door):
        def begin(self, request: FetchRequest) -> Any:
            return FetchReply(status=status, body=b"ignored", url=request.url)

    code = "const r = await fetch('http://x/'); return [r.status, await r.text(), r.body]"

    assert pool.run(Job(code, {}, None, {}), Fixed("")).value == [status, "", None]


def test_an_answer_that_no_response_can_be_made_of(pool: Pool) -> None:
    class Odd(Door):
        def begin(self, request: FetchRequest) -> Any:
            return FetchReply(status=999, headers=[("bad name", "x")], url=request.url)

    result = pool.run(Job("await fetch('http://x/')", {}, None, {}), Odd(""))

    assert result.error == "fetch failed: the answer has the unusual status 999"


def test_a_limit_can_be_smaller(run: Run) -> None:
    code = (
        "const r = []; for (const i of [1, 2, 3]) r.push(await fetch(credentials.url).then(() => 1, () => 0)); return r"
    )

    assert run(code, limits=Limits(fetches=2)).value == [1, 1, 0]


def test_a_signal_fires_even_when_garbage_was_collected(run: Run) -> None:
    code = """
    let names = [];
    for (let i = 0; i < 6; i++) {
      const waiting = fetch(credentials.url + '/slow/1', {signal: AbortSignal.any([AbortSignal.timeout(60)])});
      for (let n = 0; n < 40; n++) new Array(20000).fill({});
      names.push(await waiting.then(() => 'answer', (e) => e.name));
    }
    return names;
    """

    assert run(code, seconds=8).value == ["TimeoutError"] * 6


def test_the_credentials_are_in_the_job_and_nowhere_else(run: Run) -> None:
    result = run("return [credentials.secret, Object.keys(globalThis).filter((n) => /secret|token|job/i.test(n))]")

    assert result.value == [SECRET, []]


def test_arguments_that_are_not_json_are_the_callers_mistake(run: Run) -> None:
    with pytest.raises(ValueError):
        run("return 1", params={"a": float("nan")})
