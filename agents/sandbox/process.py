"""Sandbox processes: the launcher that starts them, and one of them with its three pipes."""

import base64
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

from deno import find_deno_bin

from agents.sandbox.contract import SandboxUnavailable

HERE = Path(__file__).parent
MEBIBYTE = 1024 * 1024
# V8 counts its own heap. All else that can be written to, buffers and zip streams, only the kernel counts.
HEAP, YOUNG_HEAP, STACK = 64, 4, 600
DATA_BYTES = 240 * MEBIBYTE
# More than a run has by the clock, which is what people are told: this one stops what nobody is left to stop.
CPU_SECONDS = 15
# Starting Python costs as much as a third of a sandbox, so one launcher starts several.
LITTER = 32
PATIENCE = 10.0
LONGEST_STDERR = 16 * 1024

# Imports from a few well-known hosts are granted unless they are denied.
_FLAGS = (
    "--deny-import --no-prompt --no-remote --no-npm --no-config --no-lock --cached-only --no-code-cache --quiet"
).split()
_V8 = [
    f"--max-old-space-size={HEAP}",
    f"--max-semi-space-size={YOUNG_HEAP}",
    f"--stack-size={STACK}",
    "--disallow-code-generation-from-strings",
    "--jitless",  # no compiler to attack, and no memory that is written and then run
    "--single-threaded",  # no helpers on other processors: a greedy run is slowed down as a whole
]
# Nothing is inherited. A DENO_DIR that can never exist: nothing is kept from one run for another.
_ENVIRONMENT = {
    "DENO_DIR": "/dev/null/deno",
    "DENO_NO_PROMPT": "1",
    "DENO_NO_UPDATE_CHECK": "1",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "NO_COLOR": "1",
    "PATH": "/nonexistent",
    "TZ": "UTC",
}


@cache
def command() -> tuple[str, ...]:
    """The sandbox's command line. Its code is part of it, so that the process need not read any file of ours."""
    halves = [(HERE / name).read_bytes() for name in ("realm.mjs", "bootstrap.mjs")]
    code = base64.b64encode(b"\n".join(halves)).decode()
    try:
        program = find_deno_bin()
    except FileNotFoundError:
        raise SandboxUnavailable("The package deno has no program for this system.") from None
    return (program, "run", *_FLAGS, f"--v8-flags={','.join(_V8)}", f"data:text/javascript;base64,{code}")


class Child:
    """A started process and our ends of its pipes, none of which ever blocks."""

    def __init__(
        self, litter: "Litter", index: int, pid: int, walls: dict[str, str], pipes: tuple[int, int, int]
    ) -> None:
        self.litter, self.index, self.pid, self.walls = litter, index, pid, walls
        self.pipes: tuple[int, ...] = pipes
        self.stdin, self.stdout, self.stderr = pipes
        self.started_at = monotonic()
        self.errors = bytearray()
        self.code: int | None = None
        self.is_reaped = False

    def read(self) -> bytes | None:
        """What it said since; empty at the end, None if there is nothing new."""
        return _read(self.stdout)

    def read_errors(self) -> bool:
        """Keeps the beginning of what it complained. False at the end."""
        data = _read(self.stderr)
        self.errors += (data or b"")[: LONGEST_STDERR - len(self.errors)]
        return data != b""

    def write(self, data: bytearray) -> None:
        """As much as fits; what was written is removed."""
        try:
            written = os.write(self.stdin, memoryview(data)[: 64 * 1024])
        except BlockingIOError:
            return
        except BrokenPipeError:
            written = len(data)
        del data[:written]

    def step_back(self) -> None:
        """It had its share of the processor; from now on everybody else comes first."""
        try:
            os.setpriority(os.PRIO_PROCESS, self.pid, 15)
        except OSError:
            return

    def memory(self) -> tuple[int, int]:
        """Bytes it holds now and held at most; zeros where nobody can tell."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0, 0
        sizes = dict.fromkeys(("VmRSS", "VmHWM"), 0)
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in sizes:
                sizes[name] = int(value.split()[0]) * 1024
        return sizes["VmRSS"], sizes["VmHWM"]

    def kill(self) -> None:
        """Nobody else can have this process id: it belongs to a zombie at least until `reap`."""
        if self.is_reaped:
            return
        for kill in (os.killpg, os.kill):
            try:
                kill(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        self.let_go()

    def let_go(self) -> None:
        """Closes our ends of its pipes, once."""
        pipes, self.pipes = self.pipes, ()
        _close(pipes)

    def reap(self) -> int | None:
        """How it ended, negative for a signal; None if the launcher does not know. Call `kill` first."""
        if not self.is_reaped:
            self.is_reaped = True
            self.code = self.litter.reap(self.index)
        return self.code

    def wait(self, seconds: float) -> bool:
        """Whether it ends by itself in this time. Its last breath is on its standard error."""
        until = monotonic() + seconds
        poll = select.poll()
        poll.register(self.stderr, select.POLLIN)
        while (left := until - monotonic()) > 0:
            if poll.poll(left * 1000) and not self.read_errors():
                return True
        return False


def _read(pipe: int) -> bytes | None:
    try:
        return os.read(pipe, 256 * 1024)
    except BlockingIOError:
        return None


def _close(pipes: Iterable[int]) -> None:
    for pipe in pipes:
        os.close(pipe)


class Litter:
    """One launcher and the sandboxes it starts. `start` in one thread, which must outlive them; the rest in any."""

    def __init__(self, *, relaxed: bool, size: int = LITTER, program: tuple[str, ...] | None = None) -> None:
        self._lock = threading.Lock()
        self._started = 0
        self.alive: set[int] = set()
        settings = {
            "command": program or command(),
            "environment": _ENVIRONMENT,
            "data_bytes": DATA_BYTES,
            "cpu_seconds": CPU_SECONDS,
            "relaxed": relaxed,
            "parent": os.getpid(),
        }
        self._pipes = [tuple(os.pipe() for _ in range(3)) for _ in range(size)]
        for index in range(size):
            for pipe in self._ours(index):
                os.set_blocking(pipe, False)
        theirs = [[stdin[0], stdout[1], stderr[1]] for stdin, stdout, stderr in self._pipes]
        try:
            self._launcher = self._launch(
                json.dumps(settings | {"pipes": theirs}), [pipe for three in theirs for pipe in three]
            )
        except OSError:
            self.give_up()
            raise

    @staticmethod
    def _launch(settings: str, theirs: list[int]) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(  # noqa: S603  all of it is ours
                [sys.executable, "-I", "-S", str(HERE / "launcher.py"), settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=theirs,
                bufsize=0,  # A line that a dead launcher did not take must not be in the way of closing.
                cwd="/",
                env={},
            )
        finally:
            _close(theirs)

    @property
    def is_spent(self) -> bool:
        return self._started == len(self._pipes)

    def start(self) -> Child:
        """Raises SandboxUnavailable where a wall is missing or the program does not start."""
        index = self._started
        self._started += 1
        pipes = self._ours(index)
        try:
            answer = self._ask(f"start {index}")
            if "failed" in answer:
                self._ask(f"reap {index}")
                raise SandboxUnavailable(answer["failed"])
        except SandboxUnavailable:
            _close(pipes)
            raise
        self.alive.add(index)
        return Child(self, index, answer["pid"], answer["walls"], pipes)

    def reap(self, index: int) -> int | None:
        try:
            code = self._ask(f"reap {index}").get("code")
        except SandboxUnavailable:
            code = None  # The launcher is dead, and with it all its sandboxes.
        self.alive.discard(index)
        return code

    def close(self) -> None:
        """The end of the launcher, and of sandboxes that were not reaped."""
        self._launcher.kill()
        self._launcher.wait()
        self.abandon()

    def give_up(self) -> None:
        """Start no more; those that were started live on."""
        unused = range(self._started, len(self._pipes))
        self._started = len(self._pipes)
        for index in unused:
            _close(self._ours(index))

    def abandon(self) -> None:
        """Closes what is ours and was not given to a child. In a forked process, all that may be done."""
        self.give_up()
        for stream in (self._launcher.stdin, self._launcher.stdout):
            if stream:
                stream.close()

    def _ours(self, index: int) -> tuple[int, int, int]:
        stdin, stdout, stderr = self._pipes[index]
        return stdin[1], stdout[0], stderr[0]

    def _ask(self, line: str) -> dict[str, Any]:
        stdin, stdout = self._launcher.stdin, self._launcher.stdout
        assert stdin and stdout
        with self._lock:
            try:
                stdin.write(line.encode() + b"\n")
                stdin.flush()
                answer = self._read_line(stdout.fileno())
            except OSError:
                raise SandboxUnavailable("The launcher of sandboxes is gone.") from None
        if not answer:
            self._launcher.kill()
            raise SandboxUnavailable("The launcher of sandboxes does not answer.")
        return dict(json.loads(answer))

    @staticmethod
    def _read_line(pipe: int) -> bytes:
        """Empty where the launcher died or takes too long."""
        until, line = monotonic() + PATIENCE, b""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while not line.endswith(b"\n"):
            if not poll.poll(max(0.0, until - monotonic()) * 1000):
                return b""
            data = os.read(pipe, 4096)
            if not data:
                return b""
            line += data
        return line
