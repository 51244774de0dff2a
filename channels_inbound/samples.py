"""A request as a provider would send it, signed with the channel's own secret: to try a channel without the provider.

Ids are new each time and begin with `test`, senders are made up: numbers that nobody has, addresses that lead nowhere.
What comes back from `sample` takes the same road as the real thing, so a wrong secret or setting shows.
"""

import base64
import hashlib
import json
import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from channels_inbound.adapters.base import FORM_TYPE, Incoming
from channels_inbound.adapters.signing import base64_mac, hex_mac
from channels_inbound.models import Channel
from webhooks import signatures

NAME = "Test from Chatzuri"
# Numbers and names that are kept free for examples: nobody can be reached there.
PHONE = "12025550142"
EMAIL = "test@chatzuri-test.example"
# Whom a sample pretends to come from, in the words of each provider.
SENDERS = frozenset({PHONE, f"+{PHONE}", EMAIL, "100000000000142", "U0TEST00142", "test-142"})


class NoSample(Exception):
    """There is nothing to send for this channel as it is; the sentence says why."""


def sample(channel: Channel, text: str) -> Incoming:
    """A genuine request that says this text, made now. Raises `NoSample`."""
    make = SAMPLES.get(channel.kind)
    if make is None:
        raise NoSample(f"{channel.adapter.title} takes no requests of a provider. Try it on a page of yours.")
    made = make(channel, text.strip() or "Hello, this is a test.", f"test{random.token_hex(12)}")
    headers = {"user-agent": "Chatzuri test", "content-length": str(len(made.body))} | dict(made.headers)
    return replace(made, url=channel.inbound_url, headers=headers)


def _secret(channel: Channel, name: str) -> str:
    """The newest one. Raises `NoSample`."""
    valid = channel.connection().valid(name)
    if not valid:
        label = next((each.label for each in channel.adapter.secrets if each.name == name), name)
        raise NoSample(f"Nothing can be signed without the secret “{label}”. Until it is here, everything is refused.")
    return valid[0].value


def _setting(channel: Channel, name: str, default: str) -> str:
    return str(channel.settings.get(name) or "").strip() or default


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _post(body: bytes, content_type: str = "application/json", **headers: str) -> Incoming:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Incoming(body=body, headers={"content-type": content_type, **named}, at=datetime.now(UTC))


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


# --- Meta ------------------------------------------------------------------------------------------------------------


def _of_meta(channel: Channel, product: str, entry: Mapping[str, Any]) -> Incoming:
    body = _json({"object": product, "entry": [entry]})
    return _post(body, x_hub_signature_256=f"sha256={hex_mac(_secret(channel, 'app_secret'), body)}")


def _whatsapp(channel: Channel, text: str, unique: str) -> Incoming:
    number_id = _setting(channel, "phone_number_id", "100000000000000")
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "12025550100", "phone_number_id": number_id},
        "contacts": [{"profile": {"name": NAME}, "wa_id": PHONE}],
        "messages": [
            {"from": PHONE, "id": f"wamid.{unique}", "timestamp": str(_now()), "type": "text", "text": {"body": text}}
        ],
    }
    change = {"field": "messages", "value": value}
    return _of_meta(channel, "whatsapp_business_account", {"id": "100000000000001", "changes": [change]})


def _of_messaging(channel: Channel, product: str, account: str, text: str, unique: str) -> Incoming:
    milliseconds = _now() * 1000
    event = {
        "sender": {"id": "100000000000142"},
        "recipient": {"id": account},
        "timestamp": milliseconds,
        "message": {"mid": f"m_{unique}", "text": text},
    }
    return _of_meta(channel, product, {"id": account, "time": milliseconds, "messaging": [event]})


def _messenger(channel: Channel, text: str, unique: str) -> Incoming:
    return _of_messaging(channel, "page", _setting(channel, "page_id", "100000000000000"), text, unique)


def _instagram(channel: Channel, text: str, unique: str) -> Incoming:
    return _of_messaging(channel, "instagram", _setting(channel, "account_id", "17841400000000000"), text, unique)


# --- mail, payments, chat --------------------------------------------------------------------------------------------


def _mailgun(channel: Channel, text: str, unique: str) -> Incoming:
    stamp, token = str(_now()), random.token_hex(25)
    domain = _setting(channel, "domain", "chatzuri-test.example")
    recipient = _setting(channel, "recipients", f"test@{domain}").partition(",")[0].strip()
    fields = {
        "recipient": recipient,
        "sender": EMAIL,
        "from": f"{NAME} <{EMAIL}>",
        "subject": "A test",
        "body-plain": text,
        "stripped-text": text,
        "Message-Id": f"<{unique}@chatzuri-test.example>",
        "message-headers": json.dumps([["Message-Id", f"<{unique}@chatzuri-test.example>"], ["Subject", "A test"]]),
        "timestamp": stamp,
        "token": token,
        "signature": hex_mac(_secret(channel, "signing_key"), f"{stamp}{token}".encode()),
    }
    return _post(urlencode(fields).encode(), FORM_TYPE)


def _stripe(channel: Channel, text: str, unique: str) -> Incoming:
    """A test payment, which is said to be no real money. A channel for live payments keeps it and leaves it alone."""
    stamp = _now()
    session = {
        "id": f"cs_test_{unique}",
        "object": "checkout.session",
        "amount_total": 100,
        "currency": "usd",
        "payment_status": "paid",
        "payment_intent": f"pi_{unique}",
        "customer_details": {"email": EMAIL, "name": NAME},
        "metadata": {"note": text[:500], "test": "yes"},
    }
    event = {
        "id": f"evt_{unique}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": stamp,
        "livemode": False,
        "api_version": "2026-04-22.dahlia",
        "pending_webhooks": 1,
        "request": None,
        "data": {"object": session},
    }
    account = _setting(channel, "account", "")
    body = _json(event | ({"account": account} if account else {}))
    proof = hex_mac(_secret(channel, "signing_secret"), f"{stamp}.".encode() + body)
    return _post(body, "application/json; charset=utf-8", stripe_signature=f"t={stamp},v1={proof}")


def _slack(channel: Channel, text: str, unique: str) -> Incoming:
    stamp = str(_now())
    team = _setting(channel, "team_id", "T0TEST00142")
    event = {
        "type": "message",
        "channel": "D0TEST00142",
        "channel_type": "im",
        "user": "U0TEST00142",
        "team": team,
        "text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "ts": f"{stamp}.{int(unique[-6:], 16) % 1_000_000:06d}",
    }
    body = _json(
        {
            "type": "event_callback",
            "team_id": team,
            "api_app_id": _setting(channel, "app_id", "A0TEST00142"),
            "event_id": f"Ev{unique}",
            "event_time": int(stamp),
            "event": event | {"event_ts": event["ts"]},
        }
    )
    proof = hex_mac(_secret(channel, "signing_secret"), b"v0:" + stamp.encode() + b":" + body)
    return _post(body, x_slack_request_timestamp=stamp, x_slack_signature=f"v0={proof}")


def _telegram(channel: Channel, text: str, unique: str) -> Incoming:
    person = {"id": 100_000_000_000_142, "is_bot": False, "first_name": NAME}
    message = {
        "message_id": int(unique[-6:], 16),
        "from": person,
        "chat": {"id": person["id"], "type": "private", "first_name": NAME},
        "date": _now(),
        "text": text,
    }
    # Real ones count up from below two thousand millions; these never meet them.
    body = _json({"update_id": 10**14 + int(unique[-11:], 16), "message": message})
    return _post(body, x_telegram_bot_api_secret_token=_secret(channel, "secret_token"))


# --- text messages ---------------------------------------------------------------------------------------------------


def _twilio(channel: Channel, text: str, unique: str) -> Incoming:
    fields = {
        "MessageSid": "SM" + hashlib.sha256(unique.encode()).hexdigest()[:32],
        "AccountSid": _setting(channel, "account_sid", "AC" + "0" * 32),
        "From": f"+{PHONE}",
        "To": _setting(channel, "number", "+12025550100"),
        "Body": text,
        "NumMedia": "0",
    }
    signed = channel.inbound_url + "".join(name + fields[name] for name in sorted(fields))
    proof = base64_mac(_secret(channel, "auth_token"), signed.encode(), "sha1")
    return _post(urlencode(fields).encode(), FORM_TYPE, x_twilio_signature=proof)


def _infobip(channel: Channel, text: str, unique: str) -> Incoming:
    result = {
        "messageId": unique,
        "from": PHONE,
        "to": _setting(channel, "number", "12025550100"),
        "text": text,
        "cleanText": text,
        "keyword": "",
        "receivedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "smsCount": 1,
    }
    body = _json({"results": [result], "messageCount": 1, "pendingMessageCount": 0})
    pair = f"{_setting(channel, 'username', '')}:{_secret(channel, 'password')}"
    return _post(body, authorization="Basic " + base64.b64encode(pair.encode()).decode())


def _sozuri(channel: Channel, text: str, unique: str) -> Incoming:
    body = {
        "project": _setting(channel, "project", "Test"),
        "number": PHONE,
        "shortcode": _setting(channel, "shortcode", "25142"),
        "message": text,
        "messageId": unique,
        "channel": "interactive",
        "type": "interactive",
        "timestamp": str(_now()),
        _setting(channel, "auth_field", "authKey"): _secret(channel, "auth_key"),
    }
    return _post(_json(body))


# --- our own ---------------------------------------------------------------------------------------------------------


def _generic(channel: Channel, text: str, unique: str) -> Incoming:
    body = _json({"text": text, "user_id": "test-142", "name": NAME})
    secret = _secret(channel, "signing_secret")
    proofs = signatures.headers(secret, delivery_id=f"msg_{unique}", timestamp=_now(), body=body)
    return _post(body, **{name.replace("-", "_"): proofs[name] for name in proofs if name.startswith("webhook-")})


SAMPLES: dict[str, Callable[[Channel, str, str], Incoming]] = {
    "whatsapp": _whatsapp,
    "messenger": _messenger,
    "instagram": _instagram,
    "mailgun": _mailgun,
    "stripe": _stripe,
    "slack": _slack,
    "telegram": _telegram,
    "twilio": _twilio,
    "infobip": _infobip,
    "sozuri": _sozuri,
    "generic": _generic,
}
