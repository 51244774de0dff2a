"""What `fetch` is inside an action: redirects, threads, what is cut off at the end, limits and why one failed."""

import logging
import time
from typing import Any

import pytest

from agents.sandbox import FetchReply, FetchRequest, Job, Limits, Pool
from tests.agents.sandbox.conftest import Run
from tests.agents.sandbox.receiver import Door


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
