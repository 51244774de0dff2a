"""Channels for tests, and requests as providers make them."""

import hashlib
import hmac
import itertools
import json
import time
from typing import Any

from agents.models import Agent
from channels_inbound.models import Channel
from tests.factories import make_agent

_numbers = itertools.count(1)

SETTINGS: dict[str, dict[str, str]] = {
    "whatsapp": {"phone_number_id": "1234567890"},
    "messenger": {"page_id": "1234567890"},
    "instagram": {"account_id": "1234567890"},
    "mailgun": {"domain": "mg.example.com", "from_address": "help@mg.example.com"},
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
    "infobip": {"basic_user": "ibuser", "basic_password": "a-password-of-tests"},
    "sozuri": {"auth_key": "a-sozuri-key-of-tests"},
    "generic": {"signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
}


def make_channel(*, agent: Agent | None = None, kind: str = "whatsapp", **fields: Any) -> Channel:
    """A channel with its secrets, switched on, that can prove and read what its provider sends."""
    settings = fields.pop("settings", SETTINGS.get(kind, {}))
    secrets = fields.pop("secrets", SECRETS.get(kind, {}))
    channel = Channel(agent=agent or make_agent(), kind=kind, settings=settings, **fields)
    for name, value in secrets.items():
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
