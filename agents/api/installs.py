"""Custom actions on an agent over the API: with which credential and config, and how often it may use them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import actions
from agents.api import actions_docs
from agents.api.base import AgentView, action_of, credential_of, not_saved
from agents.models import Tool

LONGEST_PHRASES = 4000
LINE = r"^[^\r\n]*$"


class InstallRequestSerializer(serializers.Serializer[Any]):
    credential = serializers.CharField(
        max_length=40,
        default=None,
        allow_null=True,
        allow_blank=True,
        help_text="Id of the team's credential that the code reads as `credentials`; null without one.",
    )
    config = serializers.DictField(default=dict, help_text="What the code reads as `config`. Not for secrets.")
    title = serializers.CharField(
        max_length=100, default="", allow_blank=True, help_text="What customers read; empty for the action's title."
    )
    is_active = serializers.BooleanField(default=True, help_text="Switched on.")
    when_to_use = serializers.CharField(
        max_length=1000, default="", allow_blank=True, help_text="For a language model: when, and when not."
    )
    example_phrases = serializers.ListField(
        child=serializers.RegexField(LINE, max_length=500),
        default=list,
        help_text="For the offline matcher: what customers say, one message each.",
    )
    repeats = serializers.ChoiceField(Tool.Repeats.choices, default=Tool.Repeats.WINDOW)
    repeat_minutes = serializers.IntegerField(default=10, min_value=0, max_value=1440)
    needs_approval = serializers.BooleanField(default=False, help_text="Each call waits until a person approves it.")
    calls_per_conversation = serializers.IntegerField(
        default=None, allow_null=True, min_value=1, max_value=10_000, help_text="null for no limit."
    )
    calls_per_day = serializers.IntegerField(
        default=None, allow_null=True, min_value=1, max_value=1_000_000, help_text="null for no limit."
    )

    def validate_example_phrases(self, phrases: list[str]) -> list[str]:
        """Kept as lines of one text."""
        if len("\n".join(phrases)) > LONGEST_PHRASES:
            raise serializers.ValidationError(f"Together they may have {LONGEST_PHRASES} characters.")
        return phrases


class Installs(AgentView):
    @extend_schema(**actions_docs.INSTALLS)
    def get(self, request: Request, agent_id: str) -> Response:
        tools = self.agent(agent_id).tools.filter(action__isnull=False).select_related("agent", "action", "credential")
        return Response({"actions": [describe(tool) for tool in tools.order_by("name")]})


class InstallDetail(AgentView):
    @extend_schema(**actions_docs.INSTALL_DETAIL)
    def get(self, request: Request, agent_id: str, action_id: str) -> Response:
        return Response(describe(self.tool(agent_id, action_id)))

    @extend_schema(**actions_docs.INSTALL, request=InstallRequestSerializer)
    def put(self, request: Request, agent_id: str, action_id: str) -> Response:
        agent, action = self.agent(agent_id), action_of(self.team, action_id)
        asked = InstallRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        settings = dict(asked.validated_data)
        settings["title"] = settings["title"] or action.title
        settings["credential"] = credential_of(self.team, settings["credential"])
        settings["example_phrases"] = "\n".join(settings["example_phrases"])
        is_new = not agent.tools.filter(action=action).exists()
        try:
            tool = actions.install(agent=agent, action=action, **settings)
        except actions.ActionRefused as refusal:
            raise not_saved(refusal) from None
        return Response(describe(tool), status=201 if is_new else 200)

    @extend_schema(**actions_docs.UNINSTALL)
    def delete(self, request: Request, agent_id: str, action_id: str) -> Response:
        actions.uninstall(self.tool(agent_id, action_id))
        return Response(status=204)

    def tool(self, agent_id: str, action_id: str) -> Tool:
        agent, action = self.agent(agent_id), action_of(self.team, action_id)
        tool = agent.tools.filter(action=action).select_related("agent", "action", "credential").first()
        if tool is None:
            raise exceptions.NotFound("This action is not installed on this agent.")
        return tool


def describe(tool: Tool) -> dict[str, Any]:
    assert tool.action is not None
    return {
        "action": {"id": tool.action.public_id, "name": tool.action.name, "title": tool.action.title},
        "agent_id": tool.agent.public_id,
        "title": tool.title,
        "is_active": tool.is_active,
        "credential": tool.credential.public_id if tool.credential else None,
        "config": tool.config,
        "when_to_use": tool.when_to_use,
        "example_phrases": tool.phrases,
        "repeats": tool.repeats,
        "repeat_minutes": tool.repeat_minutes,
        "needs_approval": tool.needs_approval,
        "calls_per_conversation": tool.calls_per_conversation,
        "calls_per_day": tool.calls_per_day,
    }
