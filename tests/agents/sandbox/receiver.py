"""A customer's server that answers as its path says, and a door to it that is open to nothing else."""

import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from agents.sandbox import FetchReply, FetchRequest

DROPPED = {"host", "content-length", "transfer-encoding", "connection", "te"}


class Receiver:
    """/status/N answers with that status, /slow/SECONDS takes its time, /big/BYTES and /deep are large, /moved moves.

    Everything else is answered with what came: {"path", "method", "body", "headers", with names in lower case}.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"paths": self.paths})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    paths: list[str]

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.paths.append(self.path)
        kind, _, value = self.path.strip("/").partition("/")
        if kind == "slow":
            time.sleep(float(value))
        status = int(value) if kind == "status" else 307 if kind == "moved" else 200
        answers = {"big": lambda: b"x" * int(value), "deep": lambda: b"[" * 200_000 + b"]" * 200_000}
        answer = answers.get(kind, lambda: self.echo(body))()
        self.answer(status, b"" if status == 204 or self.command == "HEAD" else answer)

    def echo(self, body: bytes) -> bytes:
        headers = {name.lower(): value for name, value in self.headers.items()}
        text = body.decode(errors="replace")[:2000]
        return json.dumps({"path": self.path, "method": self.command, "body": text, "headers": headers}).encode()

    def answer(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Test", "yes")
            if status == 307:
                self.send_header("Location", "/ok")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # Nobody waits any more.

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = respond

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Door:
    """A fetcher that reaches one origin. It keeps the order of what was asked of it, and who asked: thread names."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.begun: list[FetchRequest] = []
        self.performed: list[FetchRequest] = []
        self.finished: list[tuple[FetchRequest, Any]] = []
        self.threads: set[tuple[str, str]] = set()

    def begin(self, request: FetchRequest) -> Any:
        self._note("begin")
        if not request.url.startswith(self.origin + "/"):
            return FetchReply(error="this address is not allowed")
        self.begun.append(request)
        return request

    def perform(self, begun: FetchRequest, *, seconds: float) -> Any:
        self._note("perform")
        self.performed.append(begun)
        if seconds <= 0:
            return "too late"
        parts = urlsplit(begun.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
        try:
            headers = {name: value for name, value in begun.headers if name not in DROPPED}
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(begun.method, target, body=begun.body or None, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.reason, answer.getheaders(), answer.read()
        except OSError as error:
            return f"no answer: {type(error).__name__}"
        finally:
            connection.close()

    def finish(self, begun: FetchRequest, answer: Any) -> Any:
        self._note("finish")
        self.finished.append((begun, answer))
        if isinstance(answer, str):
            return FetchReply(error=answer)
        status, reason, headers, body = answer
        location = dict(headers).get("Location")
        if location and begun.redirect == "follow":
            hop = FetchRequest(begun.number, begun.method, self.origin + location, "follow", begun.headers, begun.body)
            self.begun.append(hop)
            return hop
        return FetchReply(status=status, status_text=reason, headers=headers, url=begun.url, body=body)

    def _note(self, what: str) -> None:
        self.threads.add((what, threading.current_thread().name))
