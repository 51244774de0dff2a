"""A customer's server as a process of its own. Every request is on disk, synced, before it is answered.

`python -m tests.faults.receiver_main LOG` prints its port. Below /inspector/ the next word of the path says how it
behaves: ok, 503, 307, 401, reset, slow-1500, mixed (several of them, by the delivery's id). It also listens on
127.0.0.2, where the port is free, as the second address of a receiver with two.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MIXED = ["ok"] * 14 + ["503", "reset", "slow-200", "slow-1200", "307", "ok"]
LINGER_NOT = b"\x01\x00\x00\x00\x00\x00\x00\x00"


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients are killed on purpose."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = -1
    lock = threading.Lock()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if len(self.rfile.read(length)) != length:
            return
        delivery = self.headers.get("webhook-id", "")
        mode = self.path.split("/")[2]
        if mode == "mixed":
            mode = MIXED[zlib.crc32(delivery.encode()) % len(MIXED)]
        self._write_down({"id": delivery, "mode": mode, "address": self.connection.getsockname()[0]})
        with contextlib.suppress(OSError):
            self._answer(mode)

    def _write_down(self, line: dict[str, Any]) -> None:
        with self.lock:
            os.write(self.log, json.dumps(line | {"at": time.time()}).encode() + b"\n")
            os.fdatasync(self.log)

    def _answer(self, mode: str) -> None:
        word, _, seconds = mode.partition("-")
        if word == "slow":
            time.sleep(float(seconds) / 1000)
        if word == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            self.rfile.close(), self.wfile.close(), self.connection.close()
            self.close_connection = True
            return
        self.send_response(int(word) if word.isdigit() else 200)
        if word == "307":
            self.send_header("Location", "/inspector/ok/elsewhere")
        if word == "401":
            self.send_header("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    Handler.log = os.open(sys.argv[1], os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    server = Server(("127.0.0.1", 0), Handler)
    with contextlib.suppress(OSError):
        second = Server(("127.0.0.2", server.server_port), Handler)
        threading.Thread(target=second.serve_forever, daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
