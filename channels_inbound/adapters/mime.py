"""A raw mail, taken apart with the standard library, inside limits: anybody on the internet may have written it."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32

from channels_inbound.adapters import mail
from channels_inbound.adapters.base import Attachment
from channels_inbound.adapters.mail import Headers

MOST_PARTS = 250
MOST_LINES = 1_000_000
MOST_COMPARISONS = 20_000_000
# The parser looks for each boundary in every line, and for the quotes of a header once for each of its semicolons.
_BOUNDARY = re.compile(rb"boundary", re.IGNORECASE)
_PART_HEADER = re.compile(rb"(?<![^\r\n])content-(?:type|disposition):", re.IGNORECASE)
_LONG_HEADER = re.compile(
    rb"(?<![^\r\n])content-(?:type|disposition):(?:[^\r\n]|\r?\n[ \t]|\r[ \t]){2000,}+", re.IGNORECASE
)


@dataclass(frozen=True)
class Report:
    """What the report of a mail server is about: the recipient it could not reach, and the mail that was for them."""

    recipient: str = ""
    target_id: str = ""
    explanation: str = ""


@dataclass(frozen=True)
class Letter:
    """A mail. `text` is what to read; `plain` and `html` are its parts as they were written."""

    headers: Headers
    text: str = ""
    plain: str = ""
    html: str = ""
    signature: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    report: Report = field(default_factory=Report)


def read(raw: bytes) -> Letter:
    """Of what cannot be taken apart, the headers at least; never raises."""
    try:
        return _letter(_message(raw))
    # The package raises nearly everything on a broken mail: IndexError, TypeError, RecursionError, UnicodeError…
    except Exception:
        return Letter(_headers(BytesHeaderParser(policy=compat32).parsebytes(raw[: mail.MOST_HTML])))


def _message(raw: bytes) -> Message:
    shortened = _LONG_HEADER.sub(b"X-Left-Out: too long", raw)
    if _is_readable(shortened):
        return BytesParser(policy=compat32).parsebytes(shortened)
    return BytesHeaderParser(policy=compat32).parsebytes(shortened[: mail.MOST_HTML])


def _is_readable(raw: bytes) -> bool:
    """Whether it can be taken apart in a few seconds, as every mail can that was not made to prevent it."""
    lines, boundaries = raw.count(b"\n") + raw.count(b"\r"), len(_BOUNDARY.findall(raw))
    if lines > MOST_LINES or lines * boundaries > MOST_COMPARISONS:
        return False
    return len(_PART_HEADER.findall(raw)) <= 2 * MOST_PARTS


def _letter(message: Message) -> Letter:
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments: list[Attachment] = []
    for part in _parts(message):
        if _is_attached(part):
            attachments.append(_attachment(part))
        elif part.get_content_type() in texts:
            texts[part.get_content_type()].append(_text(part))
    plain, html = ("\r\n".join(found) for found in texts.values())
    text = mail.clean(plain[: mail.MOST_HTML]).strip() or mail.html_text(html)
    return Letter(_headers(message), text, plain, html, "", attachments, _report(message))


def _headers(message: Message) -> Headers:
    # Non-ASCII bytes come as surrogates: they are UTF-8, or nobody can say what they are.
    return Headers(
        [
            (name, str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
            for name, value in message.raw_items()
        ]
    )


def _parts(message: Message) -> Iterator[Message]:
    """Whatever is no container, in the order of the mail; without recursion, and not into mails inside the mail."""
    waiting, seen = [message], 0
    while waiting and seen < MOST_PARTS:
        part, seen = waiting.pop(), seen + 1
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting += [each for each in reversed(payload) if isinstance(each, Message)]
        else:
            yield part


def _is_attached(part: Message) -> bool:
    if part.get_content_maintype() == "multipart":
        return False
    named = bool(part.get_filename()) or part.get_content_disposition() == "attachment"
    return named or part.get_content_type() not in {"text/plain", "text/html", "message/delivery-status"}


def _text(part: Message) -> str:
    return mail.decoded(_payload(part), str(part.get_content_charset() or ""))


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    # A mail inside the mail has no bytes of its own: it is written out again, where it can be.
    try:
        return b"\r\n".join(each.as_bytes() for each in part.get_payload() if isinstance(each, Message))
    except Exception:
        return b""


def _attachment(part: Message) -> Attachment:
    data = _payload(part)
    mime_type = part.get_content_type()
    return Attachment(
        kind=mail.file_kind(mime_type),
        mime_type=mail.clean(mime_type, 100),
        filename=mail.file_name(part.get_filename() or ""),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        is_inline=part.get_content_disposition() == "inline" and bool(part.get("content-id")),
        content=data,
        content_id=mail.clean(str(part.get("content-id") or ""), 250).strip("<> "),
    )


def _report(message: Message) -> Report:
    parts = list(_parts(message))
    blocks = [_headers(each) for part in parts for each in _inner(part, "message/delivery-status")]
    about = next((each for each in blocks if each.get("final-recipient")), Headers())
    original = next((_headers(each) for part in parts for each in _inner(part, "message/rfc822")), Headers())
    failed = _headers(message).get("x-failed-recipients") or about.get("final-recipient").partition(";")[2]
    quoted = next((_text(part) for part in parts if part.get_content_type() == "text/rfc822-headers"), "")
    targets = mail.ids(original.get("message-id")) or quoted_ids(quoted)
    return Report(
        mail.clean(failed, 254).strip(),
        next(iter(targets), ""),
        mail.clean(about.get("diagnostic-code").partition(";")[2] or about.get("status"), 500).strip(),
    )


def _inner(part: Message, content_type: str) -> Iterator[Message]:
    payload = part.get_payload()
    if part.get_content_type() == content_type and isinstance(payload, list):
        yield from (each for each in payload if isinstance(each, Message) and each.keys())


def quoted_ids(text: str) -> list[str]:
    """Of headers that stand in a text, as mail servers quote them."""
    return mail.ids(*re.findall(r"^[> \t]*message-id:[ \t]*(<[^<>\s]{1,250}>)", text, re.IGNORECASE | re.MULTILINE))
