"""Groups C, D, E and F of the attack list against real sockets: what leaves, where to, and what never follows."""

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests import nameserver
from tests.webhooks import receivers
from tests.webhooks.receivers import OK, Receiver, answering, endless, outcome
from webhooks import addresses, http


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    receivers.let_in(monkeypatch, settings)


@pytest.fixture
def canary() -> Iterator[Receiver]:
    """Listens where nobody may ever connect."""
    with Receiver(answering(OK)) as canary:
        yield canary
        assert canary.connections == 0


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


def test_a_name_that_changes_its_mind_is_asked_once(canary: Receiver) -> None:
    found = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]])
    nameserver.shared().names["receiver.example"] = found
    with Receiver(answering(OK)) as receiver:
        assert http.post(receiver.url(), body=b"{}").status == 200
    # The second look-up is the next delivery's, and that one is refused.
    with pytest.raises(http.Blocked):
        http.post(canary.url(), body=b"{}")
    assert next(found) == ["127.0.0.3"]


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "refusal", lambda ip: None if ip in map(ip_address, TWO) else "private")
    nameserver.shared().names["receiver.example"] = [*TWO]


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


def test_a_look_up_that_hangs_ends_with_the_deadline(canary: Receiver) -> None:
    nameserver.shared().names["receiver.example"] = nameserver.silence(1.5)
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
