"""Somebody's website: pages on another origin, under a policy that allows the widget and not a thing besides."""

import html
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Shoe shop</title><link rel="icon" href="data:,"><h1>Shoes</h1><p>We sell shoes.</p><a href="#more">More</a>
<script src="{server}/static/channels_inbound/widget.js" {attributes} async></script></html>"""


class Shop:
    """Serves the same page at every path. `attributes` are those of the script tag."""

    def __init__(self, server: str, agent: Any) -> None:
        self.server = server
        self.attributes = {"data-agent": agent.public_id}
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.httpd.daemon_threads = True
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/shoes?customer=secret"

    def page(self) -> str:
        attributes = " ".join(f'{name}="{html.escape(value)}"' for name, value in self.attributes.items())
        return PAGE.format(server=self.server, attributes=attributes)

    def policy(self) -> str:
        rules = {"default-src": "'none'", "script-src": self.server, "connect-src": self.server, "img-src": "data:"}
        return "; ".join(f"{name} {value}" for name, value in rules.items()) + "; require-trusted-types-for 'script'"

    def stop(self) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = shop.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", shop.policy())
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
