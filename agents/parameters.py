"""The parameters of a custom action: what may be declared, the schema a model sees, and the values the code gets."""

import re
from collections.abc import Mapping
from typing import Any

import jsonschema

from agents.arguments import Fault, unstorable

__all__ = ["FILLED", "FORMAT_CHOICES", "TYPES", "fill", "read", "schema", "unstorable"]

TYPES = ("string", "number", "integer", "boolean", "array", "object")
FORMAT_CHOICES = ("email", "phone", "uri", "date", "date-time")
MOST = 50
LONGEST_DESCRIPTION = 1000
# Filled in from the conversation when declared; nothing a model says can change them.
FILLED = {
    "conversation_id": "The conversation this happens in.",
    "agent_id": "The agent that calls the action.",
    "customer_id": "The customer of the conversation.",
    "channel": "Where the conversation takes place, for example api or whatsapp.",
}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_KEYS = {"name", "type", "description", "required", "enum", "default", "format"}
_NOTHING = object()


def read(raw: Any) -> tuple[list[dict[str, Any]], list[Fault]]:
    """The declarations in their stored form, and what is wrong with them.

    Each is `{name, type, description, required}` with, where given, `enum` (a list of values of that type), `default`
    and, for text, `format`: email, phone, uri, date or date-time.
    """
    if not isinstance(raw, list | tuple):
        return [], [Fault("/parameters", "Give a list of parameters.")]
    if len(raw) > MOST:
        return [], [Fault("/parameters", f"An action may have {MOST} parameters.")]
    declared: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, one in enumerate(raw):
        found = _declaration_faults(one, {known["name"] for known in declared})
        faults += [Fault(f"/parameters/{number}{pointer}", detail) for pointer, detail in found]
        if not found:
            declared.append(_stored(one))
    return declared, faults


def schema(declared: list[dict[str, Any]]) -> dict[str, Any]:
    """JSON Schema (2020-12) of what a model fills in. What the conversation fills in is not among it."""
    asked = [one for one in declared if one["name"] not in FILLED]
    return {
        "type": "object",
        "properties": {one["name"]: _property(one) for one in asked},
        "required": [one["name"] for one in asked if one["required"]],
        "additionalProperties": False,
    }


def fill(
    declared: list[dict[str, Any]], arguments: Mapping[str, Any], context: Mapping[str, str | None]
) -> dict[str, Any]:
    """What the code reads as `params`: the arguments, defaults where one is missing, and the conversation's own."""
    params: dict[str, Any] = {}
    for one in declared:
        name = one["name"]
        if name in FILLED:
            params[name] = context.get(name)
        elif name in arguments:
            params[name] = arguments[name]
        elif "default" in one:
            params[name] = one["default"]
    return params


# --- one declaration -------------------------------------------------------------------------------------------------


def _declaration_faults(one: Any, taken: set[str]) -> list[tuple[str, str]]:
    if not isinstance(one, dict):
        return [("", "Each parameter is an object with a name and a type.")]
    if unknown := sorted(str(key) for key in one.keys() - _KEYS):
        return [("", f"Unknown: {', '.join(unknown)}. Use {', '.join(sorted(_KEYS))}.")]
    return [*_name_faults(one, taken), *_shape_faults(one), *_value_faults(one)]


def _name_faults(one: Mapping[str, Any], taken: set[str]) -> list[tuple[str, str]]:
    name = one.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return [("/name", "Use letters, digits and underscores, starting with a letter, at most 64 characters.")]
    return [("/name", f"There are two parameters with the name {name}.")] if name in taken else []


def _shape_faults(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    faults = []
    if one.get("type", "string") not in TYPES:
        faults.append(("/type", f"Choose one of {', '.join(TYPES)}."))
    if not isinstance(one.get("required", False), bool):
        faults.append(("/required", "Say true or false."))
    description = one.get("description", "")
    if not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION or unstorable(description):
        faults.append(("/description", f"Describe it in up to {LONGEST_DESCRIPTION} characters."))
    if (wanted := one.get("format") or "") and (wanted not in FORMAT_CHOICES or one.get("type", "string") != "string"):
        faults.append(("/format", f"Only text has a format: {', '.join(FORMAT_CHOICES)}."))
    return faults


def _value_faults(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    if one.get("type", "string") not in TYPES:
        return []
    faults = []
    values = one.get("enum") or []
    if not isinstance(values, list) or len(values) > 100 or not all(_fits(value, one) for value in values):
        faults.append(("/enum", f"Allowed values are a list of up to 100 values of type {one.get('type', 'string')}."))
    default = one.get("default", _NOTHING)
    if (
        default is not _NOTHING
        and default is not None
        and not (_fits(default, one) and (not values or not isinstance(values, list) or default in values))
    ):
        faults.append(("/default", "The default does not fit the type or is not among the allowed values."))
    return faults


def _fits(value: Any, one: Mapping[str, Any]) -> bool:
    if unstorable(value):
        return False
    return bool(jsonschema.Draft202012Validator({"type": one.get("type", "string")}).is_valid(value))


def _stored(one: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        "name": one["name"],
        "type": one.get("type", "string"),
        "description": one.get("description", "").strip(),
        "required": one.get("required", False),
    }
    extras = {key: one[key] for key in ("enum", "format") if one.get(key)}
    return kept | extras | ({"default": one["default"]} if one.get("default") is not None else {})


def _property(one: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: one[key] for key in ("type", "description", "enum", "default", "format") if one.get(key) is not None}
    if one["type"] == "array":
        shown["items"] = {}  # some models refuse a list without it
    return shown
