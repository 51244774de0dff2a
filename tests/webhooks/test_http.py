"""Groups C, D, E, F and H of the attack list against real sockets: what leaves, what comes back, when it ends."""

import gzip
import multiprocessing
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.webhooks import receivers
from tests.webhooks.receivers import Receiver, answering, endless
from webhooks import addresses, answers, bodies, http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Names under .example are 127.0.0.1, and for these tests that one address is not refused."""
    refusal = addresses.refusal
    monkeypatch.setattr(addresses, "refusal", lambda ip: None if str(ip) == "127.0.0.1" else refusal(ip))
    monkeypatch.setattr(addresses, "getaddrinfo", lambda host, port, **_: answers_of(port, "127.0.0.1"))
    settings.ALLOW_HTTP, settings.ALLOWED_PORTS, settings.INSPECTOR_ORIGIN = True, range(1, 65536), ""


def answers_of(port: int, *found: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]


@pytest.fixture
def canary() -> Iterator[Receiver]:
    """Listens where nobody may ever connect."""
    with Receiver(answering(OK)) as canary:
        yield canary
        assert canary.connections == 0


def outcome(receiver: Receiver, **options: Any) -> http.SendFailed:
    with pytest.raises(http.SendFailed) as failed:
        http.post(receiver.url(), **{"body": b"{}", "deadline": 2.0, **options})
    assert failed.value.sentence.endswith(".")
    return failed.value


# --- what leaves -----------------------------------------------------------------------------------------------------


def test_the_request_is_exactly_this_and_the_answer_is_kept_as_it_came() -> None:
    body = b'{"a": "\r\nSET x 1\r\n"}'
    answer = b"HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 3\r\n\r\n\x00\xff!"
    with Receiver(answering(answer)) as receiver:
        got = http.post(
            receiver.url("/a/../../b//%2e%2E/%7e?x=~&y[]=1"),
            body=body,
            headers={"Authorization": "Bearer s3cret"},
            platform_headers={"Content-Type": "application/json", "webhook-id": "dlv_1"},
        )
        expected = (
            f"POST /a/../../b//%2e%2E/%7e?x=~&y[]=1 HTTP/1.1\r\nHost: receiver.example:{receiver.port}\r\n"
            "User-Agent: Chatzuri\r\nAccept: */*\r\nAuthorization: Bearer s3cret\r\n"
            "Content-Type: application/json\r\nwebhook-id: dlv_1\r\nAccept-Encoding: identity\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        assert receiver.requests == [expected.encode() + body]
        assert receiver.connections == 1
    assert (got.status, got.headers[:2], got.body, got.body_cut) == (
        201,
        [("X-A", "1"), ("x-a", "2")],
        b"\0\xff!",
        False,
    )
    assert got.address == "127.0.0.1"
    assert got.timings.total >= got.timings.first_byte > 0
    assert got.timings.tls == 0


def test_our_headers_win_over_everybodys_whatever_their_letters() -> None:
    with Receiver(answering(OK)) as receiver:
        http.post(
            receiver.url(),
            body=b"{}",
            headers={"CONTENT-TYPE": "text/plain", "user_agent": "mine"},
            platform_headers={"Content-Type": "application/json"},
        )
        head = receiver.requests[0].lower()
    assert head.count(b"content-type") == 1
    assert b"content-type: application/json" in head
    assert b"chatzuri" not in head


def test_other_methods_for_custom_actions() -> None:
    with Receiver(answering(OK)) as receiver:
        assert http.request("GET", receiver.url()).body == b"hi"
        assert http.request("HEAD", receiver.url()).body == b""
        assert receiver.requests[0].startswith(b"GET /hook HTTP/1.1\r\n")
        assert b"content-length" not in receiver.requests[0].lower()
        for method in ("CONNECT", "TRACE", "get", "POST /x HTTP/1.1\r\nX:"):
            with pytest.raises(http.Blocked):
                http.request(method, receiver.url())
        assert receiver.connections == 2


@pytest.mark.parametrize(
    "options",
    [
        {"body": b"a" * (256 * 1024 + 1)},
        {"headers": {"Host": "127.0.0.1"}},
        {"headers": {"X-Name": "a\r\nX-Evil: 1"}},
        {"platform_headers": {"X-Name": "a\nX-Evil: 1"}},
    ],
)
def test_what_may_not_be_sent_is_refused_before_a_connection(options: dict[str, Any], canary: Receiver) -> None:
    refused = outcome(canary, **options)
    assert isinstance(refused, http.Blocked)
    assert refused.seen == "no"


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "localhost", "10.0.0.1"])
def test_a_refused_address_gets_no_packet_and_the_text_says_nothing_about_it(host: str, canary: Receiver) -> None:
    with pytest.raises(http.Blocked) as listening:
        http.post(canary.url(host=host), body=b"{}")
    with pytest.raises(http.Blocked) as not_listening:
        http.post(f"http://{host}:1/hook", body=b"{}")
    assert listening.value.sentence == not_listening.value.sentence


# --- names and addresses ---------------------------------------------------------------------------------------------


def test_a_name_that_changes_its_mind_is_asked_once(monkeypatch: pytest.MonkeyPatch, canary: Receiver) -> None:
    found = iter(["127.0.0.1", "127.0.0.2", "127.0.0.2"])
    monkeypatch.setattr(addresses, "getaddrinfo", lambda host, port, **_: answers_of(port, next(found)))
    with Receiver(answering(OK)) as receiver:
        assert http.post(receiver.url(), body=b"{}").status == 200
    # The second look-up is the next delivery's, and that one is refused.
    with pytest.raises(http.Blocked):
        http.post(canary.url(), body=b"{}")
    assert next(found) == "127.0.0.2"


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "refusal", lambda ip: None if ip in map(ip_address, TWO) else "private")
    monkeypatch.setattr(addresses, "getaddrinfo", lambda host, port, **_: answers_of(port, *TWO))


TWO = ("127.0.0.2", "127.0.0.1")


def test_the_next_address_is_tried_while_nothing_was_written(two_addresses: None) -> None:
    with Receiver(answering(OK)) as receiver:
        answer = http.post(receiver.url(), body=b"{}")
        assert (answer.status, answer.address, receiver.connections) == (200, "127.0.0.1", 1)


def test_the_next_address_is_never_tried_once_the_request_left(two_addresses: None, canary: Receiver) -> None:
    with Receiver(receivers.resetting(), host="127.0.0.2", port=canary.port) as first:
        failed = outcome(canary)
        assert (type(failed), failed.code, failed.address) == (http.NoAnswer, "closed", "127.0.0.2")
        assert first.connections == 1


def test_a_refused_connection_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(http.NotSent) as failed:
        http.post(f"http://receiver.example:{port}/", body=b"{}")
    assert (failed.value.code, failed.value.seen, failed.value.address) == ("connect", "no", "127.0.0.1")
    assert failed.value.timings.total > 0


def test_a_connection_that_ended_up_elsewhere_is_closed_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(answering(OK)) as receiver:
        monkeypatch.setattr(socket.socket, "getpeername", lambda _: ("127.0.0.9", receiver.port))
        failed = outcome(receiver)
        assert (type(failed), failed.code, receiver.requests) == (http.NotSent, "wrong_peer", [])


def test_a_network_without_a_way_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "refusal", lambda ip: None)
    with pytest.raises(http.NotSent) as failed:
        http.post("http://[2001:db8::1]/", body=b"{}", deadline=0.5)
    assert failed.value.code in ("network_unreachable", "connect_timeout")


def test_a_look_up_that_hangs_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch, canary: Receiver) -> None:
    monkeypatch.setattr(addresses, "getaddrinfo", lambda *_, **__: time.sleep(1.5) or [])
    began = time.monotonic()
    failed = outcome(canary, deadline=0.3)
    assert (type(failed), failed.code) == (http.NotSent, "dns")
    assert time.monotonic() - began < 1.0


# --- redirects, proxies, credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["http://{canary}/", "//{canary}/", "http://[", "http://169.254.169.254/", "\xff"])
def test_a_redirect_is_an_answer_and_nothing_more(status: int, location: str, canary: Receiver) -> None:
    target = location.format(canary=f"receiver.example:{canary.port}")
    head = f"HTTP/1.1 {status} Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    with Receiver(answering(head)) as receiver:
        answer = http.post(receiver.url(), body=b"{}")
        assert (answer.status, answer.headers[0]) == (status, ("Location", target.replace("\xff", "\xff")))
        assert receiver.connections == 1


def test_a_redirect_with_an_endless_body_is_cut_like_any_other() -> None:
    with Receiver(endless(b"HTTP/1.1 302 Go\r\nLocation: /x\r\n\r\n", b"a" * 65536)) as receiver:
        answer = http.post(receiver.url(), body=b"{}")
        assert (answer.status, len(answer.body), answer.body_cut) == (302, 16 * 1024, True)
        assert receiver.connections == 1


@pytest.mark.parametrize(
    "header",
    ["Refresh: 0; url=http://{canary}/", 'Alt-Svc: http/1.1="{canary}"', "Strict-Transport-Security: max-age=9999"],
)
def test_headers_that_point_elsewhere_are_ignored(header: str, canary: Receiver) -> None:
    line = header.format(canary=f"receiver.example:{canary.port}").encode()
    with Receiver(answering(b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n")) as receiver:
        for _ in range(2):
            assert http.post(receiver.url(), body=b"{}").status == 200


@pytest.mark.parametrize("challenge", ['Basic realm="x"', 'Digest realm="x", nonce="y", qop="auth"', "Negotiate"])
def test_a_challenge_is_not_answered(challenge: str) -> None:
    answer = f"HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n".encode()
    with Receiver(answering(answer)) as receiver:
        assert http.post(receiver.url(), body=b"{}").status == 401
        assert receiver.connections == 1


def test_proxies_and_passwords_of_the_environment_are_ignored(
    canary: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url(""))
        monkeypatch.setenv(name.lower(), canary.url(""))
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    (tmp_path / ".netrc").write_text("machine receiver.example login me password s3cret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Receiver(answering(OK)) as receiver:
        assert http.post(receiver.url(), body=b"{}").status == 200
        assert b"authorization" not in receiver.requests[0].lower()


def test_cookies_are_forgotten() -> None:
    with Receiver(answering(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")) as receiver:
        for _ in range(2):
            http.post(receiver.url(), body=b"{}")
        assert not any(b"cookie" in request.lower() for request in receiver.requests)


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


@pytest.mark.parametrize("size", [256 * 1024, LARGE])
def test_a_receiver_that_never_reads_the_body(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", LARGE)
    began = time.monotonic()
    with Receiver(receivers.deaf) as receiver:
        failed = outcome(receiver, body=b"a" * size, deadline=0.8)
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
def test_an_answer_before_the_request_was_written_is_that_answer(
    closes: bool, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", LARGE)
    with Receiver(early(closes=closes)) as receiver:
        answer = http.post(receiver.url(), body=b"a" * size, deadline=1)
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
