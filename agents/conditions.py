"""Conditions of trigger rules: rows of field, operator and value in all/any groups, judged with a reason for each row.

Pure: no database, no clock. What the operators ask is agents/comparing.py; what is kept of what was found,
agents/excerpts.py.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from agents import comparing
from agents.arguments import Fault, unstorable
from agents.comparing import written
from agents.excerpts import LIST, MORE, OBJECT, excerpt

MOST_ROWS = 50
MOST_MEMBERS = 100
MOST_FAULTS = 50
LONGEST_PATH = 200
LONGEST_VALUE = 1000
LONGEST_NUMBER = 40
LONGEST_FOUND = 200
LONGEST_SPAN = timedelta(days=3660)
UNITS = ("minutes", "hours", "days")
SEGMENTS = "customer.segments"

OPERATORS: dict[str, tuple[str, ...]] = {
    "text": ("is", "is_one_of", "contains", "starts_with", "ends_with", "is_known"),
    "choice": ("is", "is_one_of", "is_known"),
    "number": ("is", "more_than", "less_than", "at_least", "at_most", "between", "is_known"),
    "boolean": ("is", "is_known"),
    "moment": ("within_last", "before", "after", "is_known"),
    "list": ("contains", "is_empty", "is_known"),
}
# What people read for each operator, and for its opposite.
WORDS: dict[str, tuple[str, str]] = {
    "is": ("is", "is not"),
    "is_one_of": ("is one of", "is none of"),
    "contains": ("contains", "does not contain"),
    "starts_with": ("starts with", "does not start with"),
    "ends_with": ("ends with", "does not end with"),
    "more_than": ("is more than", "is not more than"),
    "less_than": ("is less than", "is not less than"),
    "at_least": ("is at least", "is not at least"),
    "at_most": ("is at most", "is not at most"),
    "between": ("is between", "is not between"),
    "within_last": ("is within the last", "is not within the last"),
    "before": ("is before", "is not before"),
    "after": ("is after", "is not after"),
    "is_empty": ("is empty", "is not empty"),
    "in_segment": ("include the segment", "do not include the segment"),
    "is_known": ("is known", "is not known"),
}
# Below a field whose path ends like this, customers' own forms and systems name the keys, and types are not known.
FREE = ".*"
_ANY_TYPE = "any"
_EVERY_OPERATOR = tuple(operator for operator in WORDS if operator != "in_segment")
_GATHER: dict[str, Callable[[Iterable[bool]], bool]] = {"all": all, "any": any}
_ROW_KEYS = {"field", "operator", "value", "not"}


class Field(Protocol):
    """What has to be known of a field: where it stands in `data`, and its type, a key of `OPERATORS`."""

    @property
    def path(self) -> str: ...

    @property
    def type(self) -> str: ...


@dataclass(frozen=True)
class Judgement:
    """Whether the facts match, and a line for each row of the condition, in its order.

    A line is the row (`field`, `operator`, `value`, `not`) with `held`, and `found` or `missing: true`; what was found
    and cannot be compared is marked `incomparable: true`. `group` says where the row stands: ["all"] for a row at the
    top of an all-group, ["all", 2, "any"] for one in the any-group that is its third entry. So lines speak for
    themselves, whatever becomes of the rule.
    """

    matched: bool
    lines: list[dict[str, Any]]


# --- reading ---------------------------------------------------------------------------------------------------------


class _Unfit(ValueError):
    """This value does not go with this operator; the message says what does."""


def read(raw: Any, fields: Iterable[Field]) -> tuple[dict[str, Any], list[Fault]]:
    """The condition in its stored form, and what is wrong with it. With faults the condition is empty: do not save it.

    `{"all": [entry, …]}` or `{"any": […]}`; an entry is a row `{field, operator, value, not}` or one more group of
    rows. No rows, `{}`, matches always. Pointers begin at the condition: `/all/0/value`.
    """
    if raw is None or raw == {}:
        return {}, []
    if unfit := unstorable(raw):
        return {}, [Fault("", unfit)]
    reading = _Reading({field.path: field.type for field in fields})
    condition = reading.group(raw, "", is_inner=False)
    return ({}, reading.faults) if reading.faults else (condition, [])


def operators(path: str, kind: str) -> tuple[str, ...]:
    """What can be asked of a field of the catalogue; segments can be asked for one more thing."""
    if path.endswith(FREE) or kind == _ANY_TYPE:
        return _EVERY_OPERATOR
    return ("in_segment", *OPERATORS[kind]) if path == SEGMENTS else OPERATORS[kind]


class _Reading:
    """One pass over a condition: it collects the faults and counts the rows."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = {path: kind for path, kind in kinds.items() if not path.endswith(FREE)}
        self.free = [path.removesuffix("*") for path in kinds if path.endswith(FREE)]
        self.faults: list[Fault] = []
        self.rows = 0

    def group(self, raw: Any, at: str, *, is_inner: bool) -> dict[str, Any]:
        mode = _mode(raw)
        if mode is None or len(raw) > 1 or not isinstance(raw[mode], list):
            return self._refuse(at, 'Give {"all": [rows]} or {"any": [rows]}.')
        if is_inner and not raw[mode]:
            return self._refuse(f"{at}/{mode}", "This group has no rows. Add one, or remove the group.")
        entries = [
            self._entry(entry, f"{at}/{mode}/{number}", is_inner=is_inner) for number, entry in enumerate(raw[mode])
        ]
        return {mode: entries} if entries else {}

    def _entry(self, raw: Any, at: str, *, is_inner: bool) -> dict[str, Any]:
        if _mode(raw) is None:
            return self._row(raw, at)
        if is_inner:
            return self._refuse(at, "A group inside a group holds rows only.")
        return self.group(raw, at, is_inner=True)

    def _row(self, raw: Any, at: str) -> dict[str, Any]:
        self.rows += 1
        if self.rows > MOST_ROWS:
            # Said once, at the first row too many.
            return {} if self.rows > MOST_ROWS + 1 else self._refuse(at, f"A condition may have {MOST_ROWS} rows.")
        if not isinstance(raw, dict) or not raw.keys() <= _ROW_KEYS:
            return self._refuse(at, "Each row has a field, an operator, a value and, if you like, not: true.")
        field, operator, negated = raw.get("field"), raw.get("operator"), raw.get("not", False)
        kind = self._kind(field)
        if kind is None:
            return self._refuse(f"{at}/field", "Choose a field of this event.")
        allowed = operators(str(field), kind)
        if operator not in allowed:
            return self._refuse(f"{at}/operator", f"Choose one of {', '.join(allowed)}.")
        if not isinstance(negated, bool):
            return self._refuse(f"{at}/not", "Say true or false.")
        try:
            value = _value(operator, kind, raw.get("value"))
        except _Unfit as fault:
            return self._refuse(f"{at}/value", str(fault))
        return {"field": field, "operator": operator, "value": value, "not": negated}

    def _kind(self, path: Any) -> str | None:
        if not isinstance(path, str) or len(path) > LONGEST_PATH:
            return None
        if any(path.startswith(start) and path[len(start) :].strip() for start in self.free):
            return _ANY_TYPE
        return self.kinds.get(path)

    def _refuse(self, pointer: str, detail: str) -> dict[str, Any]:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(pointer, detail))
        return {}


def _mode(raw: Any) -> str | None:
    """all or any, where this is a group."""
    if not isinstance(raw, dict):
        return None
    return "all" if "all" in raw else "any" if "any" in raw else None


def _value(operator: str, kind: str, raw: Any) -> Any:
    if operator in ("is_known", "is_empty"):
        return None
    if operator == "is_one_of":
        return _read_choices(raw, _SCALARS[kind])
    if operator in ("is", "contains"):
        return _SCALARS[kind](raw)
    return _READERS[operator](raw)


def _read_text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise _Unfit("Give a text.")
    if len(raw) > LONGEST_VALUE:
        raise _Unfit(f"Give at most {LONGEST_VALUE:,} characters.")
    return raw.strip()


def _read_number(raw: Any) -> int | float:
    if (found := comparing.number(raw)) is None:
        raise _Unfit("Give a number, for example 70.")
    if abs(found) >= 10**LONGEST_NUMBER:
        raise _Unfit(f"Give a number of at most {LONGEST_NUMBER} digits.")
    return found


def _read_boolean(raw: Any) -> bool:
    if (found := comparing.boolean(raw)) is None:
        raise _Unfit("Say true or false.")
    return found


def _read_scalar(raw: Any) -> Any:
    """As its type says: nobody told us the type of what is asked for."""
    if isinstance(raw, bool):
        return raw
    return _read_text(raw) if isinstance(raw, str) else _read_number(raw)


def _read_choices(raw: Any, one: Callable[[Any], Any]) -> list[Any]:
    if not isinstance(raw, list) or not 0 < len(raw) <= MOST_MEMBERS:
        raise _Unfit(f"Give a list of 1 to {MOST_MEMBERS} values.")
    if sum(len(member) for member in raw if isinstance(member, str)) > LONGEST_VALUE:
        raise _Unfit(f"Give at most {LONGEST_VALUE:,} characters altogether.")
    return [one(member) for member in raw]


def _read_range(raw: Any) -> list[int | float]:
    if not isinstance(raw, list) or len(raw) != 2:
        raise _Unfit("Give two numbers, the lower one first.")
    low, high = map(_read_number, raw)
    if low > high:
        raise _Unfit("The first number is the lower one.")
    return [low, high]


def _read_span(raw: Any) -> dict[str, Any]:
    example = 'Give a whole number and a unit, for example {"number": 7, "unit": "days"}.'
    if not isinstance(raw, dict) or raw.keys() != {"number", "unit"} or raw["unit"] not in UNITS:
        raise _Unfit(f"{example} Units are {', '.join(UNITS)}.")
    number = comparing.number(raw["number"])
    if not isinstance(number, int):
        raise _Unfit(example)
    if not 0 < number <= LONGEST_SPAN // timedelta(**{raw["unit"]: 1}):
        raise _Unfit("Give at least 1, and no more than ten years.")
    return {"number": number, "unit": raw["unit"]}


def _read_moment(raw: Any) -> str:
    if comparing.moment(raw) is None:
        raise _Unfit("Give a day or a moment, for example 2026-11-25 or 2026-11-25T10:00:00Z.")
    return str(raw).strip()


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "text": _read_text,
    "choice": _read_text,
    "number": _read_number,
    "boolean": _read_boolean,
    "list": _read_scalar,
    _ANY_TYPE: _read_scalar,
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "starts_with": _read_text,
    "ends_with": _read_text,
    "in_segment": _read_text,
    "more_than": _read_number,
    "less_than": _read_number,
    "at_least": _read_number,
    "at_most": _read_number,
    "between": _read_range,
    "within_last": _read_span,
    "before": _read_moment,
    "after": _read_moment,
}


# --- judging ---------------------------------------------------------------------------------------------------------


def judge(condition: Mapping[str, Any], data: Any, *, at: datetime) -> Judgement:
    """Whether these facts match; every row is looked at, so that each has its reason.

    `at` is the event's own time, with a zone: what lies in the past is counted from it, today as in a rehearsal next
    year. Never raises for a condition that `read` gave back, whatever the data.
    """
    lines: list[dict[str, Any]] = []
    if not condition:
        return Judgement(True, lines)
    [(mode, entries)] = condition.items()
    held = [_entry(entry, data, at, [mode, number], lines) for number, entry in enumerate(entries)]
    return Judgement(_GATHER[mode](held), lines)


def _entry(entry: Mapping[str, Any], data: Any, at: datetime, place: list[Any], lines: list[dict[str, Any]]) -> bool:
    inner = _mode(entry)
    if inner is None:
        lines.append(_line(entry, data, at, place[:1]))
        return bool(lines[-1]["held"])
    rows = [_line(row, data, at, [*place, inner]) for row in entry[inner]]
    lines += rows
    return _GATHER[inner](row["held"] for row in rows)


def _line(row: Mapping[str, Any], data: Any, at: datetime, group: list[Any]) -> dict[str, Any]:
    operator, negated = row["operator"], row["not"]
    found = _find(data, row["field"].split("."))
    line = {**row, "group": group, "held": False}
    if found is None:
        # What is not there is neither this nor something else: its opposite does not hold either.
        line["missing"] = True
        line["held"] = operator == "is_known" and negated
        return line
    line["found"] = excerpt(found, longest=LONGEST_FOUND)
    answer = comparing.TESTS[operator](found, row["value"], at)
    if answer is None:
        line["incomparable"] = True
    else:
        line["held"] = answer != negated
    return line


def _find(data: Any, parts: list[str]) -> Any:
    """None where nothing is there: no such key, null, or a text of nothing but blanks."""
    for number, part in enumerate(parts):
        if not isinstance(data, dict):
            return None
        if part not in data:
            # A key that customers named may have a dot in it.
            data = data.get(".".join(parts[number:]))
            break
        data = data[part]
    return None if isinstance(data, str) and (not data or data.isspace()) else data


# --- words for people ------------------------------------------------------------------------------------------------


def sentence(line: Mapping[str, Any]) -> str:
    """A line as people read it: customer.country is not 'KE' (was missing)."""
    asked = f"{line['field']} {WORDS[line['operator']][line['not']]}"
    if line["value"] is not None:
        asked = f"{asked} {_value_in_words(line['operator'], line['value'])}"
    if line.get("missing"):
        return f"{asked} (was missing)"
    remark = ", which cannot be compared" if line.get("incomparable") else ""
    return f"{asked} (was {_in_words(line['found'])}{remark})"


def _value_in_words(operator: str, value: Any) -> str:
    if operator == "within_last":
        number, unit = value["number"], value["unit"]
        return f"{number} {unit.removesuffix('s') if number == 1 else unit}"
    if operator == "between":
        return f"{_in_words(value[0])} and {_in_words(value[1])}"
    if operator == "is_one_of":
        return ", ".join(map(_in_words, value))
    return _in_words(value)


def _in_words(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return value if value in (MORE, OBJECT, LIST) else f"'{value}'"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_words, value))}]"
    return written(value) or MORE
