"""Words and shapes of leads, customers and feedback for the OpenAPI document. Nothing is rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from agents.api.chat_docs import AGENT_ID, NO_AGENT
from agents.models import Lead
from chatzuri.api_docs import problems


class LeadSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    agent_id = serializers.CharField()
    customer_id = serializers.CharField()
    conversation_id = serializers.CharField(allow_null=True)
    source = serializers.ChoiceField(Lead.Source.choices)  # type: ignore[assignment]
    channel = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    answers = serializers.DictField()
    score = serializers.IntegerField(allow_null=True)
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="What the agent still needs before the lead counts as complete."
    )
    created_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True, help_text="When it was complete: `lead.submit`.")
    qualified_at = serializers.DateTimeField(allow_null=True, help_text="When it was good enough: `lead.qualified`.")


class CustomerSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Another one than you asked for, where that customer was merged into this.")
    user_id = serializers.CharField(allow_null=True, help_text="Your own id of the customer.")
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True, help_text="ISO code, for example KE.")
    plan = serializers.CharField(allow_null=True)
    attributes = serializers.DictField(help_text="Whatever else you told of them.")
    segments = serializers.ListField(child=serializers.CharField(), help_text="Names of the segments they are in.")
    created_at = serializers.DateTimeField()


class FeedbackSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    message_id = serializers.CharField()
    rating = serializers.IntegerField(help_text="1 to 5.")
    comment = serializers.CharField(allow_null=True)
    submitted_at = serializers.DateTimeField()


CUSTOMER_ID = OpenApiParameter("customer_id", str, OpenApiParameter.PATH, description="cus_…, as events tell it.")
LEAD_ID = OpenApiParameter("lead_id", str, OpenApiParameter.PATH, description="lead_…")
MESSAGE_ID = OpenApiParameter(
    "message_id", str, OpenApiParameter.PATH, description="`message_id` of the reply, as `chat` gave it."
)
FORM = OpenApiExample(
    "A form was sent",
    request_only=True,
    value={
        "user_id": "user-42",
        "name": "Asha Otieno",
        "email": "asha@example.com",
        "answers": {"company": "Otieno Traders", "budget": "5000"},
        "score": 82,
    },
)
SUBMIT_LEAD: dict[str, Any] = {
    "operation_id": "submit_lead",
    "tags": ["people"],
    "summary": "Take in a lead form",
    "description": "Whose it is says `conversation_id`, or else `user_id`, `phone`, `email` and `session_id`, in this "
    "order; a customer has one lead with an agent, and a later form adds to it. Once everything that the agent needs "
    "is known, `lead.submit` is told, once; once the score is high enough, `lead.qualified`, once.",
    "parameters": [AGENT_ID],
    "examples": [FORM],
    "responses": {
        200: LeadSerializer,
        201: LeadSerializer,
        **problems(
            _400="A field is not right, or nothing says whose lead it is.",
            _404="No such agent in this team, or no such conversation of the agent.",
            _409="The agent is switched off.",
        ),
    },
}
QUALIFY_LEAD: dict[str, Any] = {
    "operation_id": "qualify_lead",
    "tags": ["people"],
    "summary": "Say that a lead is qualified",
    "description": "Tells `lead.qualified`, once. A lead that is qualified already comes back as it is.",
    "parameters": [AGENT_ID, LEAD_ID],
    "responses": {200: LeadSerializer, **problems(_404="No such agent in this team, or no such lead of the agent.")},
}
FEEDBACK: dict[str, Any] = {
    "operation_id": "submit_feedback",
    "tags": ["people"],
    "summary": "Rate a reply",
    "description": "Tells `feedback.submitted`. A later rating of the same reply takes the place of the earlier one "
    "and is told too; the very same again is not.",
    "parameters": [AGENT_ID, MESSAGE_ID],
    "responses": {
        200: FeedbackSerializer,
        201: FeedbackSerializer,
        **problems(
            _400="The rating is neither a number from 1 to 5 nor up or down.",
            _404="No such agent in this team, or no such message of the agent.",
            _409="The message is not a reply of the agent.",
        ),
    },
}
IDENTIFY: dict[str, Any] = {
    "operation_id": "identify_customer",
    "tags": ["people"],
    "summary": "Say who a customer is",
    "description": "Finds the customer by `user_id`, then `phone`, `email` and `session_id`, or makes one, and keeps "
    "what you say of them. Where these belong to two customers until now, they are one from now on: conversations, "
    "leads and segments move. Customers with two different ids of yours are never made one. What changed is told with "
    "this agent's events.",
    "parameters": [AGENT_ID],
    "responses": {
        200: CustomerSerializer,
        **problems(_400="A field is not right, or nothing says who it is.", _404=NO_AGENT),
    },
}
GET_CUSTOMER: dict[str, Any] = {
    "operation_id": "get_customer",
    "tags": ["people"],
    "summary": "What is known of a customer",
    "description": "The id of somebody who was merged answers with the customer who was kept.",
    "parameters": [AGENT_ID, CUSTOMER_ID],
    "responses": {200: CustomerSerializer, **problems(_404="No such agent or customer in this team.")},
}
CHANGE_CUSTOMER: dict[str, Any] = {
    "operation_id": "change_customer",
    "tags": ["people"],
    "summary": "Change what is known of a customer",
    "description": "Only what you send is changed; `attributes` are added to those known before. A phone number or "
    "e-mail address that another customer has makes them one.",
    "parameters": [AGENT_ID, CUSTOMER_ID],
    "responses": {
        200: CustomerSerializer,
        **problems(_400="A field is not right.", _404="No such agent or customer in this team."),
    },
}
