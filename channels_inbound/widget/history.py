"""What was said in a session's conversation, as its visitor may read it."""

from typing import Any

from agents import feedback
from agents.leases import UNFINISHED
from agents.models import Conversation, Feedback, Message, Turn
from channels_inbound.models import InboundMessage
from webhooks.api import moment

MOST = 100


def lines(conversation: Conversation, *, after: Message | None) -> list[Message]:
    """The last hundred, oldest first; only those after that message where one is given."""
    rows = conversation.messages.select_related("feedback", "inbound_message").order_by("-pk")
    if after is not None:
        rows = rows.filter(pk__gt=after.pk)
    return list(reversed(rows[:MOST]))


def unanswered(conversation: Conversation) -> list[str]:
    """Turns that a reply is still to be expected of, in their order."""
    rows = Turn.objects.filter(conversation=conversation, state__in=UNFINISHED).order_by("pk")
    return list(rows.values_list("public_id", flat=True)[:MOST])


def describe(message: Message) -> dict[str, Any]:
    """`rating` is up, down or None; `client_id` is the browser's own name of what it sent.

    Which brain wrote a reply and what it cost is the team's business.
    """
    return {
        "id": message.public_id,
        "client_id": _client_id(message),
        "role": message.role,
        "text": message.text,
        "at": moment(message.created_at),
        "rating": _rating(message),
    }


def _rating(message: Message) -> str | None:
    try:
        given = message.feedback
    except Feedback.DoesNotExist:
        return None
    return "up" if given.rating > (feedback.UP + feedback.DOWN) / 2 else "down"


def _client_id(message: Message) -> str | None:
    try:
        return message.inbound_message.provider_id
    except InboundMessage.DoesNotExist:
        return None
