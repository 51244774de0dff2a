"""Receivers that misbehave: raw sockets on loopback, one script per connection."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import pytest

from tests import nameserver
from webhooks import addresses, http

Script = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def let_in(monkeypatch: pytest.MonkeyPatch, settings: Any, *, allow_http: bool = True) -> None:
    """Every name is 127.0.0.1, and for the test that one address, and no other, is not refused."""
    refusal = addresses.refusal
    monkeypatch.setattr(addresses, "refusal", lambda ip: None if str(ip) == "127.0.0.1" else refusal(ip))
    nameserver.shared().reset()
    settings.DNS_SERVERS = nameserver.shared().setting
    settings.ALLOW_HTTP, settings.ALLOWED_PORTS, settings.INSPECTOR_ORIGIN = allow_http, range(1, 65536), ""


class Receiver:
    """`with Receiver(script) as receiver:` runs the script for every connection and keeps what it sent."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0):
        self.connections = 0
        self.requests: list[bytes] = []
        self._script, self._tls = script, tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, port), family=family)
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        for connection in [self._server, *self._open]:
            connection.close()

    def url(self, path: str = "/hook", *, scheme: str = "http", host: str = "receiver.example") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._script(_Recorded(connection, self.requests))
            connection.close()


class _Recorded:
    """A socket that remembers the requests which were read from it."""

    def __init__(self, connection: socket.socket, requests: list[bytes]) -> None:
        self.connection, self.requests = connection, requests

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)


def read_request(connection: socket.socket) -> bytes:
    """The whole request, by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    request = head + b"\r\n\r\n" + body
    getattr(connection, "requests", []).append(request)
    return request


def answering(*pieces: bytes, pause: float = 0.0) -> Script:
    """Reads the request, sends the pieces, closes."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return script


def endless(head: bytes, piece: bytes, *, pause: float = 0.0) -> Script:
    """Sends the head, and then the piece until nobody listens."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return script


def silent(connection: socket.socket) -> None:
    """Reads the request and never answers."""
    read_request(connection)
    time.sleep(30)


def deaf(connection: socket.socket) -> None:
    """Neither reads nor answers."""
    time.sleep(30)


def resetting(*, after: bytes = b"") -> Script:
    """Reads the request, sends a little, and resets the connection."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(after)
        time.sleep(0.1)
        reset(connection)

    return script


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def outcome(receiver: Receiver, **options: Any) -> http.SendFailed:
    with pytest.raises(http.SendFailed) as failed:
        http.post(receiver.url(), **{"body": b"{}", "deadline": 2.0, **options})
    assert failed.value.sentence.endswith(".")
    return failed.value
