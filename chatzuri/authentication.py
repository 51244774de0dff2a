"""Who asks the API: a team, by its key. Apart from the views, which load these classes by name while they load."""

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

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
    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            raise exceptions.NotAuthenticated("Send a team API key as 'Authorization: Bearer czk_…'.")
        return True
