"""Deliveries per second through the whole pipeline, beside what the HTTP client alone can do on the same cores."""

import subprocess
import sys
import time

from bench import stage

SCALES = {
    "small": {"pipeline": 3000, "bare": 3000, "tasks": 600},
    "full": {"pipeline": 20000, "bare": 10000, "tasks": 2000},
}
PROCESSES, THREADS = 2, 16
ENDPOINTS = 40
POOL = ["--pool", "threads", "-c", "4"]


def bare(receiver: stage.Receiver, count: int) -> tuple[float, float]:
    """POSTs per second and CPU seconds of the bare loop."""
    command = [sys.executable, "-m", "bench.baselines", f"{receiver.origin}/inspector/bare"]
    command += [str(count // PROCESSES), str(THREADS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    loops = [subprocess.Popen(command, cwd=stage.ROOT, **pipes) for _ in range(PROCESSES)]  # type: ignore[call-overload]
    for loop in loops:
        loop.stdout.readline()
    began = time.monotonic()
    for loop in loops:
        loop.stdin.write("go\n")
        loop.stdin.flush()
    cpu = sum(float(loop.stdout.readline()) for loop in loops)
    seconds = time.monotonic() - began
    [loop.wait(10) for loop in loops]
    return receiver.read()["total"] / seconds, cpu


def pipeline(receiver: stage.Receiver, count: int) -> tuple[float, float]:
    """Deliveries per second and CPU seconds, from the first wake-up to the last outcome."""
    from webhooks import publishing

    endpoints = stage.make_endpoints(receiver=receiver, count=ENDPOINTS)
    workers = stage.Workers(
        app="chatzuri", count=PROCESSES, queues="deliveries", pool=POOL, DELIVERY_THREADS=str(THREADS)
    )
    with stage.running(workers):
        stage.wait_until_sent(_sent(stage.accept(endpoints=endpoints, count=200)))  # warm
        receiver.read()
        keys = stage.accept(endpoints=endpoints, count=count)
        cpu, began = workers.cpu(), time.monotonic()
        for _ in range(PROCESSES):
            publishing.enqueue("webhooks.tasks.drain")
        seconds = stage.wait_until_sent(keys) - began
        cpu = workers.cpu() - cpu
    _check_each_once(receiver, keys)
    return count / seconds, cpu


def _sent(keys: list[int]) -> list[int]:
    from webhooks import publishing

    for _ in range(PROCESSES):
        publishing.enqueue("webhooks.tasks.drain")
    return keys


def _check_each_once(receiver: stage.Receiver, keys: list[int]) -> None:
    from webhooks.models import Delivery

    seen = receiver.read()["seen"]
    assert all(len(times) == 1 for times in seen.values()), "a delivery arrived twice"
    assert len(seen) == len(keys) == Delivery.objects.filter(pk__in=keys, state="delivered").count()


def task_per_delivery(receiver: stage.Receiver, count: int, *, name: str) -> float:
    from bench import baselines

    endpoints = stage.make_endpoints(receiver=receiver, count=ENDPOINTS, name=name)
    env = {"BENCH_UNTUNED": "1"} if name == "untuned" else {}
    pool = ["--pool", "prefork", "-c", str(PROCESSES)]
    with stage.running(stage.Workers(app="bench.baselines", count=1, queues=name, pool=pool, **env)):
        keys = stage.accept(endpoints=endpoints, count=count)
        began = time.monotonic()
        for key in keys:
            getattr(baselines, name).apply_async([key], queue=name)
        seconds = stage.wait_until_sent(keys) - began
    receiver.read()
    return count / seconds


def accept_to_first_byte(receiver: stage.Receiver, count: int) -> list[float]:
    """Milliseconds from the commit to the receiver's first byte, one delivery at a time on an idle system."""
    from webhooks import publishing

    [endpoint] = stage.make_endpoints(receiver=receiver, count=1, name="idle")
    workers = stage.Workers(app="chatzuri", count=1, queues="deliveries", pool=POOL)
    committed: dict[str, float] = {}
    with stage.running(workers):
        for _ in range(count):
            delivery = publishing.publish(endpoint=endpoint, event_type="bench", data={"n": 1})
            committed[delivery.public_id] = time.time()
            time.sleep(0.1)
        time.sleep(1)
    seen = receiver.read()["seen"]
    return [(seen[name][0] - at) * 1000 for name, at in committed.items()]


def main() -> None:
    size = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        bare_rate, bare_cpu = bare(receiver, size["bare"])
        rate, cpu = pipeline(receiver, size["pipeline"])
        again, _ = bare(receiver, size["bare"])
        lean = task_per_delivery(receiver, size["tasks"], name="lean")
        untuned = task_per_delivery(receiver, size["tasks"], name="untuned")
        waits = accept_to_first_byte(receiver, 60)
    bare_rate = (bare_rate + again) / 2
    figures = {
        "delivered_per_s": rate,
        "bare_session_per_s": bare_rate,
        "lean_task_per_s": lean,
        "untuned_task_per_s": untuned,
        "share_of_bare": rate / bare_rate,
        "times_lean": rate / lean,
        "times_untuned": rate / untuned,
        "cpu_us_per_delivery": cpu / size["pipeline"] * 1e6,
        "cpu_us_per_bare_post": bare_cpu / size["bare"] * 1e6,
        "accept_to_first_byte_p50_ms": stage.percentile(waits, 0.5),
        "accept_to_first_byte_p95_ms": stage.percentile(waits, 0.95),
        "accept_to_first_byte_p99_ms": stage.percentile(waits, 0.99),
    }
    goals = {
        "share_of_bare": (">=", 0.6),
        "times_lean": (">=", 4.0),
        "times_untuned": (">=", 10.0),
        "accept_to_first_byte_p50_ms": ("<=", 15.0),
        "accept_to_first_byte_p99_ms": ("<=", 60.0),
    }
    stage.report("outbound", figures, goals)


if __name__ == "__main__":
    main()
