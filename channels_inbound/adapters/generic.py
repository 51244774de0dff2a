"""A team's own application: it sends what its customers say, and is sent the replies. Both sides sign alike."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from channels_inbound.adapters import reading, signing
from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    Once,
    Outgoing,
    Recipient,
    Response,
    SecretField,
    Sender,
    Sent,
    Setting,
    Unusable,
    Verified,
)
from channels_inbound.adapters.generic_fields import Fields
from webhooks import signatures

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
REASONS = {
    "missing_header": "no_signature",
    "malformed_header": "malformed",
    "no_secret": "no_secret",
    "wrong_signature": "signature",
    "stale_timestamp": "stale",
}
# Of several secrets that do not fit, what the one that came closest says.
CLOSENESS = ("no_secret", "no_signature", "malformed", "signature", "stale")
TITLES = {401: "Not authenticated", 409: "Another content under the same id"}

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")


class Generic(Adapter):
    """Standard Webhooks in both directions. Ids are letters, digits, hyphens and underscores: `webhook-id: msg_1`.

    Body: `text` (or `message`, as the chat API calls it) and, each optional, `user_id`, `conversation_id` (the
    application's own name of the thread), `name`, `email`, `phone`, `metadata`, `timestamp`. Wrong values are told as
    `BadRequest` by field; unknown members are kept and mean nothing. A reply is
    `{id, type: "reply", text, part, user_id, conversation_id, in_reply_to}`.

    It has no credential: replies are signed with the same secret, and go to the setting `reply_url`.
    """

    kind = "generic"
    title = "Your own application"
    aliases = ("rest",)
    conversation_channel = "api"
    text_limit = 16_000
    settings = (
        Setting(
            name="reply_url",
            label="Reply address",
            help="Replies are sent here as signed POST requests. Empty: read them with the API.",
            is_required=False,
            example="https://example.com/chatzuri/replies",
            pattern=r"https?://[^\s/?#,]+(?:[/?]\S*)?",
        ),
    )
    secrets = (
        SecretField(
            name="signing_secret",
            label="Signing secret",
            help="Signs what you send to us, and what we send to you.",
            is_made_here=True,
            pattern=r"whsec_[A-Za-z0-9+/]{32,88}={0,2}",
        ),
    )
    steps = (
        "Copy the signing secret into the settings of your application.",
        'Have it send each message as a POST request with a JSON body, {"text": "…", "user_id": "…"}, to {url}.',
        "Have it sign every request as Standard Webhooks says; there are libraries for most languages.",
        "To be sent the replies, enter an address of your application as the reply address, and check their "
        "signatures with the same secret.",
    )
    links = {"Standard Webhooks": "https://www.standardwebhooks.com/"}

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        given = {name: incoming.header(name) for name in HEADERS if incoming.header(name)}
        # Whole seconds, as the timestamp has: one is only over when the next one begins.
        now, reasons = float(int(incoming.at.timestamp())), ["no_secret"]
        for secret in connection.valid("signing_secret"):
            verdict = signatures.verify(secret.value, given, incoming.body, now)
            if verdict.valid:
                return signing.verified(secret, signing.timestamp(given["webhook-timestamp"]))
            reasons.append(REASONS[verdict.reason])
        raise NotAuthentic(max(reasons, key=CLOSENESS.index))

    def once(self, incoming: Incoming) -> Once | None:
        """The signed id stands for one content, whatever unsigned header comes with it."""
        key = incoming.header("webhook-id")
        return Once(key, signing.fingerprint(incoming.body)) if key else None

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        fields = Fields.read(incoming)
        message_id, idempotency = incoming.header("webhook-id"), _idempotency(incoming)
        return [
            Arrival(
                kind="message",
                dedupe_key=message_id or signing.fingerprint(incoming.body, incoming.at.isoformat().encode()),
                provider_id=message_id,
                event_type="message",
                sender=_sender(fields, message_id),
                thread=fields.conversation_id,
                text=fields.text,
                occurred_at=fields.occurred_at,
                answer_to={
                    "user_id": fields.user_id,
                    "conversation_id": fields.conversation_id,
                    "message_id": message_id,
                },
                facts={"metadata": fields.metadata} | ({"also": [idempotency]} if idempotency else {}),
                extra=fields.document,
            )
        ]

    def accepted(self, incoming: Incoming) -> Response:
        return _json(200, {"id": incoming.header("webhook-id"), "status": "accepted"})

    def refused(self, incoming: Incoming, status: int | None = None) -> Response:
        code = status or self.refusal_status
        problem = {"type": "about:blank", "title": TITLES.get(code, "Refused"), "status": code}
        return _json(code, problem, "application/problem+json")

    # --- replying ---

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        url = connection.setting("reply_url").strip()
        if not url:
            raise ValueError("This channel has no reply address, so replies are only read with the API.")
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("The reply address of this channel is not a web address.")
        secrets = [secret.value for secret in connection.valid("signing_secret")][: signatures.MAX_SECRETS]
        if not secrets:
            raise ValueError("This channel has no signing secret, so replies cannot be signed.")
        now = datetime.now(UTC)
        reply_id = _reply_id(to, now, text, part)
        body = json.dumps(_reply(reply_id, text, to, part), ensure_ascii=False).encode(errors="replace")
        signed = signatures.headers(secrets, delivery_id=reply_id, timestamp=int(now.timestamp()), body=body)
        return Outgoing(
            url=url,
            headers=(("Content-Type", "application/json"), *((name, signed[name]) for name in HEADERS)),
            body=body,
        )

    def sent(self, status: int, body: bytes) -> Sent:
        if 200 <= status < 300:
            return Sent(provider_id=_id_in(body))
        if status in {401, 403}:
            return Sent(error="Your application refused the signature of the reply.", error_code=str(status))
        return Sent(error=f"Your application did not take the reply: it answered {status}.", error_code=str(status))


def _idempotency(incoming: Incoming) -> str:
    """The same key and the same content under another `webhook-id` are one message told twice.

    With another content it is another message: it is signed with an id of its own, and must not be dropped.
    """
    key = reading.plain(incoming.header("idempotency-key")).strip()
    return f"idempotency:{signing.fingerprint(key.encode(), incoming.body)}" if key else ""


def _sender(fields: Fields, message_id: str) -> Sender:
    """The customer by the best id the application gives; without any, each message is another person's."""
    session = fields.conversation_id or message_id
    known = (
        ("customer_ref", fields.user_id),
        ("email", fields.email),
        ("phone", fields.phone),
        ("session", session or "anonymous"),
    )
    id_type, address = next((kind, value) for kind, value in known if value)
    return Sender(
        addresses=[address],
        id_type=id_type,
        name=fields.name,
        email=fields.email,
        phone=fields.phone,
        external_id=fields.user_id,
        session_id=session if id_type == "session" else "",
    )


def _reply_id(to: Recipient, now: datetime, text: str, part: int) -> str:
    """Ours, made fit for the header `webhook-id`; every part of a reply has its own."""
    if not to.message_id:
        said = f"{to.address}\n{now.isoformat()}\n{part}\n{text}"
        return f"reply_{signing.fingerprint(said.encode(errors='replace'))}"
    ours = _UNFIT.sub("-", to.message_id)[:240]
    return f"{ours}-{part}" if part else ours


def _reply(reply_id: str, text: str, to: Recipient, part: int) -> dict[str, Any]:
    return {
        "id": reply_id,
        "type": "reply",
        "text": text,
        "part": part,
        "user_id": to.answer_to.get("user_id") or None,
        "conversation_id": to.answer_to.get("conversation_id") or None,
        "in_reply_to": to.answer_to.get("message_id") or None,
    }


def _json(status: int, value: dict[str, Any], content_type: str = "application/json") -> Response:
    return Response(status=status, body=json.dumps(value).encode(), content_type=content_type)


def _id_in(body: bytes) -> str:
    """The id that the application gives the reply, where it answers with one."""
    try:
        return reading.ident(reading.table(body).get("id"))
    except Unusable:
        return ""
