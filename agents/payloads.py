"""What a rule sends instead of the event itself: a JSON tree with {{ paths }} into the event, filled in once.

The tree is JSON before and after, so nothing that a customer wrote can change its shape; there is nothing to run, and
nothing to reach but the envelope of the event. What placeholders can do is listed in docs/trigger-rules.md.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from agents import catalogue, comparing
from agents.arguments import Fault, unstorable
from webhooks import bodies

DEEPEST = 20
LARGEST = 64 * 1024
MOST_PLACEHOLDERS = 500
LONGEST_PATH = 200
MOST_FILTERS = 5
MOST_FAULTS = 50
ENVELOPE = ("id", "event", "timestamp", "agent_id", "data")

# Moments are written in UTC.
DATE_FORMATS: dict[str, Callable[[datetime], Any]] = {
    "iso": lambda at: f"{_day(at)}T{_time(at)}:{at.second:02}Z",
    "YYYY-MM-DD": lambda at: _day(at),
    "YYYY-MM-DD HH:mm": lambda at: f"{_day(at)} {_time(at)}",
    "DD.MM.YYYY": lambda at: f"{at.day:02}.{at.month:02}.{at.year:04}",
    "DD/MM/YYYY": lambda at: f"{at.day:02}/{at.month:02}/{at.year:04}",
    "MM/DD/YYYY": lambda at: f"{at.month:02}/{at.day:02}/{at.year:04}",
    "HH:mm": lambda at: _time(at),
    "unix": lambda at: int(at.timestamp()),
}
# A filter, and whether it takes a text in quotation marks.
FILTERS = {"default": True, "lower": False, "date": True}

_OPENING, _CLOSING = "{{", "}}"
_PART = r"""[^\W_][\w-]*|"[^"]*"|'[^']*'"""
_PATH = re.compile(rf"\s*((?:{_PART})(?:\.(?:{_PART}))*)\s*")
_FILTER = re.compile(r"""\|\s*([a-z_]+)\s*(?::\s*("[^"]*"|'[^']*')\s*)?""")
_PARTS = re.compile(_PART)
_INDEX = re.compile(r"0|[1-9]\d{0,5}", re.ASCII)
_MISSING = None


class _Unreadable(ValueError):
    """This text is no placeholder we know; the message says what is."""


@dataclass(frozen=True)
class _Placeholder:
    """`parts` lead from the envelope to a value; `filters` are (name, argument), in their order."""

    parts: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]


# --- reading ---------------------------------------------------------------------------------------------------------


def read(tree: Any, names: Collection[str] | None = None) -> tuple[Any, list[Fault]]:
    """The tree as it is stored, and what keeps it from being filled in. Pointers begin at the tree: `/lead/email`.

    `names` are the keys at the top of the event's `data` (the properties of its schema); without them, those of every
    event there is.
    """
    if unfit := unstorable(tree):
        return tree, [Fault("", unfit)]
    if len(bodies.render(tree)) > LARGEST:
        return tree, [Fault("", f"The payload is larger than {LARGEST // 1024} KB. Make it smaller.")]
    reading = _Reading(_every_name() if names is None else names)
    reading.look(tree, "", depth=0)
    return tree, reading.faults


@cache
def _every_name() -> frozenset[str]:
    return frozenset(name for event in catalogue.EVENTS.values() for name in event.schema["properties"])


class _Reading:
    """One pass over a tree: it collects the faults and counts the placeholders."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self.faults: list[Fault] = []
        self.placeholders = 0

    def look(self, value: Any, at: str, *, depth: int) -> None:
        if isinstance(value, str):
            self._look_at_text(value, at)
        elif isinstance(value, dict | list) and depth == DEEPEST:
            self._refuse(at, f"The payload is nested deeper than {DEEPEST} levels. Make it flatter.")
        elif isinstance(value, dict):
            for key, item in value.items():
                inner = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
                if _OPENING in key:
                    self._refuse(inner, "A placeholder is a value or a part of one; keys are fixed.")
                self.look(item, inner, depth=depth + 1)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                self.look(item, f"{at}/{number}", depth=depth + 1)

    def _look_at_text(self, text: str, at: str) -> None:
        try:
            pieces = _pieces(text)
        except _Unreadable as fault:
            return self._refuse(at, str(fault))
        for piece in pieces:
            if isinstance(piece, _Placeholder):
                self._look_at_placeholder(piece, at)
        return None

    def _look_at_placeholder(self, placeholder: _Placeholder, at: str) -> None:
        self.placeholders += 1
        if self.placeholders == MOST_PLACEHOLDERS + 1:
            self._refuse(at, f"A payload may have {MOST_PLACEHOLDERS} placeholders.")
        first, *rest = placeholder.parts
        name = rest[0] if first == "data" and rest else first
        is_known = name in self.names or (name == first and name in ENVELOPE)
        if not is_known:
            known = ", ".join([*ENVELOPE, *sorted(set(self.names) - set(ENVELOPE))])
            self._refuse(at, f"This event has no {name[:100]}. There is: {known}.")

    def _refuse(self, pointer: str, detail: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(pointer, detail))


# --- one text --------------------------------------------------------------------------------------------------------


def _pieces(text: str) -> tuple[str | _Placeholder, ...]:
    """Plain text and placeholders, in their order. Raises `_Unreadable`."""
    if "{%" in text:
        raise _Unreadable("There are no {% tags %} here, only placeholders such as {{ customer.email }}.")
    pieces: list[str | _Placeholder] = []
    done = 0
    while (opening := text.find(_OPENING, done)) >= 0:
        if opening > done:
            pieces.append(text[done:opening])
        placeholder, done = _placeholder(text, opening)
        pieces.append(placeholder)
    if done < len(text):
        pieces.append(text[done:])
    return tuple(pieces)


def _placeholder(text: str, opening: int) -> tuple[_Placeholder, int]:
    """The placeholder that begins here, and where the text goes on behind it."""
    unreadable = _Unreadable(
        f"{text[opening : opening + 60]} cannot be read. Write names with dots between them, then filters if you "
        'like: {{ customer.name | default:"there" }}. A name that does not begin with a letter or a digit, or has '
        "blanks or dots in it, stands in quotation marks."
    )
    path = _PATH.match(text, opening + len(_OPENING))
    if path is None or len(path[1]) > LONGEST_PATH:
        raise unreadable
    filters, end = _filters(text, path.end())
    if not text.startswith(_CLOSING, end):
        raise unreadable
    parts = tuple(_unquoted(part) for part in _PARTS.findall(path[1]))
    return _Placeholder(parts, filters), end + len(_CLOSING)


def _filters(text: str, end: int) -> tuple[tuple[tuple[str, str], ...], int]:
    filters: list[tuple[str, str]] = []
    while found := _FILTER.match(text, end):
        filters.append(_filter(found[1], found[2]))
        end = found.end()
    if len(filters) > MOST_FILTERS:
        raise _Unreadable(f"A placeholder may have {MOST_FILTERS} filters.")
    return tuple(filters), end


def _filter(name: str, quoted: str | None) -> tuple[str, str]:
    if name not in FILTERS:
        raise _Unreadable(f"There is no filter {name[:50]}. Use {', '.join(FILTERS)}.")
    if FILTERS[name] != (quoted is not None):
        example = f'{name}:"…"' if FILTERS[name] else name
        raise _Unreadable(f"Write the filter {name} like this: {example}.")
    argument = _unquoted(quoted or "")
    if name == "date" and argument not in DATE_FORMATS:
        raise _Unreadable(f"There is no date format {argument[:50]}. Use one of: {', '.join(DATE_FORMATS)}.")
    return name, argument


def _unquoted(part: str) -> str:
    return part[1:-1] if part[:1] in ('"', "'") else part


# --- filling in ------------------------------------------------------------------------------------------------------


def render(tree: Any, envelope: Mapping[str, Any], *, leaves_out_missing: bool = False) -> Any:
    """The tree with every placeholder filled in from the envelope of an event: JSON that can be a body.

    Raises `bodies.BodyRefused` where that would be larger or deeper than a body may be; nothing is ever cut.
    """
    filled = _Filling(envelope, leaves_out_missing).fill(tree)
    bodies.render(filled)
    return filled


class _Filling:
    """One tree being filled in. It stops where more is inserted than a body may hold, however often a path is named."""

    def __init__(self, envelope: Mapping[str, Any], leaves_out_missing: bool) -> None:
        self.envelope = envelope
        self.leaves_out_missing = leaves_out_missing
        self.room = bodies.MAX_BODY

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._fill_text(value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return self._fill_object(value)
        return value

    def _fill_object(self, tree: dict[str, Any]) -> dict[str, Any]:
        filled = {key: self.fill(item) for key, item in tree.items()}
        if not self.leaves_out_missing:
            return filled
        # A null that stands in the tree itself is meant; one that came from a placeholder is a value that is missing.
        return {key: item for key, item in filled.items() if item is not _MISSING or tree[key] is None}

    def _fill_text(self, text: str) -> Any:
        pieces = _pieces(text)
        if len(pieces) == 1 and isinstance(pieces[0], _Placeholder):
            return self._value(pieces[0])
        return "".join(piece if isinstance(piece, str) else _as_text(self._value(piece)) for piece in pieces)

    def _value(self, placeholder: _Placeholder) -> Any:
        value = _find(self.envelope, placeholder.parts)
        for name, argument in placeholder.filters:
            value = _APPLY[name](value, argument)
        self.room -= len(_as_text(value))
        if self.room < 0:
            raise bodies.BodyRefused("too_large")
        return value


def _find(envelope: Mapping[str, Any], parts: tuple[str, ...]) -> Any:
    """Keys of objects and places in lists; the names of the envelope first, then those of its data."""
    found: Any = envelope if parts[0] in ENVELOPE else envelope.get("data")
    for part in parts:
        if isinstance(found, Mapping):
            found = found.get(part, _MISSING)
        elif isinstance(found, list) and _INDEX.fullmatch(part) and int(part) < len(found):
            found = found[int(part)]
        else:
            return _MISSING
    return found


def _default(value: Any, argument: str) -> Any:
    is_blank = isinstance(value, str) and not value.strip()
    return argument if value is _MISSING or is_blank else value


def _lower(value: Any, _: str) -> Any:
    return value.lower() if isinstance(value, str) else value


def _date(value: Any, argument: str) -> Any:
    """What is no moment counts as missing: a default behind it can say what to write."""
    found = comparing.moment(value)
    return _MISSING if found is None else DATE_FORMATS[argument](found)


_APPLY: dict[str, Callable[[Any, str], Any]] = {"default": _default, "lower": _lower, "date": _date}


def _as_text(value: Any) -> str:
    """Lists and objects as compact JSON. Raises `bodies.BodyRefused` for what is no JSON."""
    if value is _MISSING:
        return ""
    text = comparing.written(value)
    return bodies.render(value).decode() if text is None else text


def _day(at: datetime) -> str:
    return f"{at.year:04}-{at.month:02}-{at.day:02}"


def _time(at: datetime) -> str:
    return f"{at.hour:02}:{at.minute:02}"
