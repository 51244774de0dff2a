"""Words and shapes the OpenAPI document shares between views."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers

from chatzuri.api import PROBLEM_TYPE, describe
from chatzuri.api import Problem as ProblemError


class BearerKey(OpenApiAuthenticationExtension):
    target_class = "chatzuri.authentication.ApiKeyAuthentication"
    name = "TeamApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "czk_…",
            "description": "A team's API key, made in the admin under API keys and shown once. It reaches every "
            "agent of its team and nothing else; revoking it takes effect at once.",
        }


class FaultSerializer(serializers.Serializer[Any]):
    """Where it is: a pointer into the body, or the name of a parameter of the query."""

    pointer = serializers.CharField(
        required=False, help_text="JSON pointer into the body that was sent, for example /message."
    )
    parameter = serializers.CharField(required=False, help_text="A parameter of the query string, for example limit.")
    detail = serializers.CharField(help_text="What is wrong there, in words.")


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField(help_text="Always about:blank: status and title say the kind.")
    title = serializers.CharField(help_text="The kind of problem, the same for every occurrence.")
    status = serializers.IntegerField(help_text="The HTTP status, again.")
    detail = serializers.CharField(help_text="What is wrong this time, and often what to do.")
    errors = FaultSerializer(  # type: ignore[assignment]
        many=True, required=False, help_text="One entry per fault, where the body or the query is at fault."
    )


def refused(description: str, *, example: ProblemError | None = None) -> OpenApiResponse:
    """A problem response for `extend_schema`."""
    examples = []
    if example is not None:
        examples = [OpenApiExample(example.title, value=describe(example), response_only=True)]
    return OpenApiResponse(ProblemSerializer, description, examples=examples)


def problems(**described: str) -> dict[Any, OpenApiResponse]:
    """`problems(_404="No such agent.")`, with what every view can answer besides."""
    codes = {401: "The key is missing, unknown or revoked. Carries `WWW-Authenticate`."}
    codes |= {int(name.strip("_")): text for name, text in described.items()}
    return {(code, PROBLEM_TYPE): refused(text) for code, text in sorted(codes.items())}
