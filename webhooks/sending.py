"""Sending: one row at once, or what is queued in fair batches; and looking after what was left behind.

The rows are the queue; Celery and Redis only wake workers, and losing every wake-up loses nothing. A delivery is
claimed by a conditional update that is committed before a socket opens, so whoever comes second finds nothing to send.
"""

import logging
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from chatzuri import relay
from webhooks.attempts import transmit
from webhooks.claiming import Claimed, Outcome, claim
from webhooks.lanes import Lane, drain, stop_claiming
from webhooks.models import Attempt, Delivery
from webhooks.outcomes import Description, describe
from webhooks.publishing import enqueue, owe, publish, resend, wake_drain
from webhooks.recording import as_written, record

__all__ = [
    "Claimed",
    "Description",
    "InsideTransaction",
    "Lane",
    "Outcome",
    "claim",
    "describe",
    "drain",
    "owe",
    "publish",
    "reap",
    "record",
    "resend",
    "send",
    "send_and_wait",
    "send_here",
    "stop_claiming",
    "sweep",
    "transmit",
    "wake_drain",
]

logger = logging.getLogger(__name__)

State = Delivery.State
REAPING_MARGIN = timedelta(seconds=10)
FORGOTTEN_AFTER = timedelta(seconds=10)


class InsideTransaction(RuntimeError):
    """Sending was asked for inside a transaction: the claim would not be on disk when the socket opens."""


def send(delivery: Delivery) -> Delivery:
    """Send one delivery now, in this worker, and tell whoever waits for it elsewhere. Returns the row with its attempt.

    Whoever comes second gets the row as the first one left it.
    """
    row = send_here(delivery_id=delivery.pk)
    relay.tell(f"delivery:{row.public_id}", {"type": "done", "state": row.state})
    return row


def send_here(*, delivery_id: int) -> Delivery:
    """The same where nobody but the caller waits for the outcome."""
    if connection.in_atomic_block:
        raise InsideTransaction("A claim is committed before a socket opens: send outside of transactions.")
    for claimed in claim(limit=1, only=delivery_id):
        outcome = transmit(claimed)
        if written := record([(claimed, outcome)]):
            return as_written(claimed, outcome, attempt_id=written[delivery_id])
    return Delivery.objects.select_related("attempt").defer("body").get(pk=delivery_id)


def send_and_wait(delivery: Delivery, *, timeout: float = 15) -> Delivery:
    """For a web thread: let a worker send the row at once, and wait for the outcome. Opens no socket to a customer."""
    enqueue("webhooks.tasks.send_one", delivery_id=delivery.pk)
    relay.hear(f"delivery:{delivery.public_id}", timeout=timeout)
    return Delivery.objects.select_related("attempt", "endpoint", "event").get(pk=delivery.pk)


# --- looking after ---------------------------------------------------------------------------------------------------


def sweep() -> bool:
    """Wake workers where deliveries are queued and nobody came: their wake-up was lost. Sends nothing itself."""
    forgotten = Delivery.objects.forgotten(older_than=FORGOTTEN_AFTER).exists()
    if forgotten:
        wake_drain()
        wake_drain(slow=True)
    return forgotten


def reap() -> int:
    """Call *interrupted* what a vanished process left in *sending*. Never sends. Returns how many."""
    keys = list(Delivery.objects.overdue(margin=REAPING_MARGIN).values_list("pk", flat=True)[:1000])
    try:
        reaped = _interrupt(keys)
    except DatabaseError:
        reaped = [public_id for key in keys for public_id in _interrupt_somehow(key)]
    for public_id in reaped:
        relay.tell(f"delivery:{public_id}", {"type": "done", "state": State.INTERRUPTED})
    return len(reaped)


def _interrupt(keys: list[int]) -> list[str]:
    with transaction.atomic():
        rows = _mark_interrupted(keys)
        _close_attempts(list(rows))
    return list(rows.values())


def _interrupt_somehow(key: int) -> list[str]:
    """One row that refuses must not keep the others in *sending*; nor its attempt the delivery. The auditor tells."""
    with transaction.atomic():
        rows = _mark_interrupted([key])
        try:
            with transaction.atomic():
                _close_attempts(list(rows))
        except DatabaseError:
            logger.exception("The attempts of %s could not be ended.", list(rows.values()))
    return list(rows.values())


def _mark_interrupted(keys: list[int]) -> dict[int, str]:
    overdue = Delivery.objects.overdue(margin=REAPING_MARGIN).filter(pk__in=keys)
    rows = dict(overdue.select_for_update(skip_locked=True).values_list("pk", "public_id"))
    Delivery.objects.filter(pk__in=rows).update(state=State.INTERRUPTED, finished_at=Now())
    return rows


def _close_attempts(keys: list[int]) -> None:
    Attempt.objects.filter(delivery__in=keys, outcome="").update(
        outcome=State.INTERRUPTED, finished_at=Now(), code="worker_vanished"
    )
