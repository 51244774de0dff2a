"""Conversations that have already happened, for tests that only look at them."""

from typing import Any

from agents.models import ToolCall
from tests.factories import make_agent, make_conversation, make_delivery, make_endpoint, make_tool
from webhooks.models import Attempt, Delivery, Endpoint


def finished(delivery: Delivery, *, state: str = "delivered", status: int | None = 200) -> Delivery:
    Attempt.objects.create(delivery=delivery, outcome=state, status_code=status, finished_at="2026-01-01T12:03:00Z")
    Delivery.objects.filter(pk=delivery.pk).update(state=state, finished_at="2026-01-01T12:03:00Z")
    delivery.refresh_from_db()
    return delivery


def make_call(*, team: Any, text: str) -> ToolCall:
    """One customer message, one fired call that was delivered, one reply."""
    endpoint = Endpoint.objects.filter(team=team, name="CRM").first() or make_endpoint(team=team, name="CRM")
    tool = make_tool(agent=make_agent(team=team), endpoint=endpoint)
    conversation = make_conversation(agent=tool.agent)
    message = conversation.say(role="customer", text="Please call me")
    brain = {"kind": "offline-matcher", "score": 0.91, "nearest_example": "Call me"}
    reply = conversation.say(role="agent", text=text, brain=brain)
    turn = conversation.turns.create(message=message, reply=reply, state="done")
    return ToolCall.objects.create(
        agent=tool.agent,
        conversation=conversation,
        turn=turn,
        tool=tool,
        tool_name=tool.name,
        key=turn.public_id,
        arguments={"payload": {"email": "a@b.co"}},
        status="fired",
        result={"text": "Delivered, HTTP 200."},
        delivery=finished(make_delivery(endpoint=endpoint, caused_by="call_1")),
    )
