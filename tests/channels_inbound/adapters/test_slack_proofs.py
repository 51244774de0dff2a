"""Slack: signatures, and the handshake."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.base import FORM_TYPE, Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.slack import Slack
from tests.channels_inbound.adapters.contract import EXAMPLES, NOW, AdapterContract, connected, with_header
from tests.channels_inbound.adapters.slack_posts import CONNECTION, CREDENTIAL, SAID, SECRET, STAMP, envelope, request


class TestSlack(AdapterContract):
    adapter = Slack()
    connection = CONNECTION
    sample = envelope(SAID)
    proof_headers = ("x-slack-signature", "x-slack-request-timestamp")
    credential = CREDENTIAL
    recipient = Recipient(address="U2147483697", answer_to={"channel": "C024BE91L", "thread_ts": "1795521500.000200"})

    def request(self, body: bytes) -> Incoming:
        return request(body)


# --- proofs ----------------------------------------------------------------------------------------------------------


def test_the_example_of_slacks_own_documentation_is_authentic() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "content-type": FORM_TYPE,
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    incoming = Incoming(headers=headers, body=body, at=datetime.fromtimestamp(1531420618, UTC))
    connection = connected(Slack, {"signing_secret": "8f742231b10e8888abcd99yyyzzz85a5"})
    assert Slack().verify(incoming, connection).signed_at == incoming.at


@pytest.mark.parametrize(
    "stamp", ["", "abc", "1.5", "-1", "１７", "9" * 30, f" {STAMP}"], ids=lambda each: f"68-{each!r}"
)
def test_a_timestamp_that_is_none_is_refused(stamp: str) -> None:
    incoming = with_header(request(envelope(SAID)), "x-slack-request-timestamp", stamp)
    with pytest.raises(NotAuthentic, match="timestamp"):
        Slack().verify(incoming, CONNECTION)


@pytest.mark.parametrize(
    ("seconds", "is_fresh"),
    [
        pytest.param(-301, False, id="68-301-s-old"),
        pytest.param(-300, True, id="300-s-old"),
        pytest.param(300, True, id="300-s-ahead"),
        pytest.param(301, False, id="68-301-s-ahead"),
    ],
)
def test_a_request_is_fresh_for_five_minutes_both_ways(seconds: int, is_fresh: bool) -> None:
    signed_at = NOW + timedelta(seconds=seconds)
    incoming = request(envelope(SAID), stamp=str(int(signed_at.timestamp())))
    if is_fresh:
        assert Slack().verify(incoming, CONNECTION).signed_at == signed_at
    else:
        with pytest.raises(NotAuthentic, match="stale"):
            Slack().verify(incoming, CONNECTION)


def test_68_the_signature_does_not_hold_for_another_timestamp() -> None:
    moved = str(int(STAMP) + 1)
    with pytest.raises(NotAuthentic, match="signature"):
        Slack().verify(with_header(request(envelope(SAID)), "x-slack-request-timestamp", moved), CONNECTION)


@pytest.mark.parametrize("prefix", ["v1=", "", "V0=", "v0 ="], ids=lambda each: f"69-{each}")
def test_a_signature_of_another_version_is_refused(prefix: str) -> None:
    incoming = request(envelope(SAID))
    digest = incoming.header("x-slack-signature").removeprefix("v0=")
    with pytest.raises(NotAuthentic):
        Slack().verify(with_header(incoming, "x-slack-signature", prefix + digest), CONNECTION)


def test_both_secrets_of_a_rotation_let_in_and_say_which_it_was() -> None:
    connection = connected(Slack, {"signing_secret": ["new-secret", SECRET]})
    assert Slack().verify(request(envelope(SAID), secret="new-secret"), connection).secret_id == "signing_secret-0"
    assert Slack().verify(request(envelope(SAID)), connection).secret_id == "signing_secret-1"


@EXAMPLES
@given(stamp=st.text(max_size=30), proof=st.text(max_size=80))
def test_no_headers_break_the_verifier(stamp: str, proof: str) -> None:
    incoming = with_header(request(b"{}"), "x-slack-request-timestamp", stamp)
    with pytest.raises(NotAuthentic):
        Slack().verify(with_header(incoming, "x-slack-signature", proof), CONNECTION)


# --- handshake -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_the_challenge_is_echoed_as_plain_text(content_type: str) -> None:
    body = json.dumps({"type": "url_verification", "token": "x", "challenge": "<b>3eZbrw</b>"}).encode()
    response = Slack().handshake(request(body, content_type=content_type), CONNECTION)
    assert response is not None
    assert (response.status, response.body) == (200, b"<b>3eZbrw</b>")
    assert response.content_type.startswith("text/plain")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"type": "url_verification"}', id="71-no-challenge"),
        pytest.param(b'{"type": "url_verification", "challenge": {"a": 1}}', id="71-challenge-no-text"),
        pytest.param(b'{"type": "event_callback", "challenge": "x"}', id="an-event"),
        pytest.param(b"\xff", id="no-text"),
    ],
)
def test_without_a_challenge_there_is_no_handshake_and_nothing_to_read(body: bytes) -> None:
    assert Slack().handshake(request(body), CONNECTION) is None
    with pytest.raises(Unusable):
        Slack().parse(request(body), CONNECTION)
