"""`python -m dev.with_servers COMMAND`: the servers end with the command, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from dev.processes import start_time

ROOT = Path(__file__).resolve().parents[2]
WITH_SERVERS = [sys.executable, "-m", "dev.with_servers", sys.executable, "-c"]
TELL_AND_WAIT = "import os, time; print(os.environ['DATABASE_URL'], os.getpid(), flush=True); time.sleep(600)"


def begin(*, temporary: Path) -> tuple["subprocess.Popen[str]", str, int]:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    child = subprocess.Popen(
        [*WITH_SERVERS, TELL_AND_WAIT],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    database_url, pid = child.stdout.readline().split()
    return child, database_url, int(pid)


def assert_gone(*, database_url: str, command: int, temporary: Path) -> None:
    assert start_time(command) is None
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(database_url)
    assert list(temporary.iterdir()) == []


def test_exit_code_passes_through_and_values_are_set(folder: Path) -> None:
    """What the shell has set must not lead a test to a real database."""
    code = "import os, sys; sys.exit(7 if 'example' not in os.environ['DATABASE_URL'] else 1)"
    environment = {**os.environ, "TMPDIR": str(folder), "DATABASE_URL": "postgres://real.example/production"}
    assert subprocess.run([*WITH_SERVERS, code], cwd=ROOT, env=environment).returncode == 7
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_the_servers_too(folder: Path, number: signal.Signals) -> None:
    child, database_url, command = begin(temporary=folder)
    psycopg.connect(database_url).close()
    child.send_signal(number)
    assert child.wait(timeout=30) != 0
    assert_gone(database_url=database_url, command=command, temporary=folder)


def test_next_run_cleans_up_after_one_that_was_killed(folder: Path) -> None:
    child, database_url, command = begin(temporary=folder)
    child.kill()
    child.wait()
    psycopg.connect(database_url).close()
    long_ago = time.time() - 3600
    (left,) = folder.iterdir()
    os.utime(left / "lock", (long_ago, long_ago))
    subprocess.run([*WITH_SERVERS, ""], cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, check=True)
    assert_gone(database_url=database_url, command=command, temporary=folder)
