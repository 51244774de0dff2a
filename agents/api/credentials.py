"""Which credentials a team has: enough to name one, and nothing of what is in it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chatzuri.api import ApiView
from chatzuri.api_docs import problems
from chatzuri.credentials import KINDS
from chatzuri.fields import NotReadable
from chatzuri.models import Credential


class CredentialLineSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(list(KINDS))
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(), help_text="What the code finds on `credentials`: names, never values."
    )
    hosts = serializers.ListField(
        child=serializers.CharField(), help_text="Where a custom action may send its secrets to."
    )
    is_readable = serializers.BooleanField(
        help_text="False where its values cannot be decrypted any more; enter them again in the admin."
    )


class CredentialListSerializer(serializers.Serializer[Any]):
    credentials = CredentialLineSerializer(many=True)


EXAMPLE = OpenApiExample(
    "Two credentials",
    response_only=True,
    value={
        "credentials": [
            {
                "id": "crd_06fhnm2b3c4d5e6f7g8h9j0k1m",
                "name": "crm-webhook",
                "kind": "webhook",
                "fields": ["secret", "webhook_url"],
                "hosts": ["crm.example.com"],
                "is_readable": True,
            },
            {
                "id": "crd_06fhnm2b9c8d7e6f5g4h3j2k1m",
                "name": "stripe-live",
                "kind": "stripe",
                "fields": ["secret_key"],
                "hosts": ["api.stripe.com"],
                "is_readable": True,
            },
        ]
    },
)


class Credentials(ApiView):
    @extend_schema(
        operation_id="list_credentials",
        tags=["actions"],
        summary="The team's credentials, without their values",
        description="To find the id that an action is installed or tested with. Values are written in the admin and "
        "never readable again, here or anywhere else.",
        responses={200: OpenApiResponse(CredentialListSerializer, examples=[EXAMPLE]), **problems()},
    )
    def get(self, request: Request) -> Response:
        rows = Credential.objects.filter(team=self.team).order_by("name")
        return Response({"credentials": [describe(credential) for credential in rows]})


def describe(credential: Credential) -> dict[str, Any]:
    try:
        fields, hosts, is_readable = credential.reveal().keys(), credential.allowed_hosts(), True
    except NotReadable:
        fields, hosts, is_readable = {}.keys(), frozenset(), False
    return {
        "id": credential.public_id,
        "name": credential.name,
        "kind": credential.kind,
        "fields": sorted(fields),
        "hosts": sorted(hosts),
        "is_readable": is_readable,
    }
