"""The catalogue of events: what rules can listen to, and what receivers get."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.catalogue import EVENTS, EventType
from chatzuri.api import ApiView
from chatzuri.api_docs import problems


class FieldSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="Where it stands in `data`; below `.*` stand names of your own.")
    label = serializers.CharField(help_text="What people read.")  # type: ignore[assignment]
    type = serializers.ChoiceField(["text", "number", "boolean", "moment", "list", "choice"])
    suggestions = serializers.ListField(child=serializers.CharField(), help_text="Values that are likely meant.")


class EventTypeSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(help_text="`event` in the envelope.")
    version = serializers.IntegerField(help_text="Rises when a key of `data` changes its meaning or goes away.")
    title = serializers.CharField()
    description = serializers.CharField()
    schema = serializers.DictField(help_text="JSON Schema 2020-12 of `data`; every event is checked against it.")
    example = serializers.DictField(help_text="A `data` that fits the schema.")
    fields = FieldSerializer(many=True, help_text="What a trigger rule can ask about.")  # type: ignore[assignment]


class CatalogueOfEventsSerializer(serializers.Serializer[Any]):
    events = EventTypeSerializer(many=True)


class EventTypes(ApiView):
    @extend_schema(
        operation_id="list_event_types",
        tags=["events"],
        summary="Every event there is",
        description="Name, version, JSON schema and an example of each event that trigger rules can listen to. A "
        "delivery wraps it: `id`, `event`, `timestamp`, `agent_id`, `data`.",
        responses={200: CatalogueOfEventsSerializer, **problems()},
    )
    def get(self, request: Request) -> Response:
        return Response({"events": [describe(event) for event in EVENTS.values()]})


def describe(event: EventType) -> dict[str, Any]:
    asked = [
        {"path": field.path, "label": field.label, "type": field.type, "suggestions": list(field.suggestions)}
        for field in event.fields
    ]
    return {
        "type": event.type,
        "version": event.version,
        "title": event.title,
        "description": event.description,
        "schema": event.schema,
        "example": event.example,
        "fields": asked,
    }
