"""The pages of the agents' admin: who looks at them, where they are, and what they say."""

from typing import Any

from django.test import Client
from django.urls import reverse


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:agents_{name}", args=args)


def text(response: Any) -> str:
    return str(response.content.decode())
