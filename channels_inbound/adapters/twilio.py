"""Twilio: text messages, and WhatsApp through Twilio, as forms that are signed together with our address."""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from channels_inbound.adapters import sms
from channels_inbound.adapters.base import (
    FORM_TYPE,
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    Outgoing,
    Recipient,
    Response,
    SecretField,
    Sent,
    Setting,
    Verified,
)
from channels_inbound.adapters.signing import base64_mac, matching, same, verified
from channels_inbound.adapters.twilio_messages import arrivals, pairs
from channels_inbound.adapters.twilio_replies import fetch, read_answer, send

PORTS = {"https": 443, "http": 80}
# By the name their header gives: which of the secrets signs, and how.
SCHEMES = {"HMAC_SHA1": ("auth_token", "sha1"), "HMAC_SHA256": ("shared_key", "sha256")}


class Twilio(Adapter):
    """Numbers of an account. `account_sid` and `number` narrow down what is ours, where they are filled in.

    Twilio asks once: what we do not take is only in its own log afterwards.
    """

    kind = "twilio"
    title = "Twilio SMS"
    aliases = ("twilio-sms",)
    conversation_channel = "sms"
    max_body = 256 * 1024
    content_types = frozenset({FORM_TYPE, "application/json"})
    retries = False
    settings = (
        Setting(
            name="number",
            label="Your Twilio number",
            help="With the country code. Messages to other numbers are then left alone. Empty: every number that "
            "sends here.",
            is_required=False,
            example="+12025550100",
        ),
        Setting(
            name="account_sid",
            label="Account SID",
            help="It begins with AC. Messages of other accounts are then left alone.",
            is_required=False,
            example="AC0123456789abcdef0123456789abcdef",
            pattern=r"AC[0-9A-Fa-f]{32}",
        ),
        Setting(
            name="shared_key_id",
            label="ID of the shared key",
            help="Only if your account signs with a shared key. No other key is then accepted.",
            is_required=False,
        ),
    )
    secrets = (
        SecretField(
            name="auth_token",
            label="Auth token",
            help="On the first page of the Twilio Console, under Account Info. Twilio signs its messages with it.",
        ),
        SecretField(
            name="shared_key",
            label="Secret of the shared key",
            help="Only if your account signs with a shared key instead of the auth token.",
            is_required=False,
        ),
    )
    credential_kind = "twilio"
    steps = (
        "Copy the auth token from the first page of the Twilio Console and save it here before you go on.",
        "Open Phone Numbers, Active numbers, and the number that your customers write to.",
        "Under Messaging Configuration, choose Webhook for incoming messages, paste {url} and choose HTTP POST.",
        "If the number belongs to a messaging service, open that service, choose Send a webhook under Integration, "
        "and paste {url} there.",
        "For WhatsApp, open Messaging, Senders, WhatsApp senders, your sender, and paste {url} there.",
        "Save the account SID and the auth token as a credential of your team, so that your agent can answer.",
    )
    text_limit = sms.MOST_SEGMENTS * sms.BASIC_ROOM
    media_hosts = ("api.twilio.com", "twiliocdn.com")
    links: ClassVar[Mapping[str, str]] = {
        "Twilio Console": "https://console.twilio.com/",
        "What Twilio sends": "https://www.twilio.com/docs/messaging/guides/webhook-request",
    }

    # --- proofs ---

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        name, digest = _scheme(incoming.header("x-twilio-webhooks-signature-settings"), connection)
        parameters = _parameters(incoming)
        given, refusal = [incoming.header("x-twilio-signature")], NotAuthentic("signature")
        for url in _addresses(incoming):
            signed = url.encode(errors="surrogatepass") + parameters
            try:
                return verified(
                    matching(connection.valid(name), given, partial(base64_mac, data=signed, digest=digest))
                )
            except NotAuthentic as why:
                refusal = why
        raise refusal

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        return arrivals(incoming, connection)

    def accepted(self, incoming: Incoming) -> Response:
        # Instructions for Twilio: there is nothing to do. Anything but XML is noted there as an error.
        return Response(body=b"<Response/>", content_type="text/xml; charset=utf-8")

    # --- replying ---

    def parts(self, text: str) -> list[str]:
        return sms.parts(text)

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        return send(text, to=to, connection=connection, credential=credential)

    def sent(self, status: int, body: bytes) -> Sent:
        return read_answer(status, body)

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        return fetch(str(attachment.get("url") or ""), credential)


def _scheme(header: str, connection: Connection) -> tuple[str, str]:
    """The secret and the digest that a request claims. Neither helps without the other's signature, so nothing is
    gained by claiming the weaker one."""
    claims = {name.strip(): value.strip() for name, _, value in (each.partition("=") for each in header.split(","))}
    wanted = connection.setting("shared_key_id")
    scheme = SCHEMES.get((claims.get("algorithm") or "HMAC_SHA1").upper())
    if scheme is None:
        raise NotAuthentic("algorithm")
    if scheme[0] == "shared_key" and wanted and not same(claims.get("key", ""), wanted):
        raise NotAuthentic("key")
    return scheme


def _parameters(incoming: Incoming) -> bytes:
    """What is signed after the address: names and values of a form in order, each pair once; of JSON nothing, since
    its digest is part of the address."""
    if incoming.content_type == FORM_TYPE:
        return b"".join(name + value for name, value in sorted(set(pairs(incoming.body))))
    digests = incoming.query_values("bodySHA256")
    if len(digests) != 1 or not same(digests[0].lower(), hashlib.sha256(incoming.body).hexdigest()):
        raise NotAuthentic("body")
    return b""


def _addresses(incoming: Incoming) -> list[str]:
    """What Twilio may have signed: our address as we tell it, or on the same host the path that was asked for."""
    found = _spellings(incoming.url)
    told, _, _ = incoming.url.partition("?")
    if incoming.path and urlsplit(told).path != incoming.path:
        asked = urlsplit(told)._replace(path=incoming.path, query=incoming.query).geturl()
        found += _spellings(asked)
    return found


def _spellings(url: str) -> list[str]:
    """Our address with and without its port: Twilio signs the one or the other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAuthentic("url") from None
    usual = PORTS.get(parts.scheme)
    if port is None:
        netloc = f"{parts.netloc}:{usual}"
    else:
        netloc = parts.netloc.removesuffix(f":{port}")
    other = url.replace(f"//{parts.netloc}", f"//{netloc}", 1)
    return [url, other] if usual else [url]
