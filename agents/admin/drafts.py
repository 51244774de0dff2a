"""A custom action as it was typed: kept word for word until it can be saved, with what is wrong beside each field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from django.core.exceptions import ValidationError
from django.http import QueryDict

from agents import parameters
from agents.arguments import Fault
from agents.models import ActionVersion, CustomAction
from chatzuri.models import Team

WORDS = ("title", "name", "description", "code", "note")
CELLS = ("name", "type", "required", "description", "enum", "default", "format")
LABELS = {"enum": "Allowed values"}
TRUE, FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
MOST_ROWS = 200
STARTER = """\
// params: what the agent fills in. credentials: the secrets you choose. config: fixed values of one agent.
return { success: true };
"""


class Unreadable(ValueError):
    """What was typed is no value of the type; the message says what to write instead."""


@dataclass
class Row:
    """One parameter as it was typed. `errors` are sentences for people."""

    name: str = ""
    type: str = "string"
    required: str = ""
    description: str = ""
    enum: str = ""
    default: str = ""
    format: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def is_blank(self) -> bool:
        return not (self.name or self.description or self.enum or self.default)

    @property
    def is_filled(self) -> bool:
        """The conversation gives it its value, so nobody is asked for one."""
        return self.name in parameters.FILLED

    @property
    def has_more(self) -> bool:
        return bool(self.enum or self.default or self.format)

    def declaration(self) -> dict[str, Any]:
        """In the form `parameters.read` expects. What cannot be read is left out and named in `errors`."""
        name = self.name.strip()
        if self.is_filled:
            return {"name": name, "type": "string", "description": self.description or parameters.FILLED[name]}
        found: dict[str, Any] = {"name": name, "type": self.type, "description": self.description}
        found |= {"required": bool(self.required), "format": self.format}
        for key, read in (("enum", allowed_values), ("default", typed)):
            try:
                if text := str(getattr(self, key)).strip():
                    found[key] = read(text, self.type)
            except Unreadable as error:
                self.complain(key, str(error))
        return found

    def complain(self, key: str, sentence: str) -> None:
        self.errors.append(f"{LABELS.get(key, key.capitalize())}: {sentence}" if key else sentence)


@dataclass
class Draft:
    """Everything on the editor's page. `errors` by field: title, name, description, code, parameters, or empty."""

    title: str = ""
    name: str = ""
    description: str = ""
    code: str = STARTER
    note: str = ""
    rows: list[Row] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)
    failed_line: int | None = None

    @classmethod
    def posted(cls, data: QueryDict) -> "Draft":
        columns = [data.getlist(f"parameter-{cell}") for cell in CELLS]
        rows = [_row(cells) for cells in list(zip_longest(*columns, fillvalue=""))[:MOST_ROWS]]
        words: dict[str, Any] = {key: data.get(key, "").replace("\r\n", "\n") for key in WORDS}
        return cls(**words, rows=[row for row in rows if not row.is_blank])

    @classmethod
    def of(cls, action: CustomAction) -> "Draft":
        version = action.current
        return cls(
            title=action.title,
            name=action.name,
            description=action.description,
            code=version.code if version else STARTER,
            rows=rows_of(version),
        )

    @property
    def has_errors(self) -> bool:
        return bool(self.errors) or any(row.errors for row in self.rows)

    @property
    def general_errors(self) -> list[str]:
        """What is about no field of the page."""
        known = ("title", "name", "description", "code", "parameters")
        return [sentence for key, said in self.errors.items() if key not in known for sentence in said]

    def declared(self) -> list[dict[str, Any]]:
        """The declarations, one for each row, as far as they can be read."""
        return [row.declaration() for row in self.rows]

    def judge(self, team: Team, action: CustomAction | None) -> list[dict[str, Any]]:
        """The declarations; everything that can be said without a worker is beside its field afterwards."""
        declared = self.declared()
        unread = [bool(row.errors) for row in self.rows]
        # A row that could not be read is judged when it can be: its other cells would only repeat the same fault.
        self.take([fault for fault in parameters.read(declared)[1] if not _is_of(fault, unread)])
        if not self.code.strip():
            self.take([Fault("/code", "Write the body of the function: at least a return.")])
        self.take(_model_faults(self, team, action))
        return declared

    def take(self, faults: list[Fault], *, line: int | None = None) -> None:
        """Put each fault beside the field it is about."""
        self.failed_line = line
        for fault in faults:
            head, _, rest = fault.pointer.strip("/").partition("/")
            number, _, cell = rest.partition("/")
            if head == "parameters" and number.isdecimal() and int(number) < len(self.rows):
                self.rows[int(number)].complain(cell.partition("/")[0], fault.detail)
            else:
                self.errors.setdefault(head, []).append(fault.detail)


def _row(cells: tuple[str, ...]) -> Row:
    typed_cells: dict[str, Any] = dict(zip(CELLS, cells, strict=True))
    return Row(**typed_cells)


def rows_of(version: ActionVersion | None) -> list[Row]:
    return [row_of(one) for one in (version.parameters if version else [])]


def row_of(one: Mapping[str, Any]) -> Row:
    """A stored declaration as somebody would type it."""
    kind = one.get("type", "string")
    return Row(
        name=one["name"],
        type=kind,
        required="1" if one.get("required") else "",
        description=one.get("description", ""),
        enum=_as_list(one.get("enum") or []),
        default=as_text(one.get("default"), kind),
        format=one.get("format", ""),
    )


def _as_list(values: list[Any]) -> str:
    words = [as_text(value, "") for value in values]
    plain = all(words) and not any("," in word or word != word.strip() or word.startswith("[") for word in words)
    return ", ".join(words) if plain else json.dumps(values, ensure_ascii=False) if values else ""


def as_text(value: Any, kind: str) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) and kind in ("string", "") else json.dumps(value, ensure_ascii=False)


# --- from text to values ---------------------------------------------------------------------------------------------


def typed(text: str, kind: str) -> Any:
    """The value that a person meant by this text. Raises `Unreadable`."""
    return _READ.get(kind, str)(text)


def allowed_values(text: str, kind: str) -> list[Any]:
    """A comma between them, or a JSON list where a value has a comma of its own."""
    if text.startswith("["):
        values = _json(text, list, "Write the values with commas between them, or a JSON list.")
        return list(values)
    return [typed(word.strip(), kind) for word in text.split(",") if word.strip()]


def _integer(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise Unreadable("Write a whole number, for example 3.") from None


def _number(text: str) -> float | int:
    value = _json(text, (int, float), "Write a number with a point, for example 2.5.")
    if isinstance(value, bool):
        raise Unreadable("Write a number with a point, for example 2.5.")
    return value


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*TRUE, *FALSE):
        raise Unreadable("Write true or false.")
    return word in TRUE


def _array(text: str) -> Any:
    return _json(text, list, 'Write a JSON list, for example ["a", "b"].')


def _object(text: str) -> Any:
    return _json(text, dict, 'Write a JSON object, for example {"colour": "red"}.')


def _json(text: str, wanted: Any, sentence: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Unreadable(sentence) from None
    if not isinstance(value, wanted):
        raise Unreadable(sentence)
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_READ = {"integer": _integer, "number": _number, "boolean": _boolean, "array": _array, "object": _object}


def configuration(text: str) -> dict[str, Any]:
    """What the code reads as `config`. Raises `Unreadable`."""
    value: dict[str, Any] = _object(text) if text.strip() else {}
    if unfit := parameters.unstorable(value):
        raise Unreadable(unfit)
    return value


# --- judging ---------------------------------------------------------------------------------------------------------


def _is_of(fault: Fault, unread: list[bool]) -> bool:
    parts = fault.pointer.split("/")
    return len(parts) > 2 and parts[2].isdecimal() and unread[int(parts[2])]


def _model_faults(draft: Draft, team: Team, action: CustomAction | None) -> list[Fault]:
    row = CustomAction(
        pk=action.pk if action else None,
        team=team,
        name=draft.name.strip(),
        title=draft.title.strip(),
        description=draft.description.strip(),
    )
    row._state.adding = action is None
    try:
        row.full_clean(exclude=["current", "public_id"])
    except ValidationError as error:
        return [
            Fault(*(("/name", _TAKEN) if key == "__all__" else (f"/{key}", sentence)))
            for key, sentences in error.message_dict.items()
            for sentence in sentences
        ]
    return []


_TAKEN = "Your team has an action with this name. Choose another one."
