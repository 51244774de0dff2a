"""What a brain gets to read: the conversation so far, as plain entries (`brains/base.py` lists them)."""

from typing import Any

from django.db.models import Prefetch

from agents.brains.base import Entry
from agents.models import Conversation, Step, ToolCall, Turn

# A turn is a message of the customer and a reply, so this is the last 40 messages.
TURNS_KEPT = 20


def so_far(turn: Turn) -> list[Entry]:
    """Everything before this turn's first step, and the message it answers."""
    entries = [facts(turn.conversation)]
    for earlier in _earlier(turn):
        entries += _told(earlier)
    _judge(entries)
    return [*entries, said_by_customer(turn)]


def _judge(entries: list[Entry]) -> None:
    """A call that waited for approval then may be done by now: what a brain reads is what is true now."""
    held = [one for entry in entries if entry["kind"] == "results" for one in entry["results"] if _waits(one)]
    calls = {call.public_id: call for call in ToolCall.objects.filter(public_id__in=[one["call"] for one in held])}
    for one in held:
        if (call := calls.get(one["call"])) is not None and call.result:
            one |= {"status": call.status, "text": call.result["text"], "is_error": call.result["is_error"]}


def _waits(result: dict[str, Any]) -> bool:
    return result["status"] == ToolCall.Status.HELD and "call" in result


def facts(conversation: Conversation) -> Entry:
    customer = conversation.customer
    return {
        "kind": "facts",
        "conversation_id": conversation.public_id,
        "channel": conversation.channel,
        "customer": {
            name: value
            for name, value in (("name", customer.name), ("email", customer.email), ("phone", customer.phone))
            if value
        },
    }


def said_by_customer(turn: Turn) -> Entry:
    return {"kind": "said", "role": "customer", "text": turn.message.text}


def _earlier(turn: Turn) -> list[Turn]:
    """The last turns before this one, oldest first. A later message of the customer belongs to a later turn."""
    steps = Prefetch("steps", queryset=Step.objects.order_by("ordinal"))
    turns = Turn.objects.filter(conversation=turn.conversation_id, pk__lt=turn.pk).order_by("-pk")
    return list(turns.select_related("message", "reply").prefetch_related(steps)[:TURNS_KEPT])[::-1]


def _told(turn: Turn) -> list[Entry]:
    entries = [said_by_customer(turn), *closed([step.entry for step in turn.steps.all()])]
    if entries[-1]["kind"] == "answer" and turn.reply:
        entries.pop()  # The reply is what the customer really read; it may be another text than the brain's.
    if turn.reply:
        state = (turn.reply.brain or {}).get("state") or {}
        entries.append({"kind": "said", "role": "agent", "text": turn.reply.text, "state": state})
    return entries


def closed(steps: list[Entry]) -> list[Entry]:
    """Every wish gets a result, also where the turn ended before: models refuse a history with loose ends."""
    if not steps or steps[-1]["kind"] != "answer" or not steps[-1]["asks"]:
        return steps
    results: list[dict[str, Any]] = [
        {
            "id": ask["id"],
            "name": ask["name"],
            "status": "refused",
            "is_error": True,
            "text": "The turn ended before this was answered. It is not known to have been done.",
        }
        for ask in steps[-1]["asks"]
    ]
    return [*steps, {"kind": "results", "results": results}]
