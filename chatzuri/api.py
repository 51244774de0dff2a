"""What every API view shares: the team's key as proof, and errors as RFC 9457 problem details."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatzuri.models import ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer czk_…`. Sets `request.auth` to the live ApiKey; its team bounds all that follows."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            return None
        key = ApiKey.objects.for_secret(secret.strip())
        if key is None:
            raise exceptions.AuthenticationFailed("This API key does not exist or was revoked.")
        key.mark_used()
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="chatzuri"'


class HasApiKey(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            raise exceptions.NotAuthenticated("Send a team API key as 'Authorization: Bearer czk_…'.")
        return True


class Problem(exceptions.APIException):
    """An error with its own status, title and machine-readable extras (`errors`, say)."""

    def __init__(self, status_code: int, title: str, detail: str, **extras: Any) -> None:
        super().__init__(detail)
        self.status_code, self.title, self.extras = status_code, title, extras


TITLES = {400: "Malformed request", 401: "Not authenticated", 403: "Not allowed", 404: "Not found"}


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: everything expected becomes `application/problem+json`, the rest stays a crash."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    body = describe(error)
    response = Response(body, status=error.status_code, content_type="application/problem+json")
    if getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        response["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    return response


def describe(error: exceptions.APIException) -> dict[str, Any]:
    code = error.status_code
    body: dict[str, Any] = {"type": "about:blank", "title": TITLES.get(code, "Request refused"), "status": code}
    if isinstance(error, Problem):
        return body | {"title": error.title, "detail": str(error.detail)} | error.extras
    if isinstance(error, exceptions.ValidationError):
        fields = error.get_full_details()
        return body | {"detail": "Some fields are not right.", "errors": list(_faults(fields, ""))}
    return body | {"detail": str(error.detail)}


def _faults(details: Any, pointer: str) -> Any:
    """One `{pointer, detail}` per fault, from DRF's nested dictionaries and lists."""
    if isinstance(details, dict) and "message" in details and "code" in details:
        yield {"pointer": pointer or "/", "detail": str(details["message"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            yield from _faults(inner, f"{pointer}/{name}" if name != "non_field_errors" else pointer)
    elif isinstance(details, list):
        for inner in details:
            yield from _faults(inner, pointer)


