"""Runs a command beside throw-away servers: `python -m dev.with_servers pytest -q`.

The servers and their folder are gone afterwards, however the command ends. DURABLE=1 keeps fsync on, for
measurements and for tests that pull the plug.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from dev.binaries import ServerMissing
from dev.environment import for_one_run
from dev.places import temporary_folder
from dev.postgres import ServerFailed
from dev.servers import Servers, end_leftovers, owner_is_gone, start

PREFIX = "chatzuri-throwaway-"


def sweep_leftovers(*, parent: Path) -> None:
    """A run that was killed with -9 could not clean up; the next one does it for it."""
    for folder in parent.glob(f"{PREFIX}*"):
        if (folder / "lock").exists() and owner_is_gone(folder):
            end_leftovers(folder)
            shutil.rmtree(folder, ignore_errors=True)


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
    child = subprocess.Popen(command, env=environment)

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
