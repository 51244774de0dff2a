"""Reading what strangers send: nothing in here raises for any JSON, whatever its shape."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from channels_inbound.adapters.base import Unusable

MOST_TEXT = 32_000
MOST_KEY = 255
MOST_DEPTH = 100
_UNSAFE = re.compile(r"[\x00\ud800-\udfff]")
_ISO_ZONE = re.compile(r"([+-]\d\d)(\d\d)$")


def document(body: bytes) -> Any:
    """The JSON of a body, fit for the database: no NaN, no NUL, no halves of characters, at most 100 levels.

    Of a key that stands there twice the last one counts. Raises `Unusable`.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Unusable("The body is not UTF-8.") from None
    try:
        found = json.loads(text, parse_constant=lambda _: None, parse_int=_whole, parse_float=_fraction)
    except RecursionError:
        raise Unusable("The JSON of the body is nested too deeply.") from None
    except ValueError:
        raise Unusable("The body is not JSON.") from None
    if depth(found) > MOST_DEPTH:
        raise Unusable(f"The JSON of the body is nested more than {MOST_DEPTH} levels deep.")
    return storable(found)


def table(body: bytes) -> dict[str, Any]:
    """The same, where only an object makes sense. Raises `Unusable`."""
    found = document(body)
    if not isinstance(found, dict):
        raise Unusable("The body is JSON, but not an object.")
    return found


def _whole(digits: str) -> int | str:
    # A number of thousands of digits would raise; it is no number anybody meant.
    return int(digits) if len(digits) <= 100 else digits


def _fraction(digits: str) -> float | None:
    value = float(digits)
    return value if value - value == 0 else None


def depth(value: Any) -> int:
    """How many containers lie in each other; without recursion, since the input decides how many."""
    deepest, layer = 0, [value]
    while layer:
        layer = [
            child
            for each in layer
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        deepest += 1
        if deepest > MOST_DEPTH:
            break
    return deepest


def storable(value: Any) -> Any:
    """Everything PostgreSQL refuses replaced: NUL and lone halves of characters."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [storable(each) for each in value]
    if isinstance(value, dict):
        return {plain(str(key)): storable(each) for key, each in value.items()}
    return value


def plain(text: str) -> str:
    return _UNSAFE.sub("\ufffd", text) if _UNSAFE.search(text) else text


def text(value: Any, most: int = MOST_TEXT) -> str:
    """A text in its composed form and of a limited length; empty for whatever is no text."""
    if not isinstance(value, str):
        return ""
    return composed(plain(value[:most]))[:most]


# A character and what may be marks on it. Marks are put in order by comparing each with those before it: a text of
# nothing but marks takes time with the square of its length, 7 s for 64,000 of them.
_MARKED = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]{1,500}")


def composed(text: str) -> str:
    """Its composed form (NFC), in time proportional to its length."""
    return _MARKED.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)


def ident(value: Any) -> str:
    """An id as a text, also where it is sent as a number; empty for whatever is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return plain(str(value)).strip()[:MOST_KEY]


def get(value: Any, *path: str | int) -> Any:
    """`value["a"][0]["b"]`, or None as soon as something is not there or is something else."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        else:
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return None
            value = value[step]
    return value


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects in a list; nothing where it is no list."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# --- times -----------------------------------------------------------------------------------------------------------


def moment(value: Any, now: datetime) -> datetime | None:
    """Unix seconds or milliseconds (number or digits), ISO 8601 or RFC 2822; None for whatever else.

    A provider's clock may be wrong: more than a day ahead of ours is no time. Before 2000 neither.
    """
    found = _number_moment(value) if _is_number(value) else _text_moment(value)
    if found is None or not datetime(2000, 1, 1, tzinfo=UTC) <= found <= now + timedelta(days=1):
        return None
    return found


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"\d{1,16}(\.\d{1,9})?", value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_moment(value: Any) -> datetime | None:
    number = float(value)
    try:
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _text_moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) > 100:
        return None
    for read in (lambda: datetime.fromisoformat(_ISO_ZONE.sub(r"\1:\2", value)), lambda: parsedate_to_datetime(value)):
        try:
            found = read()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
