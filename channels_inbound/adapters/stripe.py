"""Stripe: what became of a payment. Nobody writes here and nobody is answered; an agent only learns of it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters import reading, signing
from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    SecretField,
    Setting,
    Unusable,
    Verified,
)
from channels_inbound.adapters.stripe_payments import once_key, payment_of, why_ignored

MOST_HEADER = 4096
THIN = "v2.core.event"
MODES = {"live": True, "test": False}

_ELEMENT = re.compile(r"[A-Za-z0-9_]+=[!-~]+")


class Stripe(Adapter):
    """Snapshot events and thin ones. Every event is kept; the few that tell of a payment have a `payment`.

    `facts` of an event: account, livemode, api_version, object_type, object_id, thin, request_id; and `also`, a second
    key, where Stripe may tell one fact by two events.
    """

    kind = "stripe"
    title = "Stripe"
    settings = (
        Setting(
            name="livemode",
            label="Mode",
            help="Events of the other mode are kept and ignored. Empty: both count.",
            is_required=False,
            example="live",
            choices=(("", "Both"), ("live", "Live"), ("test", "Test")),
        ),
        Setting(
            name="account",
            label="Connected account",
            help="Only for platforms with Stripe Connect: the account whose events belong here. Empty: every account.",
            is_required=False,
            example="acct_1Fg9jUA3kq9o1aTc",
            pattern=r"acct_\w+",
        ),
    )
    secrets = (
        SecretField(
            name="signing_secret",
            label="Signing secret",
            help="Stripe shows it on the page of the event destination. It begins with whsec_.",
            pattern=r"whsec_[\x21-\x7e]{16,}",
        ),
    )
    steps = (
        "In Stripe, open Developers, then Webhooks, and add a destination.",
        "Choose the events checkout.session.completed, checkout.session.async_payment_succeeded, "
        "checkout.session.async_payment_failed, payment_intent.succeeded, payment_intent.payment_failed, "
        "charge.refunded, invoice.paid and invoice.payment_failed.",
        "Paste {url} as the endpoint URL and keep the payload style Snapshot.",
        "Copy the signing secret of the destination and paste it here.",
        "To have a payment appear in its conversation, put conversation_id into the metadata of your checkout or "
        "payment, or append ?client_reference_id= with the conversation's id to a payment link.",
    )
    links = {"Webhooks in Stripe": "https://dashboard.stripe.com/webhooks"}

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        stamp, offered = _signature(incoming.header("stripe-signature"))
        signed_at = signing.timestamp(stamp)
        signed = stamp.encode() + b"." + incoming.body
        secret = signing.matching(
            connection.valid("signing_secret"), offered, lambda value: signing.hex_mac(value, signed)
        )
        # Looked at last, so that a wrong secret is called that even when the request is old.
        signing.fresh(signed_at, incoming.at)
        return signing.verified(secret, signed_at)

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        event = _event(incoming.body)
        event_id, event_type = reading.ident(event.get("id")), reading.text(event.get("type"), 100)
        facts = _facts(event)
        foreign = _foreign(facts, connection)
        ignored = foreign or _wrong_mode(facts, connection) or why_ignored(event_type, event)
        return [
            Arrival(
                kind="unsupported" if foreign else "event",
                # Neither key of the event itself: once the account is put right, it may still come.
                dedupe_key=f"foreign:{event_id}" if foreign else event_id,
                provider_id=event_id,
                event_type=event_type,
                recipient=facts["account"] or "",
                reason=ignored,
                occurred_at=reading.moment(event.get("created"), incoming.at),
                facts=facts if foreign else facts | _also(event_type, facts),
                payment=None if ignored else payment_of(event_type, event) | _origin(facts),
                extra=event,
            )
        ]


def _signature(header: str) -> tuple[str, list[str]]:
    """The timestamp and the proofs of the scheme v1; whatever else is named there counts for nothing.

    Strict: what is not `name=value` throughout, or has not exactly one `t`, was not written by Stripe.
    """
    if not header:
        raise NotAuthentic("no_signature")
    elements = header.split(",")
    if len(header) > MOST_HEADER or not all(_ELEMENT.fullmatch(each) for each in elements):
        raise NotAuthentic("malformed")
    stamps = [each[2:] for each in elements if each.startswith("t=")]
    offered = [each[3:] for each in elements if each.startswith("v1=")]
    if len(stamps) != 1:
        raise NotAuthentic("timestamp")
    if not offered:
        raise NotAuthentic("no_signature")
    return stamps[0], offered


def _event(body: bytes) -> dict[str, Any]:
    event = reading.table(body)
    if not _is_exact(body, event):
        raise Unusable("The event holds numbers or characters that cannot be kept as they are.")
    for name in ("id", "type"):
        if not reading.ident(event.get(name)):
            raise Unusable(f"The event has no {name}.")
    if event.get("object") != THIN and not isinstance(reading.get(event, "data", "object"), dict):
        raise Unusable("The event does not say what it is about.")
    return event


def _is_exact(body: bytes, event: dict[str, Any]) -> bool:
    """Whether reading it has replaced nothing: of money we do not act on what was not said exactly so."""
    try:
        return bool(json.loads(body.decode(), parse_constant=_refuse) == event)
    except ValueError:
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _facts(event: Mapping[str, Any]) -> dict[str, Any]:
    is_thin = event.get("object") == THIN
    about = event.get("related_object") if is_thin else reading.get(event, "data", "object")
    request = event.get("request")  # null in old events, the id alone in less old ones
    livemode = event.get("livemode")
    return {
        "account": reading.ident(event.get("context" if is_thin else "account")) or None,
        "livemode": livemode if isinstance(livemode, bool) else None,
        "api_version": reading.text(event.get("api_version"), 100) or None,
        "object_type": reading.text(reading.get(about, "type" if is_thin else "object"), 100) or None,
        "object_id": reading.ident(reading.get(about, "id")) or None,
        "thin": is_thin,
        "request_id": reading.ident(reading.get(request, "id") if isinstance(request, dict) else request) or None,
    }


def _origin(facts: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("livemode", "api_version", "object_type", "object_id")
    return {"stripe_account": facts["account"], **{name: facts[name] for name in kept}}


def _also(event_type: str, facts: Mapping[str, Any]) -> dict[str, list[str]]:
    key = once_key(event_type, facts["object_id"])
    return {"also": [key]} if key else {}


def _foreign(facts: Mapping[str, Any], connection: Connection) -> str:
    """Events of the own account name none, so only another account's are foreign."""
    ours, account = connection.setting("account").strip(), facts["account"]
    if not ours or not account or account == ours:
        return ""
    return f"Not for this channel: it happened in the account {account}."


def _wrong_mode(facts: Mapping[str, Any], connection: Connection) -> str:
    wanted, livemode = MODES.get(connection.setting("livemode").strip().lower()), facts["livemode"]
    if wanted is None or livemode is None or livemode == wanted:
        return ""
    return f"ignored: a {'live' if livemode else 'test'} event, and this channel is for {'live' if wanted else 'test'}"
