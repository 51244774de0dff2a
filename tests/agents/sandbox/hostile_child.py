"""Poses as a sandbox and speaks a broken protocol. Run as a script with the name of one of `TRICKS`."""

import json
import os
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

NO_TOKEN = bytes(16)


def frame(token: bytes, header: Any, body: bytes = b"") -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", 20 + len(head) + len(body)) + token + struct.pack(">I", len(head)) + head + body


def say(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def receive(size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(0, size - len(data)) or sys.exit(0)  # type: ignore[operator]
    return data


def read_token() -> bytes:
    (length,) = struct.unpack(">I", receive(4))
    job = receive(length)
    (header,) = struct.unpack_from(">I", job)
    return job[4 + header : 20 + header]


def fetch(**changes: Any) -> dict[str, Any]:
    url = "http://127.0.0.1/"
    whole = {"is": "fetch", "number": 1, "method": "GET", "url": url, "redirect": "manual", "headers": []}
    return whole | changes


def flood_log(token: bytes) -> None:
    while True:
        say(frame(token, {"is": "log", "level": "log", "text": "x" * 7000}))


def flood_errors(token: bytes) -> None:
    while True:
        os.write(2, b"e" * 65536)


def dribble(token: bytes) -> None:
    for byte in frame(token, {"is": "log", "level": "log", "text": "y" * 500}):
        say(bytes([byte]))
        time.sleep(0.05)


def returned(body: bytes) -> Callable[[bytes], None]:
    return lambda token: say(frame(token, {"is": "result"}, body))


def said(header: Any) -> Callable[[bytes], None]:
    return lambda token: say(frame(token, header))


TRICKS: dict[str, Callable[[bytes], Any]] = {
    "never reads": lambda token: None,  # handled before the token is read
    "a wrong token": lambda token: say(frame(NO_TOKEN, {"is": "result"}, b"1")),
    "a huge length": lambda token: say(b"\xff\xff\xff\xff" + b"x" * 1000),
    "no length": lambda token: say(bytes(4)),
    "a header that is no JSON": said(b"{nope"),
    "a deep header": said(b"[" * 200_000 + b"]" * 200_000),
    "a header that is no object": said(b"[1]"),
    "a header that is too long": lambda token: say(struct.pack(">I", 24) + token + struct.pack(">I", 99_999) + b"xxxx"),
    "a fetch of wrong types": said({"is": "fetch", "number": "x", "method": 1, "url": [], "headers": {}}),
    "a fetch with broken headers": said(fetch(headers=[["a", "b\r\nc: d"]])),
    "a fetch with a broken method": said(fetch(method="GET / HTTP/1.1\r\nX")),
    "a fetch out of order": said(fetch(number=7)),
    "a number that is true": said(fetch(number=True)),
    "an error of wrong types": said({"is": "error", "kind": "thrown", "message": "m", "name": {}, "line": "x"}),
    "a huge error": said({"is": "error", "kind": "thrown", "message": "m" * 3_000_000, "name": "E", "line": 1}),
    "an unknown frame": said({"is": "zzz"}),
    "a flood of lines": flood_log,
    "garbage": lambda token: say(os.urandom(100_000)),
    "not a number": returned(b"NaN"),
    "a number without end": returned(b"1e999"),
    "a number of 5000 digits": returned(b"1" * 5000),
    "a result that is not UTF-8": returned(b'"\xff\xfe"'),
    "a deep result": returned(b"[" * 300_000 + b"]" * 300_000),
    "two results": lambda token: say(frame(token, {"is": "result"}, b"1") + frame(token, {"is": "result"}, b"2")),
    "a closed output": lambda token: os.close(1),
    "the end": lambda token: os._exit(0),
    "a crash": lambda token: os.kill(os.getpid(), 11),
    "a flood of complaints": flood_errors,
    "half a frame": lambda token: say(b"\0\0\1\0abc"),
    "a byte at a time": dribble,
}


def main() -> None:
    trick = sys.argv[1]
    if trick != "never reads":
        TRICKS[trick](read_token())
    time.sleep(60)


if __name__ == "__main__":
    main()
