"""What healthy endpoints feel when a fifth of the endpoints hang until the deadline, and when one team floods.

One worker process. Load: a steady rate over all endpoints; measured: accept to first byte at the healthy ones.
"""

import time

from bench import stage

SCALES = {"small": (20, 40.0, 1000), "full": (60, 60.0, 20000)}  # seconds a phase, deliveries a second, flood
ENDPOINTS = 20
POOL = ["--pool", "threads", "-c", "4"]


def steady(endpoints: list, *, seconds: float, rate: float) -> dict[str, float]:
    """Accept at `rate` per second, round the endpoints; returns {delivery id: when it was accepted}."""
    from webhooks import publishing

    accepted: dict[str, float] = {}
    began = time.monotonic()
    for number in range(int(seconds * rate)):
        endpoint = endpoints[number % len(endpoints)]
        delivery = publishing.publish(endpoint=endpoint, event_type="bench", data={"n": number})
        accepted[delivery.public_id] = time.time()
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
    return accepted


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


def flood(receiver: stage.Receiver, *, count: int, seconds: float, rate: float) -> list[float]:
    """One team's `count` deliveries are queued at once; another team goes on at its steady rate."""
    from webhooks import publishing

    crowd = stage.make_endpoints(receiver=receiver, count=10, path="crowd", name="flood")
    calm = stage.make_endpoints(receiver=receiver, count=4, path="calm", name="calm")
    stage.accept(endpoints=crowd, count=count)
    publishing.wake_drain()
    accepted = steady(calm, seconds=min(seconds, count / 1000), rate=rate / 4)
    return waits(receiver, accepted, set(accepted))


def main() -> None:
    seconds, rate, crowd = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        with stage.running(stage.Workers(app="chatzuri", count=1, queues="deliveries", pool=POOL)):
            steady(stage.make_endpoints(receiver=receiver, count=4, name="warm"), seconds=3, rate=rate)
            alone = phase(receiver, hanging=0, name="alone", seconds=seconds, rate=rate)
            beside = phase(receiver, hanging=ENDPOINTS // 5, name="beside", seconds=seconds, rate=rate)
            calm = stage.make_endpoints(receiver=receiver, count=4, path="calm", name="before")
            accepted = steady(calm, seconds=seconds / 2, rate=rate / 4)
            before = waits(receiver, accepted, set(accepted))
            during = flood(receiver, count=crowd, seconds=seconds, rate=rate)
    figures = {
        "healthy_p50_ms": stage.percentile(alone, 0.5),
        "healthy_p99_ms": stage.percentile(alone, 0.99),
        "beside_hanging_p50_ms": stage.percentile(beside, 0.5),
        "beside_hanging_p99_ms": stage.percentile(beside, 0.99),
        "p99_ratio": stage.percentile(beside, 0.99) / stage.percentile(alone, 0.99),
        "before_flood_p95_ms": stage.percentile(before, 0.95),
        "during_flood_p95_ms": stage.percentile(during, 0.95),
        "flood_p95_ratio": stage.percentile(during, 0.95) / stage.percentile(before, 0.95),
    }
    stage.report("isolation", figures, {"p99_ratio": ("<=", 1.5), "flood_p95_ratio": ("<=", 1.2)})


if __name__ == "__main__":
    main()
