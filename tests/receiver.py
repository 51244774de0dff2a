"""A customer's server: a real HTTP server on loopback that keeps every request and answers as told."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Lives under /inspector/ of its own origin, so that tests reach it through the documented exception."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.reset()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.origin}/inspector/receiver"

    def reset(self) -> None:
        self.requests.clear()
        self.answer()

    def answer(self, status: int = 200, body: bytes = b'{"ok": true}', delay: float = 0) -> None:
        self.status, self.body, self.delay = status, body, delay
        self.answer_to: Callable[[str], None] = lambda path: None

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait_for(self, count: int, *, seconds: float = 10) -> list[Received]:
        """The requests, once there are `count` of them; fails when they do not come."""
        until = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < until, f"only {len(self.requests)} of {count} requests came"
            time.sleep(0.02)
        return self.requests

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.requests.append(Received(self.command, self.path, dict(self.headers), body))
                time.sleep(receiver.delay)
                receiver.answer_to(self.path)
                self.send_response(receiver.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(receiver.body)))
                self.end_headers()
                self.wfile.write(receiver.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
