"""Lead forms of the team's own pages, and qualifying leads by hand."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import leads
from agents.api import people_docs
from agents.api.base import AgentView, cause_of, conversation_of
from agents.api.customers import FreeField, PhoneField
from agents.identity import Identifiers, Told, TooMuch
from agents.models import Lead
from chatzuri.api import find
from webhooks.api import moment

WHOSE = ("conversation_id", "user_id", "phone", "email", "session_id")


class LeadRequestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, default="", allow_blank=True)
    email = serializers.EmailField(max_length=254, default="", allow_blank=True)
    phone = PhoneField(default="", allow_blank=True)
    answers = FreeField(default=dict, help_text="Whatever else was asked, by the names of your own form.")
    score = serializers.IntegerField(min_value=0, max_value=100, default=None, allow_null=True)
    user_id = serializers.CharField(max_length=200, default="", allow_blank=True, help_text="Your own id of them.")
    conversation_id = serializers.CharField(
        max_length=40, default="", allow_blank=True, help_text="Where it was filled in, if that was in a chat."
    )
    session_id = serializers.CharField(max_length=100, default="", allow_blank=True, help_text="Of their browser.")
    channel = serializers.SlugField(
        max_length=40, default="", allow_blank=True, help_text="Where the form stands, for example website."
    )

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if not any(asked[name] for name in WHOSE):
            raise serializers.ValidationError(f"Say whose lead it is: one of {', '.join(WHOSE)}.")
        return asked


class Leads(AgentView):
    @extend_schema(**people_docs.SUBMIT_LEAD, request=LeadRequestSerializer)
    def post(self, request: Request, agent_id: str) -> Response:
        agent = self.working_agent(agent_id)
        serializer = LeadRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        conversation = conversation_of(agent, asked["conversation_id"])
        given = Identifiers.read(
            external_id=asked["user_id"], phone=asked["phone"], email=asked["email"], session_id=asked["session_id"]
        )
        if conversation and conversation.customer.external_id not in ("", given.external_id) and given.external_id:
            raise exceptions.ValidationError({"user_id": "This conversation belongs to another customer."})
        form = leads.Form(
            name=asked["name"], email=given.email, phone=given.phone, answers=asked["answers"], score=asked["score"]
        )
        details = {"name": form.name} if form.name else {}
        told = Told(given=given, details=details, cause=cause_of(request))
        try:
            lead, is_new = leads.submit(
                agent=agent,
                told=told,
                form=form,
                conversation=conversation,
                channel=asked["channel"],
                cause=told.cause,
            )
        except TooMuch as refusal:
            raise exceptions.ValidationError({"answers": str(refusal)}) from None
        return Response(describe(lead), status=201 if is_new else 200)


class LeadQualify(AgentView):
    @extend_schema(**people_docs.QUALIFY_LEAD, request=None)
    def post(self, request: Request, agent_id: str, lead_id: str) -> Response:
        rows = Lead.objects.filter(agent=self.agent(agent_id)).select_related("agent", "customer", "conversation")
        lead, _ = leads.qualify(lead=find(rows, lead_id, what="lead of this agent"), by="api", cause=cause_of(request))
        return Response(describe(lead))


def describe(lead: Lead) -> dict[str, Any]:
    return {
        "id": lead.public_id,
        "agent_id": lead.agent.public_id,
        "customer_id": lead.customer.public_id,
        "conversation_id": lead.conversation.public_id if lead.conversation else None,
        "source": lead.source,
        "channel": lead.channel or None,
        "name": lead.name or None,
        "email": lead.email or None,
        "phone": lead.phone or None,
        "answers": lead.answers,
        "score": lead.score,
        "missing": leads.missing(lead.agent, lead),
        "created_at": moment(lead.created_at),
        "submitted_at": moment(lead.submitted_at),
        "qualified_at": moment(lead.qualified_at),
    }
