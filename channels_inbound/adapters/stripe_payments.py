"""What an event of Stripe says of a payment, whichever object it speaks of."""

from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters import reading
from channels_inbound.adapters.base import first

# Per type: what became of the payment, and where its amount stands.
PAYMENTS: dict[str, tuple[str, str]] = {
    "checkout.session.completed": ("succeeded", "amount_total"),
    "checkout.session.async_payment_succeeded": ("succeeded", "amount_total"),
    "checkout.session.async_payment_failed": ("failed", "amount_total"),
    "payment_intent.succeeded": ("succeeded", "amount_received"),
    "payment_intent.payment_failed": ("failed", "amount"),
    "charge.refunded": ("refunded", "amount_refunded"),
    "invoice.paid": ("succeeded", "amount_paid"),
    "invoice.payment_failed": ("failed", "amount_due"),
}
# These happen once to an object. An intent or an invoice may fail often, and a charge be refunded bit by bit.
ONCE = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "payment_intent.succeeded",
        "invoice.paid",
    }
)
# Stripe counts most currencies in hundredths, also some that have none in daily life (UGX, ISK).
WHOLE = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
THOUSANDTHS = frozenset("BHD JOD KWD OMR TND".split())

Path = tuple[str | int, ...]
EMAILS: tuple[Path, ...] = (
    ("customer_details", "email"),
    ("customer_email",),
    ("receipt_email",),
    ("billing_details", "email"),
    ("last_payment_error", "payment_method", "billing_details", "email"),
    ("charges", "data", 0, "billing_details", "email"),
)
PHONES: tuple[Path, ...] = (
    ("customer_details", "phone"),
    ("customer_phone",),
    ("billing_details", "phone"),
    ("last_payment_error", "payment_method", "billing_details", "phone"),
    ("charges", "data", 0, "billing_details", "phone"),
    ("shipping", "phone"),
)
# An invoice has the metadata of its subscription apart; the own one wins.
METADATA: tuple[Path, ...] = (
    ("parent", "subscription_details", "metadata"),
    ("subscription_details", "metadata"),
    ("metadata",),
)


def payment_of(event_type: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Of a type in `PAYMENTS`. `amount` is in the unit Stripe counts in, of which 10 ** `decimals` make one of the
    currency; None where none is told. `fact_id` is the same in two events that tell of one and the same thing.
    """
    about = reading.get(event, "data", "object")
    outcome = PAYMENTS[event_type][0]
    currency = reading.text(about.get("currency"), 10).lower()
    metadata = _metadata(about)
    return {
        "outcome": outcome,
        "fact_id": _fact_id(event_type, event),
        "status": _status(event_type, about),
        "amount": _amount(event_type, event),
        "currency": currency or None,
        "decimals": _decimals(currency.upper()),
        "customer_ref": _id_of(about.get("customer")) or None,
        "email": _first_text(about, EMAILS, 254),
        "phone": _first_text(about, PHONES, 40),
        "reference": first((reading.ident(about.get("client_reference_id")), reading.ident(about.get("number")))),
        "metadata": metadata,
        "conversation_id": metadata.get("conversation_id") or _conversation_in_link(about),
        "customer_id": metadata.get("customer_id", ""),
        "failure_text": _failure(about) if outcome == "failed" else "",
    }


def why_ignored(event_type: str, event: Mapping[str, Any]) -> str:
    """Why an event is kept and nothing more; empty for a payment."""
    about = reading.get(event, "data", "object")
    if event_type not in PAYMENTS:
        return "ignored: it does not tell of a payment"
    if not isinstance(about, dict):
        return "ignored: a thin event does not say what was paid"
    if event_type == "checkout.session.completed" and about.get("payment_status") == "unpaid":
        return "ignored: the order is placed and not paid yet; another event follows when it is"
    return ""


def once_key(event_type: str, object_id: str | None) -> str:
    """Stripe may tell one fact by two events: then the object and the type are the same."""
    return f"{event_type}:{object_id}" if event_type in ONCE and object_id else ""


def _amount(event_type: str, event: Mapping[str, Any]) -> int | None:
    name = PAYMENTS[event_type][1]
    about = reading.get(event, "data", "object")
    amount = _whole(about.get(name))
    if event_type == "charge.refunded" and amount is not None:
        # The charge counts all its refunds; what it had before says how much this one was.
        return amount - (_whole(reading.get(event, "data", "previous_attributes", name)) or 0)
    return amount


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _decimals(currency: str) -> int:
    return 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2


def _fact_id(event_type: str, event: Mapping[str, Any]) -> str:
    """What a checkout, its intent and its invoice have in common. Every failed try and every refund has its own."""
    about = reading.get(event, "data", "object")
    own_id = reading.ident(about.get("id"))
    if event_type == "charge.refunded":
        return _counted(own_id, about.get("amount_refunded"))
    if event_type == "payment_intent.payment_failed":
        tries = (about.get("latest_charge"), reading.get(about, "last_payment_error", "charge"), event.get("id"))
        return first(map(_id_of, tries))
    if event_type == "invoice.payment_failed":
        return _id_of(about.get("charge")) or _counted(own_id, about.get("attempt_count"))
    if event_type.startswith("checkout."):
        return first((_id_of(about.get("payment_intent")), _id_of(about.get("invoice")), own_id))
    return _id_of(about.get("invoice")) or own_id


def _counted(own_id: str, count: Any) -> str:
    return f"{own_id}:{_whole(count)}" if own_id else ""


def _status(event_type: str, about: Mapping[str, Any]) -> str:
    if event_type == "charge.refunded":
        return "refunded" if about.get("refunded") is True else "partially_refunded"
    name = "payment_status" if event_type.startswith("checkout.") else "status"
    return reading.text(about.get(name), 40)


def _failure(about: Mapping[str, Any]) -> str:
    paths: tuple[Path, ...] = (("last_payment_error", "message"), ("last_finalization_error", "message"))
    return _first_text(about, paths, 500)


def _id_of(value: Any) -> str:
    """An id, or the id of an object that was sent whole."""
    return reading.ident(value.get("id") if isinstance(value, dict) else value)


def _first_text(about: Mapping[str, Any], paths: tuple[Path, ...], most: int) -> str:
    return first(reading.text(reading.get(about, *path), most).strip() for path in paths)


def _metadata(about: Mapping[str, Any]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for path in METADATA:
        found = reading.mapping(reading.get(about, *path))
        merged |= {name[:100]: value[:500] for name, value in found.items() if isinstance(value, str)}
    return merged


def _conversation_in_link(about: Mapping[str, Any]) -> str:
    """A payment link has no metadata of ours, but hands through one reference."""
    reference = reading.ident(about.get("client_reference_id"))
    return reference if reference.startswith("cnv_") else ""
