"""What Twilio posts, for its tests: forms and JSON, signed with either key."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode, urlsplit

import pytest

from channels_inbound.adapters.base import FORM_TYPE, Arrival, Incoming, NotAuthentic
from channels_inbound.adapters.twilio import Twilio
from tests.channels_inbound.adapters.contract import NOW, check_arrivals, connected, with_header

TOKEN, SHARED = "twilio-auth-token-0123456789", "twilio-shared-key-0123456789"
CONNECTION = connected(Twilio, {"auth_token": TOKEN, "shared_key": SHARED})
CREDENTIAL = {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": TOKEN}
SHARED_HEADER = "x-twilio-webhooks-signature-settings"

SMS = {
    "MessageSid": "SMe287d7109a5a925f182f0e07fe5b223b",
    "SmsSid": "SMe287d7109a5a925f182f0e07fe5b223b",
    "SmsStatus": "received",
    "AccountSid": CREDENTIAL["account_sid"],
    "From": "+254712345678",
    "To": "+12025550100",
    "ToCity": "",
    "Body": "Where is my order? ✓",
    "NumMedia": "0",
}
STATUS = {
    "MessageSid": "SMstatus",
    "MessageStatus": "delivered",
    "From": "+12025550100",
    "To": "+254712345678",
    "AccountSid": CREDENTIAL["account_sid"],
}


def proof(url: str, fields: list[tuple[str, str]], key: str = TOKEN, digest: str = "sha1") -> str:
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(key.encode(), signed.encode(), digest).digest()).decode()


def signed(fields: dict[str, Any] | list[tuple[str, str]], url: str = CONNECTION.url, **more: str) -> Incoming:
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    headers = {"content-type": f"{FORM_TYPE}; charset=UTF-8", "x-twilio-signature": proof(url, pairs, **more)}
    return Incoming(url=url, query=urlsplit(url).query, headers=headers, body=urlencode(pairs).encode(), at=NOW)


def raw(body: bytes) -> Incoming:
    """Authentic, whatever the bytes are."""
    fields = sorted({_pair(each) for each in body.split(b"&") if each})
    data = CONNECTION.url.encode() + b"".join(name + value for name, value in fields)
    mac = base64.b64encode(hmac.new(TOKEN.encode(), data, "sha1").digest()).decode()
    headers = {"content-type": FORM_TYPE, "x-twilio-signature": mac}
    return Incoming(url=CONNECTION.url, headers=headers, body=body, at=NOW)


def _pair(each: bytes) -> tuple[bytes, bytes]:
    name, _, value = each.replace(b"+", b" ").partition(b"=")
    return unquote_to_bytes(name), unquote_to_bytes(value)


def shared(fields: dict[str, str], settings: str = "key=webhooks_1,algorithm=HMAC_SHA256", **more: str) -> Incoming:
    return with_header(signed(fields, **{"key": SHARED, "digest": "sha256"} | more), SHARED_HEADER, settings)


def of_json(document: Any, url: str = CONNECTION.url, digest: str | None = None) -> Incoming:
    body = json.dumps(document).encode()
    query = f"bodySHA256={hashlib.sha256(body).hexdigest() if digest is None else digest}"
    url = f"{url}?{query}"
    headers = {"content-type": "application/json", "x-twilio-signature": proof(url, [])}
    return Incoming(url=url, query=query, headers=headers, body=body, at=NOW)


def read(fields: dict[str, str], **settings: str) -> Arrival:
    connection = connected(Twilio, {"auth_token": TOKEN}, settings)
    incoming = signed(fields)
    Twilio().verify(incoming, connection)
    (arrival,) = Twilio().parse(incoming, connection)
    check_arrivals([arrival])
    return arrival


def refused(incoming: Incoming, reason: str = "signature") -> None:
    with pytest.raises(NotAuthentic, match=reason):
        Twilio().verify(incoming, CONNECTION)
