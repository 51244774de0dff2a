"""Money: what a payment provider tells becomes a fact of the chat, in the conversation that asked for the payment."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.utils import timezone

from agents.events import emit
from agents.identity import Identifiers, standing
from agents.models import Conversation, Customer, Message
from channels_inbound.models import InboundMessage
from channels_inbound.steps import Ignore, NotYet, Step

TITLES = {"succeeded": "Payment received", "failed": "Payment failed", "refunded": "Payment refunded"}
# A checkout and the payment it is for tell of the same, and only one of them names the conversation: whichever does
# not gives the other a head start.
HEAD_START = timedelta(seconds=8)
# The first half of the advisory lock's key; the second is a digest of channel and payment.
LOCKS = 0x706179


def happened(row: InboundMessage) -> Step:
    """An event of the provider's. Whatever is no payment is kept and nothing else."""
    payment = dict(row.facts.get("payment") or {})
    outcome = str(payment.get("outcome") or "")
    if outcome not in TITLES:
        raise Ignore(str(row.facts.get("reason") or "An event of the provider that says nothing about a payment."))
    if reason := row.facts.get("reason"):
        raise Ignore(str(reason))
    if _is_told(row, payment, outcome):
        raise Ignore("Another event told of this payment already.")
    conversation = _named(row, payment)
    if conversation is None and outcome == "succeeded" and timezone.now() - row.received_at < HEAD_START:
        raise NotYet("No conversation is named yet; another event of the same payment may name one.")
    conversation = conversation or _last_of_customer(row, payment)
    customer = standing(conversation.customer) if conversation else _customer(row, payment)
    facts = told(row, payment)
    note = sentence(outcome, facts, payment)
    message = conversation.say(role=Message.Role.SYSTEM, text=note) if conversation else None
    emit(
        agent=row.channel.agent,
        type=f"payment.{outcome}",
        data=facts,
        conversation=conversation,
        customer=customer,
    )
    return Step(conversation, message, "" if conversation else "It names no conversation of this agent.")


def told(row: InboundMessage, payment: dict[str, Any]) -> dict[str, Any]:
    """The keys of the event, amounts in the currency's own unit."""
    currency = str(payment.get("currency") or "").upper() or None
    return {
        "amount": in_units(payment.get("amount"), payment.get("decimals")),
        "currency": currency,
        "reference": str(payment.get("reference") or "") or None,
        "provider": row.channel.kind,
        "provider_event": row.event_type,
        "object_id": str(payment.get("object_id") or "") or None,
        "live": bool(payment.get("livemode")),
        "metadata": dict(payment.get("metadata") or {}),
    }


def in_units(amount: Any, decimals: Any) -> float | int | None:
    """From the smallest unit, as providers count: 4950 cents are 49.5 dollars, and 500 yen are 500 yen.

    How many decimals a currency has is the provider's word: Stripe counts some that have none by the hundred.
    """
    if isinstance(amount, bool) or not isinstance(amount, int):
        return None
    value = amount / 10 ** _places(decimals)
    return int(value) if value == int(value) else value


def _places(decimals: Any) -> int:
    return decimals if isinstance(decimals, int) and 0 <= decimals <= 8 else 2


def sentence(outcome: str, facts: dict[str, Any], payment: dict[str, Any]) -> str:
    """The line in the conversation, with as many decimals as the currency has."""
    places, why = _places(payment.get("decimals")), str(payment.get("failure_text") or "")
    amount = "" if facts["amount"] is None else f": {facts['amount']:,.{places}f} {facts['currency'] or ''}".rstrip()
    reference = f" ({facts['reference']})" if facts["reference"] else ""
    test = "" if facts["live"] else " This was a test, no real money."
    reason = f" {why[:200]}" if why else ""
    return f"{TITLES[outcome]}{amount}{reference}.{reason}{test}"


def _is_told(row: InboundMessage, payment: dict[str, Any], outcome: str) -> bool:
    """Whether another event said the same: a finished checkout and the payment it was for, say."""
    same = {"channel": row.channel, "kind": "event", "state": InboundMessage.State.DONE}
    fact = str(payment.get("fact_id") or "")
    if not fact:
        return False
    _alone(f"{row.channel_id}:{outcome}:{fact}")
    # As the index `payments_by_fact` has it: a shop's history is long.
    earlier = InboundMessage.objects.alias(fact=KT("facts__payment__fact_id")).filter(**same, fact=fact)
    return earlier.filter(facts__payment__outcome=outcome).exclude(pk=row.pk).exists()


def _alone(key: str) -> None:
    """Until this transaction is over nobody else looks whether this was told: both would find that it was not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCKS, key])


# --- whose payment it is ---------------------------------------------------------------------------------------------


def _named(row: InboundMessage, payment: dict[str, Any]) -> Conversation | None:
    """The conversation that it names. Another agent's is none."""
    named = str(payment.get("conversation_id") or "")
    return _conversations(row).filter(public_id=named).first() if named else None


def _last_of_customer(row: InboundMessage, payment: dict[str, Any]) -> Conversation | None:
    """The one in which the customer last said something, with this agent."""
    customer = _customer(row, payment)
    return _conversations(row).filter(customer=customer).order_by("-last_message_at").first() if customer else None


def _conversations(row: InboundMessage) -> QuerySet[Conversation]:
    return Conversation.objects.select_related("agent", "customer").filter(agent=row.channel.agent)


def _customer(row: InboundMessage, payment: dict[str, Any]) -> Customer | None:
    """By the id that the team put into the payment, then by address and number."""
    rows = Customer.objects.filter(team_id=row.channel.agent.team_id)
    named = str(payment.get("customer_id") or "")
    if named and (found := rows.filter(public_id=named).first() or rows.filter(external_id=named).first()):
        return standing(found)
    read = Identifiers.read(phone=str(payment.get("phone") or ""), email=str(payment.get("email") or ""))
    for name in ("email", "phone"):
        value = getattr(read, name)
        if value and (found := rows.filter(**{name: value}).order_by("-pk").first()):
            return standing(found)
    return None
