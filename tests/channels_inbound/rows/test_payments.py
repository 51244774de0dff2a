"""Rows 19 to 35: Stripe."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from channels_inbound import views
from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.providers import SECRETS, make_channel, stripe_body, stripe_headers
from tests.channels_inbound.rows.sending import NOW, STAMP, is_empty, messages, requests, send, starting

pytestmark = pytest.mark.django_db


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Channel:
    monkeypatch.setattr(views, "now", lambda: NOW)
    return make_channel(kind="stripe")


def mac(body: bytes, *, at: Any = STAMP, secret: str = SECRETS["stripe"]["signing_secret"]) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes) -> dict[str, str]:
    return stripe_headers(body, at=STAMP)


BODY = stripe_body()
RIGHT = mac(BODY)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="19-none"),
        pytest.param("", id="19-empty"),
        pytest.param(f"t={STAMP},v1={mac(BODY + b' ')}", id="20-tampered"),
        pytest.param(f"t={STAMP},v1={mac(BODY, secret='whsec_of_another_endpoint')}", id="21-another-secret"),
        pytest.param(f"t={STAMP - 301},v1={mac(BODY, at=STAMP - 301)}", id="22-too-old"),
        pytest.param(f"t={STAMP + 3600},v1={mac(BODY, at=STAMP + 3600)}", id="23-from-the-future"),
        pytest.param(f"t={STAMP},v0={RIGHT}", id="24-only-v0"),
        pytest.param(f"v1={RIGHT}", id="25-no-t"),
        pytest.param(f"t=now,v1={mac(BODY, at='now')}", id="25-t-is-no-number"),
        pytest.param(f"t={STAMP},t={STAMP},v1={RIGHT}", id="25-t-twice"),
        pytest.param(f"t={STAMP},v1={RIGHT[:-1]}\xe9", id="27-not-ascii"),
    ],
)
def test_rows_19_to_27_what_proves_nothing(stripe: Channel, header: str | None) -> None:
    assert send(stripe, BODY, {} if header is None else {"Stripe-Signature": header}).status_code == 401
    assert is_empty()


def test_row_22_exactly_300_seconds_old(stripe: Channel) -> None:
    assert send(stripe, BODY, stripe_headers(BODY, at=STAMP - 300)).status_code == 200
    assert requests() == ["accepted"]


def test_row_26_one_of_two_is_right(stripe: Channel) -> None:
    assert send(stripe, BODY, {"Stripe-Signature": f"t={STAMP},v1={'0' * 64},v1={RIGHT}"}).status_code == 200
    assert requests() == ["accepted"]


def test_row_28_a_body_that_is_not_utf_8(stripe: Channel) -> None:
    """Unsigned, it is nobody's. Signed it is kept: Stripe would send the same bytes for three days."""
    body = BODY.replace(b"checkout", b"\xff\xfe", 1)
    assert send(stripe, body, {"Stripe-Signature": f"t={STAMP},v1={RIGHT}"}).status_code == 401
    assert is_empty()
    assert send(stripe, body, signed(body)).status_code == 200
    assert (requests(), messages()) == (["quarantined"], [])


EVENT = json.loads(BODY)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[1]", id="29-array"),
        pytest.param(b"null", id="29-null"),
        pytest.param(b'"text"', id="29-text"),
        pytest.param(b"", id="29-empty"),
        pytest.param(json.dumps(EVENT | {"id": ""}).encode(), id="30-without-id"),
        pytest.param(json.dumps(EVENT | {"data": None}).encode(), id="30-data-null"),
        pytest.param(BODY.replace(b"4950", b"NaN"), id="31-nan"),
        pytest.param(BODY.replace(b'"usd"', b'"\\ud800"'), id="31-half-a-character"),
        pytest.param(BODY.replace(b'"usd"', b'"\\u0000"'), id="31-nul"),
        pytest.param(BODY.replace(b'"usd"', b"[" * 20_000 + b"]" * 20_000), id="31-deep"),
        pytest.param(BODY.replace(b"4950", b"9" * 5000), id="31-long-number"),
    ],
)
def test_rows_29_to_31_signed_and_unusable(stripe: Channel, body: bytes) -> None:
    assert send(stripe, body, signed(body)).status_code == 200
    assert (requests(), messages()) == (["quarantined"], [])


def test_row_32_a_thin_event(stripe: Channel) -> None:
    body = json.dumps(
        {
            "id": "evt_thin",
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "created": "2026-11-25T11:59:00.000Z",
            "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
        }
    ).encode()
    assert send(stripe, body, signed(body)).status_code == 200
    message = InboundMessage.objects.get()
    assert (message.kind, message.dedupe_key, message.facts["thin"]) == ("event", "evt_thin", True)


@pytest.mark.parametrize(("mode", "livemode"), [("live", False), ("test", True)])
def test_row_33_an_event_of_the_other_mode(monkeypatch: pytest.MonkeyPatch, mode: str, livemode: bool) -> None:
    monkeypatch.setattr(views, "now", lambda: NOW)
    channel = make_channel(kind="stripe", settings={"livemode": mode})
    body = json.dumps(EVENT | {"livemode": livemode}).encode()
    assert send(channel, body, signed(body)).status_code == 200
    message = InboundMessage.objects.get()
    assert message.facts["reason"].startswith("ignored")
    assert "payment" not in message.facts


def test_row_34_a_retry_has_another_signature(stripe: Channel) -> None:
    for age in (200, 100):
        assert send(stripe, BODY, stripe_headers(BODY, at=STAMP - age)).status_code == 200
    assert len(messages()) == 1


def test_row_35_an_event_of_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "now", lambda: NOW)
    channel = make_channel(kind="stripe", settings={"account": "acct_ours"})
    body = json.dumps(EVENT | {"account": "acct_theirs"}).encode()
    assert send(channel, body, signed(body)).status_code == 200
    message = InboundMessage.objects.get()
    assert (message.kind, starting()) == ("unsupported", 0)
    assert "acct_theirs" in message.facts["reason"]
