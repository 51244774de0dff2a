"""Reading what Twilio sends: one message or one status a request, as a form."""

import math
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from channels_inbound.adapters import sms
from channels_inbound.adapters.base import (
    FORM_TYPE,
    Arrival,
    Attachment,
    Connection,
    Incoming,
    Kind,
    Sender,
    Unusable,
    first,
)
from channels_inbound.adapters.reading import document, ident, moment, objects, storable
from channels_inbound.adapters.reading import text as clean
from channels_inbound.adapters.signing import fingerprint
from channels_inbound.adapters.twilio_replies import SENTENCES

MOST_MEDIA = 10
ARRIVED = frozenset({"", "received", "receiving"})
STATUSES = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "sending",
    "sent": "sent",
    "partially_delivered": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
FILE_KINDS = {"image": "image", "video": "video", "audio": "audio", "application": "document", "text": "document"}
REFERRAL = (
    "ReferralBody",
    "ReferralHeadline",
    "ReferralSourceId",
    "ReferralSourceType",
    "ReferralSourceUrl",
    "ReferralCtwaClid",
)


def pairs(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of a form, byte by byte as they were signed; empty values too."""
    for each in body.split(b"&"):
        if each:
            name, _, value = each.replace(b"+", b" ").partition(b"=")
            yield unquote_to_bytes(name), unquote_to_bytes(value)


def arrivals(incoming: Incoming, connection: Connection) -> list[Arrival]:
    """Raises `Unusable` where there is neither a message nor a status."""
    if incoming.content_type == FORM_TYPE:
        decoded = {
            name.decode(errors="replace"): value.decode(errors="replace") for name, value in pairs(incoming.body)
        }
        return [_read(storable(decoded), incoming, connection)]
    found = document(incoming.body)
    several = [found] if isinstance(found, dict) else list(objects(found))
    if not several:
        raise Unusable("The JSON of Twilio holds no message.")
    return [_streamed(each, incoming) or _read(each, incoming, connection) for each in several]


def _streamed(element: Mapping[str, Any], incoming: Incoming) -> Arrival | None:
    """An event of Twilio's event streams, which come as JSON."""
    name = clean(element.get("type"), 90)
    if "specversion" not in element or not name:
        return None
    key = ident(element.get("id")) or _print(incoming)
    return Arrival(
        kind="event",
        dedupe_key=key,
        provider_id=key,
        event_type=f"twilio.{name}"[:100],
        occurred_at=moment(element.get("time"), incoming.at),
        extra=dict(element),
    )


def _print(incoming: Incoming) -> str:
    return fingerprint(incoming.body, incoming.header("i-twilio-idempotency-token").encode(errors="replace"))


def _read(fields: Mapping[str, Any], incoming: Incoming, connection: Connection) -> Arrival:
    sid = first(ident(fields.get(name)) for name in ("MessageSid", "SmsMessageSid", "SmsSid"))
    word = first(clean(fields.get(name), 40).lower() for name in ("MessageStatus", "SmsStatus"))
    if not sid and not fields.get("From"):
        raise Unusable("The request of Twilio holds no message: it has no MessageSid.")
    if reason := _foreign(fields, connection, is_status=word not in ARRIVED):
        # Not the key of the message: once the setting is put right, the message itself may still come.
        key = f"foreign:{sid or _print(incoming)}{'' if word in ARRIVED else f':{word}'}"
        return _made("unsupported", key, fields, incoming, provider_id=sid, reason=reason)
    if word not in ARRIVED and sid:
        return _status(sid, word, fields, incoming)
    return _message(sid or _print(incoming), fields, incoming)


def _foreign(fields: Mapping[str, Any], connection: Connection, *, is_status: bool) -> str:
    account, number = connection.setting("account_sid"), connection.setting("number")
    theirs, to = ident(fields.get("AccountSid")), ident(fields.get("To"))
    if account and theirs and account != theirs:
        return f"Not for this channel: it is of the account {theirs}."
    if number and to and not is_status and sms.digits(_bare(number)) != sms.digits(_bare(to)):
        return f"Not for this channel: it was sent to {to}."
    return ""


def _bare(address: str) -> str:
    """Without the word before it that says by which way it came: `whatsapp:+12025550142`."""
    return address.rpartition(":")[2]


def _made(kind: Kind, key: str, fields: Mapping[str, Any], incoming: Incoming, **more: Any) -> Arrival:
    known: dict[str, Any] = {
        "event_type": "twilio.message",
        "provider_id": key,
        "recipient": ident(fields.get("To")),
        "occurred_at": incoming.at,
        "extra": dict(fields),
    }
    return Arrival(kind=kind, dedupe_key=key, **(known | more))


def _status(sid: str, word: str, fields: Mapping[str, Any], incoming: Incoming) -> Arrival:
    status, code = STATUSES.get(word, ""), ident(fields.get("ErrorCode"))
    failed = status == "failed"
    return _made(
        "status" if status else "unsupported",
        f"{sid}:{word}",
        fields,
        incoming,
        event_type=f"twilio.status.{word}",
        provider_id=sid,
        target_id=sid,
        status=status,
        error_code=code if failed else "",
        error_text=(SENTENCES.get(code) or clean(fields.get("ErrorMessage"), 300)) if failed else "",
        reason="" if status else f"We do not know what the status “{word}” means.",
    )


# --- messages --------------------------------------------------------------------------------------------------------


def _message(key: str, fields: Mapping[str, Any], incoming: Incoming) -> Arrival:
    sender, words = _sender(fields), clean(fields.get("Body")) or clean(fields.get("ButtonText"), 300)
    facts, files = _facts(fields), _files(fields)
    reason = ""
    if sender is None:
        reason = "The message does not say who wrote it."
    elif not (words or files or facts):
        reason = "The message has neither words nor files."
    return _made(
        "unsupported" if reason else "message",
        key,
        fields,
        incoming,
        sender=sender,
        text=words,
        attachments=files,
        action=_action(fields),
        reply_to_id=ident(fields.get("OriginalRepliedMessageSid")),
        answer_to={"from": ident(fields.get("To"))},
        facts=facts,
        reason=reason,
    )


def _sender(fields: Mapping[str, Any]) -> Sender | None:
    """By number, or by the id that WhatsApp gives people who hide theirs."""
    address, hidden = ident(fields.get("From")), ident(fields.get("ExternalUserId"))
    addresses = list(dict.fromkeys(each for each in (address, hidden) if each))
    if not addresses:
        return None
    way, _, bare = address.rpartition(":")
    phone = sms.phone(bare) if way in {"", "whatsapp", "rcs"} and bare.startswith("+") else ""
    return Sender(
        addresses=addresses,
        id_type="phone" if address else "bsuid",
        name=clean(fields.get("ProfileName"), 200),
        phone=phone,
    )


def _action(fields: Mapping[str, Any]) -> dict[str, str] | None:
    """A quick reply, or a line of a list."""
    payload = first(clean(fields.get(name), 2000) for name in ("ButtonPayload", "ListId"))
    title = first(clean(fields.get(name), 300) for name in ("ButtonText", "ListTitle"))
    return {"id": payload, "payload": payload, "title": title} if payload or title else None


def _files(fields: Mapping[str, Any]) -> list[Attachment]:
    """By what is there: the number that says how many may be anything."""
    found = []
    for number in range(MOST_MEDIA):
        url, mime = clean(fields.get(f"MediaUrl{number}"), 2000), clean(fields.get(f"MediaContentType{number}"), 100)
        if url:
            kind = FILE_KINDS.get(mime.partition("/")[0], "file")
            name = url.rstrip("/").rpartition("/")[2].partition("?")[0]
            found.append(Attachment(kind=kind, url=url, mime_type=mime, provider_media_id=name[:255]))
    return found


def _facts(fields: Mapping[str, Any]) -> dict[str, Any]:
    forwarded = "true" in (fields.get("Forwarded"), fields.get("FrequentlyForwarded"))
    found = {
        "location": _location(fields),
        "referral": {name: clean(fields.get(name), 2000) for name in REFERRAL if fields.get(name)},
        "is_forwarded": forwarded,
        "opt_out": clean(fields.get("OptOutType"), 20),
        "interactive": clean(fields.get("InteractiveData")),
        "messaging_service": ident(fields.get("MessagingServiceSid")),
    }
    return {name: value for name, value in found.items() if value}


def _location(fields: Mapping[str, Any]) -> dict[str, Any]:
    spot = {name.lower(): _degrees(fields.get(name)) for name in ("Latitude", "Longitude")}
    if None in spot.values():
        return {}
    words = {"name": clean(fields.get("Label"), 300), "address": clean(fields.get("Address"), 500)}
    return spot | {name: value for name, value in words.items() if value}


def _degrees(value: Any) -> float | None:
    try:
        number = float(ident(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
