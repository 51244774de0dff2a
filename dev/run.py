"""`make run`: everything from nothing to a login page, and nothing left behind afterwards. `make stop` ends it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from dev.binaries import ServerMissing
from dev.environment import for_address, kept
from dev.postgres import ServerFailed
from dev.processes import Process, is_free
from dev.servers import InUse, Servers, end_leftovers, start, take_lock
from dev.supervisor import Supervisor
from dev.supervisor import end_leftovers as end_left_children

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
RUNNING = VAR / "running.json"
CHILDREN = VAR / "children.json"
LOGIN = "/admin/login/"


class CannotRun(Exception):
    """The text says why, and what to do."""


def commands(*, port: int) -> dict[str, list[str]]:
    """What runs side by side. Whoever waits for an answer has a worker of their own."""
    celery = [sys.executable, "-m", "celery", "-A", "chatzuri"]
    worker = [*celery, "worker", "--loglevel", "INFO", "--pool", "threads", "--without-gossip", "--without-mingle"]
    web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    return {
        "web": [*web, "--blocking-threads", "16", "--no-ws", "chatzuri.wsgi:application"],
        "worker-interactive": [*worker, "-Q", "interactive", "-c", "8", "-n", "interactive@%h"],
        # A flood takes what processor time is left over: the others are asked first.
        "worker-deliveries": ["nice", "-n", "10", *worker, "-Q", "deliveries,celery", "-c", "2", "-n", "deliveries@%h"],
        "worker-actions": [*worker, "-Q", "actions", "-c", "4", "-n", "actions@%h"],
        "worker-rules": [*worker, "-Q", "rules", "-c", "2", "-n", "rules@%h"],
        "worker-replies": [*worker, "-Q", "replies", "-c", "8", "-n", "replies@%h"],
        "worker-channels": [*worker, "-Q", "channels", "-c", "4", "-n", "channels@%h"],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--schedule", str(VAR / "beat-schedule"), "--pidfile="],
    }


def choose_port() -> int:
    try:
        wanted = int(os.environ.get("PORT") or 8000)
    except ValueError:
        raise CannotRun(f"PORT={os.environ['PORT']} is not a number.") from None
    for port in range(wanted, min(wanted + 100, 65536)):
        if is_free(port):
            if port != wanted:
                print(f"Port {wanted} is taken by another program; using {port}.", flush=True)
            return port
    raise CannotRun(f"No free port between {wanted} and {wanted + 99}. Choose another: make run PORT=9000")


def start_stores() -> tuple[Servers | None, dict[str, str]]:
    """Servers of our own for whatever the environment does not name already."""
    given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}
    if len(given) == 2:
        print("Using the database and Redis that DATABASE_URL and REDIS_URL name.", flush=True)
        return None, given
    print("Starting PostgreSQL and Redis …", flush=True)
    servers = start(VAR / "servers")
    return servers, {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, **given}


def manage(*arguments: str, environment: dict[str, str]) -> str:
    """Runs a Django command; what it printed, or a failure that shows why."""
    command = [sys.executable, "manage.py", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise CannotRun(f"manage.py {' '.join(arguments)} failed:\n{result.stderr or result.stdout}")
    return result.stdout.strip()


def wait_for_login(*, url: str, supervisor: Supervisor, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if trouble := supervisor.watch():
            raise CannotRun(trouble)
        with suppress(urllib.error.URLError, OSError), opener.open(url + LOGIN, timeout=10) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise CannotRun(f"{url}{LOGIN} does not answer. Look into {supervisor.log('web')}.")


def announce(*, url: str, what_to_try: str, seconds: float) -> None:
    line = "─" * 78
    print(f"\n{line}\n  Chatzuri is running:  {url}/   (ready after {seconds:.0f} s)\n")
    print("\n".join(f"  {text}" for text in what_to_try.splitlines()))
    print('\n  Try: log in, open the playground, and write "Can somebody call me back?"')
    print(f"  API: {url}/api/docs")
    print(f"\n  Logs: var/logs/     Stop: Ctrl-C here, or `make stop`\n{line}\n", flush=True)


def prepare(*, environment: dict[str, str]) -> str:
    print("Preparing the database …", flush=True)
    manage("migrate", "--no-input", environment=environment)
    return manage("seed_demo", environment=environment)


def serve(*, began: float) -> None:
    if left := end_left_children(note=CHILDREN):
        print(f"Ended {left} processes that an earlier run had left behind.", flush=True)
    port = choose_port()
    url = f"http://127.0.0.1:{port}"
    servers, stores = start_stores()
    environment = {**kept(path=VAR / "dev.env"), **for_address(url=url), **os.environ, **stores}
    supervisor = Supervisor(note=CHILDREN, logs=VAR / "logs", environment=environment, directory=ROOT)
    try:
        what_to_try = prepare(environment=environment)
        for name, command in commands(port=port).items():
            supervisor.start(name=name, command=command)
        wait_for_login(url=url, supervisor=supervisor)
        announce(url=url, what_to_try=what_to_try, seconds=time.monotonic() - began)
        while not (trouble := supervisor.watch()):
            time.sleep(0.5)
        raise CannotRun(trouble)
    finally:
        stop_everything(supervisor=supervisor, servers=servers)


def stop_everything(*, supervisor: Supervisor, servers: Servers | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough: from here on everything is being stopped
    print("\nStopping …", flush=True)
    supervisor.stop()
    if servers:
        servers.stop()


def run() -> int:
    began = time.monotonic()
    VAR.mkdir(exist_ok=True)
    try:
        lock = take_lock(VAR)
    except InUse:
        print("Chatzuri is already running from this folder. Stop it with: make stop", file=sys.stderr)
        return 1
    RUNNING.write_text(json.dumps(asdict(Process.of(name="make run", pid=os.getpid()))))
    try:
        serve(began=began)
    except (CannotRun, ServerMissing, ServerFailed, InUse) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    finally:
        RUNNING.unlink(missing_ok=True)
        lock.close()
    return 0


def stop() -> int:
    """Ends the instance of this folder, or what a killed one left; never anything by its name."""
    try:
        launcher = Process(**json.loads(RUNNING.read_text()))
    except (OSError, ValueError, TypeError):
        launcher = None
    was_running = bool(launcher and launcher.is_running())
    if launcher:
        launcher.end(patience=60.0)
    left = end_left_children(note=CHILDREN) if VAR.exists() else 0
    if (VAR / "servers").exists():
        with suppress(InUse), take_lock(VAR / "servers"):
            end_leftovers(VAR / "servers")
    RUNNING.unlink(missing_ok=True)
    print("Stopped." if was_running or left else "Nothing was running.")
    return 0


def leave(number: int, _frame: FrameType | None) -> None:
    """A signal becomes an exception, so that every `finally` on the way out runs."""
    raise SystemExit(0 if number == signal.SIGINT else 128 + number)


def main() -> None:
    if sys.argv[1:] == ["stop"]:
        sys.exit(stop())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    sys.exit(run())


if __name__ == "__main__":
    main()
