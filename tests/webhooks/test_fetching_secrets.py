"""The secrets of a fetch: kept in no form and in no place, and sent to the hosts of their credential only."""

import base64
import json
import logging
from typing import Any
from urllib.parse import quote

import pytest

from tests.webhooks import receivers
from tests.webhooks.fetches import PLAIN, answer, everything_kept, fetch, make_source
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks import fetching
from webhooks.masking import MASK

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "sk_live_planted-77/+é"


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    receivers.let_in(monkeypatch, settings)


def forms(secret: str) -> dict[str, str]:
    return {
        "raw": secret if secret.isascii() else json.dumps(secret)[1:-1],
        "percent": quote(secret, safe=""),
        "base64": base64.b64encode(secret.encode()).decode(),
        "inside of base64": base64.b64encode(f"user:{secret}".encode()).decode(),
        "URL-safe base64": base64.urlsafe_b64encode(f"a{secret}b".encode()).decode(),
        "hex": secret.encode().hex(),
    }


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
