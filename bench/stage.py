"""What the benchmarks share: a receiver, workers, rows to send, and a report. Bounded, and only on 127.0.0.1."""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    return parser.parse_args()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Receiver:
    def __init__(self) -> None:
        port = free_port()
        self.origin = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.receiver", str(port)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def read(self, *, forget: bool = True) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.origin}/{'forget' if forget else 'report'}") as answer:
            return dict(json.load(answer))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def prepare(receiver: Receiver) -> None:
    """Django in this process, on the throw-away servers of the environment, with the receiver as the one exception."""
    os.environ |= {"INSPECTOR_ORIGIN": receiver.origin, "LOG_LEVEL": "WARNING", "DEBUG": "false"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatzuri.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


class Workers:
    """`count` worker processes of one Celery app; `cpu()` is what they used so far, in seconds."""

    def __init__(
        self, *, app: str, count: int, queues: str, pool: Sequence[str], niceness: int = 0, **env: str
    ) -> None:
        self.processes = []
        command = ["nice", "-n", str(niceness), sys.executable, "-m", "celery", "-A", app]
        command += ["worker", "-Q", queues, *pool, "-l", "WARNING"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        for number in range(count):
            self.processes.append(
                subprocess.Popen(
                    [*command, "-n", f"bench{number}-{time.monotonic_ns()}@%h"], env=os.environ | env, cwd=ROOT
                )
            )
        time.sleep(6)  # importing and connecting; nothing is measured meanwhile

    def cpu(self) -> float:
        return sum(_cpu(pid) for process in self.processes for pid in _family(process.pid))

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def running(thing: Any) -> Iterator[Any]:
    try:
        yield thing
    finally:
        thing.stop()


def make_endpoints(*, receiver: Receiver, count: int, path: str = "bench", name: str = "team") -> list[Any]:
    from chatzuri.models import Team
    from webhooks.models import Endpoint

    team = Team.objects.create(name=name, slug=f"{name}-{time.monotonic_ns()}")
    return [
        Endpoint.objects.create(team=team, name=f"{path} {n}", url=f"{receiver.origin}/inspector/{path}{n}")
        for n in range(count)
    ]


def accept(*, endpoints: list[Any], count: int, queued: bool = True) -> list[int]:
    """Deliveries as `publish` writes them, in bulk: accepting is not what is measured here. Returns their keys."""
    from webhooks.models import Delivery, Event

    body = json.dumps({"event": "bench", "data": {"text": "x" * 900}}).encode()
    keys: list[int] = []
    for start in range(0, count, 5000):
        chosen = [endpoints[n % len(endpoints)] for n in range(start, min(start + 5000, count))]
        events = Event.objects.bulk_create(Event(team_id=e.team_id, type="bench", data={}) for e in chosen)
        made = Delivery.objects.bulk_create(
            Delivery(
                team_id=endpoint.team_id,
                event=event,
                endpoint=endpoint,
                url=endpoint.url,
                body=body,
                state="queued" if queued else "cancelled",
            )
            for event, endpoint in zip(events, chosen, strict=True)
        )
        keys += [delivery.pk for delivery in made]
    return keys


def wait_until_sent(keys: list[int], *, seconds: float = 300) -> float:
    """When the last of these got its outcome; fails when they do not end in time."""
    from webhooks.models import Delivery

    until = time.monotonic() + seconds
    while Delivery.objects.filter(pk__in=keys[-1:], state__in=["queued", "sending"]).exists() or (
        Delivery.objects.filter(pk__gte=keys[0], pk__lte=keys[-1], state__in=["queued", "sending"]).exists()
    ):
        assert time.monotonic() < until, "the deliveries did not end in time"
        time.sleep(0.02)
    return time.monotonic()


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def report(name: str, figures: dict[str, float], goals: dict[str, tuple[str, float]]) -> None:
    """A table for people; as last line one JSON object. A goal is (">=" or "<=", number)."""
    met = {key: figures[key] >= goal if sign == ">=" else figures[key] <= goal for key, (sign, goal) in goals.items()}
    width = max(len(key) for key in figures)
    for key, value in figures.items():
        sign, goal = goals.get(key, ("", 0.0))
        print(
            f"{key:<{width}}  {value:>12,.2f}"
            + (f"   goal {sign} {goal:g}: {'met' if met[key] else 'MISSED'}" if sign else "")
        )
    rounded = {key: round(value, 3) for key, value in figures.items()}
    print(json.dumps({"bench": name, "figures": rounded, "goals": {k: g for k, (_, g) in goals.items()}, "met": met}))
