"""The shapes of `webhooks/api.py` for the OpenAPI document. Nothing is parsed or rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from webhooks.models import Delivery

SAFE = ["no", "receiver_decides", "yes", "after_mending", "if_receiver_dedupes", "not_offered"]


class EventReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The receiver's dedupe key: equal over resends.")
    type = serializers.CharField()


class EndpointReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class HeaderSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField()


class DeliveryLineSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    event = EventReferenceSerializer()
    endpoint = EndpointReferenceSerializer(
        allow_null=True, help_text="null for a request that a custom action made with `fetch`."
    )
    state = serializers.ChoiceField(Delivery.State.choices, help_text="Where it stands.")
    outcome = serializers.CharField(allow_null=True, help_text="The state it ended in; null until it is finished.")
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="The outcome in a few words, for example: rejected 503."
    )
    sentence = serializers.CharField(help_text="What happened.")
    advice = serializers.CharField(help_text="What to do next; empty where nothing is to be done.")
    seen_by_receiver = serializers.ChoiceField(["yes", "maybe", "no"], allow_null=True)
    safe_to_resend = serializers.ChoiceField(
        SAFE, allow_null=True, help_text="`not_offered`: a custom action made this request, and only it can repeat it."
    )
    status_code = serializers.IntegerField(allow_null=True, help_text="What the receiver answered.")
    caused_by = serializers.CharField(
        allow_null=True, help_text="What made it: a tool call, a replay, a button, or the run of a custom action."
    )
    replay_of = serializers.CharField(allow_null=True, help_text="The delivery this one sends again.")
    accepted_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class DeliveryRequestSerializer(serializers.Serializer[Any]):
    method = serializers.CharField()
    url = serializers.CharField(help_text="With the values of its query masked.")
    address = serializers.CharField(allow_null=True, help_text="The IP address that was connected to.")
    headers = HeaderSerializer(many=True, help_text="As sent; secrets are masked.")
    body = serializers.CharField(
        help_text="The very text that was signed and sent; of a custom action's request its start, with secrets masked."
    )
    size = serializers.IntegerField(help_text="Bytes of the body that are kept.")
    is_cut = serializers.BooleanField(help_text="A custom action sent more than was kept.")


class DeliveryResponseSerializer(serializers.Serializer[Any]):
    status_code = serializers.IntegerField()
    headers = HeaderSerializer(many=True)
    body = serializers.CharField(help_text="What was kept of the answer, as text.")
    size = serializers.IntegerField(help_text="Bytes kept.")
    is_cut = serializers.BooleanField(help_text="The receiver sent more than was kept.")


class DeliverySerializer(DeliveryLineSerializer):
    occurred_at = serializers.DateTimeField(help_text="When the event happened.")
    queued_at = serializers.DateTimeField()
    began_at = serializers.DateTimeField(allow_null=True, help_text="When a worker began the one attempt.")
    reason = serializers.CharField(allow_null=True, help_text="A stable word for programs, for example dns.")
    timings = serializers.DictField(child=serializers.FloatField(), help_text="Milliseconds for each phase.")
    replays = serializers.ListField(child=serializers.CharField(), help_text="Deliveries that sent it again.")
    request = DeliveryRequestSerializer()
    response = DeliveryResponseSerializer(allow_null=True, help_text="null where no status came back.")


class DeliveryPageSerializer(serializers.Serializer[Any]):
    deliveries = DeliveryLineSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="null on the last page.")


DELIVERED = OpenApiExample(
    "Delivered",
    response_only=True,
    value={
        "id": "dlv_06fhnk8z5vqkq3k2w9r1x0c4ta",
        "event": {"id": "evt_06fhnk8z5v3m8b7y2d6e5j1n9p", "type": "lead.captured"},
        "endpoint": {"id": "ep_06fhnk7h2r5t9w3x8c1v6b0m4q", "name": "Our CRM"},
        "state": "delivered",
        "outcome": "delivered",
        "label": "delivered",
        "sentence": "The receiver answered 200.",
        "advice": "",
        "seen_by_receiver": "yes",
        "safe_to_resend": "no",
        "status_code": 200,
        "caused_by": "tool:webhook_trigger",
        "replay_of": None,
        "accepted_at": "2026-11-23T10:15:04.120Z",
        "finished_at": "2026-11-23T10:15:04.311Z",
        "occurred_at": "2026-11-23T10:15:04.118Z",
        "queued_at": "2026-11-23T10:15:04.120Z",
        "began_at": "2026-11-23T10:15:04.140Z",
        "reason": None,
        "timings": {"dns": 2.1, "connect": 11.4, "tls": 24.9, "wait": 96.0, "read": 0.4, "total": 135.2},
        "replays": [],
        "request": {
            "method": "POST",
            "url": "https://crm.example.com/hooks?key=…",
            "address": "203.0.113.7",
            "headers": [
                {"name": "Content-Type", "value": "application/json"},
                {"name": "webhook-id", "value": "evt_06fhnk8z5v3m8b7y2d6e5j1n9p"},
                {"name": "X-Webhook-Secret", "value": "••••••••"},
            ],
            "body": '{"email":"asha@example.com"}',
            "size": 28,
            "is_cut": False,
        },
        "response": {
            "status_code": 200,
            "headers": [{"name": "Content-Type", "value": "application/json"}],
            "body": '{"ok": true}',
            "size": 12,
            "is_cut": False,
        },
    },
)
