"""The servers of `make run` and `make test`, started for real."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import redis

from dev import binaries
from dev.places import Runner
from dev.processes import Process, start_time
from dev.servers import InUse, Servers, start

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., Servers]

# Another process that starts servers in the folder it is told, and then waits to be killed.
OWNER = """
import sys, time
from pathlib import Path
from dev.servers import start
servers = start(Path(sys.argv[1]), durable=True)
print(*[process.pid for process in servers.processes], flush=True)
time.sleep(600)
"""


def write_something(servers: Servers) -> None:
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE note (text text)")
        connection.execute("INSERT INTO note VALUES ('kept')")
    with redis.Redis.from_url(servers.redis_url) as client:
        client.set("note", "kept")


def read_it_back(servers: Servers) -> tuple[str, object]:
    with psycopg.connect(servers.database_url) as connection, redis.Redis.from_url(servers.redis_url) as client:
        row = connection.execute("SELECT text FROM note").fetchone()
        assert row
        return row[0], client.get("note")


def killed_owner(folder: Path) -> list[Process]:
    """Servers whose owner was killed with -9: they run on, and nobody answers for them."""
    command = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()
    processes = [Process.of(name="left over", pid=pid) for pid in pids]
    assert len(processes) == 2
    assert all(process.is_running() for process in processes)
    return processes


def listen(port: int) -> socket.socket | None:
    """A stranger's server on this port; None where one is already there, which serves as well."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError:
        return None
    listener.setblocking(False)
    return listener


def test_servers_on_the_standard_ports_are_left_alone(started: Start) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(found) for port in (5432, 6379) if (found := listen(port))]
        servers = started()
        write_something(servers)
        assert read_it_back(servers) == ("kept", b"kept")
        assert ":5432/" not in servers.database_url
        assert ":6379/" not in servers.redis_url
        for listener in listeners:
            with pytest.raises(BlockingIOError):
                listener.accept()


def test_nobody_enters_without_the_password(started: Start) -> None:
    servers = started()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(servers.database_url, password="guessed")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(
            servers.redis_url.split("@")[0].rsplit(":", 1)[0] + ":guessed@" + servers.redis_url.split("@")[1]
        ).ping()


def test_database_knows_upper_and_lower_case_of_all_letters(started: Start) -> None:
    with psycopg.connect(started().database_url) as connection:
        assert connection.execute("SELECT upper('é'), 'É' ILIKE 'é'").fetchone() == ("É", True)


def test_data_and_addresses_survive_a_stop(folder: Path) -> None:
    first = start(folder, durable=True)
    write_something(first)
    first.stop()
    assert not any(process.is_running() for process in first.processes)
    second = start(folder, durable=True)
    try:
        assert read_it_back(second) == ("kept", b"kept")
        assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)
    finally:
        second.stop()


def test_folder_in_use_is_refused(started: Start, folder: Path) -> None:
    servers = started()
    with pytest.raises(InUse):
        start(folder)
    write_something(servers)
    assert read_it_back(servers) == ("kept", b"kept")


def test_what_a_killed_owner_left_is_ended_and_its_data_kept(started: Start, folder: Path) -> None:
    left = killed_owner(folder)
    servers = started()
    assert not any(process.is_running() for process in left)
    write_something(servers)
    assert read_it_back(servers) == ("kept", b"kept")


def test_power_cut_and_a_reused_process_id(started: Start, folder: Path) -> None:
    for process in killed_owner(folder):
        os.kill(process.pid, signal.SIGKILL)
        process.wait_or_kill(patience=10)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        pid_file = folder / "postgres" / "data" / "postmaster.pid"
        first, _, rest = pid_file.read_text().partition("\n")
        assert start_time(int(first)) is None
        pid_file.write_text(f"{stranger.pid}\n{rest}")
        servers = started()
        assert stranger.poll() is None
        write_something(servers)
        stranger.kill()


def test_leftover_without_a_note_is_recognised_by_its_data(started: Start, folder: Path) -> None:
    """Killed in the instant between starting PostgreSQL and writing that down."""
    database, cache = killed_owner(folder)
    (folder / "processes.json").unlink()
    try:
        started()
        assert not database.is_running()
    finally:
        cache.end()


def test_deep_folder_that_is_closed_to_others(started: Start, tmp_path: Path) -> None:
    deep = tmp_path.joinpath("closed to others", *["a rather long folder name " * 2] * 6)
    deep.mkdir(parents=True)
    (tmp_path / "closed to others").chmod(0o700)
    assert len(str(deep)) > 300
    servers = started(deep)
    write_something(servers)
    servers.stop()
    assert read_it_back(started(deep))[0] == "kept"
    elsewhere = deep / "postgres-is-elsewhere"
    if elsewhere.exists():  # only root has to give PostgreSQL to another user, and so to another place
        shutil.rmtree(elsewhere.read_text().strip(), ignore_errors=True)


def test_missing_servers_say_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(binaries, "WHEELS", folder)
    monkeypatch.setattr(binaries, "POSTGRES_PATTERNS", ())
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(binaries.ServerMissing, match="apt-get install postgresql"):
        binaries.postgres_folder(runner=Runner(), copies=folder)
    with pytest.raises(binaries.ServerMissing, match="apt-get install redis"):
        binaries.redis_program()
