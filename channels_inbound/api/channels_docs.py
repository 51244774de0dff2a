"""Words and shapes of `channels.py` for the OpenAPI document. Nothing is rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from agents.api.chat_docs import AGENT_ID
from chatzuri.api import PROBLEM_TYPE, Problem
from chatzuri.api_docs import problems, refused

TAG = "channels"


class KindSettingSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="What it is called in `settings`.")
    label = serializers.CharField(help_text="For people.")  # type: ignore[assignment]
    help = serializers.CharField(help_text="Where to find it.")
    is_required = serializers.BooleanField()
    example = serializers.CharField(allow_blank=True)
    choices = serializers.ListField(
        child=serializers.CharField(), help_text="It has to be one of these; empty where any text may stand."
    )


class KindSecretSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="What it is called in `secrets`.")
    label = serializers.CharField(help_text="For people.")  # type: ignore[assignment]
    help = serializers.CharField(help_text="Where to find it, or where to put it.")
    is_required = serializers.BooleanField(help_text="Without it the channel refuses everything.")
    is_made_here = serializers.BooleanField(help_text="May be left out: then it is made, and told once.")


class KindSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    title = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField(), help_text="Other words for it in the address.")
    inbound_url = serializers.CharField(help_text="What the provider is given; it answers once there is a channel.")
    settings = KindSettingSerializer(many=True)
    secrets = KindSecretSerializer(many=True)
    credential_kind = serializers.CharField(allow_null=True, help_text="Of the credential that sends replies.")
    steps = serializers.ListField(
        child=serializers.CharField(), help_text="What to do at the provider; `{url}` stands for the address."
    )
    reply_window_hours = serializers.IntegerField(
        allow_null=True, help_text="How long after the customer’s last message a reply is taken; null for always."
    )


class KindListSerializer(serializers.Serializer[Any]):
    kinds = KindSerializer(many=True)


class SecretFactSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    mask = serializers.CharField(help_text="Its last four characters, where it is long enough.")
    added_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="When it stops being accepted; null for the newest.")


class ChannelSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.CharField()
    agent_id = serializers.CharField()
    inbound_url = serializers.CharField(help_text="The address for the provider.")
    is_active = serializers.BooleanField(help_text="Switched off, its address answers 404.")
    state = serializers.CharField(
        help_text="`ready`, `cannot_reply` (no credential), `incomplete` (a setting is missing), `refuses_everything` "
        "(a secret is missing), `unreadable` (its secrets cannot be decrypted) or `off`."
    )
    missing = serializers.ListField(child=serializers.CharField(), help_text="Labels of what is needed and not here.")
    settings = serializers.DictField(child=serializers.CharField())
    secrets = SecretFactSerializer(many=True, help_text="Newest first; values are never readable.")
    credential = serializers.CharField(allow_null=True, help_text="Id of the credential that sends replies.")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class NewlyMadeSerializer(ChannelSerializer):
    made_secrets = serializers.DictField(
        child=serializers.CharField(), help_text="Secrets that were made here, by name. Told this once."
    )


class ChannelListSerializer(serializers.Serializer[Any]):
    channels = ChannelSerializer(many=True)


class RotatedSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField(allow_null=True, help_text="Where it was made here; told this once.")
    secrets = SecretFactSerializer(many=True, help_text="All that are kept of this name, newest first.")


CHANNEL_ID = OpenApiParameter("channel_id", str, OpenApiParameter.PATH, description="chn_…, from the list of channels.")
NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, description="Of the secret, from the kinds of channels.")
NO_AGENT = "No agent of this team has this id."
NO_CHANNEL = "No such agent in this team, or it has no such channel."
NEW = OpenApiExample(
    "WhatsApp",
    request_only=True,
    value={
        "kind": "whatsapp",
        "settings": {"phone_number_id": "106540352242922"},
        "secrets": {"app_secret": "0123456789abcdef0123456789abcdef"},
        "credential": "crd_06fhnm2b3c4d5e6f7g8h9j0k1m",
    },
)
SHOWN = {
    "id": "chn_06fhnm2b3c4d5e6f7g8h9j0k1m",
    "kind": "whatsapp",
    "agent_id": "agt_06fhnm2b3c4d5e6f7g8h9j0k1m",
    "inbound_url": "https://app.example.com/api/v1/agents/agt_06fhnm2b3c4d5e6f7g8h9j0k1m/chat/whatsapp",
    "is_active": True,
    "state": "ready",
    "missing": [],
    "settings": {"phone_number_id": "106540352242922"},
    "secrets": [
        {"name": "verify_token", "mask": "••••••••k3Xw", "added_at": "2026-11-25T08:15:04.120Z", "ends_at": None},
        {"name": "app_secret", "mask": "••••••••cdef", "added_at": "2026-11-25T08:15:04.120Z", "ends_at": None},
    ],
    "credential": "crd_06fhnm2b3c4d5e6f7g8h9j0k1m",
    "created_at": "2026-11-25T08:15:04.120Z",
    "changed_at": "2026-11-25T08:15:04.120Z",
}
MADE = OpenApiExample(
    "Connected",
    response_only=True,
    status_codes=["201"],
    value=SHOWN | {"made_secrets": {"verify_token": "hVb0…k3Xw"}},
)
UNFIT = Problem(
    422,
    "Not saved",
    "This cannot be saved as it is. Nothing was changed.",
    errors=[
        {
            "pointer": "/secrets/app_secret",
            "detail": "Without it the channel would refuse everything. In the app's dashboard under App settings, "
            "Basic. Meta signs every request with it.",
        }
    ],
)
NOT_SAVED = {(422, PROBLEM_TYPE): refused("It cannot be saved: one pointer per fault.", example=UNFIT)}
MALFORMED = "A field is missing or not of its type."
KINDS: dict[str, Any] = {
    "operation_id": "list_channel_kinds",
    "tags": [TAG],
    "summary": "Kinds of channels, and what each asks for",
    "description": "For every provider: the address to give to it, which settings and secrets it needs, and what to "
    "do there, step by step.",
    "parameters": [AGENT_ID],
    "responses": {200: KindListSerializer, **problems(_404=NO_AGENT)},
}
LIST: dict[str, Any] = {
    "operation_id": "list_channels",
    "tags": [TAG],
    "summary": "An agent's channels",
    "description": "At most one of each kind, switched on or not.",
    "parameters": [AGENT_ID],
    "responses": {200: ChannelListSerializer, **problems(_404=NO_AGENT)},
}
CREATE: dict[str, Any] = {
    "operation_id": "connect_channel",
    "tags": [TAG],
    "summary": "Connect a channel",
    "description": "With everything its kind needs. Secrets that are made here are in the answer, this once. Then do "
    "the steps of the kind at the provider.",
    "parameters": [AGENT_ID],
    "examples": [NEW],
    "responses": {
        201: OpenApiResponse(NewlyMadeSerializer, "Connected; `Location` says where.", examples=[MADE]),
        **problems(_400=MALFORMED, _404="No such agent or credential in this team."),
        **NOT_SAVED,
    },
}
DETAIL: dict[str, Any] = {
    "operation_id": "get_channel",
    "tags": [TAG],
    "summary": "One channel",
    "description": "How it is doing, what it lacks, and masks of its secrets.",
    "parameters": [AGENT_ID, CHANNEL_ID],
    "responses": {200: ChannelSerializer, **problems(_404=NO_CHANNEL)},
}
CHANGE: dict[str, Any] = {
    "operation_id": "change_channel",
    "tags": [TAG],
    "summary": "Change a channel, or switch it on or off",
    "description": "Only what you send changes, also within `settings` and `secrets`. All of it, or nothing.",
    "parameters": [AGENT_ID, CHANNEL_ID],
    "examples": [OpenApiExample("Switch it off", request_only=True, value={"is_active": False})],
    "responses": {
        200: ChannelSerializer,
        **problems(_400=MALFORMED, _404="No such agent, channel or credential in this team."),
        **NOT_SAVED,
    },
}
DELETE: dict[str, Any] = {
    "operation_id": "disconnect_channel",
    "tags": [TAG],
    "summary": "Disconnect a channel",
    "description": "With everything that arrived on it: requests, files, receipts of replies. Conversations stay, and "
    "what was said in them. To stop it for a while, switch it off.",
    "parameters": [AGENT_ID, CHANNEL_ID],
    "responses": {204: OpenApiResponse(description="Gone."), **problems(_404=NO_CHANNEL)},
}
ROTATE: dict[str, Any] = {
    "operation_id": "replace_channel_secret",
    "tags": [TAG],
    "summary": "Replace a secret",
    "description": "The new one counts at once; the present one is accepted besides for `overlap_hours`, so that "
    "nothing is lost while the provider is told. With 0 it ends at once. Without a `value` one is made, where the "
    "kind says that it is made here.",
    "parameters": [AGENT_ID, CHANNEL_ID, NAME],
    "examples": [OpenApiExample("Make one, 24 hours of both", request_only=True, value={"overlap_hours": 24})],
    "responses": {200: RotatedSerializer, **problems(_400=MALFORMED, _404=NO_CHANNEL), **NOT_SAVED},
}
