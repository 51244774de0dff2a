"""Whether a delivery costs more when many are stored: the same batch with a small and with a large table."""

import time

from bench import stage

SCALES = {"small": (10_000, 100_000, 2000), "full": (10_000, 1_000_000, 5000)}
THREADS = 16

STORE = """
INSERT INTO webhooks_event (public_id, team_id, type, data, agent_ref, conversation_ref, occurred_at)
SELECT 'evt_' || md5(%(salt)s || n::text), %(team)s, 'bench', '{}', '', '', now() - n * interval '1 second'
FROM generate_series(1, %(count)s) n;
INSERT INTO webhooks_delivery (public_id, team_id, event_id, endpoint_id, url, headers, body, caused_by, state,
                               accepted_at, queued_at, finished_at)
SELECT 'dlv_' || md5(%(salt)s || e.id::text), %(team)s, e.id, (%(endpoints)s::bigint[])[1 + e.id %% %(many)s],
       'https://receiver.example/', '{}', '\\x7b7d', '', 'delivered', e.occurred_at, e.occurred_at, e.occurred_at
FROM webhooks_event e WHERE e.public_id LIKE 'evt_%%' AND e.type = 'bench'
  AND NOT EXISTS (SELECT 1 FROM webhooks_delivery d WHERE d.event_id = e.id);
INSERT INTO webhooks_attempt (delivery_id, token, finished_at, outcome, status_code)
SELECT d.id, gen_random_uuid(), d.finished_at, 'delivered', 200 FROM webhooks_delivery d
WHERE d.state = 'delivered' AND NOT EXISTS (SELECT 1 FROM webhooks_attempt a WHERE a.delivery_id = d.id);
"""


def store(endpoints: list, count: int) -> None:
    from django.db import connection

    keys = [endpoint.pk for endpoint in endpoints]
    arguments = {"team": endpoints[0].team_id, "endpoints": keys, "many": len(keys), "count": count}
    with connection.cursor() as cursor:
        for statement in STORE.split(";")[:-1]:
            cursor.execute(statement, arguments | {"salt": str(time.time_ns())})
        cursor.execute("VACUUM ANALYZE webhooks_delivery, webhooks_attempt, webhooks_event")


def cost(receiver: stage.Receiver, endpoints: list, count: int) -> float:
    """CPU microseconds of worker and database per delivery, drained in this process."""
    from webhooks import sending

    stage.accept(endpoints=endpoints, count=200)
    sending.drain()
    best = float("inf")
    for _ in range(3):
        stage.accept(endpoints=endpoints, count=count)
        began, cpu = _database_cpu(), time.process_time()
        assert sending.drain() == count
        best = min(best, (time.process_time() - cpu + _database_cpu() - began) / count * 1e6)
    receiver.read()
    return best


def _database_cpu() -> float:
    """Seconds used by the server process behind this connection."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return stage._cpu(cursor.fetchone()[0])


def main() -> None:
    few, many, batch = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        from django.conf import settings

        settings.DELIVERY_THREADS = THREADS
        endpoints = stage.make_endpoints(receiver=receiver, count=40)
        store(endpoints, few)
        small = cost(receiver, endpoints, batch)
        store(endpoints, many - few)
        large = cost(receiver, endpoints, batch)
    figures = {
        "stored_few": few,
        "stored_many": many,
        "cpu_us_few": small,
        "cpu_us_many": large,
        "ratio": large / small,
    }
    stage.report("growth", figures, {"ratio": ("<=", 1.2)})


if __name__ == "__main__":
    main()
