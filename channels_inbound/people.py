"""Who writes: an address at a provider and the customer it belongs to."""

from collections.abc import Iterable
from typing import Any

from django.db.models.functions import Now

from agents.identity import Identifiers, standing
from agents.models import Customer
from channels_inbound.models import Channel, Contact


def known(channel: Channel, addresses: Iterable[str]) -> Customer | None:
    """Whom these addresses were the last time, by the first that is known.

    Where they were two people until now, the one of whom neither number nor mail address is known: the other is found
    by what the provider vouches for, and the two become one.
    """
    order = {address: place for place, address in enumerate(addresses)}
    found = Contact.objects.filter(channel=channel, address__in=order).select_related("customer")
    rows = sorted(found, key=lambda contact: order[contact.address])
    customers = [standing(row.customer) for row in rows]
    return min(customers, key=lambda who: bool(who.external_id or who.phone or who.email), default=None)


def addresses(channel: Channel, sender: dict[str, Any]) -> list[str]:
    """By which they are recognised here. A mail's sender that nobody vouches for is somebody of their own.

    Anybody can write any address above a mail, and must not become a customer by it.
    """
    given = [str(each) for each in sender.get("addresses") or ()]
    is_claimed = channel.adapter.conversation_channel == "email" and not sender.get("email")
    return [f"unverified:{each}"[:255] for each in given] if is_claimed else given


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
