"""Telling what happened: facts of the chat become events, in the transaction of the change they report.

Each event carries a snapshot of whom it is about, so that a rule judges what was true then, today and in a rehearsal
a month from now. Nothing leaves because of an event alone; where an agent has rules for it, it waits to be judged.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import FilteredRelation, OuterRef, Q, QuerySet

from agents import catalogue
from agents.models import Agent, Conversation, Customer, PendingEvent, SegmentMember, TriggerRule
from agents.waking import wake
from webhooks.models import Event

logger = logging.getLogger(__name__)

TASK = "agents.tasks.judge_events"
COLUMNS = ("pk", "public_id", "name", "email", "phone", "country", "plan", "attributes", "segment_names")
LEAD = ("public_id", "name", "email", "phone", "score", "answers", "qualified_at")


class OutsideTransaction(RuntimeError):
    """An event was told outside of a transaction: the change and its event must be saved together or not at all."""


@dataclass(frozen=True)
class Cause:
    """The rule that led to what happens, and how many rules did, one after the other. Nothing: a person did.

    A rule's delivery carries both (X-Chatzuri-Rule, X-Chatzuri-Hops); a system that answers it over the API sends
    them back, so that a circle is seen and ends.
    """

    rule: str = ""
    hops: int = 0


NOBODY = Cause()


@dataclass(frozen=True)
class Happening:
    """One fact on its way to become an event. `data` holds the keys of its own; the snapshot is added when it is told.

    Whom it is about: `customer`, or else the customer of `conversation`, or nobody.
    """

    type: str
    data: dict[str, Any] = field(default_factory=dict)
    conversation: Conversation | None = None
    customer: Customer | None = None
    is_test: bool = False

    @property
    def customer_id(self) -> int | None:
        return self.customer.pk if self.customer else self.conversation.customer_id if self.conversation else None


def emit(
    *,
    agent: Agent,
    type: str,
    data: dict[str, Any],
    conversation: Conversation | None = None,
    customer: Customer | None = None,
    cause: Cause = NOBODY,
    is_test: bool = False,
) -> Event:
    """Tell one fact, in the caller's transaction. Raises `OutsideTransaction`."""
    happening = Happening(type, data, conversation, customer, is_test)
    return emit_all(agent, [happening], cause=cause)[0]


def emit_all(agent: Agent, happenings: Sequence[Happening], *, cause: Cause = NOBODY) -> list[Event]:
    """Tell several facts of one agent at once, in this order and with one snapshot, in the caller's transaction.

    Raises `OutsideTransaction`. A fact that does not fit the catalogue is a fault of ours: it is logged and told all
    the same, since the change it reports is real.
    """
    if not happenings:
        return []
    if not connection.in_atomic_block:
        raise OutsideTransaction("Tell an event in the transaction of the change it reports.")
    people = snapshots(agent, {one.customer_id for one in happenings if one.customer_id})
    told = Event.objects.bulk_create([_event(agent, one, people, cause) for one in happenings])
    _let_rules_judge(agent, told)
    return told


def _event(agent: Agent, one: Happening, people: dict[int, dict[str, Any]], cause: Cause) -> Event:
    person = people.get(one.customer_id or 0, {"customer": None, "lead": None})
    where = one.conversation
    common = {
        "conversation_id": where.public_id if where else None,
        "channel": where.channel if where else None,
        **person,
    }
    event = Event(
        team_id=agent.team_id,
        type=one.type,
        version=catalogue.EVENTS[one.type].version if one.type in catalogue.EVENTS else 1,
        data=common | one.data,
        agent_ref=agent.public_id,
        conversation_ref=where.public_id if where else "",
        customer_ref=person["customer"]["id"] if person["customer"] else "",
        caused_by=cause.rule,
        depth=cause.hops,
        is_test=one.is_test,
        is_owed=False,
    )
    if faults := catalogue.faults(event.type, event.data):
        logger.error("%s does not fit the catalogue: %s", event, "; ".join(faults[:5]))
    return event


def _let_rules_judge(agent: Agent, told: Iterable[Event]) -> None:
    """Without a rule that listens, an event is history and nothing waits."""
    types = {event.type for event in told}
    heard = set(
        TriggerRule.objects.judging().filter(agent=agent, event_type__in=types).values_list("event_type", flat=True)
    )
    waiting = [PendingEvent(event=event, agent=agent) for event in told if event.type in heard]
    if waiting:
        PendingEvent.objects.bulk_create(waiting)
        transaction.on_commit(partial(wake, TASK))


# --- the snapshot -----------------------------------------------------------------------------------------------------


def snapshots(agent: Agent, keys: Collection[int]) -> dict[int, dict[str, Any]]:
    """`{customer: …, lead: …}` as events tell it, by the customer's key; of leads, the one with this agent."""
    if not keys:
        return {}
    rows = _customers(keys).annotate(own_lead=FilteredRelation("leads", condition=Q(leads__agent=agent)))
    columns = (*COLUMNS, *(f"own_lead__{name}" for name in LEAD))
    return {row["pk"]: {"customer": _customer(row), "lead": _lead(row)} for row in rows.values(*columns)}


def customers(keys: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Customers as events tell of them, by their keys."""
    return {row["pk"]: _customer(row) for row in _customers(keys).values(*COLUMNS)}


def _customers(keys: Iterable[int]) -> QuerySet[Customer]:
    segments = SegmentMember.objects.filter(customer=OuterRef("pk")).order_by("segment__name").values("segment__name")
    return Customer.objects.filter(pk__in=set(keys)).annotate(segment_names=ArraySubquery(segments))


def _customer(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: row[name] or None for name in ("name", "email", "phone", "country", "plan")}
    return {"id": row["public_id"], **texts, "attributes": row["attributes"], "segments": row["segment_names"]}


def _lead(row: dict[str, Any]) -> dict[str, Any] | None:
    lead = {name: row[f"own_lead__{name}"] for name in LEAD}
    return lead_facts(lead) if lead["public_id"] else None


def lead_facts(lead: dict[str, Any]) -> dict[str, Any]:
    """From the columns of `LEAD` to what events tell of a lead."""
    texts = {name: lead[name] or None for name in ("name", "email", "phone")}
    return {
        "id": lead["public_id"],
        **texts,
        "score": lead["score"],
        "answers": lead["answers"],
        "qualified": lead["qualified_at"] is not None,
    }
