"""What a brain gets to read: the conversation so far, as plain entries (`brains/base.py` lists them)."""

from typing import Any

from django.db.models import Prefetch

from agents.brains.base import Entry
from agents.models import Conversation, Message, Step, ToolCall, Turn

# A turn is a message of the customer and a reply, so this is the last 40 messages.
TURNS_KEPT = 20
# Of one burst, and of what the system noted in a conversation (a payment that came in, say), the last ones.
BURST_KEPT = 20
NOTES_KEPT = 5


def so_far(turn: Turn) -> list[Entry]:
    """Everything before this turn's first step, and the message it answers."""
    entries = [facts(turn.conversation)]
    earlier_turns = _earlier(turn)
    for earlier in earlier_turns:
        entries += _told(earlier)
    _judge(entries)
    return [*entries, _burst(turn, after=earlier_turns[-1].message_id if earlier_turns else 0)]


def _burst(turn: Turn, *, after: int) -> Entry:
    """What the customer wrote in one go: channels bring three short messages where a form brings one."""
    lines = Message.objects.filter(
        conversation=turn.conversation_id, role=Message.Role.CUSTOMER, pk__gt=after, pk__lte=turn.message_id
    )
    texts = [text for text in lines.order_by("-pk").values_list("text", flat=True)[:BURST_KEPT] if text.strip()]
    return {"kind": "said", "role": "customer", "text": "\n".join(reversed(texts)) or turn.message.text}


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
    notes = conversation.messages.filter(role=Message.Role.SYSTEM).order_by("-pk").values_list("text", flat=True)
    return {
        "kind": "facts",
        "notes": list(notes[:NOTES_KEPT])[::-1],
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
