"""What is read from a sandbox and written to it. A sandbox is never believed: each frame is checked down to its types.

From the sandbox: u32 length | 16 bytes token | u32 length of the header | header, a JSON object | body. To the sandbox
the same without the token. Lengths are big-endian, and the first one counts all that follows it.
"""

import hmac
import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from agents.sandbox.contract import FetchRequest, Limits

NO_TOKEN: Final = bytes(16)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LEVELS = frozenset({"log", "info", "warn", "error", "debug"})
ERROR_KINDS = frozenset({"thrown", "syntax", "result"})
# Deeper values are of no use to anybody, and more than the encoders of what comes after are made for.
DEEPEST = 200
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BREAKS = re.compile("[\r\n\x00]")


class Violation(Exception):
    """The sandbox said something that it must not say."""


class NotPlain(Exception):
    """A result that is JSON, but not of a kind that can be kept; the message is for the user."""


@dataclass(frozen=True)
class Ready:
    granted: list[str]  # permissions; there must be none


@dataclass(frozen=True)
class Log:
    level: str
    text: str


@dataclass(frozen=True)
class Abort:
    number: int


@dataclass(frozen=True)
class Returned:
    body: bytes


@dataclass(frozen=True)
class Failed:
    kind: str
    name: str
    message: str
    line: int | None


Frame = Ready | Log | FetchRequest | Abort | Returned | Failed


class Reader:
    """Cuts the stream of one sandbox into frames. `token` is what a frame must carry from now on."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.token = NO_TOKEN
        self.count = 0
        self.buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        self.buffer += data
        while len(self.buffer) >= 4:
            (length,) = struct.unpack_from(">I", self.buffer)
            if not 20 <= length <= self.limits.frame:
                raise Violation(f"a frame of {length} bytes")
            if len(self.buffer) < 4 + length:
                return
            frame = bytes(self.buffer[4 : 4 + length])
            del self.buffer[: 4 + length]
            yield self._read(frame)

    def _read(self, frame: bytes) -> Frame:
        self.count += 1
        if self.count > self.limits.frames:
            raise Violation("too many frames")
        if not hmac.compare_digest(frame[:16], self.token):
            raise Violation("a wrong token")
        (length,) = struct.unpack_from(">I", frame, 16)
        if length > len(frame) - 20:
            raise Violation("a header longer than its frame")
        header, body = frame[20 : 20 + length], frame[20 + length :]
        return read_frame(header, body, self.limits)


def pack(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Raises ValueError or TypeError where the header is not JSON."""
    head = json.dumps(header, allow_nan=False).encode()
    return struct.pack(">II", 4 + len(head) + len(body), len(head)) + head + body


# --- headers ---------------------------------------------------------------------------------------------------------


def read_frame(header: bytes, body: bytes, limits: Limits) -> Frame:
    try:
        fields = _parse(header.decode())
    except (ValueError, RecursionError):
        raise Violation("a header that is not JSON") from None
    if not isinstance(fields, dict):
        raise Violation("a header that is not an object")
    reader = _READERS.get(_text(fields, "is", 10))
    if reader is None:
        raise Violation("an unknown frame")
    return reader(fields, body, limits)


def _ready(fields: dict[str, Any], body: bytes, limits: Limits) -> Ready:
    granted = fields.get("granted")
    if not isinstance(granted, list) or not all(isinstance(name, str) for name in granted):
        raise Violation("wrong permissions")
    return Ready(granted)


def _log(fields: dict[str, Any], body: bytes, limits: Limits) -> Log:
    level = _text(fields, "level", 10)
    if level not in LEVELS:
        raise Violation("an unknown level")
    return Log(level, storable(_text(fields, "text", limits.line_bytes + 100)))


def _fetch(fields: dict[str, Any], body: bytes, limits: Limits) -> FetchRequest:
    method, url, redirect = _text(fields, "method", 10), _text(fields, "url", limits.url), fields.get("redirect")
    if method not in METHODS or redirect not in ("follow", "manual", "error") or _BREAKS.search(url):
        raise Violation("a request of a wrong shape")
    if len(body) > limits.request_body:
        raise Violation("a request that is too large")
    return FetchRequest(_number(fields), method, url, redirect, _headers(fields.get("headers"), limits), body)


def _abort(fields: dict[str, Any], body: bytes, limits: Limits) -> Abort:
    return Abort(_number(fields))


def _returned(fields: dict[str, Any], body: bytes, limits: Limits) -> Returned:
    if len(body) > limits.result:
        raise Violation("a result that is too large")
    return Returned(body)


def _failed(fields: dict[str, Any], body: bytes, limits: Limits) -> Failed:
    kind, line = _text(fields, "kind", 10), fields.get("line")
    if kind not in ERROR_KINDS or type(line) is not int or not 0 <= line < 1_000_000:
        raise Violation("an error of a wrong shape")
    name, message = _text(fields, "name", 100), _text(fields, "message", limits.error)
    return Failed(kind, storable(name), storable(message), line or None)


_READERS: dict[str, Callable[[dict[str, Any], bytes, Limits], Frame]] = {
    "ready": _ready,
    "log": _log,
    "fetch": _fetch,
    "abort": _abort,
    "result": _returned,
    "error": _failed,
}


def _text(fields: dict[str, Any], name: str, longest: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise Violation(f"a wrong {name}")
    return value


def _number(fields: dict[str, Any]) -> int:
    number = fields.get("number")
    if type(number) is not int or not 0 < number < 1_000_000:
        raise Violation("a wrong number")
    return number


def _headers(value: Any, limits: Limits) -> list[tuple[str, str]]:
    if not isinstance(value, list) or len(value) > limits.headers:
        raise Violation("wrong headers")
    return [_pair(pair, limits.header) for pair in value]


def _pair(pair: Any, longest: int) -> tuple[str, str]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise Violation("a wrong header")
    for text in pair:
        if not isinstance(text, str) or len(text) > longest or _BREAKS.search(text):
            raise Violation("a wrong header")
    return pair[0], pair[1]


# --- values ----------------------------------------------------------------------------------------------------------


def read_result(body: bytes) -> Any:
    """The JSON value that the code returned, fit for PostgreSQL. Raises NotPlain and Violation.

    U+0000 and halves of characters become U+FFFD, also in names: what the code did has happened, and one character
    that no database keeps is no reason to call it a failure.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Violation("a result that is not text") from None
    if _is_too_deep(text):
        raise NotPlain("it is nested too deeply")
    try:
        value = _parse(text)
    except RecursionError:
        raise NotPlain("it is nested too deeply") from None
    except ValueError:
        if _is_json(text):
            raise NotPlain("it holds a number that is too large") from None
        raise Violation("a result that is not JSON") from None
    may_hold_them = "\\u0000" in text or "\\ud" in text or "\\uD" in text
    return _storable_value(value) if may_hold_them else value


def _is_json(text: str) -> bool:
    """With numbers of any size: code can write those (`JSON.rawJSON`), and that is no broken protocol."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def storable(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def _storable_value(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable_value(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): _storable_value(item) for name, item in value.items()}
    return value


def _is_too_deep(text: str) -> bool:
    """Counts brackets, which is quick, and takes a closer look only where there are enough of them."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for bracket in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        if bracket in "[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif bracket in "]}":
            depth -= 1
    return False


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number without end")
    return number
