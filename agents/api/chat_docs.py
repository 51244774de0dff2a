"""Words and shapes of `chat.py` for the OpenAPI document. Nothing is parsed or rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer
from rest_framework import serializers

from agents.models import ToolCall
from chatzuri.api_docs import problems


class ActionSerializer(serializers.Serializer[Any]):
    tool = serializers.CharField(help_text="Name of the tool.")
    call_id = serializers.CharField()
    status = serializers.ChoiceField(ToolCall.Status.choices)
    delivery_id = serializers.CharField(allow_null=True, help_text="Ask for it under /api/v1/deliveries/.")
    outcome = serializers.CharField(allow_null=True, help_text="What became of the delivery.")
    status_code = serializers.IntegerField(allow_null=True, help_text="What the receiver answered.")
    duplicate_of = serializers.CharField(allow_null=True, help_text="The call whose receipt this is: sent only once.")


class TokensSerializer(serializers.Serializer[Any]):
    input = serializers.IntegerField()
    output = serializers.IntegerField()


class ReplySerializer(serializers.Serializer[Any]):
    turn_id = serializers.CharField()
    state = serializers.ChoiceField(["done", "failed"], help_text="failed: the reply is an honest sentence about it.")
    reply = serializers.CharField(allow_null=True)
    conversation_id = serializers.CharField()
    message_id = serializers.CharField(allow_null=True)
    actions = ActionSerializer(many=True, help_text="What the agent really did in this turn, with receipts.")
    tokens = TokensSerializer(help_text="What a language model used in this turn; zero for the offline matcher.")
    brain = serializers.DictField(allow_null=True, help_text="Which brain wrote the reply, and why.")


class RunningTurnSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(["running"])
    turn_id = serializers.CharField()
    conversation_id = serializers.CharField()


AGENT_ID = OpenApiParameter("agent_id", str, OpenApiParameter.PATH, description="Shown on the agent's page: agt_….")
REQUEST = OpenApiExample(
    "A customer asks for a call back",
    request_only=True,
    value={"message": "Please call me back: +254 711 000 111", "user_id": "user-42"},
)
REPLIED = OpenApiExample(
    "Replied, and one webhook left",
    response_only=True,
    status_codes=["200"],
    value={
        "turn_id": "turn_06fhnm2a4b6c8d0e2f4g6h8j0k",
        "state": "done",
        "reply": "Thank you. I have told the team, they will call you.",
        "conversation_id": "cnv_06fhnm1z3x5c7v9b1n3m5a7s9d",
        "message_id": "msg_06fhnm2q4w6e8r0t2y4p6a8s0d",
        "actions": [
            {
                "tool": "webhook_trigger",
                "call_id": "call_06fhnm2b3c4d5e6f7g8h9j0k1m",
                "status": "fired",
                "delivery_id": "dlv_06fhnm2b9c8d7e6f5g4h3j2k1m",
                "outcome": "delivered",
                "status_code": 200,
                "duplicate_of": None,
            }
        ],
        "tokens": {"input": 412, "output": 58},
        "brain": {"kind": "llm", "model": "gpt-4.1-mini"},
    },
)
EVENTS = OpenApiExample(
    "Server-sent events",
    response_only=True,
    media_type="text/event-stream",
    value='data: {"type": "started", "turn_id": "turn_…", "conversation_id": "cnv_…", "state": "running"}\n\n'
    'data: {"type": "text", "delta": "Thank you. "}\n\n'
    'data: {"type": "action", "call": {"tool": "webhook_trigger", "status": "fired"}}\n\n'
    'data: {"type": "done", "reply": "Thank you. …", "actions": []}\n\n'
    "data: [DONE]\n\n",
)
NO_AGENT = "No agent of this team has this id."
CHAT: dict[str, Any] = {
    "operation_id": "chat",
    "tags": ["agents"],
    "summary": "Send a customer's message and get the agent's reply",
    "description": "The reply comes with `actions`: what really left during this turn, with the id and the outcome "
    "of each delivery. A reply that takes longer than the server waits comes as 202; ask again at `Location`.\n\n"
    "With `stream` the answer is a stream of server-sent events: `started`, then `text` and `action` as they happen, "
    "`done` with the full reply (or `running`, if the server waited long enough), and at the end `data: [DONE]`.",
    "parameters": [AGENT_ID],
    "examples": [REQUEST],
    "responses": {
        (200, "application/json"): OpenApiResponse(ReplySerializer, "The reply.", examples=[REPLIED]),
        (200, "text/event-stream"): OpenApiResponse(str, "With `stream`: events.", examples=[EVENTS]),
        202: OpenApiResponse(RunningTurnSerializer, "Not replied yet; see `Location`."),
        **problems(
            _400="The message is missing, too long, or not acceptable JSON.",
            _404="No agent of this team has this id, or the agent has no such conversation.",
            _409="The agent is switched off, or the conversation has ended.",
        ),
    },
}
TURN: dict[str, Any] = {
    "operation_id": "get_turn",
    "tags": ["agents"],
    "summary": "The reply of a turn, once there is one",
    "description": "What `chat` would have answered, or `state: running`.",
    "parameters": [AGENT_ID],
    "responses": {
        200: PolymorphicProxySerializer(
            component_name="TurnState",
            serializers=[ReplySerializer, RunningTurnSerializer],
            resource_type_field_name=None,
        ),
        **problems(_404="No such agent in this team, or no such turn of the agent."),
    },
}
