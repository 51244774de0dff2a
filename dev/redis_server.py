"""One Redis server of our own, as a child process, on a port of its own."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

from dev.binaries import redis_program
from dev.postgres import ServerFailed, tail
from dev.processes import Process, free_port, is_free

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
logfile ""
daemonize no
save ""
appendonly {durable}
appendfsync everysec
maxmemory-policy noeviction
"""


@dataclass(frozen=True, kw_only=True)
class Redis:
    """Where the files are; `start` brings it up and returns its port."""

    directory: Path
    program: Path
    durable: bool

    @classmethod
    def in_directory(cls, directory: Path, *, durable: bool) -> "Redis":
        (directory / "redis").mkdir(exist_ok=True, mode=0o700)
        return cls(directory=directory, program=redis_program(), durable=durable)

    @property
    def log(self) -> Path:
        return self.directory / "redis.log"

    def password(self) -> str:
        path = self.directory / "redis.password"
        if not path.exists():
            write_private(path=path, text=secrets.token_urlsafe(24))
        return path.read_text()

    def url(self, *, port: int) -> str:
        return f"redis://:{self.password()}@127.0.0.1:{port}/0"

    def start(self, *, preferred_port: int | None, launched: Callable[[Process], None]) -> int:
        for _ in range(4):
            port = preferred_port if preferred_port and is_free(preferred_port) else free_port()
            process = self._launch(port=port)
            launched(process)
            if self._wait_until_ready(process=process, port=port):
                return port
            preferred_port = None
        raise ServerFailed(f"Redis did not start. The end of {self.log}:\n{tail(self.log)}")

    def _launch(self, *, port: int) -> Process:
        # In a file and not on the command line, where every user of the machine could read the password.
        configuration = self.directory / "redis.conf"
        folder = str(self.directory / "redis").replace("\\", "\\\\").replace('"', '\\"')
        durable = "yes" if self.durable else "no"
        text = CONFIGURATION.format(port=port, password=self.password(), folder=folder, durable=durable)
        write_private(path=configuration, text=text)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [str(self.program), str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return Process.of(name="redis", pid=child.pid, stop_signal=signal.SIGTERM)

    def _wait_until_ready(self, *, process: Process, port: int) -> bool:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.is_running():
            try:
                with redis.Redis.from_url(self.url(port=port), socket_timeout=2, retry=None) as client:
                    client.ping()
            except redis.RedisError:
                time.sleep(0.05)
            else:
                return True
        process.end()
        return False


def write_private(*, path: Path, text: str) -> None:
    """Only we may read it, from its first byte on."""
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
