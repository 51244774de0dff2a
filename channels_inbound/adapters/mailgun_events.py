"""What became of the mails we sent: Mailgun's events, in JSON."""

from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters import mail, mailgun_replies, reading
from channels_inbound.adapters.base import Arrival, Connection, Incoming, Kind, Unusable, first

# Their words and ours; what has no word of ours (complained, unsubscribed) keeps its own.
_STATUSES = {
    "accepted": "sent",
    "delivered": "delivered",
    "opened": "read",
    "clicked": "read",
    "failed": "failed",
    "rejected": "failed",
}
_FAILURES = {"failed", "rejected"}


def arrival(body: Mapping[str, Any], incoming: Incoming, connection: Connection) -> Arrival:
    data = body.get("event-data")
    if not isinstance(data, dict):
        raise Unusable("The event has no data.")
    word = reading.ident(data.get("event"))
    domain = reading.ident(reading.get(data, "domain", "name"))
    message_id = reading.ident(reading.get(data, "message", "headers", "message-id"))
    kind, reason = _event_kind(word, domain, connection)
    # Their id of an event is unique within a day only.
    token = reading.ident(reading.get(body.get("signature"), "token"))
    return Arrival(
        kind=kind,
        # Once the domain is put right, what was not for this channel may still count.
        dedupe_key=f"foreign:{token}" if _is_foreign(domain, connection) else token,
        provider_id=reading.ident(data.get("id")),
        event_type=word,
        recipient=reading.ident(data.get("recipient")),
        target_id=mailgun_replies.in_brackets(message_id),
        status=_status(word, data) if kind == "status" else "",
        error_code=reading.ident(reading.get(data, "delivery-status", "code")) if word in _FAILURES else "",
        error_text=_explanation(data) if word in _FAILURES else "",
        reason=reason,
        occurred_at=reading.moment(data.get("timestamp"), incoming.at),
        facts={
            name: value
            for name, value in {
                "message_id": message_id,
                "severity": reading.ident(data.get("severity")),
                "cause": reading.ident(data.get("reason")),
            }.items()
            if value
        },
        extra=data,
    )


def _event_kind(word: str, domain: str, connection: Connection) -> tuple[Kind, str]:
    if not word:
        return "unsupported", "The event does not say what happened."
    if _is_foreign(domain, connection):
        return "unsupported", f"Not for this channel: it is about a mail from {domain}."
    return "status", ""


def _is_foreign(domain: str, connection: Connection) -> bool:
    ours = connection.setting("domain").strip().lower()
    return bool(ours and domain) and domain.lower() != ours


def _status(word: str, data: Mapping[str, Any]) -> str:
    if word == "failed" and data.get("severity") == "temporary":
        return "deferred"
    return _STATUSES.get(word, word)


def _explanation(data: Mapping[str, Any]) -> str:
    status = reading.mapping(data.get("delivery-status"))
    said = (mail.clean(each, 500) for each in (status.get("description"), status.get("message"), data.get("reason")))
    return first(said)
