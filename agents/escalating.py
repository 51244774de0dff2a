"""A conversation that needs a person: asked for, taken, resolved. While one is open, asking again is no news."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.events import NOBODY, Cause, Happening, emit, emit_all
from agents.models import Conversation, Escalation, Message
from agents.phrases import normalised, person_wanted

State = Escalation.State
Trigger = Escalation.Trigger

# Asked as often as this, in the same words, the agent is of no help.
SAME_QUESTION = 3
# Shorter texts are answers (yes, 2, ok) rather than questions.
SHORTEST_QUESTION = 8
LOOKED_BACK = 50
LINES_OF_SUMMARY = 10


class NotOpen(Exception):
    """This escalation is not in the state for that; the message says in which one it is."""


@dataclass(frozen=True)
class Requested:
    """The open escalation, and what the caller has to tell: nothing where it was open before."""

    escalation: Escalation
    happenings: list[Happening]

    @property
    def is_new(self) -> bool:
        return bool(self.happenings)


def request(conversation: Conversation, *, trigger: str, reason: str = "", summary: str = "") -> Requested:
    """Ask for a person, in the caller's transaction. Without a summary, the last lines that were said are it."""
    Conversation.objects.select_for_update().get(pk=conversation.pk)
    open_one = conversation.escalations.exclude(state=State.RESOLVED).first()
    if open_one is not None:
        return Requested(open_one, [])
    made = conversation.escalations.create(
        trigger=trigger,
        reason=reason.strip()[:500],
        summary=(summary.strip() or last_lines(conversation))[:4000],
    )
    facts = {
        "escalation_id": made.public_id,
        "reason": made.reason or None,
        "summary": made.summary or None,
        "trigger": made.trigger,
    }
    return Requested(made, [Happening("escalation.triggered", facts, conversation=conversation)])


def ask(
    *, conversation: Conversation, trigger: str, reason: str = "", summary: str = "", cause: Cause = NOBODY
) -> Requested:
    """Ask for a person, and tell so. For buttons and the API."""
    with transaction.atomic():
        requested = request(conversation, trigger=trigger, reason=reason, summary=summary)
        emit_all(conversation.agent, requested.happenings, cause=cause)
    return requested


def accept(*, escalation: Escalation, by: Any = None, cause: Cause = NOBODY) -> Escalation:
    """Somebody takes it: a person of the team, or nobody we know where it comes over the API. Raises `NotOpen`."""
    with transaction.atomic():
        row = _locked(escalation)
        if row.state != State.REQUESTED:
            raise NotOpen(f"This escalation is not waiting: {row.get_state_display().lower()}.")
        row.state, row.accepted_at, row.accepted_by = State.ACCEPTED, timezone.now(), by
        row.save(update_fields=["state", "accepted_at", "accepted_by"])
        _tell(row, "escalation.accepted", by, cause)
    return row


def resolve(*, escalation: Escalation, by: Any = None, cause: Cause = NOBODY) -> Escalation:
    """It is done, whether or not somebody had taken it before. Raises `NotOpen`."""
    with transaction.atomic():
        row = _locked(escalation)
        if row.state == State.RESOLVED:
            raise NotOpen("This escalation is resolved already.")
        row.state, row.resolved_at = State.RESOLVED, timezone.now()
        row.save(update_fields=["state", "resolved_at"])
        _tell(row, "escalation.resolved", by, cause)
    return row


def _locked(escalation: Escalation) -> Escalation:
    rows = Escalation.objects.select_for_update(of=("self",)).select_related("conversation__agent", "accepted_by")
    return rows.get(pk=escalation.pk)


def _tell(row: Escalation, type: str, by: Any, cause: Cause) -> None:
    waited = max(0, round((timezone.now() - row.requested_at).total_seconds()))
    facts = {"escalation_id": row.public_id, "by": str(by) if by else None, "waited_seconds": waited}
    emit(agent=row.conversation.agent, type=type, data=facts, conversation=row.conversation, cause=cause)


def last_lines(conversation: Conversation) -> str:
    """What a person has to read first, oldest line first."""
    lines = list(conversation.messages.order_by("-pk")[:LINES_OF_SUMMARY])[::-1]
    return "\n".join(f"{line.get_role_display()}: {line.text[:500]}" for line in lines)


# --- noticing ---------------------------------------------------------------------------------------------------------


def notice(conversation: Conversation, message: Message) -> list[Happening]:
    """Whether a customer's message asks for a person, or asks the same for the third time; for the caller to tell."""
    agent = conversation.agent
    if words := person_wanted(message.text, agent.escalation_phrases.splitlines()):
        reason = f"The customer asked for a person: “{words}”."
        return request(conversation, trigger=Trigger.PHRASE, reason=reason).happenings
    if _times_asked(conversation, message) >= SAME_QUESTION:
        reason = f"The customer asked the same thing {SAME_QUESTION} times: “{message.text.strip()[:300]}”"
        return request(conversation, trigger=Trigger.REPEATED, reason=reason).happenings
    return []


def _times_asked(conversation: Conversation, message: Message) -> int:
    question = normalised(message.text)
    if len(question) < SHORTEST_QUESTION:
        return 0
    said = conversation.messages.filter(role=Message.Role.CUSTOMER).order_by("-pk").values_list("text", flat=True)
    return sum(normalised(text) == question for text in said[:LOOKED_BACK])
