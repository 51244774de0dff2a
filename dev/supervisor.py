"""Keeps web, workers and beat running side by side, and ends them in good order.

Ours rather than a Procfile runner: it writes down every process it starts, so that what a killed launcher left
behind is found again, and it waits longer than a delivery may take before it insists.
"""

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from dev.postgres import tail
from dev.processes import Process, remember, remembered

HEALTHY_AFTER = 10.0  # seconds; whatever ends sooner would only end again
PATIENCE = 20.0  # seconds; a delivery may take ten


@dataclass(kw_only=True)
class Child:
    name: str
    command: list[str]
    process: Process
    popen: "subprocess.Popen[bytes]"
    began: float


@dataclass(kw_only=True)
class Supervisor:
    """`start` each command, call `watch` now and then, `stop` at the end."""

    note: Path
    logs: Path
    environment: dict[str, str]
    directory: Path
    children: list[Child] = field(default_factory=list)

    def start(self, *, name: str, command: list[str]) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            # A session each: Ctrl-C reaches only the launcher, which then ends them one after the other.
            popen = subprocess.Popen(
                command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process = Process.of(name=name, pid=popen.pid, group=True)
        self.children.append(Child(name=name, command=command, process=process, popen=popen, began=time.monotonic()))
        remember(path=self.note, processes=[child.process for child in self.children])

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def watch(self) -> str | None:
        """Starts again what ended; returns what to say if something cannot stay up."""
        for child in [child for child in self.children if child.popen.poll() is not None]:
            if time.monotonic() - child.began < HEALTHY_AFTER:
                return (
                    f"{child.name} does not stay up. The end of {self.log(child.name)}:\n{tail(self.log(child.name))}"
                )
            print(f"{child.name} ended (code {child.popen.returncode}); starting it again.", flush=True)
            self.children.remove(child)
            self.start(name=child.name, command=child.command)
        return None

    def stop(self) -> None:
        """Asks all at once, then waits for each, so that the slowest alone sets the time."""
        end_all([child.process for child in self.children])
        self.note.unlink(missing_ok=True)


def end_all(processes: list[Process]) -> None:
    running = [process for process in processes if process.is_running()]
    for process in running:
        os.killpg(process.pid, process.stop_signal)
    deadline = time.monotonic() + PATIENCE
    for process in running:
        process.wait_or_kill(patience=max(0.1, deadline - time.monotonic()))


def end_leftovers(*, note: Path) -> int:
    """What a launcher that was killed with -9 left running."""
    left = [process for process in remembered(path=note) if process.is_running()]
    end_all(left)
    note.unlink(missing_ok=True)
    return len(left)
