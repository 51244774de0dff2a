"""Multipart forms as they stream in: fields to memory, large files to disk, and an end to both.

Whoever sends one has proved nothing yet, since the proof is one of the fields. So everything is bounded before it is
read: the bytes in all, the number of parts, the length of a header.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Protocol
from urllib.parse import unquote_to_bytes

from multipart import MultipartError, MultipartParser, MultipartPart, ParserLimitReached, parse_options_header

from channels_inbound.adapters.base import MEGABYTE, Form, Upload

MOST_PARTS = 1000
MOST_HEADER = 16 * 1024
MOST_BOUNDARY = 200
IN_MEMORY = MEGABYTE
# RFC 5987: a file name in another alphabet, with its encoding in front.
_ENCODED_NAME = re.compile(r"""filename\*\s*=\s*"?([\w.:+-]*)'[^']*'([^;"\s]*)""", re.IGNORECASE | re.ASCII)


class TooLarge(Exception):
    """More bytes or more parts than may be."""


class NotAForm(Exception):
    """No multipart form, or one that is broken or ends in the middle."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def parse_form(stream: Readable, content_type_header: str, *, limit: int) -> Form:
    """Read a multipart form of at most `limit` bytes from the stream. Raises `TooLarge` or `NotAForm`.

    Fields are decoded as UTF-8; a byte that is none stands there as a surrogate escape, so that a raw mail can be had
    back byte for byte. Names of files are as they were sent. What is over a megabyte lies in a temporary file, which
    goes away when the upload does. Only an exception of the stream itself gets out besides those two.
    """
    parts: list[MultipartPart] = []
    try:
        parts.extend(_parser(_Limited(stream, limit), content_type_header, limit))
        return _form(parts)
    except (TooLarge, NotAForm):
        _close(parts)
        raise
    except ParserLimitReached:
        _close(parts)
        raise TooLarge("The form has more parts or longer headers than may be.") from None
    except (MultipartError, ValueError):
        _close(parts)
        raise NotAForm("The form is broken, or it ends in the middle.") from None


class _Limited:
    """A stream that ends with `TooLarge` instead of a byte too many."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, self._left + 1))
        self._left -= len(chunk)
        if self._left < 0:
            raise TooLarge("The form is larger than may be.")
        return chunk


def _parser(stream: _Limited, content_type_header: str, limit: int) -> MultipartParser:
    # Headers are read as Latin-1, which takes any byte; `_unicode` turns them into what they were meant to be.
    return MultipartParser(
        stream,
        _boundary(content_type_header),
        charset="latin-1",
        part_limit=MOST_PARTS,
        headersize_limit=MOST_HEADER,
        header_limit=20,
        spool_limit=IN_MEMORY,
        memory_limit=limit,
        disk_limit=limit,
    )


def _boundary(header: str) -> bytes:
    kind, options = parse_options_header(header)
    if kind != "multipart/form-data":
        raise NotAForm("The content type is not multipart/form-data.")
    try:
        boundary = str(options.get("boundary", "")).encode("latin-1")
    except UnicodeEncodeError:
        boundary = b""
    if not 0 < len(boundary) <= MOST_BOUNDARY or b"\r" in boundary or b"\n" in boundary:
        raise NotAForm("The content type names no boundary.")
    return boundary


def _form(parts: Iterable[MultipartPart]) -> Form:
    fields: list[tuple[str, str]] = []
    files: list[Upload] = []
    for part in parts:
        name, filename = _unicode(part.name), _filename(part)
        if filename is None:
            fields.append((name, part.raw.decode("utf-8", "surrogateescape")))
            part.close()
        else:
            files.append(Upload(name, filename, _unicode(part.content_type), part.size, _file(part)))
    return Form(fields, files)


def _file(part: MultipartPart) -> IO[bytes]:
    assert part.file is not None
    return part.file


def _filename(part: MultipartPart) -> str | None:
    """None for a field. A part that says what kind of content it has is a file, whatever it is called."""
    if encoded := _ENCODED_NAME.search(part.disposition):
        charset, name = encoded.groups()
        with suppress(LookupError, ValueError):
            return unquote_to_bytes(name).decode(charset or "utf-8", "replace")
    if part.filename is not None:
        return _unicode(part.filename)
    return None if part.content_type.startswith("text/") else ""


def _unicode(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _close(parts: Iterable[MultipartPart]) -> None:
    for part in parts:
        part.close()
