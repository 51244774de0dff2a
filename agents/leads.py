"""Leads: what a customer told one agent about themselves, from a form or from the chat, until it is complete and good.

Everything here runs in the caller's transaction, with the customer's row locked: so a lead is submitted and qualified
once, however many say so at the same moment.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents import segments
from agents.events import NOBODY, Cause, Happening, emit_all
from agents.identity import Told, recognise, together
from agents.models import Agent, Conversation, Customer, Lead

CONTACT = ("email", "phone")
DETAILS = ("name", *CONTACT)
EITHER = "email or phone"


@dataclass(frozen=True)
class Form:
    """What a lead form holds. Empty texts and None say nothing; `answers` are added to those known before."""

    name: str = ""
    email: str = ""
    phone: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    score: int | None = None


# --- from a form ------------------------------------------------------------------------------------------------------


def submit(
    *,
    agent: Agent,
    told: Told,
    form: Form,
    conversation: Conversation | None = None,
    channel: str = "",
    cause: Cause = NOBODY,
) -> tuple[Lead, bool]:
    """Take a form in: whose it is, the lead, and what follows from it. Gives the lead, and whether it is new.

    `told` says who it is, with what else they are known by; without any of that they are a new customer. Raises
    `identity.TooMuch`.
    """
    with transaction.atomic():
        recognised = recognise(agent, told, known=conversation.customer if conversation else None)
        customer = recognised.customer
        if conversation is not None:
            conversation.refresh_from_db(fields=["customer"])
        lead, is_new = _lead_of(agent, customer, conversation)
        if is_new:
            lead.source, lead.channel = Lead.Source.FORM, channel or lead.channel
        for name in DETAILS:
            setattr(lead, name, getattr(form, name) or getattr(lead, name))
        lead.answers = together(lead.answers, form.answers)
        lead.score = lead.score if form.score is None else form.score
        happenings = _save(agent, lead, conversation)
        emit_all(agent, [*recognised.happenings, *happenings, *segments.rejudge(customer)], cause=cause)
    return lead, is_new


# --- from the chat ----------------------------------------------------------------------------------------------------


def hear(agent: Agent, customer: Customer, conversation: Conversation, found: dict[str, str]) -> list[Happening] | None:
    """What a message holds about its writer. It fills in what is empty: an address may be somebody else's.

    Says what happened, for the caller to tell; None where there is no lead to speak of.
    """
    lead = Lead.objects.filter(agent=agent, customer=customer).first()
    wanted = {*CONTACT, *(name for name in agent.lead_fields if name == "name")}
    if lead is None and not found.keys() & wanted:
        return None
    lead = lead or _lead_of(agent, customer, conversation)[0]
    lead.customer = customer
    for name in DETAILS:
        setattr(lead, name, getattr(lead, name) or found.get(name, ""))
    return _save(agent, lead, conversation)


# --- qualifying -------------------------------------------------------------------------------------------------------


def qualify(*, lead: Lead, by: str, cause: Cause = NOBODY) -> tuple[Lead, bool]:
    """Say that a lead is qualified; `by` is api or person. Gives the lead, and False where it was before.

    The lead may be another row than the one given, if its customer was merged with somebody meanwhile.
    """
    with transaction.atomic():
        customer = recognise(lead.agent, Told(), known=lead.customer).customer
        lead = Lead.objects.select_related("agent", "customer", "conversation").get(agent=lead.agent, customer=customer)
        if lead.qualified_at is not None:
            return lead, False
        happening = _qualified(lead, by, lead.conversation)
        lead.save(update_fields=["qualified_at"])
        emit_all(lead.agent, [happening, *segments.rejudge(customer)], cause=cause)
    return lead, True


def missing(agent: Agent, lead: Lead) -> list[str]:
    """Which of the fields that the agent needs are not known yet."""
    if not agent.lead_fields:
        return [] if lead.email or lead.phone else [EITHER]
    known = {name: getattr(lead, name) for name in DETAILS}
    return [name for name in agent.lead_fields if not _is_known(known.get(name) or lead.answers.get(name))]


def _is_known(value: Any) -> bool:
    """No is an answer, and so is zero."""
    return bool(str(value).strip()) if value is not None else False


# --- one row ----------------------------------------------------------------------------------------------------------


def _lead_of(agent: Agent, customer: Customer, conversation: Conversation | None) -> tuple[Lead, bool]:
    """The customer's lead with this agent; a new one knows what is known of the customer."""
    known = {name: getattr(customer, name) for name in DETAILS}
    where = {"conversation": conversation, "channel": conversation.channel if conversation else ""}
    lead, is_new = Lead.objects.get_or_create(agent=agent, customer=customer, defaults=known | where)
    lead.customer = customer
    return lead, is_new


def _save(agent: Agent, lead: Lead, conversation: Conversation | None) -> list[Happening]:
    happenings = []
    if lead.submitted_at is None and not missing(agent, lead):
        lead.submitted_at = timezone.now()
        happenings.append(_about(lead, "lead.submit", conversation))
    if lead.qualified_at is None and _is_good_enough(agent.qualifying_score, lead.score):
        happenings.append(_qualified(lead, "score", conversation))
    lead.save()
    return happenings


def _is_good_enough(wanted: int | None, score: int | None) -> bool:
    return wanted is not None and score is not None and score >= wanted


def _qualified(lead: Lead, by: str, conversation: Conversation | None) -> Happening:
    lead.qualified_at = timezone.now()
    return _about(lead, "lead.qualified", conversation, score=lead.score, by=by)


def _about(lead: Lead, type: str, conversation: Conversation | None, **more: Any) -> Happening:
    details = {name: getattr(lead, name) or None for name in DETAILS}
    channel = conversation.channel if conversation else lead.channel
    return Happening(type, details | {"channel": channel or None} | more, conversation, lead.customer)
