"""Sending one request to a channel, and looking at what it left."""

from datetime import UTC, datetime
from typing import Any

from django.test import Client

from channels_inbound.models import Channel, InboundMessage, InboundRequest
from tests.channels_inbound.providers import path_of, proof

JSON = "application/json"
# What every clock of these tests says, where seconds matter.
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())


def send(
    channel: Channel, body: bytes = b"", headers: Any = None, *, content_type: str = JSON, path: str = "", **more: Any
) -> Any:
    """Signed, unless `headers` are given."""
    given = proof(channel, body, content_type.partition(";")[0]) if headers is None else headers
    where = path or path_of(channel)
    return Client().generic("POST", where, body, content_type=content_type, headers=given, **more)


def requests() -> list[str]:
    """The state of every request that was kept, oldest first."""
    return list(InboundRequest.objects.order_by("pk").values_list("state", flat=True))


def messages() -> list[tuple[str, str]]:
    """Kind and text of everything that was in them, oldest first."""
    return list(InboundMessage.objects.order_by("pk").values_list("kind", "text"))


def starting() -> int:
    """How many of them start the agent."""
    return InboundMessage.objects.filter(starts_agent=True).count()


def is_empty() -> bool:
    return not InboundRequest.objects.exists() and not InboundMessage.objects.exists()
