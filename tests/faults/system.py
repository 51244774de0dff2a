"""The whole installation as real processes, and the hands that break it."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from chatzuri import celery_app
from dev.processes import Process, is_free
from dev.redis_server import Redis
from tests.factories import make_delivery, make_endpoint
from tests.processes import ROOT, database_url
from webhooks import publishing, sending
from webhooks.models import Delivery, Endpoint

State = Delivery.State
# How often each fault is tried, and how long and large the random one is. Small unless told otherwise.
RUNS = int(os.environ.get("FAULT_RUNS", "1"))
SECONDS = float(os.environ.get("FAULT_SECONDS", "8"))
EVENTS = int(os.environ.get("FAULT_EVENTS", "400"))


def runs(at_most: int = 10**9) -> range:
    return range(min(RUNS, at_most))


def until(holds: Callable[[], Any], *, seconds: float = 20, why: str = "it did not come true in time") -> Any:
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, why
        time.sleep(0.03)
    return value


class Child:
    """One process from the nursery."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self._process = Process.of(name="child", pid=pid)

    @property
    def is_running(self) -> bool:
        return self._process.is_running()

    def signal(self, number: int) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.gone()
        # Redis may hand the next message to the dead one's connection until it sees that it is closed. That loss is the
        # sweeper's business and has tests of its own; here it would only make somebody wait who does not sweep.
        time.sleep(0.2)

    def gone(self, *, seconds: float = 20) -> None:
        until(lambda: not self.is_running, seconds=seconds, why=f"{self.pid} lives on: {self.said()}")

    def terminate(self, *, seconds: float = 25) -> None:
        self.signal(signal.SIGTERM)
        self.gone(seconds=seconds)

    def ready(self) -> "Child":
        until(lambda: " ready." in self.said() or not self.is_running, why=self.said())
        assert self.is_running, self.said()
        return self

    def stopped(self) -> None:
        """Wait until it has stopped itself (SIGSTOP)."""
        stat = Path(f"/proc/{self.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", why=self.said())

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class System:
    """Lives for the session; `clean` begins a test anew."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._numbers, self._children = folder, itertools.count(), list[Child]()
        self.requests_log = folder / "requests.jsonl"
        self.receiver = self._start("tests.faults.receiver_main", str(self.requests_log))
        self.origin = f"http://127.0.0.1:{self.receiver.stdout.readline().strip()}"  # type: ignore[union-attr]
        self._redis = Redis.in_directory(folder, durable=False)
        self._port: int | None = None
        self.start_redis()
        self.redis_url = self._redis.url(port=self._port or 0)
        env = {"DATABASE_URL": database_url(), "INSPECTOR_ORIGIN": self.origin, "REDIS_URL": self.redis_url}
        self.nursery = self._start("tests.faults.nursery_main", **env)

    def _start(self, module: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", module, *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, **pipes)  # type: ignore[call-overload,no-any-return]

    # --- processes ---

    def start(self, job: str = "worker", **order: Any) -> Child:
        """`at` and `do`: where it is struck, and with what. See `points`."""
        log = self.folder / f"{job}{next(self._numbers)}.log"
        assert self.nursery.stdin and self.nursery.stdout
        self.nursery.stdin.write(json.dumps({"job": job, "log": str(log), **order}) + "\n")
        self.nursery.stdin.flush()
        child = Child(json.loads(self.nursery.stdout.readline())["pid"], log)
        self._children.append(child)
        return child

    def worker(self, **order: Any) -> Child:
        return self.start("worker", **order).ready()

    def start_redis(self) -> None:
        """At the port it always had; its processes know no other."""
        if self._port:
            until(lambda: is_free(self._port or 0), why="the port of Redis was taken")
        port = self._redis.start(preferred_port=self._port, launched=self._note_redis)
        assert self._port in (None, port), "Redis came back at another port"
        self._port = port

    def _note_redis(self, process: Process) -> None:
        self.redis = process

    def kill_redis(self) -> None:
        os.kill(self.redis.pid, signal.SIGKILL)
        self.redis.wait_or_kill(patience=5)

    def freeze_redis(self, *, thaw: bool = False) -> None:
        os.kill(self.redis.pid, signal.SIGCONT if thaw else signal.SIGSTOP)

    def stop_all(self) -> None:
        for child in self._children:
            child.signal(signal.SIGKILL)
        for child in self._children:
            child.gone()
        self._children.clear()

    def clean(self) -> None:
        self.stop_all()
        os.truncate(self.requests_log, 0) if self.requests_log.exists() else None

    def close(self) -> None:
        self.clean()
        for process in (self.nursery, self.receiver):
            process.stdin.close()  # type: ignore[union-attr]
            process.wait(20)
        self.redis.end()

    # --- what is sent, what arrived ---

    def url(self, mode: str = "ok") -> str:
        return f"{self.origin}/inspector/{mode}/hook"

    def endpoint(self, mode: str = "ok", **fields: Any) -> Endpoint:
        return make_endpoint(url=self.url(mode), **fields)

    def publish(self, endpoint: Endpoint, **options: Any) -> Delivery:
        """Accepted and announced, as if nobody had been woken just before."""
        publishing.heed_wake(slow=False)
        publishing.heed_wake(slow=True)
        return make_delivery(endpoint=endpoint, **{"wake": True, **options})

    def received(self) -> Counter[str]:
        """How many requests came, by delivery."""
        lines = self.requests_log.read_text().splitlines() if self.requests_log.exists() else []
        return Counter(json.loads(line)["id"] for line in lines)

    def arrived(self, delivery: Delivery) -> None:
        until(lambda: self.received()[delivery.public_id], why="the request did not come")

    # --- time, and the two who look after things ---

    def later(self) -> None:
        """As if the time that reaper and sweeper wait for had passed, and a beat had come round."""
        long_ago()
        sending.reap()
        publishing.heed_wake(slow=False)
        publishing.heed_wake(slow=True)
        sending.sweep()

    def settle(self, *, seconds: float = 60) -> None:
        """Until every delivery has its end. Somebody has to be there who sends."""

        def is_settled() -> bool:
            if not Delivery.objects.filter(state__in=[State.QUEUED, State.SENDING]).exists():
                return True
            self.later()
            time.sleep(0.3)
            return False

        until(is_settled, seconds=seconds, why=f"not everything ended: {states()}")


def long_ago() -> None:
    past = timezone.now() - timedelta(minutes=2)
    Delivery.objects.filter(state=State.SENDING, deadline_at__gt=past).update(deadline_at=past)
    Delivery.objects.filter(state=State.QUEUED, queued_at__gt=past).update(queued_at=past)


def states() -> dict[str, int]:
    return dict(Counter(Delivery.objects.values_list("state", flat=True)))


def state_of(delivery: Delivery) -> str:
    return str(Delivery.objects.values_list("state", flat=True).get(pk=delivery.pk))


def use_broker(url: str) -> None:
    """This process, too, speaks to that Redis."""
    celery_app.conf.broker_url = celery_app.conf.broker_write_url = celery_app.conf.broker_read_url = url
    celery_app._pool = None
    celery_app.amqp._producer_pool = None


def owner() -> psycopg.Connection[Any]:
    """Beside the test database, so that it can be closed to everybody."""
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


@contextlib.contextmanager
def database_away() -> Iterator[None]:
    """Nobody gets in, and whoever is in is thrown out: what workers see when the server restarts."""
    name = connection.settings_dict["NAME"]
    connection.close()
    with owner() as admin:
        admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        try:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
