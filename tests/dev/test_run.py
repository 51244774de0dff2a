"""`make run` and `make stop` on a copy of this clone: from nothing to a login page, and nothing left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from dev.processes import Process, free_port, remembered

ROOT = Path(__file__).resolve().parents[2]
# What `make test` sets would lead the copy to the servers of the tests.
NOT_PASSED_ON = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "PUBLIC_URL", "INSPECTOR_ORIGIN"}
RUN = [sys.executable, "-m", "dev.run"]


class Launcher:
    """`make run` in a folder, with what it prints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        environment = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        self.environment = {**environment, "PORT": str(free_port())}
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> str:
        self.child = subprocess.Popen(
            RUN,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.child.stdout
        return self._read_until_ready(self.child.stdout)

    def _read_until_ready(self, output: IO[str]) -> str:
        lines: list[str] = []
        for line in output:
            lines.append(line)
            if "Chatzuri is running:" in line:
                self.url = line.split()[3]
            if "make stop" in line:
                return "".join(lines)
        raise AssertionError("make run ended:\n" + "".join(lines))

    def processes(self) -> list[Process]:
        var = self.folder / "var"
        return [*remembered(path=var / "children.json"), *remembered(path=var / "servers" / "processes.json")]

    def stop(self) -> str:
        command = [*RUN, "stop"]
        return subprocess.run(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def launcher(folder: Path) -> Iterator[Launcher]:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    launcher = Launcher(folder)
    yield launcher
    launcher.stop()
    if launcher.child:
        launcher.child.wait(timeout=30)


def login_page(url: str) -> str:
    with urllib.request.urlopen(f"{url}admin/login/", timeout=10) as answer:
        return answer.read().decode()


def wait_for(process: Process) -> None:
    deadline = time.monotonic() + 20
    while process.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.is_running()


@pytest.mark.slow
def test_everything_runs_survives_kill_9_and_leaves_nothing_behind(launcher: Launcher) -> None:
    printed = launcher.start()
    assert "password" in printed
    assert 'name="password"' in login_page(launcher.url)
    first = launcher.processes()
    names = {process.name for process in first}
    workers = {f"worker-{queue}" for queue in ("interactive", "deliveries", "actions", "rules", "channels", "replies")}
    assert names == {"web", *workers, "beat", "postgres", "redis"}

    assert launcher.child
    launcher.child.kill()
    launcher.child.wait()
    assert all(process.is_running() for process in first)

    assert "Ended 8 processes" in launcher.start()
    assert not any(process.is_running() for process in first)
    assert 'name="password"' in login_page(launcher.url)
    second = launcher.processes()

    again = subprocess.run(RUN, cwd=launcher.folder, env=launcher.environment, stderr=subprocess.PIPE, text=True)
    assert again.returncode == 1
    assert "already running" in again.stderr

    launcher.child.send_signal(signal.SIGINT)
    assert launcher.child.wait(timeout=60) == 0
    for process in second:
        wait_for(process)
    assert launcher.stop().strip() == "Nothing was running."


@pytest.mark.slow
def test_stop_from_another_terminal(launcher: Launcher) -> None:
    launcher.start()
    processes = launcher.processes()
    assert len(processes) == 10
    assert launcher.stop().strip() == "Stopped."
    assert not any(process.is_running() for process in processes)
