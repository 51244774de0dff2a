"""Random faults from a seed: whatever runs may die, stop, or lose what it stands on, at any moment."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import redis
from django.db import connection

from tests.faults.points import POINTS
from tests.faults.system import Child, System, owner

STRIKES = ["before the claim", "after the claim", "before connecting", "after writing", "before recording"]
assert set(STRIKES) <= set(POINTS)
# Not long enough for claims to be reaped within a small run, but longer than a worker waits before it begins.
SERVICE = 10.0  # seconds
WORKER = {"deadline": 2.0, "threads": 4}


class Chaos:
    """Three workers and two beats, and somebody who goes about and breaks them."""

    def __init__(self, system: System, *, seed: int) -> None:
        self.system, self.dice, self.done = system, random.Random(seed), Counter[str]()
        self.workers = [system.start(**WORKER) for _ in range(3)]
        self.beats = [system.start("beat", every=1.0) for _ in range(2)]
        self.frozen: list[tuple[float, Child]] = []
        self.struck: list[tuple[float, Child]] = []
        self.ours = {os.getpid()}

    def strike(self) -> None:
        """One fault. What died is replaced at once, as a supervisor would."""
        self._thaw(time.monotonic())
        name = self.dice.choice(self.faults)
        self.done[name] += 1
        getattr(self, f"_{name}")()
        self.workers = [each if each.is_running else self.system.start(**WORKER) for each in self.workers]

    faults = ["kill_worker", "kill_worker", "stop_worker", "freeze_worker", "strike_worker", "strike_worker"]
    faults += ["kill_beat", "kill_redis", "empty_redis", "cut_database"]

    def pauses(self, *, seconds: float) -> Iterator[float]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield self.dice.uniform(0.2, 0.9)

    def calm(self) -> None:
        """The faults end; what is frozen goes on, and one worker is surely there."""
        self._thaw(float("inf"))
        self.system.worker(**WORKER)

    def _kill_worker(self) -> None:
        self.dice.choice(self.workers).kill()

    def _stop_worker(self) -> None:
        """A rolling restart: the new one starts while the old one finishes."""
        place = self.dice.randrange(len(self.workers))
        self.workers[place].signal(signal.SIGTERM)
        self.workers[place] = self.system.start(**WORKER)

    def _freeze_worker(self) -> None:
        worker = self.dice.choice(self.workers)
        worker.signal(signal.SIGSTOP)
        self.frozen.append((time.monotonic() + self.dice.uniform(0.5, 4), worker))

    def _strike_worker(self) -> None:
        """One that dies or stops by itself at an exact point, in the middle of its work."""
        action = self.dice.choice(["kill", "stop"])
        worker = self.system.start(at=self.dice.choice(STRIKES), do=action, **WORKER)
        # One that never came to its point, or woke up again, has served its time: a thousand of them would be the load.
        self.struck.append((time.monotonic() + SERVICE, worker))
        if action == "stop":
            self.frozen.append((time.monotonic() + self.dice.uniform(2, 5), worker))

    def _thaw(self, now: float) -> None:
        for until, worker in [pair for pair in self.frozen if pair[0] < now]:
            worker.signal(signal.SIGCONT)
            self.frozen.remove((until, worker))
        for until, worker in [pair for pair in self.struck if pair[0] < now]:
            if worker.is_running:
                worker.kill()
            self.struck.remove((until, worker))

    def _kill_beat(self) -> None:
        self.dice.choice(self.beats).kill()
        self.beats = [each if each.is_running else self.system.start("beat", every=1.0) for each in self.beats]

    def _kill_redis(self) -> None:
        self.system.kill_redis()
        self.system.start_redis()

    def _empty_redis(self) -> None:
        with suppress(redis.RedisError), redis.Redis.from_url(self.system.redis_url) as client:
            client.flushall()

    def _cut_database(self) -> None:
        """Every connection to the database breaks, but the one that accepts deliveries."""
        name, kept = connection.settings_dict["NAME"], _own_backends()
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND NOT pid = ANY(%s)"
        with owner() as admin:
            admin.execute(query, [name, kept])


def _own_backends() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return [cursor.fetchone()[0]]
