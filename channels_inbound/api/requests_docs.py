"""Words and shapes of `requests.py` for the OpenAPI document. Nothing is rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from agents.api.chat_docs import AGENT_ID
from agents.api.paging import PARAMETERS
from channels_inbound.api.channels_docs import CHANNEL_ID, NO_CHANNEL, TAG
from channels_inbound.models import Attachment, InboundMessage, InboundRequest
from chatzuri.api_docs import problems


class RequestLineSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    received_at = serializers.DateTimeField()
    state = serializers.CharField(help_text=f"One of {', '.join(InboundRequest.State.values)}.")
    reason = serializers.CharField(allow_null=True, help_text="Why it could not be read, or was set aside.")
    found = serializers.IntegerField(help_text="How many things were in it, known ones too.")
    repeats = serializers.IntegerField(help_text="How often it came again with the same content.")
    size = serializers.IntegerField(help_text="Bytes of its body.")
    sha256 = serializers.CharField(help_text="Of its body.")


class RequestListSerializer(serializers.Serializer[Any]):
    requests = RequestLineSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="For the next page; null on the last.")


class InboundFileSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.CharField()
    filename = serializers.CharField(allow_null=True)
    mime_type = serializers.CharField(allow_null=True)
    size = serializers.IntegerField(allow_null=True)
    state = serializers.CharField(help_text=f"One of {', '.join(Attachment.State.values)}.")


class InboundMessageSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.CharField(help_text="message, postback, status, reaction, event, unsupported and others.")
    event_type = serializers.CharField(allow_null=True, help_text="In the provider’s words.")
    provider_id = serializers.CharField(allow_null=True)
    text = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField()
    state = serializers.CharField(help_text=f"One of {', '.join(InboundMessage.State.values)}.")
    reason = serializers.CharField(allow_null=True, help_text="Why nothing was done, or what went wrong.")
    conversation_id = serializers.CharField(allow_null=True)
    message_id = serializers.CharField(allow_null=True)
    attachments = InboundFileSerializer(many=True)


class RequestSerializer(RequestLineSerializer):
    messages = InboundMessageSerializer(many=True, help_text="What was in it for the first time; at most 200.")


class ReplayedSerializer(RequestSerializer):
    new = serializers.IntegerField(help_text="How many things were found that were not known.")


REQUEST_ID = OpenApiParameter("request_id", str, OpenApiParameter.PATH, description="inr_…, from the list of requests.")
NO_REQUEST = "No such agent in this team, or no such channel or request."
STATE = OpenApiParameter("state", str, description=f"One of {', '.join(InboundRequest.State.values)}.")
LIST: dict[str, Any] = {
    "operation_id": "list_channel_requests",
    "tags": [TAG],
    "summary": "What arrived on a channel, newest first",
    "description": "Requests that proved themselves. What was refused is only counted, on the channel's page.",
    "parameters": [AGENT_ID, CHANNEL_ID, STATE, *PARAMETERS],
    "responses": {200: RequestListSerializer, **problems(_400="A parameter is wrong.", _404=NO_CHANNEL)},
}
DETAIL: dict[str, Any] = {
    "operation_id": "get_channel_request",
    "tags": [TAG],
    "summary": "One request, and what was in it",
    "description": "Each message, receipt or event with what became of it.",
    "parameters": [AGENT_ID, CHANNEL_ID, REQUEST_ID],
    "responses": {200: RequestSerializer, **problems(_404=NO_REQUEST)},
}
REPLAY: dict[str, Any] = {
    "operation_id": "replay_channel_request",
    "tags": [TAG],
    "summary": "Read a request again",
    "description": "As it came. What is known already stays as it is, so the same request replayed ten times answers "
    "nobody twice; what is found for the first time is worked off like a new message.",
    "parameters": [AGENT_ID, CHANNEL_ID, REQUEST_ID],
    "responses": {
        200: ReplayedSerializer,
        **problems(_404=NO_REQUEST, _409="Its body is not kept any more, so there is nothing to read."),
    },
}
