"""Words and shapes of conversations and escalations for the OpenAPI document. Nothing is rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from agents.api.chat_docs import AGENT_ID
from agents.models import Conversation, Escalation
from chatzuri.api_docs import problems


class ConversationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    agent_id = serializers.CharField()
    customer_id = serializers.CharField()
    channel = serializers.CharField()
    state = serializers.ChoiceField(Conversation.State.choices)
    started_at = serializers.DateTimeField()
    last_message_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.ChoiceField(["operator", "api", "idle", "merged"], allow_null=True)


class EscalationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    conversation_id = serializers.CharField()
    state = serializers.ChoiceField(Escalation.State.choices)
    trigger = serializers.ChoiceField(Escalation.Trigger.choices, help_text="Who or what asked for a person.")
    reason = serializers.CharField(allow_null=True)
    summary = serializers.CharField(allow_null=True, help_text="What the person has to know.")
    requested_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)


class ListedMessageSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(["user", "assistant", "system"])
    content = serializers.CharField()


class ListedConversationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    created_at = serializers.DateTimeField()
    messages = ListedMessageSerializer(many=True, help_text="The last 200, oldest first.")
    chatbot_id = serializers.CharField(help_text="Id of the agent.")
    customer = serializers.CharField(help_text="Id of the customer.")
    source = serializers.CharField(help_text="The channel, for example WhatsApp.")  # type: ignore[assignment]


class ListedConversationsSerializer(serializers.Serializer[Any]):
    data = ListedConversationSerializer(many=True)  # type: ignore[assignment]


class ListedLeadSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    chatbot_owner_user_id = serializers.CharField(help_text="Id of the team.")
    chatbot_id = serializers.CharField(help_text="Id of the agent.")
    phone = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)


class ListedLeadsSerializer(serializers.Serializer[Any]):
    data = ListedLeadSerializer(many=True)  # type: ignore[assignment]


CONVERSATION_ID = OpenApiParameter("conversation_id", str, OpenApiParameter.PATH, description="As `chat` gave it.")
ESCALATION_ID = OpenApiParameter("escalation_id", str, OpenApiParameter.PATH, description="esc_…, as events tell it.")
NO_CONVERSATION = "No such agent in this team, or no such conversation of the agent."
NO_ESCALATION = "No such agent in this team, or no such escalation of the agent."
END: dict[str, Any] = {
    "operation_id": "end_conversation",
    "tags": ["conversations"],
    "summary": "End a conversation",
    "description": "Tells `conversation.ended`. The customer's next message begins a new one. One that has ended "
    "before comes back as it is.",
    "parameters": [AGENT_ID, CONVERSATION_ID],
    "responses": {200: ConversationSerializer, **problems(_404=NO_CONVERSATION)},
}
REOPEN: dict[str, Any] = {
    "operation_id": "reopen_conversation",
    "tags": ["conversations"],
    "summary": "Open a conversation again",
    "description": "Tells `conversation.reopened`. The customer's next message goes on with it.",
    "parameters": [AGENT_ID, CONVERSATION_ID],
    "responses": {
        200: ConversationSerializer,
        **problems(
            _404=NO_CONVERSATION, _409="It is open, or the customer has begun another conversation that is open."
        ),
    },
}
ESCALATE: dict[str, Any] = {
    "operation_id": "escalate_conversation",
    "tags": ["conversations"],
    "summary": "Ask for a person",
    "description": "Tells `escalation.triggered`. While an escalation of the conversation is open, that one comes "
    "back, and nothing is told. Without a summary the last lines of the conversation are it.",
    "parameters": [AGENT_ID, CONVERSATION_ID],
    "responses": {
        200: EscalationSerializer,
        201: EscalationSerializer,
        **problems(_400="A text is too long.", _404=NO_CONVERSATION),
    },
}
ACCEPT: dict[str, Any] = {
    "operation_id": "accept_escalation",
    "tags": ["conversations"],
    "summary": "Take an escalation",
    "description": "A person is at it now. Tells `escalation.accepted`.",
    "parameters": [AGENT_ID, ESCALATION_ID],
    "responses": {
        200: EscalationSerializer,
        **problems(_404=NO_ESCALATION, _409="It has been taken or resolved before."),
    },
}
RESOLVE: dict[str, Any] = {
    "operation_id": "resolve_escalation",
    "tags": ["conversations"],
    "summary": "Resolve an escalation",
    "description": "It is done. Tells `escalation.resolved`; the next wish for a person is a new escalation.",
    "parameters": [AGENT_ID, ESCALATION_ID],
    "responses": {200: EscalationSerializer, **problems(_404=NO_ESCALATION, _409="It has been resolved before.")},
}
LIST_PARAMETERS = [
    OpenApiParameter("agentId", str, required=True, description="Id of the agent: agt_…"),
    OpenApiParameter("startDate", str, description="First day, `YYYY-MM-DD`, in UTC."),
    OpenApiParameter("endDate", str, description="Last day, `YYYY-MM-DD`, in UTC; it is included."),
    OpenApiParameter("page", int, description="1 unless told."),
    OpenApiParameter("size", int, description="1 to 100 a page; 10 unless told."),
]
NOT_A_LIST = {"_400": "A date or a number is not right, or the agent is missing.", "_404": "No agent has this id."}
GET_LEADS: dict[str, Any] = {
    "operation_id": "get_leads",
    "tags": ["lists"],
    "summary": "Leads of an agent",
    "description": "Complete leads, newest first, by the day on which they were begun.",
    "parameters": LIST_PARAMETERS,
    "responses": {200: ListedLeadsSerializer, **problems(**NOT_A_LIST)},
}
SOURCES = OpenApiParameter(
    "filteredSources", str, description="Only these sources, with commas: API, WhatsApp, Widget or Iframe …"
)
GET_CONVERSATIONS: dict[str, Any] = {
    "operation_id": "get_conversations",
    "tags": ["lists"],
    "summary": "Conversations of an agent",
    "description": "Newest first, by the day on which they began.",
    "parameters": [*LIST_PARAMETERS, SOURCES],
    "responses": {200: ListedConversationsSerializer, **problems(**NOT_A_LIST)},
}
