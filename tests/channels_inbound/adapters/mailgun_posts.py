"""What Mailgun posts, for its tests: mails in either form and events, signed."""

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from channels_inbound.adapters.base import FORM_TYPE, Arrival, Connection, Form, Incoming, NotAuthentic, Upload
from channels_inbound.adapters.mailgun import Mailgun
from tests.channels_inbound.adapters.contract import NOW, connected

KEY = "key-3f9a51c0d2e84b7796aa10"
TOKEN = "a1b2c3d4e5" * 5
HERE = int(NOW.timestamp()) - 60
MAIL = {
    "recipient": "support@mg.example.com",
    "sender": "bounces+7@mailer.example.org",
    "from": "Asha Mwangi <asha@example.org>",
    "From": "Asha Mwangi <asha@example.org>",
    "subject": "Order 1001",
    "Subject": "Order 1001",
    "Message-Id": "<one@mail.example.org>",
    "body-plain": "Where is my order?\r\n\r\n> On Monday you wrote:\r\n> It is on its way.\r\n",
    "stripped-text": "Where is my order?",
    "stripped-signature": "-- \r\nAsha",
    "body-html": "<p>Where is my order?</p>",
}
ADAPTER = Mailgun()
HEADERS = [["Message-Id", "<one@mail.example.org>"], ["Subject", "Order 1001"], ["To", "support@mg.example.com"]]


def connection(key: str | list[str] = KEY, **settings: str) -> Connection:
    return connected(Mailgun, {"signing_key": key}, settings)


def proof(key: str = KEY, *, timestamp: str | int = HERE, token: str = TOKEN) -> dict[str, str]:
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": str(timestamp), "token": token, "signature": signature}


def encoded(fields: dict[str, Any] | list[tuple[str, Any]], at: datetime = NOW) -> Incoming:
    body = urlencode(fields, doseq=True).encode()
    return Incoming(headers={"content-type": FORM_TYPE}, body=body, at=at)


def posted(fields: dict[str, Any] | list[tuple[str, str]] | None = None, files: Iterable[Upload] = ()) -> Incoming:
    """A multipart form that was parsed already."""
    pairs = list((MAIL if fields is None else fields).items()) if not isinstance(fields, list) else fields
    form = Form([*pairs, *proof().items()], list(files))
    return Incoming(headers={"content-type": "multipart/form-data; boundary=b"}, form=form, at=NOW)


def event(data: Any, signature: Any = None, at: datetime = NOW) -> Incoming:
    body = json.dumps({"signature": proof() if signature is None else signature, "event-data": data}).encode()
    return Incoming(headers={"content-type": "application/json"}, body=body, at=at)


def read(incoming: Incoming, to: Connection | None = None) -> Arrival:
    ADAPTER.verify(incoming, to or connection())
    arrivals = ADAPTER.parse(incoming, to or connection())
    assert len(arrivals) == 1
    return arrivals[0]


def mail(**changes: Any) -> Arrival:
    fields = {name: value for name, value in (MAIL | changes).items() if value is not None}
    return read(encoded(fields | proof()))


def with_headers(*pairs: tuple[str, str], **changes: Any) -> Arrival:
    return mail(**{"message-headers": json.dumps([*HEADERS, *map(list, pairs)])} | changes)


def raw(text: str | bytes, **changes: Any) -> Arrival:
    fields = {"recipient": "support@mg.example.com", "sender": "asha@example.org", "body-mime": text}
    return read(encoded(fields | changes | proof()))


def refused(incoming: Incoming, to: Connection | None = None) -> str:
    with pytest.raises(NotAuthentic) as refusal:
        ADAPTER.verify(incoming, to or connection())
    return refusal.value.reason
