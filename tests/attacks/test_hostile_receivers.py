"""Group H of the attack list: receivers that are slow, endless, broken or lying, over real sockets."""

import gzip
import multiprocessing
import socket
import time
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.webhooks import receivers
from tests.webhooks.receivers import OK, Receiver, answering, endless, outcome
from webhooks import answers, http

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    receivers.let_in(monkeypatch, settings)


# --- hostile receivers: time -----------------------------------------------------------------------------------------

TRICKLES = {
    "never answers": (receivers.silent, http.NoAnswer),
    "trickles a status": (endless(b"", b"H", pause=0.1), http.BadAnswer),
    "trickles a header": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause=0.1), 200),
    "trickles one header line": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"y", pause=0.1), 200),
    "trickles interim answers": (answering(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 5, pause=1.0), http.NoAnswer),
    "trickles a body": (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a", pause=0.1), 200),
    "trickles chunks": (
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", pause=0.1),
        200,
    ),
    "trickles a chunk size": (endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", pause=0.1), 200),
}


@pytest.mark.parametrize("name", TRICKLES)
def test_one_deadline_for_everything(name: str) -> None:
    script, expected = TRICKLES[name]
    began = time.monotonic()
    with Receiver(script) as receiver:
        if isinstance(expected, int):
            answer = http.post(receiver.url(), body=b"{}", deadline=0.8)
            assert (answer.status, answer.body_cut) == (expected, True)
        else:
            failed = outcome(receiver, deadline=0.8)
            assert isinstance(failed, expected)
    assert 0.7 < time.monotonic() - began < 1.3


def test_no_answer_in_time_may_have_been_seen() -> None:
    with Receiver(receivers.silent) as receiver:
        failed = outcome(receiver, deadline=0.3)
        assert (type(failed), failed.code, failed.seen) == (http.NoAnswer, "deadline", "maybe")
        assert len(receiver.requests) == 1


# More than both kernels take off our hands, so that writing itself waits or breaks.
LARGE = 64 * 1024 * 1024
WIDE = replace(http.DELIVERY, request_body=LARGE)


@pytest.mark.parametrize("size", [256 * 1024, LARGE])
def test_a_receiver_that_never_reads_the_body(size: int) -> None:
    began = time.monotonic()
    with Receiver(receivers.deaf) as receiver:
        failed = outcome(receiver, body=b"a" * size, deadline=0.8, limits=WIDE)
    assert (type(failed), failed.code) == (http.NoAnswer, "deadline")
    assert time.monotonic() - began < 1.4


def test_deadlines_hold_in_a_forked_process() -> None:
    with Receiver(receivers.silent) as receiver:
        outcome(receiver, deadline=0.1)
        results = multiprocessing.get_context("fork").SimpleQueue()
        child = multiprocessing.get_context("fork").Process(target=_send_in_child, args=(receiver.url(), results))
        began = time.monotonic()
        child.start()
        child.join(10)
        assert results.get() == "deadline"
        assert time.monotonic() - began < 0.5 + http.GRACE


def _send_in_child(url: str, results: Any) -> None:
    with suppress(http.SendFailed):
        http.post(url, body=b"{}", deadline=0.3)
    try:
        http.post(url, body=b"{}", deadline=0.3)
    except http.SendFailed as failure:
        results.put(failure.code)


# --- hostile receivers: size and nonsense ----------------------------------------------------------------------------

BOMB = gzip.compress(gzip.compress(b"\0" * 50_000_000))


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "br", "zstd", "deflate"])
def test_a_compressed_answer_is_never_unpacked(coding: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode()
    with Receiver(answering(head + BOMB)) as receiver:
        http.post(receiver.url(), body=b"{}")
        tracemalloc.start()
        answer = http.post(receiver.url(), body=b"{}")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.body == BOMB
    assert peak < 1_000_000


def test_an_endless_body_is_cut_at_once_and_costs_no_memory() -> None:
    with Receiver(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536)) as receiver:
        answer = http.post(receiver.url(), body=b"{}")
        assert (answer.body, answer.body_cut) == (b"a" * 16 * 1024, True)
        assert answer.timings.total < 2000


ANSWERS = {
    "100 then 204": (b"HTTP/1.1 100 Continue\r\n\r\n" + NO_CONTENT, (204, b"", False)),
    "103 then 204": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + NO_CONTENT, (204, b"", False)),
    "five interim answers": (b"HTTP/1.1 102 Wait\r\n\r\n" * 5 + OK, (200, b"hi", False)),
    "101": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbytes", (101, b"", False)),
    "304 with a length": (b"HTTP/1.1 304 Same\r\nContent-Length: 10\r\n\r\n", (304, b"", False)),
    "short body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", (200, b"abc", True)),
    "no length": (b"HTTP/1.0 200 OK\r\n\r\nabc", (200, b"abc", False)),
    "bare line feeds": (b"HTTP/1.1 200\nContent-Length: 1\n\na", (200, b"a", False)),
    "same length twice": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", (200, b"a", False)),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n",
        (200, b"ab0123456789", False),
    ),
    "chunk of minus one": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nab", (200, b"", True)),
    "chunk too short": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", (200, b"ab", True)),
    "chunk too long": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", (200, b"a", True)),
    "ends after the status": (b"HTTP/1.1 200 OK\r\n", (200, b"", True)),
    "ends in the headers": (b"HTTP/1.1 500 No\r\nX: y\r\nZ: ", (500, b"", True)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    raw, expected = ANSWERS[name]
    with Receiver(answering(raw)) as receiver:
        answer = http.post(receiver.url(), body=b"{}", deadline=2)
        assert (answer.status, answer.body, answer.body_cut) == expected
        assert receiver.connections == 1


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\nabc"
BAD_ANSWERS = {
    "90 large headers": (b"HTTP/1.1 200 OK\r\n" + b"X: %b\r\n" % (b"a" * 60_000) * 90, "headers_too_large"),
    "101 headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n", "headers_too_large"),
    "one header of 70 KB": (b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"a" * 70_000), "headers_too_large"),
    "a status line of 70 KB": (b"HTTP/1.1 200 " + b"a" * 70_000, "headers_too_large"),
    "six interim answers": (b"HTTP/1.1 103 Hints\r\n\r\n" * 6 + OK, "too_many_informational"),
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "framing",
    ),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "framing"),
    "unknown coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "framing"),
    "negative length": (LENGTH % b"-1", "framing"),
    "length of 10^18": (LENGTH % (b"1" + b"0" * 18), "framing"),
    "length with a sign": (LENGTH % b"+3", "framing"),
    "length with an underscore": (LENGTH % b"1_0", "framing"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", "not_http"),
    "another version": (b"HTTP/2 200\r\n\r\n", "not_http"),
    "odd status": (b"HTTP/1.1 2_0 OK\r\n\r\n", "not_http"),
    "status with a sign": (b"HTTP/1.1 +20 OK\r\n\r\n", "not_http"),
    "only a word": (b"hello", "not_http"),
    "a line without a colon": (b"HTTP/1.1 200 OK\r\nhello\r\n\r\n", "not_http"),
    "a stray carriage return": (b"HTTP/1.1 200 OK\r\n\r\r\n\r\n", "not_http"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers(name: str) -> None:
    raw, code = BAD_ANSWERS[name]
    with Receiver(answering(raw)) as receiver:
        failed = outcome(receiver)
        assert (type(failed), failed.code, failed.seen) == (http.BadAnswer, code, "yes")
        assert receiver.connections == 1


def test_characters_that_a_database_or_a_terminal_would_choke_on_are_replaced() -> None:
    with Receiver(answering(b"HTTP/1.1 200 OK\r\nX: a\x00b\x1b[31m\x9b\xe9\r\n folded\r\n\r\n")) as receiver:
        answer = http.post(receiver.url(), body=b"{}")
    assert answer.headers == [("X", "a\ufffdb\ufffd[31m\ufffd\xe9 folded")]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (b"", http.NoAnswer),
        (b"HTTP/1.1 2", http.NoAnswer),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", (200, b"", True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", (200, b"abc", True)),
    ],
)
def test_a_reset_counts_by_what_was_read_before(after: bytes, expected: Any) -> None:
    with Receiver(receivers.resetting(after=after)) as receiver:
        if isinstance(expected, tuple):
            answer = http.post(receiver.url(), body=b"{}", deadline=2)
            assert (answer.status, answer.body, answer.body_cut) == expected
        else:
            assert type(outcome(receiver)) is expected
        assert receiver.connections == 1


def early(*, closes: bool) -> receivers.Script:
    def script(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        time.sleep(0.2 if closes else 30)

    return script


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("size", [256 * 1024, LARGE])
def test_an_answer_before_the_request_was_written_is_that_answer(closes: bool, size: int) -> None:
    with Receiver(early(closes=closes)) as receiver:
        answer = http.post(receiver.url(), body=b"a" * size, deadline=1, limits=WIDE)
        assert answer.status == 413
        assert receiver.connections == 1


def test_nothing_secret_is_in_a_failure() -> None:
    with Receiver(receivers.resetting()) as receiver, pytest.raises(http.SendFailed) as failed:
        http.post(
            receiver.url("/?token=s3cret"),
            body=b's3cret {"a": 1}',
            headers={"Authorization": "s3cret"},
            platform_headers={"X-Webhook-Secret": "s3cret"},
        )
    assert "s3cret" not in repr(failed.value) + str(failed.value) + repr(failed.value.__dict__)
    assert failed.value.__cause__ is None


def test_no_socket_stays_open_whatever_happens() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for script in (answering(OK), answering(b"nonsense"), receivers.resetting(), receivers.silent) * 5:
        with Receiver(script) as receiver, suppress(http.SendFailed):
            http.post(receiver.url(), body=b"{}", deadline=0.1)
    time.sleep(0.2)
    assert descriptors() <= before + 1


def test_the_limits_are_those_that_are_promised() -> None:
    assert (answers.MAX_HEADERS, answers.MAX_HEAD, answers.MAX_BODY, answers.MAX_INFORMATIONAL) == (
        100,
        32768,
        16384,
        5,
    )
    assert (http.DEADLINE, http.CONNECT_SECONDS) == (10.0, 3.0)
    assert (http.DELIVERY.request_body, http.DELIVERY.response_body) == (256 * 1024, 16 * 1024)
    assert (http.FETCH.request_body, http.FETCH.response_body) == (1024 * 1024, 2 * 1024 * 1024)
