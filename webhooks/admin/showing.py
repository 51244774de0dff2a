"""Bytes of strangers, made fit to be looked at. Templates escape; this makes the invisible visible."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from webhooks.masking import MASK
from webhooks.models import Attempt, Delivery
from webhooks.outcomes import describe

SHOWN = 64 * 1024
PLACEHOLDERS = {"x-webhook-secret": "YOUR_SECRET", "authorization": "YOUR_AUTHORIZATION"}
# Control characters, and those that turn the direction of writing: they let a text look like another one.
_TRICKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Body:
    """`pretty` is empty where the body is not JSON."""

    raw: str
    pretty: str
    size: int
    is_cut: bool = False


def body(content: bytes, *, is_cut: bool = False) -> Body:
    raw = plain(bytes(content)[:SHOWN].decode(errors="replace"))
    return Body(raw=raw, pretty=_pretty(bytes(content)), size=len(content), is_cut=is_cut or len(content) > SHOWN)


def plain(text: str) -> str:
    """Tricky characters as their escapes; line breaks stay."""
    text = text.encode(errors="backslashreplace").decode().replace("\r\n", "\n")
    return _TRICKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _pretty(content: bytes) -> str:
    if len(content) > SHOWN:
        return ""
    try:
        return plain(json.dumps(json.loads(content), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return ""


def headers(pairs: Iterable[Any] | Mapping[str, Any]) -> list[tuple[str, str]]:
    items: Iterable[Any] = pairs.items() if isinstance(pairs, Mapping) else pairs
    return [(plain(str(name)), plain(str(value))) for name, value in items]


def badge(text: str, tone: str) -> SafeString:
    return format_html('<span class="cz-badge" data-tone="{}">{}</span>', tone, text)


def outcome_badge(delivery: Delivery) -> SafeString:
    told = describe(delivery)
    return badge(told.label, told.tone)


# --- time ------------------------------------------------------------------------------------------------------------

PHASES = (
    ("dns", "DNS"),
    ("connect", "connect"),
    ("tls", "TLS"),
    ("first_byte", "first byte"),
    ("body", "body"),
)


@dataclass(frozen=True)
class Phase:
    """A piece of the time bar; `x` and `width` are in thousandths of it."""

    name: str
    milliseconds: float
    x: float
    width: float
    number: int


def phases(delivery: Delivery, attempt: Attempt) -> list[Phase]:
    """Where the time went, from the acceptance to the end of the answer."""
    waited = max((attempt.began_at - delivery.queued_at).total_seconds() * 1000, 0)
    spent = [("waiting", waited)] + [(label, float(attempt.timings.get(name, 0))) for name, label in PHASES]
    total = sum(milliseconds for _, milliseconds in spent) or 1
    found, x = [], 0.0
    for number, (name, milliseconds) in enumerate(spent):
        width = milliseconds / total * 1000
        found.append(Phase(name, milliseconds, round(x, 1), round(width, 1), number))
        x += width
    return found


def curl(delivery: Delivery, sent: Mapping[str, Any]) -> str:
    """The same request for a terminal, without the secrets."""
    lines = [f"curl {_method(delivery.method)} " + shlex.quote(delivery.url)]
    for name, value in sent.items():
        if name == "Content-Length":  # curl counts by itself
            continue
        shown = "YOUR_" + name.upper().replace("-", "_") if value == MASK else value
        lines.append("-H " + shlex.quote(f"{name}: {PLACEHOLDERS.get(name.lower(), shown)}"))
    if delivery.body:
        lines.append("--data-raw " + shlex.quote(bytes(delivery.body).decode(errors="replace")))
    return " \\\n  ".join(lines)


def _method(method: str) -> str:
    """HEAD has an option of its own: with -X curl would wait for a body. What was refused may be any text."""
    return "--head" if method == "HEAD" else "-X " + shlex.quote(method)
