"""Runs a command beside throw-away servers: `python -m dev.with_servers pytest -q`.

The servers and their folder are gone afterwards, however the command ends. DURABLE=1 keeps fsync on, for
measurements and for tests that pull the plug.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from dev.binaries import ServerMissing
from dev.environment import for_one_run
from dev.places import temporary_folder
from dev.postgres import ServerFailed
from dev.processes import Process, remember
from dev.servers import Servers, end_leftovers, note_of, owner_is_gone, start

PREFIX = "chatzuri-throwaway-"
STILL_BEGINNING = 30.0  # seconds


def sweep_leftovers(*, parent: Path) -> None:
    """A run that was killed with -9 could not clean up; the next one does it for it."""
    for folder in parent.glob(f"{PREFIX}*"):
        if _is_settled(folder / "lock") and owner_is_gone(folder):
            end_leftovers(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _is_settled(lock: Path) -> bool:
    """Leaves out a run that is just beginning and has made its lock file but not taken the lock yet."""
    try:
        return time.time() - lock.stat().st_mtime > STILL_BEGINNING
    except OSError:
        return False


def run(command: list[str]) -> int:
    folder = temporary_folder(prefix=PREFIX)
    sweep_leftovers(parent=folder.parent)
    servers: Servers | None = None
    try:
        servers = start(folder, durable=os.environ.get("DURABLE") == "1")
        return _run_beside(servers=servers, command=command)
    except (ServerMissing, ServerFailed) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if servers:
            servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _run_beside(*, servers: Servers, command: list[str]) -> int:
    environment = for_one_run(database_url=servers.database_url, redis_url=servers.redis_url)
    # What arrives and is kept as a file goes with the servers.
    environment |= {"MEDIA_ROOT": str(servers.directory / "media"), "SPOOL_DIR": str(servers.directory / "spool")}
    child = subprocess.Popen(command, env=environment)

    # If we are killed with -9 the command lives on; whoever cleans up after us ends it before its servers.
    note_command(servers=servers, pid=child.pid)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        # A Ctrl-C in the terminal reaches the command by itself; we only have to outlive it.
        if number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(number)

    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        code = child.wait()
    finally:
        if child.poll() is None:
            child.kill()
    return code if code >= 0 else 128 - code


def note_command(*, servers: Servers, pid: int) -> None:
    command = Process.of(name="command", pid=pid)
    remember(path=note_of(servers.directory), processes=[command, *servers.processes])


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("Say which command: python -m dev.with_servers COMMAND …")
    # Until the command runs, a signal is an exception, so that `finally` stops the servers.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    signal.signal(signal.SIGHUP, lambda number, _frame: sys.exit(128 + number))
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
