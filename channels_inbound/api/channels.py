"""Channels over the API, for back ends that set agents up: what there is, connecting, changing, secrets, and the end.

Secrets go in and never come out, but for one that was made here, in the answer to the request that made it.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.base import AgentView, credential_of
from agents.models import Agent
from channels_inbound import connecting
from channels_inbound.adapters import ADAPTERS, Adapter
from channels_inbound.api import channels_docs
from channels_inbound.api.base import BY, ChannelView, not_saved
from channels_inbound.models import Channel
from channels_inbound.standing import is_readable, standing
from webhooks.api import moment

MOST_HOURS = 168


class ChannelChangeSerializer(serializers.Serializer[Any]):
    """Values are looked at by `connecting`, which has a sentence and a pointer for each."""

    settings = serializers.DictField(required=False, help_text="By name, as the kind asks for. Empty removes one.")
    secrets = serializers.DictField(
        required=False, help_text="By name. One that is replaced is accepted for 24 hours more."
    )
    credential = serializers.CharField(
        max_length=40,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Id of the credential that replies are sent with; null for none.",
    )
    is_active = serializers.BooleanField(required=False, help_text="Switched on.")


class NewChannelSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=20, help_text="One of the kinds of channels.")
    settings = serializers.DictField(required=False, default=dict, help_text="By name, as the kind asks for.")
    secrets = serializers.DictField(
        required=False, default=dict, help_text="By name. One that is made here may be left out."
    )
    credential = serializers.CharField(
        max_length=40,
        required=False,
        default=None,
        allow_null=True,
        allow_blank=True,
        help_text="Id of the credential that replies are sent with; null for none.",
    )


class SecretSerializer(serializers.Serializer[Any]):
    value = serializers.CharField(
        required=False, allow_null=True, trim_whitespace=False, help_text="null or left out: made here."
    )
    overlap_hours = serializers.IntegerField(
        default=24, min_value=0, max_value=MOST_HOURS, help_text="How long the present one is accepted besides."
    )


class Kinds(AgentView):
    @extend_schema(**channels_docs.KINDS)
    def get(self, request: Request, agent_id: str) -> Response:
        agent = self.agent(agent_id)
        return Response({"kinds": [kind(agent, adapter) for adapter in ADAPTERS.values()]})


class Channels(AgentView):
    @extend_schema(**channels_docs.LIST)
    def get(self, request: Request, agent_id: str) -> Response:
        rows = Channel.objects.filter(agent=self.agent(agent_id)).select_related("agent", "credential")
        return Response({"channels": [describe(channel) for channel in rows.order_by("kind")]})

    @extend_schema(**channels_docs.CREATE, request=NewChannelSerializer)
    def post(self, request: Request, agent_id: str) -> Response:
        agent = self.agent(agent_id)
        asked = NewChannelSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        given["credential"] = credential_of(self.team, given["credential"])
        try:
            channel, made = connecting.connect(agent=agent, by=BY, **given)
        except connecting.ConnectRefused as refused:
            raise not_saved(refused) from None
        where = request.build_absolute_uri(reverse("api-channel", args=[agent.public_id, channel.public_id]))
        return Response(describe(channel) | {"made_secrets": made}, status=201, headers={"Location": where})


class ChannelDetail(ChannelView):
    @extend_schema(**channels_docs.DETAIL)
    def get(self, request: Request, agent_id: str, channel_id: str) -> Response:
        return Response(describe(self.channel(agent_id, channel_id)))

    @extend_schema(**channels_docs.CHANGE, request=ChannelChangeSerializer)
    def patch(self, request: Request, agent_id: str, channel_id: str) -> Response:
        channel = self.channel(agent_id, channel_id)
        asked = ChannelChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        is_active = given.pop("is_active", None)
        if "credential" in given:
            given["credential"] = credential_of(self.team, given["credential"])
        try:
            with transaction.atomic():
                channel = connecting.change(channel, by=BY, **given) if given else channel
                channel = _switched(channel, is_active)
        except connecting.ConnectRefused as refused:
            raise not_saved(refused) from None
        return Response(describe(channel))

    @extend_schema(**channels_docs.DELETE)
    def delete(self, request: Request, agent_id: str, channel_id: str) -> Response:
        connecting.disconnect(self.channel(agent_id, channel_id), by=BY)
        return Response(status=204)


class ChannelSecret(ChannelView):
    @extend_schema(**channels_docs.ROTATE, request=SecretSerializer)
    def post(self, request: Request, agent_id: str, channel_id: str, name: str) -> Response:
        channel = self.channel(agent_id, channel_id)
        asked = SecretSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        value = asked.validated_data.get("value")
        overlap = timedelta(hours=asked.validated_data["overlap_hours"])
        try:
            made = connecting.rotate_secret(channel, name, value, overlap=overlap, by=BY)
        except connecting.ConnectRefused as refused:
            raise not_saved(refused) from None
        channel.refresh_from_db()
        own = [fact for fact in _secrets(channel) if fact["name"] == name]
        return Response({"name": name, "value": made if value is None else None, "secrets": own})


def _switched(channel: Channel, is_active: bool | None) -> Channel:
    if is_active is None:
        return channel
    return (connecting.switch_on if is_active else connecting.switch_off)(channel, by=BY)


# --- rendering -------------------------------------------------------------------------------------------------------


def kind(agent: Agent, adapter: Adapter) -> dict[str, Any]:
    return {
        "kind": adapter.kind,
        "title": adapter.title,
        "aliases": list(adapter.aliases),
        "inbound_url": Channel(agent=agent, kind=adapter.kind).inbound_url,
        "settings": [
            {"name": one.name, "label": one.label, "help": one.help, "is_required": one.is_required}
            | {"example": one.example, "choices": [value for value, _ in one.choices if value]}
            for one in adapter.settings
        ],
        "secrets": [
            {"name": one.name, "label": one.label, "help": one.help, "is_required": one.is_required}
            | {"is_made_here": one.is_made_here}
            for one in adapter.secrets
        ],
        "credential_kind": adapter.credential_kind or None,
        "steps": list(adapter.steps),
        "reply_window_hours": _hours(adapter.reply_window),
    }


def describe(channel: Channel) -> dict[str, Any]:
    """With masks of its secrets. Load `agent` and `credential`."""
    readable = is_readable(channel)
    return {
        "id": channel.public_id,
        "kind": channel.kind,
        "agent_id": channel.agent.public_id,
        "inbound_url": channel.inbound_url,
        "is_active": channel.is_active,
        "state": standing(channel).code,
        "missing": [*channel.missing_settings(), *(channel.missing_secrets() if readable else [])],
        "settings": channel.settings,
        "secrets": _secrets(channel),
        "credential": channel.credential.public_id if channel.credential else None,
        "created_at": moment(channel.created_at),
        "changed_at": moment(channel.changed_at),
    }


def _secrets(channel: Channel) -> list[dict[str, Any]]:
    """Newest first. Nothing of a value but its mask."""
    if not is_readable(channel):
        return []
    return [
        {"name": fact["name"], "mask": fact["mask"], "added_at": moment(fact["added_at"])}
        | {"ends_at": moment(fact["not_after"])}
        for fact in reversed(channel.secret_facts())
    ]


def _hours(window: timedelta | None) -> int | None:
    return int(window.total_seconds() // 3600) if window else None
