"""`fetch` of a custom action: one request, one row, limits, and an outcome in words for whatever goes wrong."""

import json
from typing import Any

import pytest

from tests.webhooks import receivers
from tests.webhooks.fetches import RUN, answer, fetch, make_source
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks import auditing, fetching
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    receivers.let_in(monkeypatch, settings)


# --- one request, one row --------------------------------------------------------------------------------------------


def test_a_request_and_its_answer_and_the_row_of_both() -> None:
    source = make_source()
    with Receiver(answering(answer("201 Made Up", "X-A: 1", body=b"\0\xff!"))) as receiver:
        got = fetch(
            source,
            receiver.url("/a/../b?x=~"),
            method="PUT",
            headers=[("Content-Type", "text/plain"), ("X-Two", "a"), ("x-two", "b")],
            body=b"hello",
        )
        [request] = receiver.requests
    delivery = got.delivery
    assert request.decode() == (
        f"PUT /a/../b?x=~ HTTP/1.1\r\nHost: receiver.example:{receiver.port}\r\nUser-Agent: Chatzuri\r\nAccept: */*\r\n"
        f"Content-Type: text/plain\r\nX-Two: a, b\r\nX-Chatzuri-Agent-Id: agt_1\r\n"
        f"X-Chatzuri-Delivery: {delivery.public_id}\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
        "Content-Length: 5\r\n\r\nhello"
    )
    finished = got.finished
    assert finished is not None
    assert (finished.error, finished.status, finished.reason, finished.body) == ("", 201, "Made Up", b"\0\xff!")
    assert ("X-A", "1") in finished.headers
    assert (delivery.state, delivery.method, delivery.caused_by) == (State.DELIVERED, "PUT", RUN)
    assert (delivery.endpoint, bytes(delivery.body)) == (None, b"hello")
    assert delivery.url == finished.url == receiver.url("/a/../b?x=~")
    attempt = delivery.attempt
    assert (attempt.status_code, attempt.address, bytes(attempt.response_body)) == (201, "127.0.0.1", b"\0\xff!")
    assert attempt.request_headers == delivery.headers
    assert (attempt.request_headers["X-Two"], attempt.request_headers["Content-Length"]) == ("a, b", "5")
    assert attempt.timings["total"] > 0
    assert auditing.audit(whole=True).findings == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method(method: str) -> None:
    with Receiver(answering(OK)) as receiver:
        got = fetch(make_source(), receiver.url(), method=method)
        assert receiver.requests[0].startswith(f"{method} /hook HTTP/1.1\r\n".encode())
    assert (got.delivery.method, got.outcome) == (method, ("delivered", ""))
    assert got.finished.body == (b"" if method == "HEAD" else b"hi")  # type: ignore[union-attr]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "205 Reset"])
def test_answers_without_a_body(status: str) -> None:
    with Receiver(answering(f"HTTP/1.1 {status}\r\n\r\n".encode())) as receiver:
        got = fetch(make_source(), receiver.url())
    assert (got.finished.status, got.finished.body, got.told) == (int(status[:3]), b"", "")  # type: ignore[union-attr]


@pytest.mark.parametrize(("status", "state"), [("200 OK", "delivered"), ("302 Go", "rejected"), ("503 No", "rejected")])
def test_any_final_status_is_an_answer_and_a_redirect_is_not_followed(status: str, state: str) -> None:
    with Receiver(answering(answer(status, "Location: /next"))) as receiver:
        got = fetch(make_source(), receiver.url())
        assert receiver.connections == 1
    assert (got.outcome, got.told, got.finished.status) == ((state, ""), "", int(status[:3]))  # type: ignore[union-attr]


@pytest.mark.parametrize("status", ["101 Switch", "999 What"])
def test_a_status_that_no_code_can_hold_is_an_error_in_words(status: str) -> None:
    with Receiver(answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())) as receiver:
        got = fetch(make_source(), receiver.url())
    assert got.told == f"The receiver answered {status[:3]}, which is not the status of a finished answer."
    assert (got.outcome, got.delivery.attempt.status_code) == (("rejected", ""), int(status[:3]))


def test_headers_that_no_code_can_hold_are_made_fit() -> None:
    odd = b"HTTP/1.1 200 \x01Fi\xffne\x07\r\nX-\xe9: a\r\nX-B: a\x01b\xe9\r\nBad Name: 1\r\nContent-Length: 0\r\n\r\n"
    with Receiver(answering(odd)) as receiver:
        got = fetch(make_source(), receiver.url())
    assert got.finished.reason == "Fi\xffne"  # type: ignore[union-attr]
    assert got.finished.headers == [("X-B", "a?b\xe9"), ("Content-Length", "0")]  # type: ignore[union-attr]


def test_the_first_fetch_saves_the_event_and_the_others_share_it() -> None:
    source = make_source()
    assert source.event.pk is None
    with Receiver(answering(OK)) as receiver:
        first, second = (fetch(source, receiver.url()) for _ in range(2))
    assert first.delivery.event_id == second.delivery.event_id == source.event.pk == Event.objects.get().pk


# --- sizes -----------------------------------------------------------------------------------------------------------

MEGABYTE = 1024 * 1024


def test_a_request_of_a_megabyte_is_sent_whole_and_kept_in_part() -> None:
    body = b"a" * MEGABYTE
    with Receiver(answering(OK)) as receiver:
        got = fetch(make_source(), receiver.url(), method="POST", body=body)
        assert receiver.requests[0].endswith(b"\r\n\r\n" + body)
        assert not fetching.request_is_cut(fetch(make_source(), receiver.url(), method="POST", body=b"a").delivery)
    assert bytes(got.delivery.body) == body[: fetching.KEPT]
    assert fetching.request_is_cut(got.delivery)


def test_a_request_that_is_larger_is_refused_and_leaves_a_row() -> None:
    with Receiver(answering(OK)) as receiver:
        got = fetch(make_source(), receiver.url(), method="POST", body=b"a" * (MEGABYTE + 1))
        assert receiver.connections == 0
    assert got.outcome == ("blocked", "body_too_large")
    assert got.told == "The body is larger than 1024 KB. Send less."
    assert len(got.delivery.body) == fetching.KEPT


@pytest.mark.parametrize("size", [2 * MEGABYTE, 2 * MEGABYTE + 1])
def test_an_answer_of_two_megabytes_is_handed_over_and_a_larger_one_is_not(size: int) -> None:
    with Receiver(answering(answer("200 OK", body=b"a" * size))) as receiver:
        got = fetch(make_source(), receiver.url())
    assert got.finished is not None
    if size == 2 * MEGABYTE:
        assert (len(got.finished.body), got.told, got.outcome) == (size, "", ("delivered", ""))
    else:
        assert (got.finished.body, got.told) == (b"", "The answer is larger than 2 MB.")
        assert got.outcome == ("delivered", "body_cut")
    assert (len(got.delivery.attempt.response_body), got.delivery.attempt.response_cut) == (fetching.KEPT, True)


def test_an_answer_that_breaks_off_is_an_error_and_its_status_is_kept() -> None:
    with Receiver(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")) as receiver:
        got = fetch(make_source(), receiver.url())
    assert got.told == "The answer ended before all of it had come."
    assert (got.outcome, got.delivery.attempt.status_code) == (("delivered", "body_cut"), 200)


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_no_answer_in_time() -> None:
    with Receiver(receivers.silent) as receiver:
        got = fetch(make_source(), receiver.url(), seconds=0.3)
        assert len(receiver.requests) == 1
    assert (got.outcome, got.told) == (("no_answer", "deadline"), "The receiver did not answer in time.")


def test_a_closed_port_and_an_unknown_name() -> None:
    with Receiver(answering(OK)) as receiver:
        url = receiver.url()
    got = fetch(make_source(), url)
    assert (got.outcome, got.told) == (("not_sent", "connect"), "The receiver did not accept the connection.")


REFUSED = {
    "private_address": {"url": "http://10.0.0.1/"},
    "scheme": {"url": "javascript:alert(1)"},
    "no_host": {"url": "http://["[:7]},
    "invalid_host": {"url": "http://[::1/"},
    "control_character": {"url": "http://receiver.example/\x00\ud800"},
    "too_long": {"url": "http://receiver.example/" + "a" * 1_000_000},
    "method": {"method": "TRACE\x00AND-MORE"},
    "header": {"headers": [("X-Name", "a\r\nX-Evil: 1\x00")]},
    "body_too_large": {"method": "POST", "body": b"\x00" * 2 * MEGABYTE},
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusal_leaves_a_row_whatever_was_asked_for(code: str) -> None:
    asked = {"url": "http://receiver.example/", **REFUSED[code]}
    got = fetch(make_source(), **asked)
    assert got.outcome == ("blocked", code)
    assert got.refused is not None
    assert got.refused.code == code
    assert got.told == got.delivery.attempt.detail
    assert got.delivery.finished_at is not None
    assert got.delivery.seen_by_receiver == "no"
    assert auditing.audit(whole=True).findings == []


@pytest.mark.parametrize(
    "name",
    "X-Forwarded-For Forwarded X-Chatzuri-Delivery x_chatzuri_agent_id webhook-id Webhook-Anything "
    "X-HTTP-Method-Override X-Original-URL".split(),
)
def test_headers_that_others_would_trust_are_refused(name: str) -> None:
    with Receiver(answering(OK)) as receiver:
        got = fetch(make_source(), receiver.url(), headers=[(name, "127.0.0.1")])
        assert receiver.connections == 0
    assert got.outcome == ("blocked", "header")
    assert got.told == f"The header {name} is set by the platform. Remove it or choose another name."


def test_headers_of_the_connection_are_dropped_without_a_word() -> None:
    dropped = (
        "Host Content-Length Transfer-Encoding TE Trailer Connection Upgrade Expect Keep-Alive Accept-Encoding "
        "Cookie Cookie2 Proxy-Authorization Proxy-Connection content_length".split()
    )
    with Receiver(answering(OK)) as receiver:
        headers = [(name, "evil") for name in dropped] + [("Content-Encoding", "gzip"), ("X-Mine", "1")]
        got = fetch(make_source(), receiver.url(), method="POST", headers=headers, body=b"ab")
        [request] = receiver.requests
    assert b"evil" not in request
    assert b"\r\nContent-Encoding: gzip\r\n" in request
    assert b"\r\nX-Mine: 1\r\n" in request
    assert request.count(b"Content-Length: 2") == 1
    assert "evil" not in json.dumps(got.delivery.headers)


def test_a_name_and_password_in_a_refused_address_are_not_kept() -> None:
    for url in ("http://me:planted@receiver.example/x@y", "http:\\\\me:planted@h", "me:planted@receiver.example/"):
        got = fetch(make_source(), url)
        assert got.delivery.state == State.BLOCKED
        assert "planted" not in got.delivery.url
