"""Redirects that code asks to follow: each hop is a delivery of its own, judged from the start."""

from typing import Any

import pytest

from tests.webhooks import receivers
from tests.webhooks.fetches import PLAIN, RUN, Fetched, answer, complete, everything_kept, fetch, make_source, row
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks import fetching
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    receivers.let_in(monkeypatch, settings)


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
