"""Providers' own servers, as far as replies and files need them: real HTTPS with certificates for their real names."""

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from tests.webhooks import receivers
from webhooks import http

AUTHORITY = trustme.CA()
NAMES = (
    "graph.facebook.com",
    "graph.instagram.com",
    "lookaside.fbsbx.com",
    "api.mailgun.net",
    "storage-us-east4.api.mailgun.net",
    "api.telegram.org",
    "slack.com",
    "files.slack.com",
    "api.twilio.com",
    "tests.api.infobip.com",
    "sozuri.net",
    "elsewhere.example",
)


@dataclass(frozen=True)
class Asked:
    method: str
    host: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answering = Callable[[Asked], tuple[int, bytes, dict[str, str]]]


def whatsapp(asked: Asked) -> tuple[int, bytes, dict[str, str]]:
    sent = {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.sent{time.monotonic_ns()}"}]}
    return 200, json.dumps(sent).encode(), {"Content-Type": "application/json"}


class Providers:
    """All of them at once on one port; `asked` holds every request, `answers` says what each host answers."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Answering] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert(*NAMES).configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.asked.clear()
        self.answers = {"graph.facebook.com": whatsapp}

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def let_in(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        """Their names lead here, their certificates are trusted, and their port is this one. The guard stays."""
        receivers.let_in(monkeypatch, settings, allow_http=False)
        context = http.ssl_context.__wrapped__()
        AUTHORITY.configure_trust(context)
        monkeypatch.setattr(http, "ssl_context", lambda: context)
        dial = http.Exchange._dial

        def here(exchange: Any, ip: Any) -> None:
            destination = exchange._destination
            exchange._destination = replace(destination, port=self.port) if destination.port == 443 else destination
            try:
                dial(exchange, ip)
            finally:
                exchange._destination = destination

        monkeypatch.setattr(http.Exchange, "_dial", here)

    def wait_for(self, count: int, *, seconds: float = 15) -> list[Asked]:
        until = time.monotonic() + seconds
        while len(self.asked) < count:
            assert time.monotonic() < until, f"only {len(self.asked)} of {count} requests came"
            time.sleep(0.02)
        return self.asked

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        providers = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                host = self.headers["Host"].partition(":")[0]
                asked = Asked(self.command, host, self.path, dict(self.headers), body)
                providers.asked.append(asked)
                status, content, headers = providers.answers.get(host, lambda _: (404, b"{}", {}))(asked)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = respond

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
