"""Infobip: text messages with and without media, and what became of ours."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters import reading, signing, sms
from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Attachment,
    Connection,
    Incoming,
    NotAuthentic,
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
from channels_inbound.adapters.infobip_replies import fetch_file, read_answer, send_text

ALGORITHMS = {
    "HMAC_MD5": "md5",
    "HMAC_SHA_1": "sha1",
    "HMAC_SHA_224": "sha224",
    "HMAC_SHA_256": "sha256",
    "HMAC_SHA_384": "sha384",
    "HMAC_SHA_512": "sha512",
}
STATUSES = {
    "PENDING": "sent",
    "DELIVERED": "delivered",
    "UNDELIVERABLE": "failed",
    "EXPIRED": "failed",
    "REJECTED": "failed",
}
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Chatzuri", charset="UTF-8"'}
KEPT = {
    "keyword": "keyword",
    "cleanText": "clean_text",
    "callbackData": "callback_data",
    "smsCount": "sms_count",
    "price": "price",
    "campaignReferenceId": "campaign",
}


class Infobip(Adapter):
    """`results[]` of inbound messages (MO_JSON_2, MO_MMS_2) and of delivery reports, also mixed.

    A request proves itself with the user name and password of HTTP Basic. Infobip's notification profiles may sign the
    body instead; the public reference names the algorithms and not the header, so its name is a setting. A request
    that has this header is judged by it alone.
    """

    kind = "infobip"
    title = "Infobip SMS"
    aliases = ("infobip-sms",)
    conversation_channel = "sms"
    credential_kind = "infobip"
    text_limit = sms.MOST_SEGMENTS * sms.BASIC_ROOM
    media_hosts = ("infobip.com",)
    settings = (
        Setting(
            name="username",
            label="User name",
            help="Infobip sends it with the password. Choose one and enter it there too.",
            example="chatzuri",
            without="Every request is refused.",
        ),
        Setting(
            name="number",
            label="Your number",
            help="Only messages to this number belong here. Empty: messages to any of your numbers.",
            is_required=False,
            example="254711000111",
        ),
        Setting(
            name="sender",
            label="Sender of replies",
            help="A number or a registered name. Empty: the number that the customer wrote to.",
            is_required=False,
            example="254711000111",
        ),
        Setting(
            name="hmac_header",
            label="Header of the signature",
            help="Only where your notification profile signs with HMAC: the header that holds the signature.",
            is_required=False,
            example="X-Signature",
            pattern=r"[A-Za-z0-9-]+",
        ),
        Setting(
            name="hmac_algorithm",
            label="Algorithm of the signature",
            help="As in the notification profile. Empty: HMAC_SHA_256.",
            is_required=False,
            example="HMAC_SHA_256",
            choices=(("", "HMAC_SHA_256, unless chosen"), *((name, name) for name in ALGORITHMS)),
        ),
    )
    secrets = (
        SecretField(
            name="password",
            label="Password",
            help="Enter it at Infobip beside the user name.",
            is_made_here=True,
            pattern=r"[^\x00-\x1f\x7f]{12,200}",
        ),
        SecretField(
            name="hmac_key",
            label="Key of the signature",
            help="The secret key of a notification profile that signs with HMAC.",
            is_required=False,
        ),
    )
    steps = (
        "In Infobip, open Channels and Numbers, then Numbers, and choose the number customers write to.",
        "Add an inbound configuration that forwards messages by HTTP to {url} as JSON (MO_JSON_2).",
        "Choose basic authentication there, with the user name and the password of this page.",
        "To learn what became of replies, have delivery reports sent to the same address with the same password.",
        "Create an API key with the right to send SMS, and keep it here as a credential with your base URL.",
    )
    links = {"Infobip": "https://portal.infobip.com/", "Inbound SMS": "https://www.infobip.com/docs/api/channels/sms"}

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        header = connection.setting("hmac_header").strip()
        if header and incoming.header(header) and connection.valid("hmac_key"):
            return _signed(incoming.header(header).strip(), incoming.body, connection)
        given = _basic(incoming.header("authorization"))
        user = connection.setting("username")
        return signing.verified(
            signing.matching(connection.valid("password"), [given], lambda password: f"{user}:{password}")
        )

    def refused(self, incoming: Incoming, status: int | None = None) -> Response:
        code = status or self.refusal_status
        return Response(status=code, headers=CHALLENGE if code == 401 else {})

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        results = reading.table(incoming.body).get("results")
        if not isinstance(results, list):
            raise Unusable("The request has no list of results.")
        return [_arrival(each, incoming, connection) for each in results]

    def parts(self, text: str) -> list[str]:
        return sms.parts(text)

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        sender = connection.setting("sender") or connection.setting("number") or str(to.answer_to.get("number") or "")
        return send_text(text, to=to, sender=sms.digits(sender) if sms.phone(sender) else sender, credential=credential)

    def sent(self, status: int, body: bytes) -> Sent:
        return read_answer(status, body)

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        return fetch_file(str(attachment.get("url") or ""), credential)


def _basic(header: str) -> str:
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        raise NotAuthentic("no_signature")
    try:
        given = base64.b64decode(encoded.strip().encode(), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise NotAuthentic("encoding") from None
    if ":" not in given:
        raise NotAuthentic("encoding")
    return given


def _signed(given: str, body: bytes, connection: Connection) -> Verified:
    name = connection.setting("hmac_algorithm").strip().upper() or "HMAC_SHA_256"
    if name not in ALGORITHMS:
        raise NotAuthentic("algorithm")
    for secret in connection.valid("hmac_key"):
        # Hex in either case or base64: the reference does not say which.
        is_hex = signing.same(given.lower(), signing.hex_mac(secret.value, body, ALGORITHMS[name]))
        is_base64 = signing.same(given, signing.base64_mac(secret.value, body, ALGORITHMS[name]))
        if is_hex or is_base64:
            return signing.verified(secret)
    raise NotAuthentic("signature")


def _arrival(element: Any, incoming: Incoming, connection: Connection) -> Arrival:
    if not isinstance(element, dict):
        return _unreadable(element, incoming, "An element of the results is not an object.")
    message_id = reading.ident(element.get("messageId"))
    if isinstance(element.get("status"), dict):
        return _report(element, message_id, incoming)
    sender = reading.ident(element.get("from"))
    if not sender:
        return _unreadable(element, incoming, "The message does not say who sent it.", message_id)
    return _message(element, message_id, sender, incoming, connection)


def _message(
    element: dict[str, Any], message_id: str, sender: str, incoming: Incoming, connection: Connection
) -> Arrival:
    recipient = reading.ident(element.get("to"))
    key = message_id or _fingerprint(element, incoming)
    ours = connection.setting("number")
    if ours and recipient and sms.digits(ours) != sms.digits(recipient):
        reason = f"Not for this channel: it was sent to {recipient}."
        return Arrival(
            kind="unsupported",
            # Not the key of the message: once the number is put right, the message itself may still come.
            dedupe_key=f"foreign:{key}",
            provider_id=message_id,
            recipient=recipient,
            reason=reason,
            extra=element,
        )
    text, attachments = _content(element)
    return Arrival(
        kind="message",
        dedupe_key=key,
        provider_id=message_id,
        event_type="mms" if isinstance(element.get("message"), list) else "sms",
        sender=Sender(addresses=[sender], id_type="phone", phone=sms.phone(sender)),
        recipient=recipient,
        text=text,
        attachments=attachments,
        occurred_at=reading.moment(element.get("receivedAt"), incoming.at),
        answer_to={"number": recipient},
        facts={name: element[theirs] for theirs, name in KEPT.items() if element.get(theirs) is not None},
        extra=element,
    )


def _content(element: Mapping[str, Any]) -> tuple[str, list[Attachment]]:
    """The text, and the files of an MMS. The keyword stays in the text: the customer wrote it."""
    segments = list(reading.objects(element.get("message")))
    if not segments:
        return reading.text(element.get("text")), []
    said = [reading.text(each.get("value")) for each in segments]
    return "\n".join(text for text in said if text)[: reading.MOST_TEXT], [
        _attachment(each) for each in segments if _is_file(each)
    ]


def _is_file(segment: Mapping[str, Any]) -> bool:
    # SMIL only says how a telephone should arrange the rest.
    return bool(reading.text(segment.get("url"))) and segment.get("contentType") != "application/smil"


def _attachment(segment: Mapping[str, Any]) -> Attachment:
    mime_type = reading.text(segment.get("contentType"), 100).partition(";")[0].strip().lower()
    family = mime_type.partition("/")[0]
    return Attachment(
        kind=family if family in {"image", "video", "audio"} else "file",
        url=reading.text(segment.get("url"), 2000),
        mime_type=mime_type,
    )


def _report(element: dict[str, Any], message_id: str, incoming: Incoming) -> Arrival:
    group = reading.text(reading.get(element, "status", "groupName"), 60).upper()
    status = STATUSES.get(group)
    if not message_id or status is None:
        reason = f"The report has the status {group}, which we do not know." if message_id else "The report has no id."
        return _unreadable(element, incoming, reason, f"{message_id}:{group}" if message_id and group else "")
    failed = status == "failed"
    error = element.get("error") if isinstance(element.get("error"), dict) else None
    return Arrival(
        kind="status",
        dedupe_key=f"{message_id}:{group}",
        provider_id=message_id,
        event_type="delivery_report",
        recipient=reading.ident(element.get("to")),
        target_id=message_id,
        status=status,
        error_code=reading.text(reading.get(error or element["status"], "name"), 100) if failed else "",
        error_text=reading.text(reading.get(error or element["status"], "description"), 500) if failed else "",
        occurred_at=reading.moment(element.get("doneAt") or element.get("sentAt"), incoming.at),
        facts={"group": group, "callback_data": reading.text(element.get("callbackData"), 4000)},
        extra=element,
    )


def _unreadable(element: Any, incoming: Incoming, reason: str, key: str = "") -> Arrival:
    return Arrival(
        kind="unsupported", dedupe_key=key or _fingerprint(element, incoming), reason=reason[:500], extra=element
    )


def _fingerprint(element: Any, incoming: Incoming) -> str:
    """For what has no id: all that it says. Where it has no time of its own, two equal ones are still two."""
    told = reading.get(element, "receivedAt") or reading.get(element, "doneAt")
    at = b"" if told else incoming.at.isoformat().encode()
    return f"none:{signing.fingerprint(json.dumps(element, sort_keys=True).encode(), at)}"
