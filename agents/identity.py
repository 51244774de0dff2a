"""Who is writing: a person is one customer, recognised in a fixed order, and merged where two turn out to be one.

The order: the id of the team's own application, the phone number, the e-mail address, the session of the browser.
Never across teams. Whoever has two different ids of the application is two people, whatever else they share.

Locks are taken in one order everywhere: identifiers, then customers by their keys, then conversations.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.db.models import Q

from agents.brains import slots
from agents.brains.base import clean
from agents.ending import close
from agents.events import NOBODY, Cause, Happening, emit_all
from agents.models import Agent, Conversation, Customer, Lead, SegmentMember

# The first half of the advisory lock's key; the second is a digest of the identifier.
LOCKS = 0x63757374
# What else may be known of a customer; all of it is filled in where it is empty when two are merged.
DETAILS = ("name", "country", "plan")


# Each look that finds something else means that another transaction got on; so this ends, and is never seen to.
MOST_LOOKS = 100


# What is known of a person goes out with every event about them.
MOST_FREE = 16 * 1024


class TooMuch(ValueError):
    """More values under names of the team's own than may be kept of one person; nothing was written."""


class NeverStill(RuntimeError):
    """Others changed the same customers over and over; nothing was written. A fault of ours, or an attack."""


class _Moved(Exception):
    """Somebody merged one of these customers before we had its lock: look again."""


@dataclass(frozen=True)
class Identifiers:
    """By what a person can be recognised, in the order in which it counts. Empty: not known."""

    external_id: str = ""
    phone: str = ""
    email: str = ""
    session_id: str = ""

    @classmethod
    def read(cls, *, external_id: str = "", phone: str = "", email: str = "", session_id: str = "") -> "Identifiers":
        """As they are kept: numbers as E.164 where the country is known, addresses in lower case.

        What is no number or no address is left out.
        """
        return cls(clean(external_id)[:200], _phone(phone), _email(email), clean(session_id)[:100])

    @classmethod
    def of(cls, customer: Customer) -> "Identifiers":
        return cls(*(getattr(customer, name) for name in NAMES))

    def given(self) -> dict[str, str]:
        return {name: value for name in NAMES if (value := getattr(self, name))}

    def where_empty(self, customer: Customer) -> "Identifiers":
        """Only those that this customer has none of, or has just so."""
        return Identifiers(
            **{name: value for name, value in self.given().items() if getattr(customer, name) in ("", value)}
        )


NAMES = tuple(each.name for each in fields(Identifiers))
NOTHING = Identifiers()


def _phone(text: str) -> str:
    """In a field of its own a number needs no mark of one: any digits of a possible length are it."""
    digits = "".join(filter(str.isdecimal, text)) if not any(map(str.isalpha, text)) else ""
    return slots.phone(text) or (digits if 7 <= len(digits) <= 15 and digits.isascii() else "")


def _email(text: str) -> str:
    plain = clean(text).strip().lower()
    try:
        validate_email(plain)
    except ValidationError:
        return ""
    return plain if len(plain) <= 254 else ""


@dataclass(frozen=True)
class Recognised:
    """The customer, whose row is locked until the end of the transaction, and what the caller has to tell."""

    customer: Customer
    happenings: list[Happening] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """What somebody says of a customer.

    `given` comes from the application; `heard` from what a customer wrote, and counts only where nothing is known yet:
    an address in a message may well be somebody else's. `details` are columns of DETAILS and `attributes`. With
    `is_correction` what is given replaces what was known. `writes_on`: the channel on which they are writing now.
    `cause` is that of threads which end because of it.
    """

    given: Identifiers = NOTHING
    heard: Identifiers = NOTHING
    details: dict[str, Any] = field(default_factory=dict)
    is_correction: bool = False
    writes_on: str = ""
    cause: Cause = NOBODY

    def new_for(self, customer: Customer) -> Identifiers:
        """The identifiers to look for and to keep: those that say more than is known, or the same."""
        given = self.given if self.is_correction else self.given.where_empty(customer)
        heard = {name: value for name, value in self.heard.given().items() if not getattr(self.given, name)}
        return replace(given, **Identifiers(**heard).where_empty(customer).given())


def recognise(agent: Agent, told: Told, *, known: Customer | None = None) -> Recognised:
    """Find or make the customer, learn what is new, and merge whoever turns out to be the same person.

    In the caller's transaction, before it locks a conversation. `known` says who it is already.
    """
    for _ in range(MOST_LOOKS):
        try:
            with transaction.atomic():
                return _recognise(agent, told, known)
        except _Moved:
            known = Customer.objects.get(pk=known.pk) if known else None
    raise NeverStill(f"The customers that {agent} asked for changed {MOST_LOOKS} times while they were looked at.")


def _recognise(agent: Agent, told: Told, known: Customer | None) -> Recognised:
    who = standing(known) if known else _found(agent, told)
    if who is None:
        return _made(agent, told)
    new = told.new_for(who)
    others: list[Customer] = []
    if _says_more(new, who):
        _alone(agent, new)
        others = [one for one in _matching(agent, new) if one.pk != who.pk and _may_be_one(one, new, who)]
    locked = _locked([who, *others])
    who, others = locked[who.pk], [locked[one.pk] for one in others]
    if told.new_for(who) != new:
        raise _Moved
    return _learn(agent, who, others, told)


def _says_more(new: Identifiers, who: Customer) -> bool:
    return any(getattr(who, name) != value for name, value in new.given().items())


def _made(agent: Agent, told: Told) -> Recognised:
    """A customer nobody knew. Whoever makes the same one at the same moment waits at the lock, and finds it then."""
    new = told.new_for(Customer())
    if new.given():
        _alone(agent, new)
        if _found(agent, told):
            raise _Moved
    customer = Customer.objects.create(team_id=agent.team_id, **new.given(), **told.details)
    return Recognised(customer, [Happening("customer.created", customer=customer)])


# --- looking ----------------------------------------------------------------------------------------------------------


def _found(agent: Agent, told: Told) -> Customer | None:
    """By what the application says, and only then by what was written."""
    rows = [*_matching(agent, told.given), *_matching(agent, told.heard)]
    own = told.given.external_id
    return next((row for row in rows if not own or row.external_id in ("", own)), None)


def _matching(agent: Agent, wanted: Identifiers) -> list[Customer]:
    """Everybody with one of these identifiers, in the order in which identifiers count; then the latest first.

    Somebody who was merged still stands for whoever they were merged into.
    """
    given = wanted.given()
    if not given:
        return []
    any_of = Q(*given.items(), _connector=Q.OR)
    rows = list(Customer.objects.filter(any_of, team_id=agent.team_id).order_by("-pk"))
    rank = {
        row.pk: next(n for n, (name, value) in enumerate(given.items()) if getattr(row, name) == value) for row in rows
    }
    found = [standing(row) for row in sorted(rows, key=lambda row: rank[row.pk])]
    return list({row.pk: row for row in found}.values())


def standing(customer: Customer) -> Customer:
    """The row that stands for this person now."""
    while customer.merged_into_id is not None:
        customer = Customer.objects.get(pk=customer.merged_into_id)
    return customer


def _may_be_one(one: Customer, new: Identifiers, who: Customer) -> bool:
    """Two ids of the application are two people."""
    own = who.external_id or new.external_id
    return not own or one.external_id in ("", own)


# --- locking ----------------------------------------------------------------------------------------------------------


def _alone(agent: Agent, wanted: Identifiers) -> None:
    """Nobody else learns of these identifiers until this transaction is over."""
    names = sorted(f"{agent.team_id}:{name}:{value}" for name, value in wanted.given().items())
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCKS, name])


def _locked(rows: Iterable[Customer]) -> dict[int, Customer]:
    """The rows as they are now. Raises `_Moved` where one of them is no longer the one that stands for the person."""
    keys = [row.pk for row in rows]
    locked = Customer.objects.filter(pk__in=keys).order_by("pk").select_for_update(no_key=True)
    found = {row.pk: row for row in locked}
    if len(found) < len(keys) or any(row.merged_into_id for row in found.values()):
        raise _Moved
    return found


# --- learning ---------------------------------------------------------------------------------------------------------


def _learn(agent: Agent, who: Customer, others: list[Customer], told: Told) -> Recognised:
    happenings = []
    for other in others:
        kept, gone = _in_order(who, other)
        changed = _merge(agent, kept, gone, who, told)
        happenings.append(Happening("customer.updated", {"changed": changed, "merged": gone.public_id}, customer=kept))
        who = kept
    values: dict[str, Any] = told.new_for(who).given() | _details(who, told)
    changed = [name for name, value in values.items() if getattr(who, name) != value]
    if changed:
        for name in changed:
            setattr(who, name, values[name])
        who.save(update_fields=changed)
        # Ids are how we recognise people, and nothing that is told about them.
        shown = [name for name in changed if name not in ("external_id", "session_id")]
        if shown:
            happenings.append(Happening("customer.updated", {"changed": shown, "merged": None}, customer=who))
    # Everything that was told is about the row that was kept in the end.
    return Recognised(who, [replace(one, customer=who) for one in happenings])


def _details(who: Customer, told: Told) -> dict[str, Any]:
    details = {
        k: v for k, v in told.details.items() if k != "attributes" and (told.is_correction or not getattr(who, k))
    }
    if "attributes" in told.details:
        details["attributes"] = together(who.attributes, told.details["attributes"])
    return details


def together(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Both, the later word counting. Raises `TooMuch`."""
    whole = known | more
    if more and len(json.dumps(whole)) > MOST_FREE:
        raise TooMuch(f"Together with what is known already this would be more than {MOST_FREE // 1024} KB.")
    return whole


def _in_order(one: Customer, other: Customer) -> tuple[Customer, Customer]:
    """Who is kept: the one whom the application knows by an id, or else the older one."""
    kept, gone = sorted((one, other), key=lambda row: (not row.external_id, row.pk))
    return kept, gone


# --- merging ----------------------------------------------------------------------------------------------------------


def _merge(agent: Agent, kept: Customer, gone: Customer, writing: Customer, told: Told) -> list[str]:
    """Everything of `gone` becomes that of `kept`; says what is known of `kept` now that was not. Both are locked."""
    changed = _fill_in(kept, gone)
    _merge_conversations(agent, kept, gone, writing, told)
    _merge_leads(kept, gone)
    _merge_segments(kept, gone)
    gone.merged_into = kept
    gone.save(update_fields=["merged_into"])
    return changed


def _fill_in(kept: Customer, gone: Customer) -> list[str]:
    changed = [name for name in ("phone", "email", *DETAILS) if not getattr(kept, name) and getattr(gone, name)]
    for name in changed:
        setattr(kept, name, getattr(gone, name))
    attributes = gone.attributes | kept.attributes
    if attributes != kept.attributes:
        kept.attributes = attributes
        changed.append("attributes")
    if not kept.session_id:
        kept.session_id = gone.session_id
    kept.save(update_fields=["session_id", *changed])
    return changed


def _merge_conversations(agent: Agent, kept: Customer, gone: Customer, writing: Customer, told: Told) -> None:
    """One person has one open thread on a channel: the one they write in now stays, or else the one that moved last."""
    both = Conversation.objects.filter(customer__in=[kept, gone], state=Conversation.State.OPEN)
    rows = both.order_by("pk").select_for_update(of=("self",)).select_related("agent")
    threads: dict[tuple[int, str], list[Conversation]] = {}
    for row in rows.filter(thread=""):
        threads.setdefault((row.agent_id, row.channel), []).append(row)
    ended = []
    for (agent_id, name), pair in threads.items():
        is_here = (agent_id, name) == (agent.pk, told.writes_on)
        pair.sort(key=lambda row: (is_here and row.customer_id == writing.pk, row.last_message_at, row.pk))
        ended += [(row.agent, close(row, by="merged")) for row in pair[:-1]]
    Conversation.objects.filter(customer=gone).update(customer=kept)
    for its_agent, happening in ended:
        emit_all(its_agent, [replace(happening, customer=kept)], cause=told.cause)


def _merge_leads(kept: Customer, gone: Customer) -> None:
    """One lead of a person with an agent. What was submitted once is not submitted again."""
    own = {lead.agent_id: lead for lead in Lead.objects.filter(customer=kept).select_for_update()}
    for lead in Lead.objects.filter(customer=gone).select_for_update().order_by("pk"):
        other = own.get(lead.agent_id)
        if other is None:
            Lead.objects.filter(pk=lead.pk).update(customer=kept)
            continue
        for name in ("name", "email", "phone", "conversation_id"):
            setattr(other, name, getattr(other, name) or getattr(lead, name))
        other.score = other.score if other.score is not None else lead.score
        other.answers = lead.answers | other.answers
        other.submitted_at = _earlier(other.submitted_at, lead.submitted_at)
        other.qualified_at = _earlier(other.qualified_at, lead.qualified_at)
        lead.delete()
        other.save()


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


def _merge_segments(kept: Customer, gone: Customer) -> None:
    own = SegmentMember.objects.filter(customer=kept).values("segment")
    SegmentMember.objects.filter(customer=gone).exclude(segment__in=own).update(customer=kept)
    SegmentMember.objects.filter(customer=gone).delete()
