"""Sozuri: text messages in Kenya, and what became of ours.

What its documentation says (sozuri.net/docs: 2way, webhooks, text, statuscodes): the bodies of two-way messages and of
delivery callbacks; that a key registered with the callback address comes as a member of every body, spelled `authKey`
in its example; that callbacks are never repeated; how messages are sent. What it leaves open, and we assume: that a
key in a header, of which a product page speaks, is compared like the one in the body (its header is a setting); that
all words of its status table may also stand in callbacks; that WhatsApp messages look like WhatsApp statuses with
`direction: inbound`. Paid (premium) messages, which must be answered with their `linkId`, are not answered here.
"""

import json
from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters import reading, signing, sms
from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    Outgoing,
    Recipient,
    SecretField,
    Sender,
    Sent,
    Setting,
    Unusable,
    Verified,
    first,
)
from channels_inbound.adapters.sozuri_replies import read_answer, send_text

AUTH_FIELD = "authKey"
STATUSES = {
    "accepted": "sent",
    "queued": "sent",
    "scheduled": "sent",
    "sent": "sent",
    "success": "delivered",
    "delivered": "delivered",
    "device_ack": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "failed",
    "expired": "failed",
    "delivery_failure": "failed",
    "unsupported_number": "failed",
    "stopped_by_user": "failed",
    "stopped_by_admin": "failed",
    "insufficient_balance": "failed",
    "volume_limit": "failed",
}
KEPT = ("project", "network", "channel", "type", "linkId", "keyword", "contentType", "campaign")


class Sozuri(Adapter):
    """One callback per request. It proves itself with a key, and nothing is signed: over TLS only."""

    kind = "sozuri"
    title = "Sozuri SMS"
    aliases = ("sozuri-sms",)
    conversation_channel = "sms"
    retries = False
    hides_secrets_in_body = True
    credential_kind = "sozuri"
    text_limit = sms.MOST_SEGMENTS * sms.BASIC_ROOM
    settings = (
        Setting(
            name="shortcode",
            label="Your short code",
            help="Only messages to it belong here, and replies are sent from it. Empty: messages to any.",
            is_required=False,
            example="25145",
        ),
        Setting(
            name="project",
            label="Project",
            help="Only callbacks of this project belong here. Empty: callbacks of any.",
            is_required=False,
            example="Duka la Amina",
        ),
        Setting(
            name="message_type",
            label="Type of replies",
            help="As your sender was registered. Empty: transactional.",
            is_required=False,
            example="transactional",
            choices=(
                ("", "transactional, unless chosen"),
                ("transactional", "transactional"),
                ("promotional", "promotional"),
            ),
        ),
        Setting(
            name="auth_field",
            label="Member with the key",
            help="The member of the body that holds the Auth Key. Empty: authKey.",
            is_required=False,
            example=AUTH_FIELD,
        ),
        Setting(
            name="auth_header",
            label="Header with the key",
            help="Only where Sozuri sends the Auth Key in a header: its name.",
            is_required=False,
            example="X-Auth-Key",
            pattern=r"[A-Za-z0-9-]+",
        ),
    )
    secrets = (
        SecretField(
            name="auth_key",
            label="Auth Key",
            help="Enter it at Sozuri with the callback address. Sozuri repeats it in every callback.",
            is_made_here=True,
            # Nothing that JSON would write in another way: so it can be found in a body and masked.
            pattern=r"[A-Za-z0-9._~-]{16,200}",
        ),
    )
    steps = (
        "In Sozuri, open your project, then Manage API, Callback URLs and Create new.",
        "Enter {url} as the address for received messages and, once more, for the delivery status of messages.",
        "Enter the Auth Key of this page with both.",
        "Keep the API key and the name of the project here as a credential, so that replies can be sent.",
    )
    links = {"Sozuri": "https://sozuri.net/", "Two-way SMS": "https://sozuri.net/docs/2way"}

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        try:
            document: Mapping[str, Any] = reading.table(incoming.body)
        except Unusable:
            raise NotAuthentic("malformed") from None
        header = connection.setting("auth_header").strip()
        offered = [document.get(_auth_field(connection)), incoming.header(header) if header else ""]
        given = [each for each in offered if isinstance(each, str) and each]
        if connection.valid("auth_key") and not given:
            raise NotAuthentic("no_signature")
        return signing.verified(signing.matching(connection.valid("auth_key"), given, lambda key: key))

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        document = reading.table(incoming.body)
        document.pop(_auth_field(connection), None)  # a secret has no place in what is kept
        message_id = reading.ident(document.get("messageId"))
        if foreign := _foreign(document, connection):
            return [_unsupported(document, _foreign_key(document, message_id, incoming), incoming, foreign)]
        if _is_report(document):
            return [_report(document, message_id, incoming)]
        if _sender(document) and isinstance(document.get("message"), str):
            return [_message(document, message_id, incoming)]
        kind = reading.text(document.get("type"), 60) or "unknown"
        reason = f"Sozuri tells of something that is neither a message nor a delivery report: {kind}."
        return [_unsupported(document, message_id, incoming, reason)]

    def parts(self, text: str) -> list[str]:
        return sms.parts(text)

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        if to.answer_to.get("link_id"):
            raise ValueError("The customer wrote to a paid service, whose answers cost them money: answer it yourself.")
        return send_text(
            text,
            to=to,
            sender=first((connection.setting("shortcode"), str(to.answer_to.get("shortcode") or ""))),
            message_type=connection.setting("message_type").strip().lower() or "transactional",
            whatsapp=to.answer_to.get("channel") == "whatsapp",
            credential=credential,
        )

    def sent(self, status: int, body: bytes) -> Sent:
        return read_answer(status, body)


def _auth_field(connection: Connection) -> str:
    return connection.setting("auth_field").strip() or AUTH_FIELD


def _foreign(document: Mapping[str, Any], connection: Connection) -> str:
    """Some bodies name no project, and reports name no short code."""
    project, ours = reading.ident(document.get("project")), connection.setting("project").strip()
    if ours and project and project.casefold() != ours.casefold():
        return f"Not for this channel: it is about the project {project[:100]}."
    number, short_code = _recipient(document), connection.setting("shortcode")
    if short_code and number and not _is_report(document) and sms.digits(number) != sms.digits(short_code):
        return f"Not for this channel: it was sent to {number[:100]}."
    return ""


def _foreign_key(document: Mapping[str, Any], message_id: str, incoming: Incoming) -> str:
    """Not the key of the message: once the setting is put right, the message itself may still come."""
    word = reading.text(document.get("status"), 60).strip().lower() if _is_report(document) else ""
    own = f"{message_id}:{word}" if message_id and word else message_id
    return f"foreign:{own or _fingerprint(document, incoming)}"


def _is_report(document: Mapping[str, Any]) -> bool:
    kind = reading.text(document.get("type"), 60).lower()
    is_bare = "message" not in document and "status" in document and not _sender(document)
    return document.get("direction") == "outbound" or kind.endswith("delivery") or is_bare


def _sender(document: Mapping[str, Any]) -> str:
    return first((reading.ident(document.get("number")), reading.ident(document.get("from"))))


def _recipient(document: Mapping[str, Any]) -> str:
    return first((reading.ident(document.get("shortcode")), reading.ident(document.get("to"))))


def _message(document: dict[str, Any], message_id: str, incoming: Incoming) -> Arrival:
    sender, recipient = _sender(document), _recipient(document)
    facts = {name: document[name] for name in KEPT if isinstance(document.get(name), str)}
    return Arrival(
        kind="message",
        dedupe_key=message_id or _fingerprint(document, incoming),
        provider_id=message_id,
        event_type=reading.text(document.get("type"), 100),
        sender=Sender(addresses=[sender], id_type="phone", phone=sms.phone(sender)),
        recipient=recipient,
        text=reading.text(document.get("message")),
        occurred_at=reading.moment(document.get("timestamp"), incoming.at),
        answer_to={
            "shortcode": recipient,
            "channel": "whatsapp" if document.get("channel") == "whatsapp" else "sms",
            "link_id": reading.ident(document.get("linkId")),
        },
        facts=facts,
        extra=document,
    )


def _report(document: dict[str, Any], message_id: str, incoming: Incoming) -> Arrival:
    word = reading.text(document.get("status"), 60).strip().lower()
    status = STATUSES.get(word)
    if not message_id or status is None:
        reason = f"The report has the status {word}, which we do not know." if message_id else "The report has no id."
        return _unsupported(document, f"{message_id}:{word}" if message_id and word else "", incoming, reason)
    return Arrival(
        kind="status",
        dedupe_key=f"{message_id}:{word}",
        provider_id=message_id,
        event_type=reading.text(document.get("type"), 100),
        recipient=reading.ident(document.get("to")),
        target_id=message_id,
        status=status,
        error_code=word if status == "failed" else "",
        error_text=reading.text(document.get("description"), 500) if status == "failed" else "",
        occurred_at=reading.moment(document.get("timestamp"), incoming.at),
        facts={name: document[name] for name in KEPT if isinstance(document.get(name), str)},
        extra=document,
    )


def _unsupported(document: dict[str, Any], key: str, incoming: Incoming, reason: str) -> Arrival:
    return Arrival(
        kind="unsupported", dedupe_key=key or _fingerprint(document, incoming), reason=reason[:500], extra=document
    )


def _fingerprint(document: Mapping[str, Any], incoming: Incoming) -> str:
    """For what has no id: who, when and what. Without a time of its own, two equal ones are still two."""
    when = document.get("timestamp") or incoming.at.isoformat()
    said = [_sender(document), str(when), json.dumps(document.get("message") or dict(document), sort_keys=True)]
    return f"none:{signing.fingerprint(*(each.encode() for each in said))}"
