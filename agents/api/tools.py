"""The agent's tools for an outside agent back end: the catalogue, and one call at a time."""

import hashlib
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import arguments, ledger, wishes
from agents.api import tools_docs
from agents.api.base import AgentView, conversation_of, too_many, unfit
from agents.api.dialects import DIALECTS, version
from agents.models import Agent, Conversation, CustomAction, Tool, ToolCall
from agents.parameters import FILLED
from chatzuri.api import Problem, find, wrong_parameter

# A delivery or an action may take ten seconds; waking a worker and writing things down come on top.
CALL_WAIT = 20.0
LONGEST_KEY = 200
UNFIT = "Arguments do not fit"


class CallRequestSerializer(serializers.Serializer[Any]):
    arguments = serializers.DictField(help_text="What the tool's schema asks for; `payload` is sent as it stands.")
    conversation_id = serializers.CharField(max_length=40, required=False, allow_null=True, allow_blank=True)
    tool_call_id = serializers.CharField(
        max_length=200,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="The model's id of this call. Without `Idempotency-Key` a repeat is recognised by it, within the "
        "conversation.",
    )
    reason = serializers.CharField(
        max_length=500, required=False, allow_null=True, allow_blank=True, help_text="Why the agent calls; for the log."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Check and answer, but send nothing.")


class Catalogue(AgentView):
    @extend_schema(**tools_docs.CATALOGUE)
    def get(self, request: Request, agent_id: str) -> Response:
        dialect = request.query_params.get("dialect", "mcp")
        if dialect not in DIALECTS:
            raise wrong_parameter("dialect", f"Choose one of {', '.join(DIALECTS)}.")
        tools = list(callable_tools(self.agent(agent_id)))
        known = version(tools)
        headers = {"ETag": f'"{known}-{dialect}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if is_known(request, headers["ETag"]):
            return Response(status=304, headers=headers)
        return Response({"version": known, "dialect": dialect, "tools": DIALECTS[dialect](tools)}, headers=headers)


class ToolCalls(AgentView):
    @extend_schema(**tools_docs.CALL, request=CallRequestSerializer)
    def post(self, request: Request, agent_id: str, name: str) -> Response:
        tool = self.working_tool(agent_id, name)
        asked = CallRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        asked = asked.validated_data
        wish = wish_for(tool, asked["arguments"])
        conversation = conversation_of(tool.agent, asked.get("conversation_id"))
        return answer(request, ledger.wait(accept(request, wish, asked, conversation), timeout=CALL_WAIT))

    def working_tool(self, agent_id: str, name: str) -> Tool:
        """The tool and its agent in one look, since somebody waits; where there is none, a second one says why."""
        rows = Tool.objects.filter(agent__public_id=agent_id, agent__team=self.team, name=name)
        found = rows.select_related("agent", "endpoint") if f"{agent_id}{name}".isprintable() else []
        tool = next((one for one in found if one.is_active and one.agent.is_active), None)
        if tool is None:
            return tool_named(self.working_agent(agent_id), name)
        tool.agent.team = self.team
        if tool.action_id is not None:
            tool.action = CustomAction.objects.select_related("current").get(pk=tool.action_id)
        return tool


class ToolCallDetail(AgentView):
    @extend_schema(**tools_docs.CALL_DETAIL)
    def get(self, request: Request, agent_id: str, name: str, call_id: str) -> Response:
        calls = ToolCall.objects.filter(agent=self.agent(agent_id), tool_name=name)
        call = find(calls.select_related("duplicate_of"), call_id, what="call of this tool")
        return Response(describe(call))


def callable_tools(agent: Agent) -> Any:
    """Only what would run if it were called now."""
    return agent.tools.on().order_by("name") if agent.is_active else Tool.objects.none()


def is_known(request: Request | HttpRequest, etag: str) -> bool:
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in [tag.removeprefix("W/") for tag in known]


def tool_named(agent: Agent, name: str) -> Tool:
    """A tool that is switched off is as good as none: it stops at once, for everybody."""
    tool = wishes.find_tool(agent, name) if name.isprintable() else None
    if tool is None:
        raise exceptions.NotFound("This agent has no tool with this name that is switched on.")
    return tool


def wish_for(tool: Tool, given: dict[str, Any]) -> wishes.Wish:
    """What is asked of a tool that is switched on; arguments that do not fit are refused.

    What the conversation fills in is left aside, whatever a model says of it.
    """
    filled = {one["name"] for one in tool.declared()} & FILLED.keys()
    said = {name: value for name, value in given.items() if name not in filled}
    if faults := arguments.faults(said, tool.schema()):
        raise unfit(UNFIT, "The arguments do not fit the tool's schema.", faults, below="/arguments")
    return wishes.Wish(tool.agent, tool, tool.name, said)


def accept(request: Request, wish: wishes.Wish, asked: dict[str, Any], conversation: Conversation | None) -> ToolCall:
    """Write the call down. A worker runs it: this process opens no socket to a customer's address."""
    key = call_key(wish.agent, conversation, idempotency_key(request), asked.get("tool_call_id") or "")
    if asked["dry_run"]:
        return ledger.rehearse(wish, conversation=conversation)
    try:
        return ledger.accept(wish, key=key, conversation=conversation, reason=asked.get("reason") or "")
    except ledger.KeyReused as reused:
        raise Problem(409, "Key used before", str(reused)) from None


def idempotency_key(request: Request) -> str:
    given = str(request.headers.get("Idempotency-Key", "")).strip()
    if len(given) > LONGEST_KEY:
        raise Problem(400, "Malformed request", f"Idempotency-Key may have {LONGEST_KEY} characters.")
    return given


def call_key(agent: Agent, conversation: Conversation | None, given: str, tool_call_id: str) -> str:
    """The caller's words in a room of their agent's own; empty where there are none.

    A model counts its calls anew in every conversation, so its ids hold only there.
    """
    scope = conversation.public_id if conversation else ""
    words = f"key:{given}" if given else f"call:{scope}:{tool_call_id}" if tool_call_id else ""
    return f"{agent.public_id}:{hashlib.sha256(words.encode()).hexdigest()}" if words else ""


def answer(request: Request, call: ToolCall) -> Response:
    """202 while it runs or waits for a person, 429 where the tool was used as often as it may be, else 200."""
    said = describe(call)
    if said["structured"].get("outcome") == "over_budget":
        raise over_budget(call)
    if call.status not in (ToolCall.Status.RUNNING, ToolCall.Status.HELD):
        return Response(said)
    where = reverse("api-tool-call", args=[call.agent.public_id, call.tool_name, call.public_id])
    headers = {"Location": request.build_absolute_uri(where)}
    if call.status == ToolCall.Status.RUNNING:  # nobody knows when a person will come
        headers["Retry-After"] = "2"
    return Response(said, status=202, headers=headers)


def over_budget(call: ToolCall) -> Problem:
    result = call.result or {}
    seconds = result["structured"].get("retry_after")
    return too_many("Over budget", result["text"], seconds=seconds, call=call.public_id)


def describe(call: ToolCall) -> dict[str, Any]:
    """The result, in names that map one to one to MCP's content, structuredContent and isError."""
    result = call.result or {}
    structured = result.get("structured") or {}
    return {
        "id": call.public_id if call.pk else None,  # a rehearsed call leaves nothing to ask for
        "tool": call.tool_name,
        "status": call.status,
        "is_error": ledger.is_error(call),
        "content": [{"type": "text", "text": result["text"]}] if result.get("text") else [],
        "structured": structured,
        "duplicate_of": call.duplicate_of.public_id if call.duplicate_of else None,
        "dry_run": bool(structured.get("dry_run")),
    }
