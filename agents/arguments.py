"""From what a brain or a caller wrote to arguments that fit: parse, check against the schema, recognise again."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jsonschema
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email

from webhooks import bodies

_PHONE = re.compile(r"\+?[0-9 ()./-]+")
FORMATS = jsonschema.FormatChecker(["date", "ipv4", "ipv6"])


class NotJson(ValueError):
    """The text is no JSON object; the message says what is wrong with it."""


@dataclass(frozen=True)
class Fault:
    """One thing that does not fit, and where: a JSON pointer into the arguments."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"


def read(raw: str | Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as an object. Raises `NotJson`."""
    if not isinstance(raw, str):
        return dict(raw)
    try:
        value = json.loads(raw or "{}", parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise NotJson(f"they are not JSON ({error.msg} at character {error.pos})") from None
    except (ValueError, RecursionError):
        raise NotJson("they are not JSON we can read") from None
    if not isinstance(value, dict):
        raise NotJson("they are JSON, but not an object")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def faults(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Fault]:
    """Everything that keeps these arguments from being sent; empty when they fit."""
    unfit = unstorable(arguments)
    if unfit:
        return [Fault("", unfit)]
    checker = jsonschema.Draft202012Validator(dict(schema), format_checker=FORMATS)
    found = sorted(checker.iter_errors(dict(arguments)), key=lambda error: list(map(str, error.absolute_path)))
    return [Fault(_pointer(error.absolute_path), error.message[:300]) for error in found[:10]]


def unstorable(value: Any) -> str:
    """Why this cannot be sent as JSON or kept in PostgreSQL; empty where it can."""
    try:
        body = bodies.render(value)
    except bodies.BodyRefused as refusal:
        return refusal.sentence
    # PostgreSQL has no way to hold U+0000 in text or JSON.
    return "The data holds a NUL character. Leave it out." if rb"\u0000" in body.replace(rb"\\", b"") else ""


# --- formats: models ignore them, we do not ---------------------------------------------------------------------------


@FORMATS.checks("email")
def _is_email(value: object) -> bool:
    return not isinstance(value, str) or _passes(validate_email, value)


@FORMATS.checks("uri")
def _is_address(value: object) -> bool:
    return not isinstance(value, str) or _passes(URLValidator(["http", "https"]), value)


@FORMATS.checks("date-time")
def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        return "T" in value.upper() and datetime.fromisoformat(value.upper()).tzinfo is not None
    except ValueError:
        return False


@FORMATS.checks("phone")
def _is_phone(value: object) -> bool:
    """Digits of a possible length, with the signs people put between them."""
    if not isinstance(value, str):
        return True
    return 7 <= sum(map(str.isdigit, value)) <= 15 and bool(_PHONE.fullmatch(value))


def _passes(validate: Callable[[str], None], value: str) -> bool:
    try:
        validate(value)
    except ValidationError:
        return False
    return True


def _pointer(path: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def digest(arguments: Any) -> str:
    """Equal for equal arguments, whatever the order of keys and the spelling of numbers."""
    canonical = json.dumps(_canonical(arguments), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """1.0 and 1e0 are 1: the database gives numbers back in a spelling of its own."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value
