"""The product's own site with one view more: the same work as most Django projects write it, to be measured against.

Served as `bench.inbound_site:application`. The view finds the channel, verifies the signature, creates a row and sends
one Celery message for each request.
"""

import hashlib
import hmac
import json
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatzuri.settings")

import django

django.setup()

from celery import shared_task  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from channels_inbound.models import Channel, InboundRequest  # noqa: E402
from chatzuri.urls import urlpatterns as product  # noqa: E402


@shared_task(name="bench.inbound", queue="nobody")
def work(request_id: int) -> None:
    """Nobody reads that queue: only sending the message is measured."""


@csrf_exempt
def ordinary(request: HttpRequest, agent_id: str) -> HttpResponse:
    channel = Channel.objects.select_related("agent").get(agent__public_id=agent_id, kind="whatsapp", is_active=True)
    secret = json.loads(channel.secrets)[0]["value"]
    expected = "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
        return HttpResponse(status=401)
    json.loads(request.body)
    row = InboundRequest.objects.create(
        channel=channel,
        content_type=request.content_type,
        body=request.body,
        body_size=len(request.body),
        body_sha256=hashlib.sha256(request.body).hexdigest(),
    )
    work.delay(row.pk)
    return HttpResponse()


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns: list[Any] = [
    path("bench/ordinary/<str:agent_id>", ordinary),
    path("bench/empty", csrf_exempt(empty)),
    *product,
]
settings.ROOT_URLCONF = "bench.inbound_site"
application = WSGIHandler()
