"""Calls that wait for a person, judged over the API."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import ledger
from agents.api import tools_docs
from agents.api.base import AgentView
from agents.api.tools import CALL_WAIT, answer, describe
from agents.models import ToolCall
from chatzuri.api import Problem, find


class RefusalSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=300, default="", allow_blank=True, help_text="Why; the agent reads it too."
    )


class HeldCallView(AgentView):
    def held(self, agent_id: str, name: str, call_id: str) -> ToolCall:
        calls = ToolCall.objects.filter(agent=self.agent(agent_id), tool_name=name)
        return find(calls, call_id, what="call of this tool")


class Approve(HeldCallView):
    @extend_schema(**tools_docs.APPROVE, request=None)
    def post(self, request: Request, agent_id: str, name: str, call_id: str) -> Response:
        call = judged(ledger.approve, self.held(agent_id, name, call_id))
        return answer(request, ledger.wait(call, timeout=CALL_WAIT))


class Refuse(HeldCallView):
    @extend_schema(**tools_docs.REFUSE, request=RefusalSerializer)
    def post(self, request: Request, agent_id: str, name: str, call_id: str) -> Response:
        call = self.held(agent_id, name, call_id)
        asked = RefusalSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(describe(judged(ledger.refuse, call, reason=asked.validated_data["reason"])))


def judged(judge: Callable[..., ToolCall], call: ToolCall, **how: str) -> ToolCall:
    try:
        return judge(call, **how)
    except ledger.NotWaiting as error:
        raise Problem(409, "Not waiting", str(error)) from None
