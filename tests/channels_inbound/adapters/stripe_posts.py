"""What Stripe posts, for its tests: events, signed."""

import hashlib
import hmac
import json
from typing import Any

from channels_inbound.adapters.base import Arrival, Incoming
from channels_inbound.adapters.stripe import Stripe
from tests.channels_inbound.adapters.contract import NOW, check_arrivals, connected

SECRET, OLD_SECRET = "whsec_newest0123456789abcdef", "whsec_oldest0123456789abcdef"
STAMP = int(NOW.timestamp())
# A dict whose `id` is None in JSON must stay in the object: this says "leave it out".
LEFT_OUT = object()


def mac(body: bytes, stamp: int | str = STAMP, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def request(body: bytes, header: str | None = None) -> Incoming:
    signature = f"t={STAMP},v1={mac(body)}" if header is None else header
    headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": signature}
    return Incoming(headers=headers, body=body, at=NOW)


def event(event_type: str, about: Any, **members: Any) -> dict[str, Any]:
    whole = {
        "id": "evt_1",
        "object": "event",
        "type": event_type,
        "api_version": "2026-04-22.dahlia",
        "created": STAMP - 3,
        "livemode": True,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": None},
        "data": {"object": about},
    }
    return {name: value for name, value in (whole | members).items() if value is not LEFT_OUT}


CHECKOUT = {
    "id": "cs_1",
    "object": "checkout.session",
    "amount_total": 150_000,
    "currency": "kes",
    "customer": "cus_1",
    "customer_details": {"email": "amina@example.com", "phone": "+254711000111"},
    "client_reference_id": "order-7",
    "metadata": {"conversation_id": "cnv_1", "customer_id": "cust_9", "note": "gift"},
    "payment_intent": "pi_1",
    "payment_status": "paid",
    "status": "complete",
}
CONNECTION = connected(Stripe, {"signing_secret": SECRET})


def read(whole: Any, **settings: str) -> Arrival:
    connection = connected(Stripe, {"signing_secret": SECRET}, settings)
    (arrival,) = Stripe().parse(request(json.dumps(whole).encode()), connection)
    check_arrivals([arrival])
    assert not arrival.starts_agent
    return arrival


BODY = json.dumps(event("checkout.session.completed", CHECKOUT)).encode()
