"""Who writes: an address at a provider and the customer it belongs to."""

from collections.abc import Iterable
from typing import Any

from django.db.models.functions import Now

from agents.identity import Identifiers, standing
from agents.models import Customer
from channels_inbound.models import Channel, Contact


def known(channel: Channel, addresses: Iterable[str]) -> Customer | None:
    """Whom these addresses were the last time, by the first that is known."""
    order = {address: place for place, address in enumerate(addresses)}
    found = Contact.objects.filter(channel=channel, address__in=order).select_related("customer")
    rows = sorted(found, key=lambda contact: order[contact.address])
    return standing(rows[0].customer) if rows else None


def identifiers(sender: dict[str, Any]) -> Identifiers:
    """What the provider vouches for. Its own ids say nothing outside of the channel, so they stay in `Contact`."""
    return Identifiers.read(
        external_id=str(sender.get("external_id") or ""),
        phone=str(sender.get("phone") or ""),
        email=str(sender.get("email") or ""),
        session_id=str(sender.get("session_id") or ""),
    )


def remember(channel: Channel, addresses: Iterable[str], customer: Customer) -> None:
    """Each of these is this person from now on, and just wrote."""
    rows = [
        Contact(channel=channel, address=address, customer=customer, last_message_at=Now())
        for address in dict.fromkeys(addresses)
    ]
    if rows:
        Contact.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["channel", "address"],
            update_fields=["customer", "last_message_at"],
        )
