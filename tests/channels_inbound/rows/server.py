"""The real web server on the test database, and requests to it byte by byte."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.processes import ROOT, database_url

# Fewer than `make run` has: a thread that is lost would be missed.
THREADS = 2


class Server:
    def __init__(self, log: Path) -> None:
        self.log = log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
        command += [
            "--port",
            str(self.port),
            "--blocking-threads",
            str(THREADS),
            "--no-ws",
            "chatzuri.wsgi:application",
        ]
        environment = os.environ | {"DATABASE_URL": database_url(), "ALLOWED_HOSTS": "127.0.0.1"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log.open("ab"), stderr=subprocess.STDOUT
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.ask(request("GET", "/api/v1/schema")):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("the server did not start: " + self.log.read_text())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def ask(self, data: bytes) -> int:
        """The status of the answer; 0 where the connection was closed without one."""
        with self.connect() as connection:
            return status_of(connection, data)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def status_of(connection: socket.socket, data: bytes = b"") -> int:
    received = b""
    # A server that refuses may close while we are still writing.
    with contextlib.suppress(OSError):
        connection.sendall(data)
    try:
        while b"\r\n" not in received and (piece := connection.recv(65536)):
            received += piece
    except ConnectionError:
        pass
    return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else 0


def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """As sent; with a length unless the headers say how long it is."""
    given = {"Host": "127.0.0.1", "Connection": "close", "Content-Type": "application/json"} | (headers or {})
    if "Transfer-Encoding" not in given:
        given.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, size: int = 64 * 1024) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(f"{len(each):x}\r\n".encode() + each + b"\r\n" for each in [*pieces, b""])
