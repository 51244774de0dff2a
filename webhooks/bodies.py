"""A body is rendered once; those very bytes are signed, sent and stored."""

import json
import math

MAX_BODY = 256 * 1024
MAX_DEPTH = 100

_SENTENCES = {
    "not_finite": "The data holds NaN or Infinity, which JSON does not know. Send null or a number instead.",
    "number": "The data holds a number that is too long to write. Send it as text.",
    "surrogate": "The data holds half of a character (a lone surrogate). Send complete Unicode text.",
    "key": "The data holds an object whose key is not text. Use text for every key.",
    "type": "The data holds something that is not JSON. Use text, numbers, true, false, null, lists and objects.",
    "depth": f"The data is nested deeper than {MAX_DEPTH} levels. Make it flatter.",
    "too_large": f"The data is larger than {MAX_BODY // 1024} KB. Send less, or send a link to it.",
}


class BodyRefused(Exception):
    """This data cannot be a request body; the sentence says what is wrong and what to do."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = _SENTENCES[code]

    def __str__(self) -> str:
        return self.sentence


def render(data: object) -> bytes:
    """Compact UTF-8 JSON with the keys in their order: what a receiver gets when it renders the parsed body again."""
    _check(data, depth=0)
    try:
        body = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise BodyRefused("surrogate") from error
    except ValueError as error:
        # Python refuses to write integers of more than 4,300 digits.
        raise BodyRefused("number") from error
    if len(body) > MAX_BODY:
        raise BodyRefused("too_large")
    return body


def _check(value: object, *, depth: int) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BodyRefused("not_finite")
    elif isinstance(value, dict):
        _check_object(value, depth=depth + 1)
    elif isinstance(value, list | tuple):
        _check_depth(depth + 1)
        for item in value:
            _check(item, depth=depth + 1)
    elif value is not None and not isinstance(value, str | int):
        raise BodyRefused("type")


def _check_object(value: dict[object, object], *, depth: int) -> None:
    _check_depth(depth)
    for key, item in value.items():
        if not isinstance(key, str):
            raise BodyRefused("key")
        _check(item, depth=depth)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BodyRefused("depth")
