"""Words and shapes of `tools.py` for the OpenAPI document. Nothing is parsed or rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from agents.api.chat_docs import AGENT_ID
from agents.api.dialects import DIALECTS
from agents.models import ToolCall
from chatzuri.api import PROBLEM_TYPE, Problem
from chatzuri.api_docs import problems, refused


class CatalogueSerializer(serializers.Serializer[Any]):
    version = serializers.CharField(help_text="Changes with the tools; the same in every dialect.")
    dialect = serializers.ChoiceField(list(DIALECTS))
    tools = serializers.ListField(child=serializers.DictField(), help_text="As the dialect wants them.")


class TextSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["text"])
    text = serializers.CharField()


class ToolCallSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True, help_text="null for a dry run: nothing was kept.")
    tool = serializers.CharField()
    status = serializers.ChoiceField(ToolCall.Status.choices, help_text="repeated: sent before, this is that receipt.")
    is_error = serializers.BooleanField(help_text="Tell the model that it did not work.")
    content = TextSerializer(many=True, help_text="For the model.")
    structured = serializers.DictField(help_text="For programs: the delivery, its outcome, the status code.")
    duplicate_of = serializers.CharField(allow_null=True, help_text="The call that was sent instead of this one.")
    dry_run = serializers.BooleanField()


NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, description="The tool's name, as in the catalogue.")
FIRED = OpenApiExample(
    "Delivered",
    response_only=True,
    status_codes=["200"],
    value={
        "id": "call_06fhnm2b3c4d5e6f7g8h9j0k1m",
        "tool": "webhook_trigger",
        "status": "fired",
        "is_error": False,
        "content": [{"type": "text", "text": "Delivered, HTTP 200."}],
        "structured": {
            "success": True,
            "outcome": "delivered",
            "status_code": 200,
            "delivery": "dlv_06fhnm2b9c8d7e6f5g4h3j2k1m",
            "seen_by_receiver": "yes",
            "body": '{"ok": true}',
        },
        "duplicate_of": None,
        "dry_run": False,
    },
)
REJECTED = OpenApiExample(
    "The receiver answered 503",
    response_only=True,
    status_codes=["200"],
    value={
        "id": "call_06fhnm7b3c4d5e6f7g8h9j0k1m",
        "tool": "webhook_trigger",
        "status": "failed",
        "is_error": True,
        "content": [{"type": "text", "text": "Webhook failed: rejected, HTTP 503."}],
        "structured": {
            "success": False,
            "outcome": "rejected",
            "status_code": 503,
            "delivery": "dlv_06fhnm7b9c8d7e6f5g4h3j2k1m",
            "seen_by_receiver": "yes",
            "body": "busy",
        },
        "duplicate_of": None,
        "dry_run": False,
    },
)
ASKED = OpenApiExample(
    "A lead",
    request_only=True,
    value={
        "arguments": {"event": "lead.captured", "payload": {"email": "asha@example.com"}},
        "tool_call_id": "call_1",
        "reason": "The customer left an address.",
    },
)
UNFIT = Problem(
    422,
    "Arguments do not fit",
    "The arguments do not fit the tool's schema.",
    errors=[{"pointer": "/arguments/event", "detail": "7 is not of type 'string'"}],
)
CATALOGUE: dict[str, Any] = {
    "operation_id": "list_tools",
    "tags": ["tools"],
    "summary": "The agent's tools, in your back end's dialect",
    "description": "Only tools that are switched on. Ask again with `If-None-Match`: 304 means nothing changed.",
    "parameters": [
        AGENT_ID,
        OpenApiParameter("dialect", str, enum=list(DIALECTS), default="mcp", description="How a tool is written down."),
        OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` you hold."),
    ],
    "responses": {
        200: CatalogueSerializer,
        304: OpenApiResponse(description="Your copy is up to date."),
        **problems(_400="No such dialect.", _404="No agent of this team has this id."),
    },
}
CALL: dict[str, Any] = {
    "operation_id": "call_tool",
    "tags": ["tools"],
    "summary": "Call a tool",
    "description": "What a model could mend or should know is a result; what your program got wrong is a problem. "
    "A receiver that failed is therefore a 200 with `is_error: true`: show `content` to the model.\n\n"
    "At most one request leaves per call. With `Idempotency-Key` (or a `tool_call_id`) a repeat answers with the "
    "first receipt; without, the same arguments in the same conversation within the tool's window do so too.",
    "parameters": [
        AGENT_ID,
        NAME,
        OpenApiParameter(
            "Idempotency-Key", str, OpenApiParameter.HEADER, description="Up to 200 characters of your own choice."
        ),
    ],
    "examples": [ASKED],
    "responses": {
        200: OpenApiResponse(ToolCallSerializer, "Fired, repeated, or failed.", examples=[FIRED, REJECTED]),
        202: OpenApiResponse(ToolCallSerializer, "Still running; ask again at `Location`."),
        **problems(
            _400="The body is not acceptable JSON, or a field is wrong.",
            _404="No such agent in this team, no such tool switched on, or no such conversation of the agent.",
            _409="The agent is switched off, or the key was used for another call.",
        ),
        (422, PROBLEM_TYPE): refused("The arguments do not fit the schema: one pointer per fault.", example=UNFIT),
    },
}
CALL_DETAIL: dict[str, Any] = {
    "operation_id": "get_tool_call",
    "tags": ["tools"],
    "summary": "A call and its result",
    "description": "Where a call that was answered with 202 ends up.",
    "parameters": [AGENT_ID, NAME],
    "responses": {
        200: ToolCallSerializer,
        **problems(_404="No such agent in this team, or no such call of this tool."),
    },
}
