"""What arrived on a channel, over the API: each request that proved itself, what was in it, and reading it again."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api import paging
from channels_inbound import replaying
from channels_inbound.api import requests_docs
from channels_inbound.api.base import ChannelView
from channels_inbound.models import InboundMessage, InboundRequest
from chatzuri.api import Problem, find, wrong_parameter
from webhooks.api import moment

SHOWN = 200


class RequestView(ChannelView):
    def requests(self, agent_id: str, channel_id: str) -> QuerySet[InboundRequest]:
        """Without the bodies: a hundred lines must not bring a hundred of them."""
        channel = self.channel(agent_id, channel_id)
        return InboundRequest.objects.filter(channel=channel).select_related("channel__agent").defer("body", "headers")

    def one(self, agent_id: str, channel_id: str, request_id: str) -> InboundRequest:
        return find(self.requests(agent_id, channel_id), request_id, what="request of this channel")


class RequestList(RequestView):
    @extend_schema(**requests_docs.LIST)
    def get(self, request: Request, agent_id: str, channel_id: str) -> Response:
        known = self.requests(agent_id, channel_id)
        rows, state = known, request.query_params.get("state")
        if state:
            if state not in InboundRequest.State.values:
                raise wrong_parameter("state", f"Choose one of {', '.join(InboundRequest.State.values)}.")
            rows = rows.filter(state=state)
        page, cursor = paging.page(request, rows, within=known)
        return Response({"requests": [summary(row) for row in page], "next_cursor": cursor})


class RequestDetail(RequestView):
    @extend_schema(**requests_docs.DETAIL)
    def get(self, request: Request, agent_id: str, channel_id: str, request_id: str) -> Response:
        return Response(detail(self.one(agent_id, channel_id, request_id)))


class RequestReplay(RequestView):
    @extend_schema(**requests_docs.REPLAY, request=None)
    def post(self, request: Request, agent_id: str, channel_id: str, request_id: str) -> Response:
        row = self.one(agent_id, channel_id, request_id)
        try:
            outcome = replaying.replay(row)
        except replaying.NothingToRead as why:
            raise Problem(409, "Nothing to read", str(why)) from None
        row.refresh_from_db(fields=["state", "reason", "found"])
        return Response(detail(row) | {"new": outcome.stored})


# --- rendering -------------------------------------------------------------------------------------------------------


def summary(row: InboundRequest) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "received_at": moment(row.received_at),
        "state": row.state,
        "reason": row.reason or None,
        "found": row.found,
        "repeats": row.repeats,
        "size": row.body_size,
        "sha256": row.body_sha256,
    }


def detail(row: InboundRequest) -> dict[str, Any]:
    rows = row.messages.select_related("conversation", "message").prefetch_related("attachments").order_by("pk")
    return summary(row) | {"messages": [_message(one) for one in rows[:SHOWN]]}


def _message(row: InboundMessage) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "kind": row.kind,
        "event_type": row.event_type or None,
        "provider_id": row.provider_id or None,
        "text": row.text or None,
        "occurred_at": moment(row.occurred_at),
        "state": row.state,
        "reason": row.reason or None,
        "conversation_id": row.conversation.public_id if row.conversation else None,
        "message_id": row.message.public_id if row.message else None,
        "attachments": [attachment.facts() for attachment in row.attachments.all()],
    }
