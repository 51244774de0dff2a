"""Channels for tests, and requests as providers make them."""

import base64
import hashlib
import hmac
import itertools
import json
import secrets
import time
from typing import Any
from urllib.parse import unquote_to_bytes

from agents.models import Agent
from channels_inbound.models import Channel
from tests.factories import make_agent

_numbers = itertools.count(1)

SETTINGS: dict[str, dict[str, str]] = {
    "whatsapp": {"phone_number_id": "1234567890"},
    "messenger": {"page_id": "1234567890"},
    "instagram": {"account_id": "1234567890"},
    "mailgun": {"domain": "mg.example.com", "from_address": "help@mg.example.com"},
    "infobip": {"username": "ibuser"},
}
SECRETS: dict[str, dict[str, str]] = {
    "whatsapp": {"app_secret": "an-app-secret-of-tests", "verify_token": "a-verify-token"},
    "messenger": {"app_secret": "an-app-secret-of-tests", "verify_token": "a-verify-token"},
    "instagram": {"app_secret": "an-app-secret-of-tests", "verify_token": "a-verify-token"},
    "mailgun": {"signing_key": "a-signing-key-of-tests"},
    "stripe": {"signing_secret": "whsec_a_secret_of_tests"},
    "slack": {"signing_secret": "a-slack-secret-of-tests"},
    "telegram": {"secret_token": "a_telegram_token_of_tests"},
    "twilio": {"auth_token": "a-twilio-token-of-tests"},
    "infobip": {"password": "a-password-of-tests"},
    "sozuri": {"auth_key": "a-sozuri-key-of-tests"},
    "generic": {"signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
}


def make_channel(*, agent: Agent | None = None, kind: str = "whatsapp", **fields: Any) -> Channel:
    """A channel with its secrets, switched on, that can prove and read what its provider sends."""
    settings = fields.pop("settings", SETTINGS.get(kind, {}))
    values = fields.pop("secrets", SECRETS.get(kind, {}))
    channel = Channel(agent=agent or make_agent(), kind=kind, settings=settings, **fields)
    for name, value in values.items():
        channel.put_secret(name, value)
    channel.save()
    return channel


def path_of(channel: Channel) -> str:
    return f"/api/v1/agents/{channel.agent.public_id}/chat/{channel.kind}"


# --- WhatsApp --------------------------------------------------------------------------------------------------------


def whatsapp_text(text: str, *, id: str = "", sender: str = "254712345678", name: str = "Asha", **more: Any) -> Any:
    """One message element."""
    return {
        "from": sender,
        "id": id or f"wamid.test{next(_numbers)}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": text},
        **more,
    }


def whatsapp_body(*messages: Any, phone_number_id: str = "1234567890", **value: Any) -> bytes:
    contacts = [{"profile": {"name": "Asha"}, "wa_id": each["from"]} for each in messages if "from" in each]
    change = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": phone_number_id},
        **({"contacts": contacts, "messages": list(messages)} if messages else {}),
        **value,
    }
    entry = {"id": "1", "changes": [{"field": "messages", "value": change}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def meta_headers(body: bytes, *, secret: str = "an-app-secret-of-tests") -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={signature}"}


# --- Stripe ----------------------------------------------------------------------------------------------------------


def stripe_body(type: str = "checkout.session.completed", *, id: str = "", **object: Any) -> bytes:
    session = {
        "id": f"cs_test_{next(_numbers)}",
        "object": "checkout.session",
        "amount_total": 4950,
        "currency": "usd",
        "payment_status": "paid",
        "payment_intent": f"pi_test_{next(_numbers)}",
        "metadata": {},
        **object,
    }
    event = {
        "id": id or f"evt_test_{next(_numbers)}",
        "object": "event",
        "type": type,
        "created": int(time.time()),
        "livemode": True,
        "api_version": "2026-04-22.dahlia",
        "pending_webhooks": 1,
        "request": None,
        "data": {"object": session},
    }
    return json.dumps(event).encode()


def stripe_headers(body: bytes, *, secret: str = "whsec_a_secret_of_tests", at: int | None = None) -> dict[str, str]:
    stamp = at or int(time.time())
    signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={signature}"}


# --- any body, signed as each provider signs --------------------------------------------------------------------------

URL_FORM = "application/x-www-form-urlencoded"


def open_channel(kind: str, **fields: Any) -> Channel:
    """A channel whose requests `proof` can sign, whatever their body is."""
    if kind == "sozuri":
        # Its key stands in the body otherwise, and a body that is no JSON has no place for it.
        fields.setdefault("settings", {"auth_header": "X-Auth-Key"})
    return make_channel(kind=kind, **fields)


def proof(channel: Channel, body: bytes, content_type: str = "application/json", *, at: int | None = None) -> Any:
    """Headers that prove this body to this channel, as of `at` (Unix seconds). Mailgun's proof stands in the body."""
    kind, stamp = channel.kind, int(time.time()) if at is None else at
    if kind in ("whatsapp", "messenger", "instagram"):
        return meta_headers(body)
    if kind == "stripe":
        return stripe_headers(body, at=stamp)
    if kind == "slack":
        return slack_headers(body, at=stamp)
    if kind == "telegram":
        return {"X-Telegram-Bot-Api-Secret-Token": SECRETS["telegram"]["secret_token"]}
    if kind == "twilio":
        return twilio_headers(channel, body, content_type)
    if kind == "infobip":
        return {"Authorization": "Basic " + base64.b64encode(b"ibuser:a-password-of-tests").decode()}
    if kind == "sozuri":
        return {"X-Auth-Key": SECRETS["sozuri"]["auth_key"]}
    return generic_headers(body, at=stamp) if kind == "generic" else {}


def slack_headers(body: bytes, *, at: int | None = None, secret: str = "a-slack-secret-of-tests") -> dict[str, str]:
    stamp = str(int(time.time()) if at is None else at)
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac}"}


def generic_headers(body: bytes, *, id: str = "", at: int | None = None) -> dict[str, str]:
    name, stamp = id or f"msg_test{next(_numbers)}", str(int(time.time()) if at is None else at)
    key = base64.b64decode(SECRETS["generic"]["signing_secret"].removeprefix("whsec_"))
    mac = hmac.new(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"Webhook-Id": name, "Webhook-Timestamp": stamp, "Webhook-Signature": signature}


def twilio_headers(
    channel: Channel, body: bytes, content_type: str = URL_FORM, *, url: str = "", digest: str = "sha1"
) -> dict[str, str]:
    """Over our address and each pair of the form once, in order. Of another body nothing is signed but the address."""
    signed = (url or channel.inbound_url).encode()
    if content_type == URL_FORM:
        pieces = (each.replace(b"+", b" ").partition(b"=") for each in body.split(b"&") if each)
        pairs = {(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pieces}
        signed += b"".join(name + value for name, value in sorted(pairs))
    mac = hmac.new(SECRETS["twilio"]["auth_token"].encode(), signed, digest).digest()
    return {"X-Twilio-Signature": base64.b64encode(mac).decode()}


def mailgun_proof(*, at: int | None = None, token: str = "", key: str = "a-signing-key-of-tests") -> dict[str, str]:
    """The three fields that stand among those of the mail."""
    stamp = str(int(time.time()) if at is None else at)
    token = token or secrets.token_hex(25)
    return {
        "timestamp": stamp,
        "token": token,
        "signature": hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest(),
    }


def multipart(fields: Any, files: Any = (), *, boundary: str = "a-boundary-of-tests") -> tuple[bytes, str]:
    """A form of (name, value) and (name, filename, content) parts: its body and its content type."""
    lines: list[bytes] = []
    for name, value in fields:
        content = value if isinstance(value, bytes) else str(value).encode()
        lines += [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'.encode(), content]
    for name, filename, content in files:
        named = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
        lines += [f"--{boundary}\r\n{named}\r\nContent-Type: application/octet-stream\r\n".encode(), content]
    return b"\r\n".join([*lines, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
