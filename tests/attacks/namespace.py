"""A network namespace of the test's own, with a receiver at a private address that this machine can really reach."""

import os
import subprocess
import sys
import time
from pathlib import Path

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def setup(self):
        open(sys.argv[3], "a").write("connection\\n")
        super().setup()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


class NotPermitted(Exception):
    """Making a namespace needs the right to; the message is what the system said."""


class Namespace:
    port = 80

    def __init__(self, log: Path) -> None:
        number = os.getpid() % 250
        self.name, self.outside, self.inside = f"czns{number}", f"czo{number}", f"czi{number}"
        self.gateway, self.address = f"10.213.{number}.1", f"10.213.{number}.2"
        self.log = log
        log.touch()
        self._server: subprocess.Popen[bytes] | None = None
        try:
            self._make()
        except BaseException:
            self.stop()
            raise

    @property
    def connections(self) -> int:
        return len(self.log.read_text().splitlines())

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait(5)
        for command in (f"link del {self.outside}", f"netns del {self.name}"):
            subprocess.run(["ip", *command.split()], capture_output=True, check=False)

    def _make(self) -> None:
        self._ip(f"netns add {self.name}")
        self._ip(f"link add {self.outside} type veth peer name {self.inside}")
        self._ip(f"link set {self.inside} netns {self.name}")
        self._ip(f"addr add {self.gateway}/30 dev {self.outside}")
        self._ip(f"link set {self.outside} up")
        self._ip(f"-n {self.name} addr add {self.address}/30 dev {self.inside}")
        self._ip(f"-n {self.name} link set {self.inside} up")
        command = ["ip", "netns", "exec", self.name, sys.executable, "-c", SERVER]
        self._server = subprocess.Popen([*command, self.address, str(self.port), str(self.log)])
        self._wait()

    def _ip(self, arguments: str) -> None:
        try:
            done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
        except OSError as error:
            raise NotPermitted(str(error)) from None
        if done.returncode:
            raise NotPermitted(f"ip {arguments}: {done.stderr.strip()}")

    def _wait(self) -> None:
        """Until the receiver listens, seen from inside, so that no connection of ours is counted."""
        assert self._server is not None
        until = time.monotonic() + 10
        look = ["ip", "netns", "exec", self.name, "cat", "/proc/net/tcp"]
        while f":{self.port:04X} 00000000:0000 0A" not in subprocess.run(look, capture_output=True, text=True).stdout:
            if self._server.poll() is not None or time.monotonic() > until:
                raise NotPermitted("the receiver in the namespace did not start")
            time.sleep(0.05)
