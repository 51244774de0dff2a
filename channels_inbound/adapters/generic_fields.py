"""The body that a team's own application sends: read strictly, since its makers can mend what is wrong."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from channels_inbound.adapters import reading
from channels_inbound.adapters.base import BadRequest, Incoming, Unusable

MOST_TEXT = 8000
MOST_ID = 200
MOST_METADATA = 16 * 1024
Reader = Callable[[Any], Any]

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]{2,}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_PUNCTUATION = re.compile(r"[ ().-]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Wrong(Exception):
    """What is wrong with one field, as a sentence."""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """`metadata` is a flat object. `document` is all that was sent."""

    text: str
    user_id: str = ""
    conversation_id: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None
    document: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, incoming: Incoming) -> "Fields":
        """Raises `BadRequest` with a sentence for every field that is wrong; the name of the whole body is empty."""
        document = _document(incoming.body)
        said_as = "message" if "message" in document else "text"
        readers = _READERS | {said_as: _said, "timestamp": lambda value: _time(value, incoming.at)}
        values, wrong = _values(document, readers)
        if "text" in document and "message" in document:
            wrong["message"] = "Send either text or message, not both."
        if wrong:
            raise BadRequest(wrong)
        return cls(text=values.pop(said_as), occurred_at=values.pop("timestamp"), document=document, **values)


def _document(body: bytes) -> dict[str, Any]:
    try:
        return reading.table(body)
    except Unusable as refusal:
        raise BadRequest({"": str(refusal)}) from None


def _values(document: Mapping[str, Any], readers: Mapping[str, Reader]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the readers make of the fields, and what they say of the wrong ones."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, read in readers.items():
        try:
            values[name] = read(document.get(name))
        except _Wrong as refusal:
            wrong[name] = str(refusal)
    return values, wrong


def _said(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("Say here what the customer writes, as text.")
    if not value.strip():
        raise _Wrong("This may not be empty.")
    if len(value) > MOST_TEXT:
        raise _Wrong(f"This may have {MOST_TEXT:,} characters; it has {len(value):,}.")
    return reading.text(value)


def _words(most: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _Wrong("This must be a text.")
        if len(value) > most:
            raise _Wrong(f"This may have {most} characters.")
        if _CONTROL.search(value):
            raise _Wrong("This may not hold control characters.")
        return reading.text(value).strip()

    return read


def _id(value: Any) -> str:
    """Ids are numbers in many applications."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return _words(MOST_ID)(str(value) if is_number else value)


def _email(value: Any) -> str:
    address = _words(254)(value)
    if address and not _EMAIL.fullmatch(address):
        raise _Wrong("This is not an email address.")
    return address


def _phone(value: Any) -> str:
    number = _PUNCTUATION.sub("", _words(40)(value))
    if number and not _PHONE.fullmatch(number):
        raise _Wrong("Write the number with its country code, for example +254711000111.")
    return number


def _metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Wrong("This must be an object.")
    if any(isinstance(each, dict | list) for each in value.values()):
        raise _Wrong("Its values must be texts, numbers, true, false or null.")
    if len(json.dumps(value)) > MOST_METADATA:
        raise _Wrong(f"Altogether this may have {MOST_METADATA // 1024} KB.")
    return value


def _time(value: Any, now: datetime) -> datetime | None:
    if value is None:
        return None
    found = reading.moment(value, now)
    if found is None:
        raise _Wrong("Write a time that is not in the future, like 2026-11-25T08:30:00Z or Unix seconds.")
    return found


_READERS: dict[str, Reader] = {
    "user_id": _id,
    "conversation_id": _id,
    "name": _words(200),
    "email": _email,
    "phone": _phone,
    "metadata": _metadata,
}
