"""Rows of a condition as they were typed: kept word for word until they can be saved, with what is wrong beside each.

Shared by the builder of trigger rules and by segments. What rows mean is agents/conditions.py.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as part
from itertools import zip_longest
from typing import Any

from django.http import QueryDict

from agents import conditions
from agents.arguments import Fault
from agents.conditions import FREE, Field

CELLS = ("group", "field", "key", "operator", "value", "second", "unit")
MOST_ROWS = 200
NEGATED = "not "
YES_AND_NO = {"yes": "true", "no": "false"}
# Nobody told us what these hold, so what was typed says it: 70 is a number, "70" in quotation marks is a text.
UNTYPED = ("list", "any")


@dataclass
class Row:
    """One row. `group` is the number of the inner group it stands in, or empty; `key` is a name below a free field."""

    field: str = ""
    key: str = ""
    operator: str = "is"
    value: str = ""
    second: str = ""
    unit: str = "days"
    group: str = ""
    errors: list[str] = part(default_factory=list)

    @property
    def is_blank(self) -> bool:
        return not (self.field or self.value or self.key)

    @property
    def is_free(self) -> bool:
        return self.field.endswith(FREE)

    @property
    def path(self) -> str:
        return self.field.removesuffix("*") + self.key.strip() if self.is_free else self.field

    @property
    def asked(self) -> str:
        return self.operator.removeprefix(NEGATED)

    def raw(self, kinds: Mapping[str, str]) -> dict[str, Any]:
        """In the form that `conditions.read` expects."""
        kind = "any" if self.is_free else kinds.get(self.field, "text")
        return {
            "field": self.path,
            "operator": self.asked,
            "value": self._value(kind),
            "not": self.operator.startswith(NEGATED),
        }

    def _value(self, kind: str) -> Any:
        if self.asked in ("is_known", "is_empty"):
            return None
        if self.asked == "within_last":
            return {"number": self.value.strip(), "unit": self.unit}
        if self.asked == "between":
            return [self.value, self.second]
        if self.asked == "is_one_of":
            return _members(self.value, kind)
        return _meant(self.value, kind) if self.asked in ("is", "contains") else self.value


@dataclass
class Group:
    """Rows inside of the condition that have an all or any of their own."""

    number: str
    mode: str = "any"
    rows: list[Row] = part(default_factory=list)
    errors: list[str] = part(default_factory=list)


@dataclass
class Typed:
    """A whole condition as it stands on a page. `errors` are about no row in particular."""

    mode: str = "all"
    rows: list[Row] = part(default_factory=list)
    groups: list[Group] = part(default_factory=list)
    errors: list[str] = part(default_factory=list)

    @classmethod
    def posted(cls, data: QueryDict) -> "Typed":
        columns = [data.getlist(f"row-{cell}") for cell in CELLS]
        cells = list(zip_longest(*columns, fillvalue=""))[:MOST_ROWS]
        rows = [row for row in (_row(each) for each in cells) if not row.is_blank]
        numbers = list(dict.fromkeys(data.getlist("group-number")))[:MOST_ROWS]
        modes = data.getlist("group-mode")
        groups = [Group(number, _mode(mode)) for number, mode in zip_longest(numbers, modes[: len(numbers)])]
        for group in groups:
            group.rows = [row for row in rows if row.group == group.number]
        return cls(
            mode=_mode(data.get("condition-mode")),
            rows=[row for row in rows if row.group not in numbers],
            groups=[group for group in groups if group.rows],
        )

    @classmethod
    def of(cls, condition: Mapping[str, Any], fields: Iterable[Field]) -> "Typed":
        """A stored condition as somebody would type it."""
        if not condition:
            return cls()
        kinds = {each.path: each.type for each in fields}
        [(mode, entries)] = condition.items()
        found = cls(mode=mode)
        for entry in entries:
            if "field" in entry:
                found.rows.append(_typed(entry, kinds))
                continue
            [(inner, rows)] = entry.items()
            number = str(len(found.groups) + 1)
            found.groups.append(Group(number, inner, [_typed(row, kinds, number) for row in rows]))
        return found

    @property
    def has_errors(self) -> bool:
        return bool(self.sentences())

    def every_row(self) -> list[Row]:
        return [*self.rows, *(row for group in self.groups for row in group.rows)]

    def sentences(self) -> list[str]:
        """Everything that is wrong, for a reader who does not see the rows; they are counted from the top."""
        found = [*self.errors, *(sentence for group in self.groups for sentence in group.errors)]
        rows = enumerate(self.every_row(), 1)
        return [*found, *(f"Row {number}: {sentence}" for number, row in rows for sentence in row.errors)]

    def raw(self, fields: Iterable[Field]) -> dict[str, Any]:
        """In the form that `conditions.read` expects: the rows of the condition, then its groups."""
        kinds = {each.path: each.type for each in fields}
        entries = [row.raw(kinds) for row in self.rows]
        entries += [{group.mode: [row.raw(kinds) for row in group.rows]} for group in self.groups]
        return {self.mode: entries} if entries else {}

    def take(self, faults: Iterable[Fault]) -> None:
        """Put each fault beside the row it is about. Pointers begin at the condition: `/all/0/value`."""
        for fault in faults:
            errors = self._place(fault.pointer.strip("/").split("/")).errors
            if fault.detail not in errors:
                errors.append(fault.detail)

    def _place(self, parts: list[str]) -> "Row | Group | Typed":
        number = int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else -1
        if 0 <= number < len(self.rows):
            return self.rows[number]
        if not 0 <= number - len(self.rows) < len(self.groups):
            return self
        group = self.groups[number - len(self.rows)]
        inner = int(parts[3]) if len(parts) > 3 and parts[3].isdecimal() else -1
        return group.rows[inner] if 0 <= inner < len(group.rows) else group


def _row(cells: tuple[str, ...]) -> Row:
    typed: dict[str, Any] = dict(zip(CELLS, cells, strict=True))
    return Row(**typed | {"operator": typed["operator"] or "is"})


def _mode(text: str | None) -> str:
    return "any" if text == "any" else "all"


# --- from stored rows to typed ones ----------------------------------------------------------------------------------


def _typed(stored: Mapping[str, Any], kinds: Mapping[str, str], group: str = "") -> Row:
    operator, value, path = stored["operator"], stored["value"], stored["field"]
    free = (each for each in kinds if each.endswith(FREE))
    below = "" if path in kinds else next((each for each in free if path.startswith(each.removesuffix("*"))), "")
    write = _quoted if below or kinds.get(path) in UNTYPED else _written
    row = Row(
        field=below or path,
        key=path.removeprefix(below.removesuffix("*")) if below else "",
        operator=NEGATED + operator if stored["not"] else operator,
        group=group,
    )
    if operator == "within_last":
        row.value, row.unit = str(value["number"]), value["unit"]
    elif operator == "between":
        row.value, row.second = map(_written, value)
    elif value is not None:
        row.value = joined(value, write) if operator == "is_one_of" else write(value)
    return row


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(value: Any) -> str:
    """As it stands, if reading that gives the same value again: a text that looks like a number gets its marks."""
    text = value if isinstance(value, str) else _json(value)
    meant = _meant(text, "any")
    return text if meant == value and type(meant) is type(value) else _json(value)


def joined(values: list[Any], write: Callable[[Any], str]) -> str:
    """With commas between them, or as a JSON list where a value has a comma of its own."""
    words = [write(value) for value in values]
    plain = all(words) and not any("," in word or word != word.strip() or word.startswith("[") for word in words)
    return ", ".join(words) if plain else _json(values)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- from text to values ---------------------------------------------------------------------------------------------


def _members(text: str, kind: str) -> list[Any]:
    values = _loaded(text) if text.strip().startswith("[") else None
    if isinstance(values, list):
        return values
    return [_meant(word.strip(), kind) for word in text.split(",") if word.strip()]


def _meant(text: str, kind: str) -> Any:
    if kind == "boolean":
        return YES_AND_NO.get(text.strip().lower(), text)
    value = _loaded(text) if kind in UNTYPED else None
    # A list or an object is nothing that a row compares with, and 007 or 1e5 is somebody's text.
    is_scalar = isinstance(value, str | int | float)
    return value if is_scalar and _json(value) == text.strip() else text


def _loaded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def read(typed: Typed, fields: Iterable[Field]) -> dict[str, Any]:
    """The condition in its stored form; what is wrong stands beside the rows afterwards, and then it is empty."""
    fields = list(fields)
    condition, faults = conditions.read(typed.raw(fields), fields)
    typed.take(faults)
    return condition
