"""How facts compare: what reads as text, as a number, as a moment, and what each operator asks of two of them.

What compares with what is the table in docs/trigger-rules.md, which the tests read row by row. Nothing here raises for
JSON data, and nothing takes longer than the data is long: there are no patterns of customers' own.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from operator import contains, eq, ge, gt, le, lt
from typing import Any

# True, false, or None where the two cannot be compared.
Test = Callable[[Any, Any, datetime], bool | None]


# --- values, read as what they are compared as -----------------------------------------------------------------------

# Digits, in groups of three as people write large numbers or without, then a fraction: 1,234.56, 1.234,56, 1 234,56.
_GROUPED = (
    re.compile(r"([+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+))(\.\d+)?", re.ASCII),
    re.compile(r"([+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+))(,\d+)?", re.ASCII),
    re.compile(r"([+-]?[1-9]\d{0,2}(?:[ \u00a0\u202f]\d{3})+)([.,]\d+)?", re.ASCII),
)
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_SEPARATORS = re.compile(r"[^\d+-]", re.ASCII)
# Longer text is neither a number nor a moment, and is not even looked at.
_LONGEST = 40


def written(value: Any) -> str | None:
    """Text as it stands, a number or true and false as JSON writes them, 10.0 as 10. None for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    try:
        return str(value) if isinstance(value, int) else None
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return None


def folded(value: Any) -> str | None:
    """Text to compare: without blanks around it, upper and lower case alike."""
    text = written(value)
    return None if text is None else text.strip().casefold()


def boolean(value: Any) -> bool | None:
    """True and false, also as words. No number is either."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().casefold()) if isinstance(value, str) else None


def number(value: Any) -> int | float | None:
    """Numbers, and text that is one, with a comma or a dot. True is not 1."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _number_in(value.strip()) if isinstance(value, str) and len(value) <= _LONGEST else None


def _number_in(text: str) -> int | float | None:
    # One dot is a decimal point, also before three digits: that is how machines write.
    if _PLAIN.fullmatch(text):
        return float(text) if "." in text else int(text)
    for pattern in _GROUPED:
        if found := pattern.fullmatch(text):
            whole = _SEPARATORS.sub("", found[1])
            return float(f"{whole}.{found[2][1:]}") if found[2] else int(whole)
    return None


def moment(value: Any) -> datetime | None:
    """ISO 8601 text as a time in UTC; without a zone it is taken for UTC, a day for its beginning."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


# --- what the operators ask ------------------------------------------------------------------------------------------


def _compared(one: Any, other: Any, holds: Callable[[Any, Any], bool]) -> bool | None:
    return None if one is None or other is None else holds(one, other)


def _texts(holds: Callable[[Any, Any], bool]) -> Test:
    return lambda found, value, _: _compared(folded(found), folded(value), holds)


def _numbers(holds: Callable[[Any, Any], bool]) -> Test:
    return lambda found, value, _: _compared(number(found), value, holds)


def _reading(value: Any) -> tuple[Callable[[Any], Any], Any]:
    """The value's own type says as what the two are read."""
    if isinstance(value, bool):
        return boolean, value
    return (folded, folded(value)) if isinstance(value, str) else (number, value)


def _is(found: Any, value: Any, _: datetime) -> bool | None:
    read, wanted = _reading(value)
    return _compared(read(found), wanted, eq)


def _is_one_of(found: Any, value: Any, _: datetime) -> bool | None:
    read_as: dict[Callable[[Any], Any], Any] = {}
    answers = set()
    for read, wanted in map(_reading, value):
        if read not in read_as:
            read_as[read] = read(found)  # once, however many there are to choose from
        answers.add(_compared(read_as[read], wanted, eq))
    return True if True in answers else False if False in answers else None


def _contains(found: Any, value: Any, _: datetime) -> bool | None:
    if isinstance(found, list):
        read, wanted = _reading(value)
        return any(read(member) == wanted for member in found)
    return _compared(folded(found), folded(value), contains)


def _in_segment(found: Any, value: Any, at: datetime) -> bool | None:
    return _contains(found, value, at) if isinstance(found, list) else None


def _is_empty(found: Any, _value: Any, _: datetime) -> bool | None:
    return not found if isinstance(found, list) else None


def _within_last(found: Any, value: Any, at: datetime) -> bool | None:
    span = timedelta(**{value["unit"]: value["number"]})
    return _compared(moment(found), at, lambda one, now: timedelta(0) <= now - one <= span)


def _before(found: Any, value: Any, _: datetime) -> bool | None:
    return _compared(moment(found), moment(value), lt)


def _after(found: Any, value: Any, _: datetime) -> bool | None:
    # After a day is when it is over.
    holds = (lambda one, day: one - day >= timedelta(days=1)) if _is_day(value) else gt
    return _compared(moment(found), moment(value), holds)


TESTS: dict[str, Test] = {
    "is": _is,
    "is_one_of": _is_one_of,
    "contains": _contains,
    "starts_with": _texts(str.startswith),
    "ends_with": _texts(str.endswith),
    "more_than": _numbers(gt),
    "less_than": _numbers(lt),
    "at_least": _numbers(ge),
    "at_most": _numbers(le),
    "between": _numbers(lambda one, ends: ends[0] <= one <= ends[1]),
    "within_last": _within_last,
    "before": _before,
    "after": _after,
    "is_empty": _is_empty,
    "in_segment": _in_segment,
    "is_known": lambda _found, _value, _: True,
}
