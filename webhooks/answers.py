"""Reads an HTTP/1 answer from somebody we do not trust.

Python's own reader takes `103 Early Hints` for the answer, a chunk of "-1" bytes for "everything", six megabytes of
headers and "+2_00" for a status. This one has limits, no repairs, and leaves the body exactly as it came.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from io import BufferedReader

from webhooks.failures import BadAnswer, NoAnswer

MAX_HEADERS = 100
MAX_HEAD = 32 * 1024
MAX_BODY = 16 * 1024
MAX_INFORMATIONAL = 5
# Beyond this a length is not a length.
MAX_LENGTH = 2**53

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_LENGTH = re.compile(r"[0-9]{1,16}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_LINE_ENDS = (b"\r\n", b"\n")
_BODILESS = (101, 204, 304)

_SENTENCES = {
    "not_http": "What came back is not an HTTP answer.",
    "headers_too_large": f"The answer has more than {MAX_HEADERS} headers or {MAX_HEAD // 1024} KB of them.",
    "too_many_informational": f"More than {MAX_INFORMATIONAL} interim answers came (status 1xx) and none that counts.",
    "framing": "The answer contradicts itself about its length.",
}


# Pieces of the body as they arrive; what the generator returns says whether all of it came.
Pieces = Generator[bytes, None, bool]


@dataclass(frozen=True, slots=True)
class Head:
    """A status that arrived, with its reason phrase; `is_whole` says whether all the headers did too."""

    status: int
    headers: list[tuple[str, str]]
    is_whole: bool = True
    reason: str = ""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class _Lines:
    """Lines of all heads of one answer, interim ones included, up to a common limit."""

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self._left = MAX_HEAD

    def next(self) -> bytes:
        """One line with its end; shorter when the connection ended or was cut in the middle of it."""
        try:
            line = self._stream.readline(self._left + 1)
        except OSError:
            return b""
        self._left -= len(line)
        if self._left < 0:
            raise _bad("headers_too_large")
        return line


def read_head(stream: BufferedReader) -> Head:
    """The first answer that is not an interim one. Raises NoAnswer when no status came, BadAnswer for nonsense."""
    lines = _Lines(stream)
    for _ in range(MAX_INFORMATIONAL + 1):
        status, reason = _read_status(lines)
        headers, is_whole = _read_headers(lines)
        # 101 is final: we never asked for another protocol.
        if status >= 200 or status == 101:
            return Head(status, headers, is_whole, reason)
    raise _bad("too_many_informational")


def read_body(stream: BufferedReader, head: Head, *, method: str, most: int = MAX_BODY) -> tuple[bytes, bool]:
    """At most `most` raw bytes, and whether the body was cut: by us, by the receiver or on the way."""
    if not head.is_whole:
        return b"", True
    if method == "HEAD" or head.status in _BODILESS:
        return b"", False
    body, is_complete = bytearray(), False
    pieces = _pieces(stream, head)
    try:
        while len(body) <= most:
            body += next(pieces)
    except StopIteration as end:
        is_complete = bool(end.value)
    except OSError:
        is_complete = False
    return bytes(body[:most]), not is_complete or len(body) > most


def _bad(code: str, status: int | None = None) -> BadAnswer:
    return BadAnswer(code, _SENTENCES[code], status)


# --- the head --------------------------------------------------------------------------------------------------------


def _read_status(lines: _Lines) -> tuple[int, str]:
    line = lines.next()
    if not line.endswith(b"\n") and b"HTTP/1."[: len(line)] == line[:7]:
        raise NoAnswer("closed", "The connection ended before an answer came.")
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise _bad("not_http")
    return int(found[1]), _CONTROL.sub("", (found[2] or b"").decode("latin-1")).strip()


def _read_headers(lines: _Lines) -> tuple[list[tuple[str, str]], bool]:
    headers: list[tuple[str, str]] = []
    while (line := lines.next()) not in _LINE_ENDS:
        if not line.endswith(b"\n"):
            return headers, False
        _add_header(headers, line.decode("latin-1").rstrip("\r\n"))
    return headers, True


def _add_header(headers: list[tuple[str, str]], line: str) -> None:
    # PostgreSQL cannot store NUL, and terminals obey the others.
    line = _CONTROL.sub("\ufffd", line)
    if line[:1] in (" ", "\t") and headers:
        name, value = headers.pop()
        headers.append((name, f"{value} {line.strip()}"))
        return
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise _bad("not_http")
    headers.append((name.strip(), value.strip()))
    if len(headers) > MAX_HEADERS:
        raise _bad("headers_too_large")


# --- the body --------------------------------------------------------------------------------------------------------


def _pieces(stream: BufferedReader, head: Head) -> Pieces:
    lengths, codings = set(head.values("content-length")), head.values("transfer-encoding")
    if codings:
        if lengths or [coding.lower() for coding in codings] != ["chunked"]:
            raise _bad("framing", head.status)
        return _chunked(stream)
    if not lengths:
        return _until_end(stream)
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length) or int(length) > MAX_LENGTH:
        raise _bad("framing", head.status)
    return _counted(stream, int(length))


def _until_end(stream: BufferedReader) -> Pieces:
    while piece := stream.read1(MAX_BODY):
        yield piece
    return True


def _counted(stream: BufferedReader, left: int) -> Pieces:
    while left:
        piece = stream.read1(min(left, MAX_BODY))
        if not piece:
            return False
        left -= len(piece)
        yield piece
    return True


def _chunked(stream: BufferedReader) -> Pieces:
    while size := _CHUNK_SIZE.fullmatch(stream.readline(1024)):
        if int(size[1], 16) == 0:
            return True
        is_whole = yield from _counted(stream, int(size[1], 16))
        if not is_whole or stream.readline(2) not in _LINE_ENDS:
            return False
    return False
