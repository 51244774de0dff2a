"""Ending conversations and opening them again; asking for a person, and what persons do about it."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import ending, escalating
from agents.api import conversations_docs
from agents.api.base import AgentView, cause_of
from agents.models import Conversation, Escalation
from chatzuri.api import Problem, find
from webhooks.api import moment


class EscalationRequestSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, default="", allow_blank=True, help_text="Why, in one sentence.")
    summary = serializers.CharField(max_length=4000, default="", allow_blank=True, help_text="What to know first.")


class ConversationView(AgentView):
    def conversation(self, agent_id: str, conversation_id: str) -> Conversation:
        rows = Conversation.objects.filter(agent=self.agent(agent_id)).select_related("agent", "customer")
        return find(rows, conversation_id, what="conversation of this agent")


class ConversationEnd(ConversationView):
    @extend_schema(**conversations_docs.END, request=None)
    def post(self, request: Request, agent_id: str, conversation_id: str) -> Response:
        conversation = self.conversation(agent_id, conversation_id)
        ending.end(conversation=conversation, by="api", cause=cause_of(request))
        return Response(describe(conversation))


class ConversationReopen(ConversationView):
    @extend_schema(**conversations_docs.REOPEN, request=None)
    def post(self, request: Request, agent_id: str, conversation_id: str) -> Response:
        conversation = self.conversation(agent_id, conversation_id)
        try:
            ending.reopen(conversation=conversation, by="api", cause=cause_of(request))
        except ending.NotReopened as refusal:
            raise Problem(409, "Not opened again", str(refusal)) from None
        return Response(describe(conversation))


class ConversationEscalate(ConversationView):
    @extend_schema(**conversations_docs.ESCALATE, request=EscalationRequestSerializer)
    def post(self, request: Request, agent_id: str, conversation_id: str) -> Response:
        conversation = self.conversation(agent_id, conversation_id)
        asked = EscalationRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        requested = escalating.ask(
            conversation=conversation,
            trigger=Escalation.Trigger.API,
            cause=cause_of(request),
            **asked.validated_data,
        )
        return Response(describe_escalation(requested.escalation), status=201 if requested.is_new else 200)


class EscalationView(AgentView):
    def judged(self, judge: Callable[..., Escalation], agent_id: str, escalation_id: str) -> Response:
        rows = Escalation.objects.filter(conversation__agent=self.agent(agent_id)).select_related("conversation")
        escalation = find(rows, escalation_id, what="escalation of this agent")
        try:
            return Response(describe_escalation(judge(escalation=escalation, cause=cause_of(self.request))))
        except escalating.NotOpen as refusal:
            raise Problem(409, "Not open", str(refusal)) from None


class EscalationAccept(EscalationView):
    @extend_schema(**conversations_docs.ACCEPT, request=None)
    def post(self, request: Request, agent_id: str, escalation_id: str) -> Response:
        return self.judged(escalating.accept, agent_id, escalation_id)


class EscalationResolve(EscalationView):
    @extend_schema(**conversations_docs.RESOLVE, request=None)
    def post(self, request: Request, agent_id: str, escalation_id: str) -> Response:
        return self.judged(escalating.resolve, agent_id, escalation_id)


def describe(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.public_id,
        "agent_id": conversation.agent.public_id,
        "customer_id": conversation.customer.public_id,
        "channel": conversation.channel,
        "state": conversation.state,
        "started_at": moment(conversation.started_at),
        "last_message_at": moment(conversation.last_message_at),
        "ended_at": moment(conversation.ended_at),
        "ended_by": conversation.ended_by or None,
    }


def describe_escalation(escalation: Escalation) -> dict[str, Any]:
    return {
        "id": escalation.public_id,
        "conversation_id": escalation.conversation.public_id,
        "state": escalation.state,
        "trigger": escalation.trigger,
        "reason": escalation.reason or None,
        "summary": escalation.summary or None,
        "requested_at": moment(escalation.requested_at),
        "accepted_at": moment(escalation.accepted_at),
        "resolved_at": moment(escalation.resolved_at),
    }
