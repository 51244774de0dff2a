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
    structured = serializers.DictField(
        help_text="For programs: the delivery with its outcome and status code; of a custom action the run, its "
        "outcome and `result`."
    )
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
ACTED = OpenApiExample(
    "A custom action returned",
    response_only=True,
    status_codes=["200"],
    value={
        "id": "call_06fhnmab3c4d5e6f7g8h9j0k1m",
        "tool": "send_lead",
        "status": "fired",
        "is_error": False,
        "content": [{"type": "text", "text": "Done."}],
        "structured": {
            "run": "run_06fhnmab9c8d7e6f5g4h3j2k1m",
            "success": True,
            "outcome": "returned",
            "result": {"success": True},
        },
        "duplicate_of": None,
        "dry_run": False,
    },
)
WAITING = OpenApiExample(
    "Waits for approval",
    response_only=True,
    status_codes=["202"],
    value={
        "id": "call_06fhnmcb3c4d5e6f7g8h9j0k1m",
        "tool": "send_lead",
        "status": "held",
        "is_error": False,
        "content": [{"type": "text", "text": "A person of the team has to approve this first. Nothing was sent yet."}],
        "structured": {"success": False, "outcome": "held"},
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
OVER = Problem(
    429,
    "Over budget",
    "This tool may be used 200 times in 24 hours. Nothing was sent.",
    call="call_06fhnmdb3c4d5e6f7g8h9j0k1m",
)
OVER_BUDGET = {
    (429, PROBLEM_TYPE): refused(
        "The tool was used as often as it may be. `Retry-After` says when there is room again; it is absent where "
        "waiting does not help (a limit per conversation). Use a new `Idempotency-Key` then: the old one stands for "
        "this answer.",
        example=OVER,
    )
}
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
        200: OpenApiResponse(ToolCallSerializer, "Fired, repeated, or failed.", examples=[FIRED, ACTED, REJECTED]),
        202: OpenApiResponse(
            ToolCallSerializer,
            "Still running, or `held` until a person approves it; ask again at `Location`.",
            examples=[WAITING],
        ),
        **problems(
            _400="The body is not acceptable JSON, or a field is wrong.",
            _404="No such agent in this team, no such tool switched on, or no such conversation of the agent.",
            _409="The agent is switched off, or the key was used for another call.",
        ),
        (422, PROBLEM_TYPE): refused("The arguments do not fit the schema: one pointer per fault.", example=UNFIT),
        **OVER_BUDGET,
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
NOT_WAITING = "The call does not wait for approval any more: somebody was faster, or it never had to."
NO_CALL = "No such agent in this team, or no such call of this tool."
APPROVE: dict[str, Any] = {
    "operation_id": "approve_tool_call",
    "tags": ["tools"],
    "summary": "Approve a call that waits",
    "description": "A worker runs it then, once, with the arguments it was held with; the answer is its result. A "
    "tool that was switched off meanwhile is not run.",
    "parameters": [AGENT_ID, NAME],
    "responses": {
        200: OpenApiResponse(ToolCallSerializer, "Approved, and over.", examples=[ACTED]),
        202: OpenApiResponse(ToolCallSerializer, "Approved, and still running; ask again at `Location`."),
        **problems(_404=NO_CALL, _409=NOT_WAITING),
    },
}
REFUSE: dict[str, Any] = {
    "operation_id": "refuse_tool_call",
    "tags": ["tools"],
    "summary": "Refuse a call that waits",
    "description": "Nothing is sent. The agent is told, with your reason.",
    "parameters": [AGENT_ID, NAME],
    "responses": {
        200: OpenApiResponse(ToolCallSerializer, "Refused."),
        **problems(_400="The reason is too long.", _404=NO_CALL, _409=NOT_WAITING),
    },
}
