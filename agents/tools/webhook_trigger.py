"""The brain says what JSON to send; the operator has said where. One POST, at most once."""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from agents.models import Tool, ToolCall
from agents.tools.failures import ToolFailed
from agents.tools.results import ToolResult
from chatzuri.fields import NotReadable
from webhooks import bodies, sending
from webhooks.models import Attempt, Delivery

DEFAULT_EVENT = "webhook_trigger"
SHOWN_BODY = 2048
State = Delivery.State

SEEN_SENTENCES = {
    "yes": "The receiver saw the request.",
    "maybe": "The receiver may have seen it; this is not known.",
    "no": "The receiver did not see it.",
}


# The receiver surely never saw these, so the same wish may be tried again.
NEVER_SEEN = (State.NOT_SENT, State.BLOCKED, State.CANCELLED, State.EXPIRED)


def prepare(call: ToolCall, tool: Tool) -> None:
    """Accept the delivery in the caller's transaction. The body is exactly the brain's JSON.

    Raises `ToolFailed`, before anything is written.
    """
    payload = call.arguments["payload"]
    headers = {"X-Chatzuri-Agent-Id": call.agent.public_id}
    conversation = call.conversation.public_id if call.conversation else ""
    if conversation:
        headers["X-Chatzuri-Conversation-Id"] = conversation
    if tool.endpoint is None:
        raise ToolFailed("This tool has no endpoint. Nothing was sent.")
    try:
        call.delivery = sending.publish(
            endpoint=tool.endpoint,
            event_type=call.arguments.get("event") or DEFAULT_EVENT,
            data=payload,
            body=bodies.render(payload),
            agent_ref=call.agent.public_id,
            conversation_ref=conversation,
            caused_by=call.public_id,
            headers=headers,
            wake=False,
        )
    except bodies.BodyRefused as refusal:
        raise ToolFailed(refusal.sentence) from None
    except NotReadable:
        raise ToolFailed("The endpoint's secret cannot be read. Nothing was sent.") from None


def left(call: ToolCall) -> bool:
    return call.delivery is not None and call.delivery.state not in NEVER_SEEN


def run(call: ToolCall) -> ToolResult:
    """Send the prepared delivery, or find out what became of it if somebody else was faster."""
    assert call.delivery_id is not None
    call.delivery = delivery = _settled(sending.send_here(delivery_id=call.delivery_id))
    attempt = getattr(delivery, "attempt", None) or Attempt()
    outcome, seen = _outcome(delivery)
    success = delivery.state == State.DELIVERED
    structured = {
        "success": success,
        "outcome": outcome,
        "status_code": attempt.status_code,
        "delivery": delivery.public_id,
        "seen_by_receiver": seen,
        "body": _shown(bytes(attempt.response_body)),
    }
    return ToolResult(success, _sentence(delivery, attempt, outcome, seen), structured)


def _settled(delivery: Delivery) -> Delivery:
    """Wait while another worker is sending this very delivery, but not longer than sending can take."""
    until = timezone.now() + timedelta(seconds=settings.DELIVERY_DEADLINE + 5)
    while delivery.state == State.SENDING and timezone.now() < until:
        time.sleep(0.1)
        delivery = Delivery.objects.select_related("attempt").defer("body").get(pk=delivery.pk)
    return delivery


def _outcome(delivery: Delivery) -> tuple[str, str]:
    """The state, and whether the receiver saw it. Still *sending* after all that time means: its worker is gone."""
    if delivery.state == State.SENDING:
        return State.INTERRUPTED.value, "maybe"
    return delivery.state, delivery.seen_by_receiver or "no"


def _sentence(delivery: Delivery, attempt: Attempt, outcome: str, seen: str) -> str:
    """A useful reason without secrets, addresses or host names."""
    if delivery.state == State.DELIVERED:
        return f"Delivered, HTTP {attempt.status_code}."
    if delivery.state == State.HELD:
        return "Not sent: the endpoint is paused. It is kept, and goes out only if a person releases it."
    if attempt.status_code:
        return f"Webhook failed: {outcome}, HTTP {attempt.status_code}."
    _, _, reason = sending.describe(delivery).label.partition(": ")
    word = outcome.replace("_", " ")
    known = f" ({reason})" if reason and outcome in (State.NOT_SENT, State.BLOCKED, State.REJECTED) else ""
    return f"Webhook failed: {word}{known}. {SEEN_SENTENCES[seen]}"


def _shown(body: bytes) -> str:
    return body[:SHOWN_BODY].decode("utf-8", "replace").replace("\x00", "\ufffd")
