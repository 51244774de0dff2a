"""Real PostgreSQL and real Redis for development and tests, from wheels, in a folder of our own.

    servers = start(directory)      # servers.database_url, servers.redis_url
    servers.stop()

They listen on 127.0.0.1, on free ports which are remembered in the folder, behind generated passwords, so servers
that already run on the machine are never touched. Whoever holds the folder's lock owns what runs in it; the lock
falls with its holder, also on kill -9, and the next start ends what was left before it begins.
"""

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dev.postgres import Postgres
from dev.processes import Process, remember, remembered
from dev.redis_server import Redis, write_private


class InUse(Exception):
    """Somebody else is using this folder right now."""


@dataclass(kw_only=True)
class Servers:
    """What runs: give the URLs to whoever needs them, and call `stop` at the end."""

    directory: Path
    database_url: str
    redis_url: str
    processes: list[Process] = field(default_factory=list)
    lock: IO[str] | None = None

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.end()
        note_of(self.directory).unlink(missing_ok=True)
        if self.lock:
            self.lock.close()


def start(directory: Path, *, durable: bool = True) -> Servers:
    """Starts both, with the data of last time if there is any. Not durable means faster, and lost in a power cut."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    lock = take_lock(directory)
    end_leftovers(directory)
    ports = _remembered_ports(directory)
    started: list[Process] = []

    def launched(process: Process) -> None:
        # Written down at once: if we are killed while it starts up, the next start still knows of it.
        started.append(process)
        remember(path=note_of(directory), processes=started)

    try:
        database = Postgres.in_directory(directory, durable=durable)
        cache = Redis.in_directory(directory, durable=durable)
        ports["postgres"] = database.start(preferred_port=ports.get("postgres"), launched=launched)
        ports["redis"] = cache.start(preferred_port=ports.get("redis"), launched=launched)
    except BaseException:
        Servers(directory=directory, database_url="", redis_url="", processes=started, lock=lock).stop()
        raise
    write_private(path=directory / "ports.json", text=json.dumps(ports))
    return Servers(
        directory=directory,
        database_url=database.url(port=ports["postgres"]),
        redis_url=cache.url(port=ports["redis"]),
        processes=started,
        lock=lock,
    )


def take_lock(directory: Path) -> IO[str]:
    lock = (directory / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InUse(f"The servers in {directory} are in use by another process.") from None
    return lock


def end_leftovers(directory: Path) -> None:
    """Only call this with the lock in hand: then nobody can be using what still runs."""
    for process in remembered(path=note_of(directory)):
        process.end()
    note_of(directory).unlink(missing_ok=True)


def note_of(directory: Path) -> Path:
    return directory / "processes.json"


def _remembered_ports(directory: Path) -> dict[str, int]:
    try:
        ports = json.loads((directory / "ports.json").read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in ports.items() if isinstance(port, int)}


def owner_is_gone(directory: Path) -> bool:
    """True if a folder's lock is free, so its owner ended without cleaning up (or never began)."""
    if not os.access(directory, os.W_OK):
        return False
    try:
        take_lock(directory).close()
    except (InUse, OSError):
        return False
    return True
