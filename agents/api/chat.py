"""Talking to an agent over the API: a message in, a reply with its receipts out."""

from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import turns
from agents.api import chat_docs
from agents.api.base import AgentView, cause_of, conversation_of
from agents.api.events import FINISHED, event_stream
from agents.events import Cause
from agents.models import Agent, Conversation, Turn
from chatzuri.api import Problem, find


class ChatRequestSerializer(serializers.Serializer[Any]):
    message = serializers.CharField(max_length=8000, help_text="What the customer says.")
    user_id = serializers.CharField(
        max_length=200,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Your own id of the customer: the same id goes on with the same conversation. Left out, a new "
        "anonymous customer begins a new conversation.",
    )
    conversation_id = serializers.CharField(
        max_length=40,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Goes on with this conversation of the agent, also an anonymous one.",
    )
    stream = serializers.BooleanField(
        default=False, help_text="Answer with server-sent events. `Accept: text/event-stream` does the same."
    )


class Chat(AgentView):
    @extend_schema(**chat_docs.CHAT, request=ChatRequestSerializer)
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        agent = self.working_agent(agent_id)
        asked = ChatRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        streamed = asked.validated_data["stream"] or "text/event-stream" in request.headers.get("Accept", "")
        turn = receive(agent, asked.validated_data, stream=streamed, cause=cause_of(request))
        if streamed:
            return event_stream(turn, started=unfinished(turn))
        turn = turns.wait(turn, timeout=settings.CHAT_WAIT)
        if turn.state in FINISHED:
            return Response(finished(turn))
        where = reverse("api-turn", args=[agent.public_id, turn.public_id])
        headers = {"Location": request.build_absolute_uri(where), "Retry-After": "2"}
        return Response(unfinished(turn), status=202, headers=headers)


class TurnDetail(AgentView):
    @extend_schema(**chat_docs.TURN)
    def get(self, request: Request, agent_id: str, turn_id: str) -> Response:
        rows = Turn.objects.filter(conversation__agent=self.agent(agent_id)).select_related("conversation", "reply")
        turn = find(rows, turn_id, what="turn of this agent")
        return Response(finished(turn) if turn.state in FINISHED else unfinished(turn))


def receive(agent: Agent, asked: dict[str, Any], *, stream: bool, cause: Cause) -> Turn:
    conversation = conversation_of(agent, asked.get("conversation_id"))
    external_id = asked.get("user_id") or ""
    if conversation is None:
        return turns.receive(agent=agent, text=asked["message"], external_id=external_id, stream=stream, cause=cause)
    if conversation.state != Conversation.State.OPEN:
        raise Problem(409, "Conversation ended", "This conversation has ended. Leave conversation_id out to begin one.")
    if external_id and external_id != conversation.customer.external_id:
        raise exceptions.ValidationError({"user_id": "This conversation belongs to another customer."})
    return turns.receive(
        agent=agent,
        text=asked["message"],
        external_id=conversation.customer.external_id,
        channel=conversation.channel,
        stream=stream,
        customer=conversation.customer,
        cause=cause,
    )


def finished(turn: Turn) -> dict[str, Any]:
    return {"turn_id": turn.public_id, "state": turn.state} | turns.summary(turn)


def unfinished(turn: Turn) -> dict[str, Any]:
    """Queued or running: for the caller both mean *not yet*."""
    return {"state": "running", "turn_id": turn.public_id, "conversation_id": turn.conversation.public_id}
