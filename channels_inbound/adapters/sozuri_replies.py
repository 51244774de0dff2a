"""What goes to Sozuri: POST /api/v1/messaging with the project's API key (sozuri.net/docs/text)."""

import json
from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters import reading, sms
from channels_inbound.adapters.base import Outgoing, Recipient, Sent, Unusable, first

URL = "https://sozuri.net/api/v1/messaging"
TYPES = ("transactional", "promotional")
# The status table of the documentation; whatever else stands in an answer means that the message was taken.
REFUSALS = {
    "unsupported_number": "Sozuri does not reach the customer's number.",
    "unknown_number": "Sozuri does not know the customer's number.",
    "expired": "The message was too old to be sent.",
    "stopped_by_user": "The message was stopped in your Sozuri account, or the customer wants no more messages.",
    "stopped_by_admin": "Sozuri stopped the message.",
    "delivery_failure": "Sozuri could not pass the message on.",
    "insufficient_balance": "Your Sozuri account has no balance left.",
    "volume_limit": "Your Sozuri account has sent as much as it may for now.",
}
CODES = {
    "12": "unsupported_number",
    "17": "expired",
    "18": "stopped_by_user",
    "19": "stopped_by_admin",
    "21": "delivery_failure",
    "22": "insufficient_balance",
    "23": "volume_limit",
}
STATUSES = {
    400: "Sozuri did not understand the message.",
    401: "Sozuri did not accept the API key, or it belongs to another project.",
    402: "Your Sozuri account has no balance left.",
    403: "The API key may not send messages.",
    422: "Sozuri did not understand the message.",
    429: "Sozuri took no more messages just now: too many at once.",
}


def send_text(
    text: str, *, to: Recipient, sender: str, message_type: str, whatsapp: bool, credential: Mapping[str, str]
) -> Outgoing:
    key, project = credential.get("api_key", "").strip(), credential.get("project", "").strip()
    if not key or not key.isprintable():
        raise ValueError("The credential of this channel has no API key.")
    if not project:
        raise ValueError("The credential of this channel does not name the project.")
    if not sms.phone(to.address):
        raise ValueError("The customer wrote under a name or a short code, which cannot be answered.")
    if not sender:
        raise ValueError("Enter your short code in the settings of this channel.")
    if message_type not in TYPES:
        raise ValueError("The type of replies in the settings of this channel is transactional or promotional.")
    message = {
        "project": project,
        "from": sender,
        "to": sms.digits(to.address),
        "message": text,
        "type": message_type,
        "channel": "whatsapp" if whatsapp else "sms",
    }
    return Outgoing(
        url=URL,
        headers=(
            ("Authorization", f"Bearer {key}"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
        ),
        body=json.dumps(message).encode(),
    )


def read_answer(status: int, body: bytes) -> Sent:
    """Sozuri also answers 200 when it took nothing: only a recipient with an id was taken."""
    try:
        answer: dict[str, Any] = reading.table(body)
    except Unusable:
        answer = {}
    recipient = reading.get(answer, "recipients", 0)
    if 200 <= status < 300 and isinstance(recipient, dict):
        return _taken(recipient)
    return _refused(status, answer)


def _taken(recipient: dict[str, Any]) -> Sent:
    word = reading.text(recipient.get("status"), 60).strip().lower()
    code = reading.ident(recipient.get("statusCode"))
    problem = word if word in REFUSALS else CODES.get(code, "")
    if problem:
        return Sent(error=REFUSALS[problem], error_code=code[:100] or problem)
    message_id = reading.ident(recipient.get("messageId"))
    return Sent(provider_id=message_id) if message_id else Sent(error="Sozuri answered without an id of the message.")


def _refused(status: int, answer: dict[str, Any]) -> Sent:
    said = first(
        (reading.text(reading.get(answer, "messageData", "message"), 300), reading.text(answer.get("message"), 300))
    )
    code = first((reading.ident(answer.get("error_code"))[:100], str(status)))
    fallback = "Sozuri did not take the message." if status < 300 else f"Sozuri answered {status}."
    sentence, detail = STATUSES.get(status, fallback), said.strip().rstrip(".")
    return Sent(error=f"{sentence} It says: {detail}." if detail else sentence, error_code=code)
