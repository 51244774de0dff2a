"""Fills in what an action declares from what a customer wrote: found where a pattern is reliable, else asked for."""

import re
from collections.abc import Mapping
from typing import Any

from agents.brains import slots

YES = set("yes y yep yeah yup sure ok okay true correct right ndiyo ndio ya oui si sí ja 是 好".split())
NO = set("no n nope nah false not hapana tidak non nein 不 没有".split())
# What a field of text is called when it wants the customer's own words.
OWN_WORDS = set(
    "message text question request note notes reason summary comment description details about body".split()
)
_NUMBER = re.compile(r"(?<![\w.,-])-?\d{1,15}(?:[.,]\d{1,9})?(?![\w])")
NOTHING: Any = object()


def missing(schema: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """The first required field that nothing is known of."""
    return next((name for name in schema.get("required", []) if name not in given), None)


def known(schema: Mapping[str, Any], facts: Mapping[str, str], about: str) -> dict[str, Any]:
    """What the conversation already says about the declared fields. Nothing is guessed."""
    found = {}
    for name, field in schema.get("properties", {}).items():
        value = _from_conversation(name, field, facts, about)
        if value is not NOTHING:
            found[name] = value
    return found


def read(name: str, field: Mapping[str, Any], text: str) -> Any:
    """The value in an answer to the question about this field, or NOTHING."""
    if field.get("enum"):
        return _chosen(field["enum"], text)
    if field.get("type") in ("number", "integer"):
        return _number(text, whole=field["type"] == "integer")
    if field.get("type") == "boolean":
        return _yes_or_no(text)
    if field.get("type") != "string":
        return NOTHING
    slot = _slot(name, field)
    if slot in ("email", "phone"):
        return slots.find(text).get(slot, NOTHING)
    found = slots.find(text).get(slot) if slot else None
    return found or text.strip() or NOTHING


def question(name: str, field: Mapping[str, Any]) -> str:
    """What to ask the customer: in the words of whoever declared the field."""
    words = (field.get("description") or "").strip()
    asked = f"Please tell me: {words.rstrip('.')}." if words else f"What is the {name.replace('_', ' ')}?"
    asked = words if words.endswith("?") else asked
    return asked if not field.get("enum") else f"{asked} One of: {', '.join(map(str, field['enum']))}."


def can_ask(schema: Mapping[str, Any]) -> bool:
    """A list or an object cannot be asked for in a sentence, so a tool that requires one is not for this brain."""
    properties = schema.get("properties", {})
    required = [properties[name] for name in schema.get("required", [])]
    return all(
        field.get("enum") or field.get("type") in ("string", "number", "integer", "boolean") for field in required
    )


# --- one value -------------------------------------------------------------------------------------------------------


def _from_conversation(name: str, field: Mapping[str, Any], facts: Mapping[str, str], about: str) -> Any:
    if field.get("enum"):
        return _chosen(field["enum"], about)
    if field.get("type") != "string":
        return NOTHING
    if slot := _slot(name, field):
        return facts.get(slot) or NOTHING
    if set(name.casefold().split("_")) & OWN_WORDS and about.strip():
        return about.strip()
    return NOTHING


def _slot(name: str, field: Mapping[str, Any]) -> str:
    """Which of the facts that patterns find this field asks for, if any."""
    if field.get("format") in ("email", "phone"):
        return str(field["format"])
    if field.get("format"):
        return ""
    words = name.casefold().replace("e_mail", "email").split("_")
    if "email" in words or "mail" in words:
        return "email"
    if {"phone", "telephone", "mobile"} & set(words):
        return "phone"
    if name.casefold() in ("name", "full_name", "customer_name", "contact_name"):
        return "name"
    return "order_number" if name.casefold() in ("order", "order_number", "order_id", "order_no") else ""


def _chosen(values: list[Any], text: str) -> Any:
    """The one allowed value that stands in the text as a word; NOTHING for none or several."""
    plain = text.casefold()
    found = [value for value in values if re.search(rf"(?<!\w){re.escape(str(value).casefold())}(?!\w)", plain)]
    return found[0] if len(found) == 1 else NOTHING


def _number(text: str, *, whole: bool) -> Any:
    found = _NUMBER.findall(text)
    if len(found) != 1:
        return NOTHING
    value = float(found[0].replace(",", "."))
    if whole:
        return int(value) if value.is_integer() else NOTHING
    return value


def _yes_or_no(text: str) -> Any:
    words = re.findall(r"\w+", text.casefold())
    if not words or len(words) > 4:
        return NOTHING
    return True if words[0] in YES else False if words[0] in NO else NOTHING
