"""What goes to Infobip: POST /sms/3/messages at the account's own base URL, with an API key."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from channels_inbound.adapters import reading, sms
from channels_inbound.adapters.base import Outgoing, Recipient, Sent, Unusable, first

REFUSED = frozenset({"REJECTED", "UNDELIVERABLE", "EXPIRED"})
SENTENCES = {
    "REJECTED_NOT_ENOUGH_CREDITS": "Your Infobip account has no credit left.",
    "REJECTED_DESTINATION": "Infobip does not send to this number: it is on the list of blocked ones.",
    "REJECTED_DESTINATION_NOT_REGISTERED": "On a trial account Infobip only sends to numbers that you registered.",
    "REJECTED_SENDER": "Infobip does not send in the name of this sender: it is on the list of blocked ones.",
    "REJECTED_INVALID_DESTINATION": "Infobip does not know the customer's number as a telephone number.",
    "REJECTED_NETWORK": "Your Infobip account may not send to this network or country.",
    "REJECTED_FLOODING_FILTER": "Infobip holds back repeated messages to the same number.",
}
STATUSES = {
    400: "Infobip did not understand the message.",
    401: "Infobip did not accept the API key.",
    403: "The API key may not send text messages.",
    404: "There is no Infobip at the base URL of the credential.",
    429: "Infobip took no more messages just now: too many at once.",
}


def send_text(text: str, *, to: Recipient, sender: str, credential: Mapping[str, str]) -> Outgoing:
    if not sms.phone(to.address):
        raise ValueError("The customer wrote under a name or a short code, which cannot be answered.")
    if not sender:
        raise ValueError("Enter the sender of replies in the settings of this channel.")
    message = {
        "sender": sender,
        "destinations": [{"to": sms.digits(to.address)}],
        "content": {"text": text},
    }
    return Outgoing(
        url=f"{_base(credential)}/sms/3/messages",
        headers=(
            ("Authorization", _key(credential)),
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
        ),
        body=json.dumps({"messages": [message]}).encode(),
    )


def fetch_file(url: str, credential: Mapping[str, str]) -> Outgoing | None:
    """Files of an MMS lie at Infobip and are fetched with the same key; it is not sent to any other host."""
    if not url:
        return None
    host = _host(url)
    is_theirs = host == "infobip.com" or host.endswith(".infobip.com")
    headers = (("Authorization", _key(credential)),) if is_theirs and url.startswith("https://") else ()
    return Outgoing(method="GET", url=url, headers=headers)


def _key(credential: Mapping[str, str]) -> str:
    key = credential.get("api_key", "").strip()
    if not key or not key.isprintable():
        raise ValueError("The credential of this channel has no API key.")
    return f"App {key.removeprefix('App ')}"


def _base(credential: Mapping[str, str]) -> str:
    """`https://xyz.api.infobip.com`, also where it is kept without the scheme, as Infobip shows it."""
    address = credential.get("api_url", "").strip().rstrip("/")
    whole = address if "://" in address else f"https://{address}"
    if not address.isascii() or not _host(whole) or not whole.startswith("https://"):
        raise ValueError("The credential of this channel has no base URL like https://xyz.api.infobip.com.")
    return whole


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def read_answer(status: int, body: bytes) -> Sent:
    try:
        answer: dict[str, Any] = reading.table(body)
    except Unusable:
        answer = {}
    return _taken(answer) if 200 <= status < 300 else _refused(status, answer)


def _taken(answer: dict[str, Any]) -> Sent:
    message = reading.get(answer, "messages", 0)
    name = reading.text(reading.get(message, "status", "name"), 100)
    if reading.text(reading.get(message, "status", "groupName"), 60) in REFUSED:
        said = reading.text(reading.get(message, "status", "description"), 300).rstrip(".")
        return Sent(error=SENTENCES.get(name) or f"Infobip did not take the message: {said or name}.", error_code=name)
    message_id = reading.ident(reading.get(message, "messageId"))
    return Sent(provider_id=message_id) if message_id else Sent(error="Infobip answered without an id of the message.")


def _refused(status: int, answer: dict[str, Any]) -> Sent:
    """Two forms of errors are in use: `requestError.serviceException` and, newer, `errorCode` with a description."""
    exception = reading.get(answer, "requestError", "serviceException")
    code = first(
        (reading.ident(reading.get(exception, "messageId"))[:100], reading.ident(answer.get("errorCode"))[:100])
    )
    said = first((reading.text(reading.get(exception, "text"), 300), reading.text(answer.get("description"), 300)))
    sentence = STATUSES.get(status) or f"Infobip answered {status}."
    detail = said.strip().rstrip(".")
    return Sent(error=f"{sentence} It says: {detail}." if detail else sentence, error_code=code or str(status))
