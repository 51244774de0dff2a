"""What healthy endpoints feel when a fifth of the endpoints hang until the deadline, and when one team floods.

The two worker processes of an installation. Load: a steady rate over all endpoints; measured: from the commit to the
first byte at the healthy ones. The calm team of the flood is measured as long as the flood lasts, and as long before.
"""

import time
from functools import partial

from bench import stage

SCALES = {"small": (20, 40.0, 8000), "full": (60, 60.0, 20000)}  # seconds a phase, deliveries a second, flood
ENDPOINTS = 20
CALM_RATE = 20.0  # deliveries a second of the team beside the flood


def steady(endpoints: list, *, seconds: float, rate: float) -> dict[str, float]:
    """Accept at `rate` per second, round the endpoints; returns {delivery id: when it was accepted}."""
    accepted: dict[str, float] = {}
    began = time.monotonic()
    for number in range(int(seconds * rate)):
        accept(endpoints[number % len(endpoints)], number, accepted)
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
    return accepted


def accept(endpoint: object, number: int, accepted: dict[str, float]) -> None:
    """The clock starts at the commit, before anybody is woken."""
    from django.db import transaction

    from webhooks import publishing

    committed: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(time.time()))
        delivery = publishing.publish(endpoint=endpoint, event_type="bench", data={"n": number})
    accepted[delivery.public_id] = committed[0]


def waits(receiver: stage.Receiver, accepted: dict[str, float], healthy: set[str]) -> list[float]:
    time.sleep(2)
    seen = receiver.read()["seen"]
    missing = [name for name in healthy if name not in seen]
    assert not missing, f"{len(missing)} deliveries to healthy endpoints never arrived"
    return [(seen[name][0] - accepted[name]) * 1000 for name in healthy]


def phase(receiver: stage.Receiver, *, hanging: int, name: str, seconds: float, rate: float) -> list[float]:
    from webhooks.models import Delivery

    good = stage.make_endpoints(receiver=receiver, count=ENDPOINTS - hanging, path="good", name=name)
    bad = stage.make_endpoints(receiver=receiver, count=hanging, path="hang", name=f"{name}-hang")
    accepted = steady(good + bad, seconds=seconds, rate=rate)
    keys = {endpoint.pk for endpoint in good}
    healthy = set(
        Delivery.objects.filter(public_id__in=accepted, endpoint__in=keys).values_list("public_id", flat=True)
    )
    return waits(receiver, accepted, healthy)


def flood(receiver: stage.Receiver, *, count: int) -> tuple[list[float], list[float], float]:
    """A calm team's waits before and while another team's `count` deliveries, queued at once, are sent.

    Last comes how many of the flood were sent a second.
    """
    from webhooks import publishing
    from webhooks.models import Delivery

    crowd = stage.make_endpoints(receiver=receiver, count=10, path="crowd", name="flood")
    calm = stage.make_endpoints(receiver=receiver, count=4, path="calm", name="calm")
    accepted = steady(calm, seconds=count / 1000, rate=CALM_RATE)
    before = waits(receiver, accepted, set(accepted))
    flooded = stage.accept(endpoints=crowd, count=count)
    publishing.wake_drain()
    during: dict[str, float] = {}
    began = time.monotonic()
    while Delivery.objects.filter(pk__gte=flooded[0], pk__lte=flooded[-1], state="queued").exists():
        during |= steady(calm, seconds=0.5, rate=CALM_RATE)
    rate = count / (time.monotonic() - began)
    return before, waits(receiver, during, set(during)), rate


def workers(queues: str, threads: int, niceness: int = 0) -> stage.Workers:
    pool = ["--pool", "threads", "-c", str(threads)]
    return stage.Workers(app="chatzuri", count=1, queues=queues, pool=pool, niceness=niceness)


def main() -> None:
    seconds, rate, crowd = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        interactive, deliveries = partial(workers, "interactive", 8), partial(workers, "deliveries,celery", 2, 10)
        with stage.running(interactive()), stage.running(deliveries()):
            steady(stage.make_endpoints(receiver=receiver, count=4, name="warm"), seconds=3, rate=rate)
            alone = phase(receiver, hanging=0, name="alone", seconds=seconds, rate=rate)
            beside = phase(receiver, hanging=ENDPOINTS // 5, name="beside", seconds=seconds, rate=rate)
            before, during, sent = flood(receiver, count=crowd)
    figures = {
        "healthy_p50_ms": stage.percentile(alone, 0.5),
        "healthy_p99_ms": stage.percentile(alone, 0.99),
        "beside_hanging_p50_ms": stage.percentile(beside, 0.5),
        "beside_hanging_p99_ms": stage.percentile(beside, 0.99),
        "p99_ratio": stage.percentile(beside, 0.99) / stage.percentile(alone, 0.99),
        "during_flood_samples": len(during),
        "flood_sent_per_s": sent,
        "before_flood_p50_ms": stage.percentile(before, 0.5),
        "during_flood_p50_ms": stage.percentile(during, 0.5),
        "before_flood_p95_ms": stage.percentile(before, 0.95),
        "during_flood_p95_ms": stage.percentile(during, 0.95),
        "flood_p95_ratio": stage.percentile(during, 0.95) / stage.percentile(before, 0.95),
    }
    stage.report("isolation", figures, {"p99_ratio": ("<=", 1.5), "flood_p95_ratio": ("<=", 1.2)})


if __name__ == "__main__":
    main()
