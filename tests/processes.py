"""Real Celery processes on the test database."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from django.db import connection

from tests.ordinary import as_ordinary_user

ROOT = Path(__file__).resolve().parent.parent
QUEUES = "interactive,deliveries,actions,rules,channels,replies"


def database_url() -> str:
    """The test database as another process reaches it."""
    given = connection.settings_dict
    base = os.environ["DATABASE_URL"].partition("?")
    return base[0].rsplit("/", 1)[0] + "/" + given["NAME"] + base[1] + base[2]


class Worker:
    """One worker process (not forked further: its pool is threads). Ends only itself."""

    def __init__(
        self, *, log: Path, inspector_origin: str = "", threads: int = 8, is_ordinary: bool = False, **env: str
    ) -> None:
        self.inspector_origin = inspector_origin
        self.log = log
        settings = {"DATABASE_URL": database_url(), "INSPECTOR_ORIGIN": inspector_origin, **env}
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "chatzuri",
            "worker",
            "-Q",
            QUEUES,
        ]
        command += ["--pool", "threads", "-c", str(threads), "-n", f"test-{time.monotonic_ns()}@%h", "-l", "INFO"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        if is_ordinary:
            command = as_ordinary_user(command)
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **settings}, stdout=log.open("ab"), stderr=subprocess.STDOUT
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + 60
        while b" ready." not in self.log.read_bytes():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "the worker did not start: " + self.log.read_text()
            time.sleep(0.1)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.is_running:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
