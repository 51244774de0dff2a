"""The pages of channels as a test walks through them, and what arrives at a channel meanwhile."""

import html
import re
from typing import Any

from django.test import Client
from django.urls import reverse

from channels_inbound import processing, receiving, samples
from channels_inbound.models import Channel, InboundRequest

LIST = "/admin/channels_inbound/channel/"
REQUESTS = "/admin/channels_inbound/inboundrequest/"


def page(channel: Channel) -> str:
    return reverse("admin:channels_inbound_channel_change", args=[channel.pk])


def press(client: Client, name: str, channel: Channel, *more: Any, **data: Any) -> Any:
    return client.post(reverse(f"admin:channels_inbound_channel_{name}", args=[channel.pk, *more]), data)


def text(response: Any) -> str:
    """What a person reads: without tags, and with the blanks that a browser shows."""
    assert response.status_code == 200, response.status_code
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", response.content.decode())).split())


def arrive(channel: Channel, words: str = "Hello", *, work: bool = True) -> InboundRequest:
    outcome = receiving.receive(adapter=channel.adapter, channel=channel, incoming=samples.sample(channel, words))
    assert outcome.request is not None
    if work:
        processing.work_off()
    return outcome.request


def quarantined(channel: Channel, body: bytes = b"not json") -> InboundRequest:
    return InboundRequest.objects.create(
        channel=channel, body=body, body_size=len(body), body_sha256="0" * 64, state="quarantined", reason="No JSON."
    )
