"""Processes of ours: told apart from others by process id *and* start time, so that a reused id is never hit."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process we started. `stop_signal` asks it to end in good order."""

    name: str
    pid: int
    started: str
    stop_signal: int = signal.SIGTERM
    group: bool = False

    @classmethod
    def of(cls, *, name: str, pid: int, stop_signal: int = signal.SIGTERM, group: bool = False) -> "Process":
        return cls(name=name, pid=pid, started=start_time(pid) or "", stop_signal=stop_signal, group=group)

    def is_running(self) -> bool:
        return bool(self.started) and start_time(self.pid) == self.started

    def end(self, *, patience: float = 20.0) -> None:
        """Asks, waits, and after `patience` seconds insists."""
        if self._signal(self.stop_signal):
            self.wait_or_kill(patience=patience)

    def wait_or_kill(self, *, patience: float) -> None:
        if not self._gone_within(patience):
            self._signal(signal.SIGKILL)
            self._gone_within(5.0)

    def _signal(self, number: int) -> bool:
        if not self.is_running():
            return False
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if self.group else os.kill)(self.pid, number)
        return True

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            reap(self.pid)
            if not self.is_running():
                return True
            time.sleep(0.02)
        return False


def reap(pid: int) -> None:
    """A child that ended stays in the process table until somebody asks; other people's children do not concern us."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def start_time(pid: int) -> str | None:
    """When this process began, in whatever unit the system has; None if there is no such (living) process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_from_ps(pid)
    return None if fields[0] in "ZX" else fields[19]


def _start_time_from_ps(pid: int) -> str | None:
    """Systems without /proc (macOS)."""
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def command_line(pid: int) -> str:
    """With what it was started; empty for a process that is not there or not ours to see."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self/cmdline").exists():
            return ""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout


def remember(*, path: Path, processes: Iterable[Process]) -> None:
    path.write_text(json.dumps([asdict(process) for process in processes], indent=1))


def remembered(*, path: Path) -> list[Process]:
    """What an earlier start wrote down; an unreadable note (killed while writing) counts as none."""
    try:
        return [Process(**entry) for entry in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(*, host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
