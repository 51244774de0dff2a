"""The auditor: does every accepted delivery have the fate its state claims, and does every fate have its proof?

A sum of states alone proves nothing, since rows are counted in the table they are in. So states are held against what
was written down independently of them: the event that was accepted, the attempt that was begun before a socket opened,
its token, and the outcome that was recorded. Reads only. Look at the last rows (every minute) or at all of them.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from webhooks.models import Delivery

logger = logging.getLogger(__name__)

State = Delivery.State

# How many deliveries one statement looks at, and how many of the newest the minutely audit does.
SLICE = 50_000
RECENT = 50_000
# A delivery in *sending* this long after its deadline should have been reaped twice over.
OVERDUE = timedelta(seconds=30)
# Something queued this long has been forgotten by sweeper and workers, unless its endpoint's own limits hold it back.
FORGOTTEN = timedelta(minutes=10)
EXAMPLES = 3

NEVER_BEGUN = (State.HELD, State.QUEUED, State.CANCELLED, State.EXPIRED)

FATES = """
SELECT state, fault, count(*), (array_agg(public_id ORDER BY id) FILTER (WHERE fault <> ''))[1:%(examples)s] FROM (
    SELECT d.id, d.public_id, d.state, CASE
        WHEN d.state <> ALL(%(known)s) THEN 'in a state that does not exist'
        WHEN d.state = ANY(%(never)s) AND a.id IS NOT NULL THEN 'never begun, and yet with an attempt'
        WHEN d.state = ANY(%(never)s) THEN ''
        WHEN a.id IS NULL THEN 'without the attempt that belongs to this state'
        WHEN a.token IS DISTINCT FROM d.token THEN 'with an attempt under another token'
        WHEN d.state = 'sending' AND a.outcome <> '' THEN 'still sending, though the attempt is over'
        WHEN d.state = 'sending' THEN ''
        WHEN a.outcome = '' THEN 'ended, but the outcome could not be written down in full'
        WHEN a.outcome <> d.state THEN 'delivery and attempt say different things'
        ELSE '' END AS fault
    FROM webhooks_delivery d LEFT JOIN webhooks_attempt a ON a.delivery_id = d.id
    WHERE d.id > %(after)s AND d.id <= %(last)s
) judged GROUP BY state, fault"""

LOST = """
SELECT count(*), (array_agg(public_id ORDER BY id))[1:%(examples)s] FROM webhooks_event e
WHERE e.id > %(after)s AND e.id <= %(last)s AND e.is_owed AND NOT EXISTS (
    SELECT 1 FROM webhooks_delivery d WHERE d.event_id = e.id)"""

AGES = """
SELECT (SELECT extract(epoch FROM now() - min(queued_at)) FROM webhooks_delivery WHERE state = 'queued'),
       (SELECT extract(epoch FROM now() - min(deadline_at)) FROM webhooks_delivery WHERE state = 'sending')"""

OVERDUE_NOW = """
SELECT count(*), (array_agg(public_id))[1:%(examples)s] FROM (
    SELECT public_id FROM webhooks_delivery WHERE state = 'sending' AND deadline_at < now() - %(overdue)s
    ORDER BY deadline_at LIMIT 1000) late"""

# Only the oldest are looked at, so that a long queue behind a slow pace costs no more than a short one.
FORGOTTEN_NOW = """
SELECT count(*), (array_agg(o.public_id))[1:%(examples)s] FROM (
    SELECT public_id, endpoint_id, order_key FROM webhooks_delivery
    WHERE state = 'queued' AND queued_at < now() - %(forgotten)s ORDER BY queued_at LIMIT 1000) o
JOIN webhooks_endpoint e ON e.id = o.endpoint_id WHERE e.rate_per_minute IS NULL AND o.order_key = ''
    AND coalesce(e.slow_until < now(), true)"""

ONE_ATTEMPT = """
SELECT count(*) FROM pg_index WHERE indrelid = 'webhooks_attempt'::regclass AND indisunique AND indisvalid
AND indpred IS NULL AND indkey::text = (SELECT attnum::text FROM pg_attribute
    WHERE attrelid = 'webhooks_attempt'::regclass AND attname = 'delivery_id')"""


@dataclass
class Audit:
    """What was looked at, what was counted, and every sentence that should wake somebody up."""

    sums: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    is_whole: bool = False
    oldest_queued: float | None = None
    past_deadline: float | None = None

    @property
    def accepted(self) -> int:
        return self.sums.total()

    def find(self, count: int, what: str, examples: list[str] | None = None) -> None:
        names = f" ({', '.join(examples)}{', …' if count > len(examples) else ''})" if examples else ""
        self.findings.append(f"{count} {what}{names}")

    def __str__(self) -> str:
        sums = ", ".join(f"{state} {self.sums[state]}" for state in State.values if self.sums[state]) or "none"
        scope = "all" if self.is_whole else "the latest"
        return (
            f"Audit of {scope} {self.accepted} deliveries: {sums}; oldest queued {_seconds(self.oldest_queued)}, "
            f"{len(self.findings)} findings."
        )


def audit(*, whole: bool = False) -> Audit:
    """Look, and log one line, and an error for each finding."""
    done = Audit(is_whole=whole)
    for after, last in _slices("webhooks_delivery", whole=whole):
        _judge_fates(done, after, last)
    for after, last in _slices("webhooks_event", whole=whole):
        _judge(done, LOST, "events were accepted and have no delivery", after=after, last=last)
    _judge(done, OVERDUE_NOW, "deliveries are in sending long after their deadline: is the reaper running?")
    _judge(done, FORGOTTEN_NOW, "deliveries wait in the queue and nobody comes: are workers and beat running?")
    if not _query(ONE_ATTEMPT)[0][0]:
        done.findings.append("the unique index that keeps a delivery from having two attempts is missing or invalid")
    [(done.oldest_queued, done.past_deadline)] = _query(AGES)
    logger.info("%s", done)
    for finding in done.findings:
        logger.error("Audit: %s", finding)
    return done


def _slices(table: str, *, whole: bool) -> Iterator[tuple[int, int]]:
    """Ranges of ids, so that no statement grows with the table."""
    [(first, last)] = _query(f"SELECT min(id), max(id) FROM {table}")  # noqa: S608 - one of two literals
    if last is None:
        return
    after = first - 1 if whole else max(first - 1, last - RECENT)
    while after < last:
        yield after, min(after + SLICE, last)
        after += SLICE


def _judge_fates(done: Audit, after: int, last: int) -> None:
    for state, fault, count, examples in _query(FATES, after=after, last=last):
        done.sums[state] += count
        if fault:
            done.find(count, f"deliveries are {state}: {fault}", examples)


def _judge(done: Audit, statement: str, what: str, **arguments: Any) -> None:
    [(count, examples)] = _query(statement, **arguments)
    if count:
        done.find(count, what, examples)


def _query(statement: str, **arguments: Any) -> list[tuple[Any, ...]]:
    given: dict[str, Any] = {
        "examples": EXAMPLES,
        "overdue": OVERDUE,
        "forgotten": FORGOTTEN,
        "known": list(State.values),
    }
    given |= {"never": list(NEVER_BEGUN), **arguments}
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return list(cursor.fetchall())


def _seconds(age: Any) -> str:
    return "none" if age is None else f"{max(0, round(age))} s"
