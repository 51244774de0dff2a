"""How a conversation ends: a person or the API closes it, it falls silent, or its customer turns out to have two."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Now
from django.utils import timezone

from agents.events import NOBODY, Cause, Happening, emit, emit_all
from agents.leases import UNFINISHED
from agents.models import Agent, Conversation, Message, Turn
from webhooks.models import Event

State = Conversation.State

SILENT_MINUTES = 15
# Who fell silent longer ago than this has been told of, or nobody was there to tell.
TOLD_WITHIN = timedelta(hours=2)
BATCH = 500


class NotReopened(Exception):
    """This conversation cannot be gone on with; the message says why."""


def end(*, conversation: Conversation, by: str, cause: Cause = NOBODY) -> bool:
    """Close it: `by` is operator, api or idle. False where it had ended before, and then nothing is told."""
    with transaction.atomic():
        row = _locked(conversation.pk)
        if row.state == State.ENDED:
            return False
        told = close(row, by=by)
        emit_all(row.agent, [told], cause=cause)
    conversation.refresh_from_db(fields=["state", "ended_at", "ended_by"])
    return True


def close(row: Conversation, *, by: str) -> Happening:
    """End a conversation whose row the caller has locked, and say so for the caller to tell."""
    row.state, row.ended_at, row.ended_by = State.ENDED, timezone.now(), by
    row.save(update_fields=["state", "ended_at", "ended_by"])
    facts = {"reason": by, "message_count": row.messages.count(), "started_at": moment(row.started_at)}
    return Happening("conversation.ended", facts, conversation=row)


def reopen(*, conversation: Conversation, by: str, cause: Cause = NOBODY) -> None:
    """Go on with a conversation that has ended; `by` is operator or api. Raises `NotReopened`."""
    try:
        with transaction.atomic():
            row = _locked(conversation.pk)
            if row.state == State.OPEN:
                raise NotReopened("This conversation is open.")
            # The silence is over, or it would be ended for it again.
            row.state, row.ended_at, row.ended_by, row.last_message_at = State.OPEN, None, "", timezone.now()
            row.save(update_fields=["state", "ended_at", "ended_by", "last_message_at"])
            emit(agent=row.agent, type="conversation.reopened", data={"by": by}, conversation=row, cause=cause)
    except IntegrityError:
        raise NotReopened("The customer has begun another conversation, which is open.") from None
    conversation.refresh_from_db(fields=["state", "ended_at", "ended_by", "last_message_at"])


def _locked(pk: int) -> Conversation:
    return Conversation.objects.select_for_update(of=("self",)).select_related("agent", "customer").get(pk=pk)


def moment(at: datetime) -> str:
    """As the envelope's own time: ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- silence ----------------------------------------------------------------------------------------------------------


def sweep() -> None:
    """Tell of conversations that fell silent, and end those that stayed so. Once each, however many sweep."""
    tell_of_silence()
    end_silent()


def end_silent() -> int:
    """End what has been silent for as long as its agent allows, unless a reply is on its way. Returns how many."""
    allowed = ExpressionWrapper(F("agent__idle_minutes") * Value(timedelta(minutes=1)), output_field=DurationField())
    unanswered = Turn.objects.filter(conversation=OuterRef("pk"), state__in=UNFINISHED)
    silent = (
        Conversation.objects.filter(state=State.OPEN, last_message_at__lt=Now() - allowed)
        .filter(~Exists(unanswered))
        .order_by("last_message_at")
    )
    ended = 0
    for key in silent.values_list("pk", flat=True)[:BATCH]:
        with transaction.atomic():
            row = (
                silent.select_for_update(of=("self",), skip_locked=True).select_related("agent").filter(pk=key).first()
            )
            if row is not None:
                emit_all(row.agent, [close(row, by="idle")])
                ended += 1
    return ended


def tell_of_silence() -> int:
    """`conversation.idle` for who fell silent since the last look. Returns how many."""
    by_agent = defaultdict(list)
    for agent_id, key in _silent().values_list("agent_id", "pk")[: BATCH * 10]:
        by_agent[agent_id].append(key)
    return sum(_tell_of(agent, by_agent[agent.pk]) for agent in Agent.objects.filter(pk__in=by_agent))


def _silent() -> QuerySet[Conversation]:
    """Open, and silent for long enough to be told of, but not for so long that it must have been."""
    now = timezone.now()
    return Conversation.objects.filter(
        state=State.OPEN,
        agent__idle_minutes__gt=SILENT_MINUTES,
        last_message_at__lt=now - timedelta(minutes=SILENT_MINUTES),
        last_message_at__gt=now - TOLD_WITHIN,
    )


def _tell_of(agent: Agent, keys: list[int]) -> int:
    """The rows are locked before the look at what was told, so two sweepers do not both find nothing."""
    last_role = Message.objects.filter(conversation=OuterRef("pk")).exclude(role=Message.Role.SYSTEM).order_by("-pk")
    with transaction.atomic():
        locked = _silent().filter(pk__in=keys).select_for_update(of=("self",), skip_locked=True).order_by("pk")
        rows = list(locked.annotate(last_role=Subquery(last_role.values("role")[:1])))
        told = _told_of_lately(agent)
        silent = [row for row in rows if told.get(row.public_id, row.started_at) <= row.last_message_at]
        emit_all(agent, [_idle(row) for row in silent])
    return len(silent)


def _told_of_lately(agent: Agent) -> dict[str, datetime]:
    """When each conversation was last called silent: a short walk back along an index."""
    since = timezone.now() - TOLD_WITHIN
    facts = Event.objects.filter(agent_ref=agent.public_id, type="conversation.idle", is_owed=False).order_by("-pk")
    recent = takewhile(lambda fact: fact[1] > since, facts.values_list("conversation_ref", "occurred_at").iterator())
    return dict(reversed(list(recent)))


def _idle(row: Any) -> Happening:
    by = "customer" if row.last_role == Message.Role.CUSTOMER else "agent"
    return Happening("conversation.idle", {"minutes": SILENT_MINUTES, "last_message_by": by}, conversation=row)
