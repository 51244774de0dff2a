"""`fetch` of a custom action: a row before a socket opens, one request, an outcome, and no secret anywhere."""

import base64
import json
import logging
import threading
import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from tests.webhooks import receivers
from tests.webhooks.fetches import RUN, Fetched, complete, fetch, make_source, row
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks import auditing, fetching, recording, sending
from webhooks.masking import MASK
from webhooks.models import Attempt, Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
SECRET = "sk_live_planted-77/+é"
PLAIN = "planted-secret-0123"


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    receivers.let_in(monkeypatch, settings)


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


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


# --- never twice, and never without a trace --------------------------------------------------------------------------


def test_the_row_is_committed_before_a_socket_opens() -> None:
    seen: list[tuple[str, str]] = []

    def look(connection_: Any) -> None:
        receivers.read_request(connection_)
        seen.append(Delivery.objects.values_list("state", "attempt__outcome").get())
        connection_.sendall(OK)
        connection.close()

    with Receiver(look) as receiver:
        fetch(make_source(), receiver.url())
    assert seen == [("sending", "")]


def test_performing_twice_sends_once() -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="POST", url=receiver.url(), headers=[], body=b"x")
        first = fetching.perform(begun, seconds=5)
        second = fetching.perform(begun, seconds=5)
        assert receiver.connections == 1
    assert (first.outcome.state, second.outcome.code) == (State.DELIVERED, "sent_before")
    fetching.finish(begun, first)
    fetching.finish(begun, second)
    assert row(begun.public_id).state == State.DELIVERED


def test_twenty_at_once_are_twenty_requests_and_twenty_rows() -> None:
    found: list[Fetched] = []
    with Receiver(answering(OK)) as receiver:

        def run(number: int) -> None:
            found.append(fetch(make_source(), receiver.url(f"/{number}")))
            connection.close()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        paths = sorted(int(request.split()[1][1:]) for request in receiver.requests)
    assert paths == list(range(20))
    assert [got.outcome for got in found] == [("delivered", "")] * 20
    assert Delivery.objects.filter(state=State.DELIVERED).count() == 20
    assert auditing.audit(whole=True).findings == []


def test_a_worker_that_dies_between_begin_and_finish_leaves_interrupted() -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
        assert sending.reap() == 0
        Delivery.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
        assert sending.reap() == 1
        dead = row(begun.public_id)
        assert (dead.state, dead.attempt.outcome, dead.attempt.code) == (
            "interrupted",
            "interrupted",
            "worker_vanished",
        )
        # It was only slow after all: what it knows is better than a guess.
        fetching.finish(begun, performed)
        assert receiver.connections == 1
    assert (row(begun.public_id).state, row(begun.public_id).attempt.outcome) == ("delivered", "delivered")
    assert auditing.audit(whole=True).findings == []


def test_an_outcome_under_another_token_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
    Delivery.objects.update(token="0" * 32)
    Attempt.objects.update(token="0" * 32)
    assert fetching.finish(begun, performed).status == 200
    assert (row(begun.public_id).state, "not ours to write" in caplog.text) == ("sending", True)


def test_the_deadline_of_the_row_lies_behind_the_last_moment_of_the_request(settings: Any) -> None:
    settings.ACTION_SECONDS = 2.0
    begun = fetching.begin(make_source(), method="GET", url="http://receiver.example/", headers=[])
    assert isinstance(begun, fetching.Begun)
    left = row(begun.public_id).deadline_at - timezone.now()  # type: ignore[operator]
    assert 6 < left.total_seconds() < 7.1
    assert begun.until - time.monotonic() < 2.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 5.0])
def test_too_late_is_not_sent(seconds: float, settings: Any) -> None:
    settings.ACTION_SECONDS = 0.0 if seconds > 0 else 10.0
    with Receiver(answering(OK)) as receiver:
        got = fetch(make_source(), receiver.url(), seconds=seconds)
        assert receiver.connections == 0
    assert got.outcome == ("not_sent", "late")
    assert got.told == "The time of the run was over before this request could be sent."


def test_inside_a_transaction_is_a_mistake_that_is_seen() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        fetching.begin(make_source(), method="GET", url="http://receiver.example/", headers=[])
    assert not Delivery.objects.exists()


class Away:
    """A database that refuses every statement until it is back."""

    def __init__(self, *, times: int) -> None:
        self.times = times

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise OperationalError("the database is away")
        return execute(sql, params, many, context)


@pytest.mark.parametrize("url", ["http://receiver.example/", "http://10.0.0.1/"])
def test_a_database_that_is_away_when_it_begins_lets_nothing_out(url: str, caplog: pytest.LogCaptureFixture) -> None:
    source = make_source()
    with connection.execute_wrapper(Away(times=1)):
        refused = fetching.begin(source, method="GET", url=url, headers=[], body=b"")
    assert refused == fetching.Refused("not_logged", "The request could not be logged, so it was not sent.")
    assert source.event.pk is None
    assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)
    assert "could not be logged" in caplog.text
    with Receiver(answering(OK)) as receiver:
        assert fetch(source, receiver.url()).outcome == ("delivered", "")


def test_half_of_the_rows_are_never_kept() -> None:
    class NoAttempts(Away):
        def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if "webhooks_attempt" in sql:
                raise OperationalError("no more room")
            return execute(sql, params, many, context)

    source = make_source()
    with connection.execute_wrapper(NoAttempts(times=0)):
        assert isinstance(fetching.begin(source, method="GET", url="http://receiver.example/", headers=[]), Refusal)
    assert (Event.objects.count(), Delivery.objects.count(), source.event.pk) == (0, 0, None)


Refusal = fetching.Refused


def test_a_database_that_is_away_when_it_ends_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
        with connection.execute_wrapper(Away(times=2)):
            assert fetching.finish(begun, performed).status == 200
        assert receiver.connections == 1
    assert row(begun.public_id).state == State.DELIVERED


def test_and_when_it_does_not_come_back_the_code_still_gets_its_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recording, "PATIENCE", 0.0)
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
        with connection.execute_wrapper(Away(times=1000)):
            assert fetching.finish(begun, performed).body == b"hi"
    assert f"of {begun.public_id} could not be recorded" in caplog.text  # type: ignore[union-attr]
    assert row(begun.public_id).state == State.SENDING


def test_a_client_that_breaks_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(fetching.http, "request", broken)
    got = fetch(make_source(), "http://receiver.example/")
    assert (got.outcome, got.told) == (("interrupted", "internal_error"), "Our own client broke while sending.")


# --- secrets ---------------------------------------------------------------------------------------------------------


def forms(secret: str) -> dict[str, str]:
    return {
        "raw": secret if secret.isascii() else json.dumps(secret)[1:-1],
        "percent": quote(secret, safe=""),
        "base64": base64.b64encode(secret.encode()).decode(),
        "inside of base64": base64.b64encode(f"user:{secret}".encode()).decode(),
        "URL-safe base64": base64.urlsafe_b64encode(f"a{secret}b".encode()).decode(),
        "hex": secret.encode().hex(),
    }


def everything_kept(got: Fetched) -> str:
    delivery, attempt = got.delivery, got.delivery.attempt
    kept = [delivery.url, delivery.headers, delivery.event.data, attempt.request_headers, attempt.response_headers]
    kept += [attempt.detail, bytes(delivery.body).decode(), bytes(attempt.response_body).decode()]
    return json.dumps(kept)


@pytest.mark.parametrize("secret", [SECRET, PLAIN])
@pytest.mark.parametrize("form", forms(PLAIN))
def test_no_form_of_a_secret_is_kept_in_any_place(form: str, secret: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = forms(secret)[form]
    in_address = quote(secret if form == "raw" else shown, safe="%")
    source = make_source(secrets=[secret], hosts=["receiver.example"])

    def echo(connection_: Any) -> None:
        request = receivers.read_request(connection_)
        head = answer("200 OK", f"X-Echo: {shown}", f"X-{'N' * 3}: {shown[:3]}", body=request)
        connection_.sendall(head)

    with Receiver(echo) as receiver:
        got = fetch(
            source,
            receiver.url(f"/{in_address}?key={in_address}"),
            method="POST",
            headers=[("X-Key", shown), ("Authorization", "Bearer anything-at-all")],
            body=f'{{"key": "{shown}"}}'.encode(),
        )
        assert shown.encode() in receiver.requests[0]
    assert got.outcome == ("delivered", "")
    assert shown.encode() in got.finished.body  # type: ignore[union-attr]
    kept = everything_kept(got)
    assert shown not in kept
    assert in_address not in kept
    assert "anything-at-all" not in json.dumps(got.delivery.headers)
    assert got.delivery.headers["Authorization"] == MASK
    assert MASK in got.delivery.url
    assert shown not in caplog.text
    assert shown not in repr(got.begun) + repr(source) + repr(got.performed) + repr(got.finished)


def test_a_secret_across_the_cut_of_what_is_kept_leaves_nothing_behind() -> None:
    body = b"a" * (fetching.KEPT - 5) + PLAIN.encode() + b"b" * 1000
    with Receiver(answering(answer("200 OK", body=body))) as receiver:
        source = make_source(secrets=[PLAIN], hosts=["receiver.example"])
        got = fetch(source, receiver.url(), method="POST", body=body)
    assert b"plan" not in bytes(got.delivery.body)
    assert b"plan" not in bytes(got.delivery.attempt.response_body)


def test_a_secret_in_a_sentence_is_masked_in_the_row() -> None:
    source = make_source(secrets=["x-forwarded-planted"], hosts=["receiver.example"])
    got = fetch(source, "http://receiver.example/", headers=[("x-forwarded-planted", "1")])
    assert "planted" in got.told
    assert "planted" not in everything_kept(got)


# --- where secrets may go --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["url", "path", "header", "header name", "body"])
@pytest.mark.parametrize("form", forms(PLAIN))
def test_a_secret_leaves_for_the_hosts_of_its_credential_only(form: str, place: str) -> None:
    shown = forms(PLAIN)[form]
    source = make_source(secrets=[PLAIN], hosts=["Receiver.Example.", "127.0.0.1"])
    asked: dict[str, dict[str, Any]] = {
        "url": {"path": f"/?key={quote(shown)}"},
        "path": {"path": f"/{quote(shown, safe='')}/x"},
        "header": {"headers": [("X-Key", shown)]},
        "header name": {"headers": [(f"X-{shown.strip('=').replace('/', '-')}", "1")]},
        "body": {"method": "POST", "body": f"key={shown}".encode()},
    }
    path, options = asked[place].pop("path", "/"), asked[place]
    with Receiver(answering(OK)) as receiver:
        assert fetch(source, receiver.url(path), **options).outcome == ("delivered", "")
        got = fetch(source, receiver.url(path, host="evil.example"), **options)
        assert receiver.connections == 1
    assert got.outcome == ("blocked", "credential_host")
    assert got.told == (
        "This credential's secrets may only be sent to 127.0.0.1, receiver.example, and not to evil.example. "
        "Add the host on the credential's page."
    )
    assert shown not in everything_kept(got)


def test_what_holds_no_secret_goes_anywhere_and_without_hosts_a_secret_goes_nowhere() -> None:
    source = make_source(secrets=[PLAIN])
    with Receiver(answering(OK)) as receiver:
        assert fetch(source, receiver.url()).outcome == ("delivered", "")
        got = fetch(source, receiver.url(), headers=[("X-Key", PLAIN)])
        assert receiver.connections == 1
    assert got.told.startswith("This credential's secrets may not be sent to receiver.example, nor to any host yet.")


def test_names_with_letters_of_any_alphabet_are_compared_as_the_guard_writes_them() -> None:
    source = make_source(secrets=[PLAIN], hosts=["bücher.example", "2606:4700:4700::1111"])
    assert source.known_hosts == {"xn--bcher-kva.example", "2606:4700:4700::1111"}
    with Receiver(answering(OK)) as receiver:
        got = fetch(source, receiver.url(host="BÜCHER.example"), headers=[("X-Key", PLAIN)])
    assert got.outcome == ("delivered", "")


# --- redirects that code asks to follow ------------------------------------------------------------------------------


def redirecting(to: str, status: int = 302) -> receivers.Script:
    return answering(answer(f"{status} Go", f"Location: {to}"))


def follow(source: fetching.Source, got: Fetched, *, followed: int = 0) -> Fetched:
    assert got.begun is not None
    assert got.performed is not None
    then = fetching.hop(source, got.begun, got.performed, followed=followed)
    assert then is not None
    return complete(then)


METHODS = {
    (301, "POST"): "GET",
    (302, "POST"): "GET",
    (303, "POST"): "GET",
    (303, "PUT"): "GET",
    (303, "HEAD"): "HEAD",
    (301, "PUT"): "PUT",
    (302, "GET"): "GET",
    (307, "POST"): "POST",
    (308, "DELETE"): "DELETE",
}


@pytest.mark.parametrize(("status", "method"), METHODS)
def test_what_a_redirect_makes_of_a_method(status: int, method: str) -> None:
    source, body = make_source(), b"" if method in ("GET", "HEAD") else b"text"
    with Receiver(redirecting("/next?b=1", status)) as first:
        got = fetch(source, first.url(), method=method, headers=[("Content-Type", "text/x"), ("X-A", "1")], body=body)
        first._script = answering(OK)
        then = follow(source, got)
        request = first.requests[1]
    kept = METHODS[status, method] == method
    assert request.startswith(f"{METHODS[status, method]} /next?b=1 HTTP/1.1\r\n".encode())
    assert request.endswith(b"\r\n\r\n" + (body if kept else b""))
    assert (b"text/x" in request, b"X-A: 1" in request) == (kept, True)
    assert (got.outcome, then.outcome) == (("rejected", ""), ("delivered", ""))
    assert then.delivery.event_id == got.delivery.event_id
    assert then.delivery.headers[fetching.FOLLOWS] == got.delivery.public_id
    assert (then.delivery.replay_of_id, then.delivery.caused_by) == (None, RUN)
    assert f"X-Chatzuri-Follows: {got.delivery.public_id}".encode() in request
    assert then.finished.url == first.url("/next?b=1")  # type: ignore[union-attr]


@pytest.mark.parametrize("host", ["receiver.example", "other.example"])
def test_proofs_do_not_follow_to_another_origin(host: str) -> None:
    source = make_source(secrets=[PLAIN], hosts=["receiver.example", "other.example"])
    with Receiver(answering(OK)) as second:
        url = second.url() if host == "other.example" else ""
        with Receiver(redirecting("/next")) as first:
            first._script = redirecting(url.replace("receiver.example", host) or "/next")
            proofs = [("Authorization", "Basic eA=="), ("X-Key", PLAIN), ("X-Webhook-Secret", "short"), ("X-A", "1")]
            got = fetch(source, first.url(), headers=proofs)
            first._script = answering(OK)
            then = follow(source, got)
            requests = [*second.requests, *first.requests[1:]]
    assert then.outcome == ("delivered", "")
    found = [name for name in ("Authorization", "X-Key", "X-Webhook-Secret", "X-A") if name.encode() in requests[0]]
    assert found == (["X-A"] if host == "other.example" else ["Authorization", "X-Key", "X-Webhook-Secret", "X-A"])


def test_a_redirect_cannot_carry_a_secret_out() -> None:
    """In the body of a 307 or in the address that it names; the rule is asked anew for every hop."""
    source = make_source(secrets=[PLAIN], hosts=["receiver.example"])
    with Receiver(answering(OK)) as evil:
        for to, status, body in (
            (evil.url(host="evil.example"), 307, PLAIN.encode()),
            (evil.url(f"/?stolen={PLAIN}", host="evil.example"), 302, b""),
        ):
            with Receiver(redirecting(to, status)) as first:
                got = fetch(source, first.url(), method="POST", body=body)
                then = follow(source, got)
            assert then.outcome == ("blocked", "credential_host")
            assert PLAIN not in everything_kept(got) + everything_kept(then)
        assert evil.connections == 0


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("http://10.0.0.1/", "private_address"),
        ("http://169.254.169.254/latest/", "private_address"),
        ("http://localhost/", "reserved_name"),
        ("file:///etc/passwd", "scheme"),
        ("http://[", "invalid_host"),
        ("//user:pw@receiver.example/", "userinfo"),
        ("http://receiver.example\\@evil.example/", "backslash"),
    ],
)
def test_the_guard_runs_anew_on_every_hop(to: str, code: str) -> None:
    source = make_source()
    with Receiver(redirecting(to)) as receiver:
        then = follow(source, fetch(source, receiver.url()))
        assert receiver.connections == 1
    assert then.outcome == ("blocked", code)
    assert then.delivery.headers[fetching.FOLLOWS]


def test_bytes_beyond_ascii_in_a_location_are_encoded() -> None:
    source = make_source()
    with Receiver(answering(b"HTTP/1.1 302 Go\r\nLocation: /caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n")) as receiver:
        got = fetch(source, receiver.url())
        receiver._script = answering(OK)
        follow(source, got)
        assert receiver.requests[1].startswith(b"GET /caf%C3%A9 HTTP/1.1")


def test_from_https_to_http_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_source()
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(source, method="GET", url="https://receiver.example/", headers=[])
        redirect = fetching.Outcome("rejected", status_code=302, headers=[("Location", receiver.url())])
        then = fetching.hop(source, begun, fetching.Performed(redirect), followed=0)  # type: ignore[arg-type]
        assert receiver.connections == 0
    assert isinstance(then, fetching.Refused)
    assert row(then.public_id).attempt.code == "redirect_to_http"


def test_five_hops_and_no_more() -> None:
    source = make_source()
    with Receiver(redirecting("/again")) as receiver:
        got = fetch(source, receiver.url())
        for followed in range(5):
            got = follow(source, got, followed=followed)
            assert got.outcome == ("rejected", "")
        last = follow(source, got, followed=5)
        assert receiver.connections == 6
    assert (last.outcome, last.told) == (
        ("blocked", "too_many_redirects"),
        "More than 5 redirects in a row are not followed.",
    )
    assert Delivery.objects.count() == 7


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Same\r\nLocation: /x\r\n\r\n",
        b"HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Go\r\nLocation: /x\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n",
        b"nonsense",
    ],
)
def test_what_is_no_redirect_is_not_followed(head: bytes) -> None:
    source = make_source()
    with Receiver(answering(head)) as receiver:
        got = fetch(source, receiver.url())
    assert fetching.hop(source, got.begun, got.performed, followed=0) is None  # type: ignore[arg-type]
    assert Delivery.objects.count() == 1
