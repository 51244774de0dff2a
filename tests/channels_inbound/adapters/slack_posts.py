"""What Slack posts, for its tests: events in their envelope and forms, signed."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

from channels_inbound.adapters.base import FORM_TYPE, Arrival, Incoming
from channels_inbound.adapters.slack import Slack
from tests.channels_inbound.adapters.contract import NOW, check_arrivals, connected

SECRET = "slack-signing-secret-0123456789"
CONNECTION = connected(Slack, {"signing_secret": SECRET})
CREDENTIAL = {"bot_token": "xoxb-17653672481-abcdefghij"}
STAMP = str(int(NOW.timestamp()))
SAID = {
    "type": "message",
    "channel": "C024BE91L",
    "channel_type": "channel",
    "user": "U2147483697",
    "text": "Where is my order?",
    "ts": "1795521500.000200",
    "event_ts": "1795521500.000200",
}


def envelope(event: Any, **more: Any) -> bytes:
    outer = {"type": "event_callback", "team_id": "T061EG9R6", "api_app_id": "A0PNCHHK2", "event_id": "Ev08MFMKH6"}
    return json.dumps(outer | {"event_time": 1795521500, "event": event} | more).encode()


def request(body: bytes, stamp: str = STAMP, secret: str = SECRET, content_type: str = "application/json") -> Incoming:
    proof = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"content-type": content_type, "x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={proof}"}
    return Incoming(headers=headers, body=body, at=NOW)


def form(**fields: str) -> Incoming:
    return request(urlencode(fields).encode(), content_type=FORM_TYPE)


def read(event: Any, more: dict[str, Any] | None = None, **settings: str) -> Arrival:
    return only(request(envelope(event, **more or {})), **settings)


def only(incoming: Incoming, **settings: str) -> Arrival:
    connection = connected(Slack, {"signing_secret": SECRET}, settings)
    Slack().verify(incoming, connection)
    (arrival,) = Slack().parse(incoming, connection)
    check_arrivals([arrival])
    return arrival
