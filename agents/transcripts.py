"""What a conversation looks like to people: its lines, and under each reply the receipts of what was really sent."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from agents.models import ActionRun, Conversation, Message, ToolCall, Turn
from webhooks.models import Delivery
from webhooks.outcomes import describe

SHOWN = 200
OF_A_RUN = ("draft", "params", "config", "result", "console")
HEAVY = ("delivery__body", "delivery__attempt__response_body", *(f"run__{name}" for name in OF_A_RUN))


@dataclass(frozen=True)
class Receipt:
    """One tool call in a sentence. `tone`: good/warn/bad/wait; `delivery` or `run` is the one to link to, if any."""

    call: ToolCall
    sentence: str
    tone: str
    label: str
    delivery: Delivery | None = None
    run: ActionRun | None = None

    @property
    def arguments(self) -> str:
        return json.dumps(self.call.arguments, indent=2, ensure_ascii=False)

    @property
    def is_held(self) -> bool:
        """A person of the team has to say yes or no."""
        return self.call.status == ToolCall.Status.HELD


@dataclass(frozen=True)
class Line:
    """One message, and what the agent did before it said so. `unbacked`: words that claim what was not done.

    `sent` is what became of it at its provider, `files` is what came with it: for whoever knows channels to fill in.
    """

    message: Message
    receipts: list[Receipt] = field(default_factory=list)
    brain: str = ""
    sent: list[Any] = field(default_factory=list)
    files: list[Any] = field(default_factory=list)

    @property
    def unbacked(self) -> str:
        return str((self.message.brain or {}).get("unbacked", ""))


def calls() -> QuerySet[ToolCall]:
    """Tool calls with everything a receipt needs, and none of the bodies."""
    linked = ("tool", "agent", "delivery__endpoint", "delivery__attempt", "turn__reply", "run")
    first = ("duplicate_of__delivery__endpoint", "duplicate_of__delivery__attempt", "duplicate_of__run")
    heavy = [f"{path}{name}" for path in ("", "duplicate_of__") for name in HEAVY]
    return ToolCall.objects.select_related(*linked, *first).defer(*heavy).order_by("pk")


def receipt(call: ToolCall) -> Receipt:
    if call.status == ToolCall.Status.REPEATED and call.duplicate_of:
        first = call.duplicate_of
        sent = f": {_sent(first.delivery)}" if first.delivery else ""
        return Receipt(
            call, f"asked twice, sent once{sent}", "good", "asked twice, sent once", first.delivery, first.run
        )
    if call.delivery:
        described = describe(call.delivery)
        return Receipt(call, _sent(call.delivery), described.tone, described.label, call.delivery)
    if call.status == ToolCall.Status.RUNNING:
        return Receipt(call, "is running" if call.run else "is being prepared", "wait", "running", run=call.run)
    if call.status == ToolCall.Status.HELD:
        return Receipt(call, "waits for approval by a person", "wait", "waits for approval")
    if call.run:
        return _ran(call, call.run)
    tone = "good" if call.status == ToolCall.Status.FIRED else "bad"
    return Receipt(call, (call.result or {}).get("text", ""), tone, call.get_status_display().lower())


def _ran(call: ToolCall, run: ActionRun) -> Receipt:
    """`done, 12:03`, or the reason that the agent was told."""
    at = timezone.localtime(run.finished_at or run.queued_at).strftime("%H:%M")
    if call.status == ToolCall.Status.FIRED:
        return Receipt(call, f"done, {at}", "good", "done", run=run)
    told = call.result or {}
    is_reported = told.get("structured", {}).get("outcome") == "reported_failure"
    label, tone = ("reported failure", "warn") if is_reported else (call.get_status_display().lower(), "bad")
    return Receipt(call, f"{told.get('text', label)} {at}", tone, label, run=run)


def _sent(delivery: Delivery) -> str:
    """`sent to CRM, 200, 12:03`, or what became of it instead."""
    attempt = getattr(delivery, "attempt", None)
    at = timezone.localtime(delivery.finished_at or delivery.accepted_at).strftime("%H:%M")
    where = delivery.endpoint.name if delivery.endpoint else delivery.url
    if delivery.state == Delivery.State.DELIVERED and attempt:
        return f"sent to {where}, {attempt.status_code}, {at}"
    return f"to {where}: {describe(delivery).label}, {at}"


def lines(conversation: Conversation) -> list[Line]:
    """The last messages, oldest first."""
    messages = list(conversation.messages.order_by("-pk")[:SHOWN])[::-1]
    receipts = _receipts_by_message(conversation, messages)
    return [Line(message, receipts[message.pk], brain_words(message.brain)) for message in messages]


def _receipts_by_message(conversation: Conversation, messages: list[Message]) -> dict[int, list[Receipt]]:
    """Under the reply of its turn; without one, under the last message before it."""
    found: dict[int, list[Receipt]] = defaultdict(list)
    if not messages:
        return found
    since = messages[0].created_at
    for call in calls().filter(conversation=conversation, created_at__gte=since)[:SHOWN]:
        reply = call.turn.reply_id if call.turn else None
        found[reply or _last_before(call, messages)].append(receipt(call))
    return found


def _last_before(call: ToolCall, messages: list[Message]) -> int:
    earlier = [message.pk for message in messages if message.created_at <= call.created_at]
    return earlier[-1] if earlier else messages[0].pk


def brain_words(brain: dict[str, Any] | None) -> str:
    """Which brain wrote this, and for the offline matcher why."""
    if not brain:
        return ""
    if brain.get("kind") == "llm":
        return f"Language model {brain.get('model', '')}".strip()
    words = "Menu" if brain.get("kind") == "offline-menu" else "Offline matcher"
    if brain.get("score") is not None:
        words += f", score {float(brain['score']):.2f}"
    if nearest := brain.get("nearest_example"):
        words += f", nearest example “{nearest}”"
    return words


@dataclass(frozen=True)
class Decision:
    """What an agent decided in one turn. `version` changes whenever a page that shows it has to change."""

    turn: Turn
    receipts: list[Receipt]
    brain: str

    @property
    def is_settled(self) -> bool:
        """Nothing more will change by itself."""
        over = self.turn.state in (Turn.State.DONE, Turn.State.FAILED)
        return over and all(one.tone != "wait" or _is_held(one) for one in self.receipts)

    @property
    def waits_for_a_person(self) -> bool:
        return any(one.is_held for one in self.receipts)

    @property
    def version(self) -> str:
        parts = [self.turn.state, *(f"{one.call.pk}{one.call.status}{one.label}" for one in self.receipts)]
        return "-".join(parts).replace(" ", "_")


def _is_held(one: Receipt) -> bool:
    return bool(one.delivery and one.delivery.state == Delivery.State.HELD)


def decisions(turns: Iterable[Turn]) -> list[Decision]:
    """One a turn, in the order given; all their calls are read with one query."""
    turns = list(turns)
    receipts: dict[int | None, list[Receipt]] = defaultdict(list)
    for call in calls().filter(turn__in=turns):
        receipts[call.turn_id].append(receipt(call))
    return [Decision(turn, receipts[turn.pk], brain_words(turn.reply.brain if turn.reply else None)) for turn in turns]
