"""A kept request as it was when it came, so that it can be read once more."""

import json

from django.core.files.storage import default_storage

from channels_inbound.adapters.base import Form, Incoming
from channels_inbound.models import InboundRequest


def body_of(request: InboundRequest) -> bytes:
    """What is kept of the body; empty where its file is gone."""
    if not request.body_file:
        return bytes(request.body)
    try:
        with default_storage.open(request.body_file) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return b""


def incoming(request: InboundRequest) -> Incoming:
    """Without its files: those that came with a form are attachments already."""
    body = body_of(request)
    form = None
    if request.is_form:
        form = Form([(str(name), str(value)) for name, value in json.loads(body or b"[]")])
        body = b""
    return Incoming(
        method="POST",
        url=request.channel.inbound_url,
        query=request.query,
        headers={str(name): str(value) for name, value in request.headers.items()}
        | {"content-type": request.content_type},
        body=body,
        form=form,
        at=request.received_at,
    )
