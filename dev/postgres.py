"""One PostgreSQL server of our own, as a child process, on a port of its own."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dev.binaries import postgres_folder
from dev.places import Runner, postgres_home, postgres_runner
from dev.processes import Process, command_line, free_port, is_free, start_time

NAME = "chatzuri"
FAST_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class ServerFailed(Exception):
    """A server did not start; the text ends with what it said."""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """Where the files are and who runs them; `start` brings it up and returns its port."""

    directory: Path
    home: Path
    runner: Runner
    programs: Path
    durable: bool

    @classmethod
    def in_directory(cls, directory: Path, *, durable: bool) -> "Postgres":
        home = postgres_home(directory=directory, lasting=durable)
        runner = postgres_runner(data=home / "data")
        programs = postgres_folder(runner=runner, copies=home)
        return cls(directory=directory, home=home, runner=runner, programs=programs, durable=durable)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.directory / "postgres.log"

    def password(self) -> str:
        """Trusting everybody on 127.0.0.1 would let every user of a shared machine in."""
        path = self.directory / "postgres.password"
        if not path.exists():
            with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text()

    def url(self, *, port: int, database: str = NAME) -> str:
        return f"postgres://{NAME}:{self.password()}@127.0.0.1:{port}/{database}"

    def start(self, *, preferred_port: int | None, launched: Callable[[Process], None]) -> int:
        self._make_data()
        self._settle_pid_file()
        for _ in range(8):
            port = preferred_port if preferred_port and is_free(preferred_port) else free_port()
            process = self._launch(port=port)
            launched(process)
            if self._wait_until_ready(process=process, port=port):
                self._make_database(port=port)
                return port
            # Somebody took the port in between, or what is left of a killed server is still on its way out.
            preferred_port = None
            time.sleep(0.5)
        raise ServerFailed(f"PostgreSQL did not start. The end of {self.log}:\n{tail(self.log)}")

    def _make_data(self) -> None:
        if (self.data / "PG_VERSION").exists():
            self._refuse_other_version()
            return
        new = self.home / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self.runner.own(new)
        password_file = self.home / "initdb.password"
        password_file.write_text(self.password())
        password_file.chmod(0o600)
        self.runner.own(password_file)
        try:
            self._run_initdb(new=new, password_file=password_file)
        finally:
            password_file.unlink()
        new.rename(self.data)

    def _run_initdb(self, *, new: Path, password_file: Path) -> None:
        command = [str(self.programs / "initdb"), "-D", str(new), "-U", NAME, f"--pwfile={password_file}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", *self._locale()]
        # A throw-away server need not survive a power cut, and writing a new cluster to disk takes seconds.
        command += [] if self.durable else ["--no-sync"]
        environment = self._environment()
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, **self.runner.popen_arguments()
        )
        if result.returncode:
            raise ServerFailed(f"PostgreSQL's initdb failed:\n{result.stderr or result.stdout}")

    def _locale(self) -> list[str]:
        """The same order of texts on every machine; upper and lower case of all letters where the version can."""
        if self._major() >= 17:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return ["--locale=C"]

    def _major(self) -> int:
        answer = subprocess.run(
            [str(self.programs / "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
            **self.runner.popen_arguments(),
        )
        return int(answer.stdout.split()[2].split(".")[0].rstrip("abcdevltr"))

    def _refuse_other_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(self._major()):
            raise ServerFailed(
                f"The data in {self.data} was made by PostgreSQL {made_by}, the server here is {self._major()}. "
                "Dump it with the old version, or move the folder away to start empty."
            )

    def _environment(self) -> dict[str, str]:
        """Without PGDATA, PGPORT and the like, which belong to some other server."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return {**kept, "LC_ALL": "C"}

    def _settle_pid_file(self) -> None:
        """Deals with the pid file of a server that was left running, or killed so long ago that its number is reused.

        PostgreSQL itself handles the usual case, a number that nobody has; it refuses to start if anybody has it.
        """
        path = self.data / "postmaster.pid"
        try:
            pid = int(path.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if str(self.data) in command_line(pid):
            Process.of(name="postgres", pid=pid, stop_signal=signal.SIGINT).end()
        elif start_time(pid):
            path.unlink()

    def _launch(self, *, port: int) -> Process:
        options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "timezone=UTC"]
        options += ["max_connections=200", "logging_collector=off", "log_timezone=UTC"]
        options += [] if self.durable else FAST_NOT_DURABLE
        command = [str(self.programs / "postgres"), "-D", str(self.data)]
        for option in options:
            command += ["-c", option]
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal must reach us first, the database goes last.
            child = subprocess.Popen(
                command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.runner.popen_arguments(),
            )
        return Process.of(name="postgres", pid=child.pid, stop_signal=signal.SIGINT)

    def _wait_until_ready(self, *, process: Process, port: int) -> bool:
        deadline = time.monotonic() + 60  # recovery after a crash may take its time
        while time.monotonic() < deadline:
            if not process.is_running():
                return False
            try:
                psycopg.connect(self.url(port=port, database="postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return True
        process.end()
        return False

    def _make_database(self, *, port: int) -> None:
        with psycopg.connect(self.url(port=port, database="postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {NAME}")


def tail(path: Path, *, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
