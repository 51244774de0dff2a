"""Whether a worker's memory stays flat while receivers answer as they should, and as nobody should.

One worker process and a receiver that answers a mix: plainly, with a gzip bomb, with a body that never ends, with
megabytes of headers. Its resident memory is read after every thousand deliveries, once the first have warmed it up.
"""

import time
from pathlib import Path

from bench import stage

SCALES = {"small": 5_000, "full": 50_000}
WARM_UP, STEP = 3_000, 1_000
KINDS = ("plain", "bomb", "endless", "huge")
LONGEST = 300.0  # seconds for one step
POOL = ["--pool", "threads", "-c", "2"]


def resident(pid: int) -> float:
    """Megabytes this process holds in memory."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def send(endpoints: list, count: int) -> None:
    """Nobody sweeps here, so both lanes are woken until nothing is left."""
    from webhooks import publishing
    from webhooks.models import Delivery

    stage.accept(endpoints=endpoints, count=count)
    until = time.monotonic() + LONGEST
    while Delivery.objects.filter(state__in=["queued", "sending"]).exists():
        assert time.monotonic() < until, "the deliveries did not end in time"
        publishing.enqueue("webhooks.tasks.drain")
        publishing.enqueue("webhooks.tasks.drain_slow")
        time.sleep(0.5)


def outcomes() -> dict[str, int]:
    from django.db.models import Count

    from webhooks.models import Delivery

    return dict(Delivery.objects.values_list("state").annotate(Count("pk")))


def main() -> None:
    count = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        endpoints = [
            endpoint
            for kind in KINDS
            for endpoint in stage.make_endpoints(receiver=receiver, count=5, path=kind, name=kind)
        ]
        with stage.running(stage.Workers(app="chatzuri", count=1, queues="deliveries", pool=POOL)) as workers:
            [process] = workers.processes
            send(endpoints, WARM_UP)
            held = [resident(process.pid)]
            for _ in range(count // STEP):
                send(endpoints, STEP)
                held.append(resident(process.pid))
    states = outcomes()
    figures = {
        "deliveries": count,
        "answered_2xx": states.get("delivered", 0),
        "answered_badly": states.get("rejected", 0),
        "other_outcomes": sum(states.values()) - states.get("delivered", 0) - states.get("rejected", 0),
        "after_warm_up_mb": held[0],
        "smallest_mb": min(held),
        "largest_mb": max(held),
        "at_the_end_mb": held[-1],
        "largest_change_mb": max(abs(value - held[0]) for value in held),
    }
    stage.report("memory", figures, {"largest_change_mb": ("<=", 20.0)})


if __name__ == "__main__":
    main()
