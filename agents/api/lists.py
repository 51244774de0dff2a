"""Lists in the shape that existing integrations read: `get-leads` and `get-conversations`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api import conversations_docs
from agents.models import Agent, Conversation, Lead, Message
from chatzuri.api import ApiView, find, wrong_parameter
from webhooks.api import moment

Row = TypeVar("Row", bound=Model)

PAGE, LONGEST_PAGE, MOST_PAGES = 10, 100, 100_000
SHOWN_MESSAGES = 200
ROLES = {Message.Role.CUSTOMER: "user", Message.Role.AGENT: "assistant", Message.Role.SYSTEM: "system"}
# What this list has always called the channels; others go by their own name.
SOURCES = {
    "api": "API",
    "playground": "Chatzuri site",
    "instagram": "Instagram",
    "messenger": "Messenger",
    "slack": "Slack",
    "whatsapp": "WhatsApp",
    "website": "Widget or Iframe",
    "": "Unspecified",
}
CHANNELS = {source.casefold(): channel for channel, source in SOURCES.items()}


class ListView(ApiView):
    def agent(self) -> Agent:
        agent_id = self.request.query_params.get("agentId", "")
        if not agent_id:
            raise wrong_parameter("agentId", "Say which agent.")
        return find(Agent.objects.filter(team=self.team).select_related("team"), agent_id, what="agent")

    def chosen(self, rows: QuerySet[Row], *, column: str) -> list[Row]:
        """The page of the days that were asked for, newest first."""
        first, last = self._day("startDate"), self._day("endDate")
        if first is not None:
            rows = rows.filter(**{f"{column}__gte": first})
        if last is not None:
            rows = rows.filter(**{f"{column}__lt": last + timedelta(days=1)})
        page, size = self._number("page", 1, MOST_PAGES), self._number("size", PAGE, LONGEST_PAGE)
        return list(rows.order_by("-pk")[(page - 1) * size : page * size])

    def _day(self, name: str) -> datetime | None:
        given = self.request.query_params.get(name)
        if not given:
            return None
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
                return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            pass
        raise wrong_parameter(name, "Give a day as YYYY-MM-DD, for example 2026-01-31.")

    def _number(self, name: str, default: int, most: int) -> int:
        given = self.request.query_params.get(name) or str(default)
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= most):
            raise wrong_parameter(name, f"Give a number from 1 to {most}.")
        return int(given)


class GetLeads(ListView):
    @extend_schema(**conversations_docs.GET_LEADS)
    def get(self, request: Request) -> Response:
        agent = self.agent()
        leads = self.chosen(Lead.objects.filter(agent=agent, submitted_at__isnull=False), column="created_at")
        return Response({"data": [_lead(lead, agent) for lead in leads]})


class GetConversations(ListView):
    @extend_schema(**conversations_docs.GET_CONVERSATIONS)
    def get(self, request: Request) -> Response:
        agent = self.agent()
        rows = Conversation.objects.filter(agent=agent).select_related("customer")
        if sources := request.query_params.get("filteredSources"):
            asked = [source.strip() for source in sources.split(",")]
            rows = rows.filter(channel__in=[CHANNELS.get(source.casefold(), source) for source in asked])
        return Response({"data": [_conversation(row, agent) for row in self.chosen(rows, column="started_at")]})


def _lead(lead: Lead, agent: Agent) -> dict[str, Any]:
    return {
        "id": lead.pk,
        "created_at": moment(lead.created_at),
        "chatbot_owner_user_id": agent.team.public_id,
        "chatbot_id": agent.public_id,
        "phone": lead.phone or None,
        "email": lead.email or None,
        "name": lead.name or None,
    }


def _conversation(conversation: Conversation, agent: Agent) -> dict[str, Any]:
    messages = list(conversation.messages.order_by("-pk")[:SHOWN_MESSAGES])[::-1]
    return {
        "id": conversation.public_id,
        "created_at": moment(conversation.started_at),
        "messages": [{"role": ROLES[Message.Role(one.role)], "content": one.text} for one in messages],
        "chatbot_id": agent.public_id,
        "customer": conversation.customer.public_id,
        "source": SOURCES.get(conversation.channel, conversation.channel),
    }
