"""The one attempt: claim, commit, send once, record.

The rows are the queue; Celery and Redis only wake workers, and losing every wake-up loses nothing. A delivery is
claimed by a conditional update that is committed before a socket opens, so whoever comes second finds nothing to send.
"""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from chatzuri import relay
from webhooks import http
from webhooks.claiming import Claimed, Outcome, claim, next_paced, put_back
from webhooks.models import Attempt, Delivery
from webhooks.outcomes import Description, describe
from webhooks.publishing import enqueue, heed_wake, publish, resend, wake_drain
from webhooks.recording import note_slow, record

__all__ = [
    "Claimed",
    "Description",
    "InsideTransaction",
    "Lane",
    "Outcome",
    "claim",
    "describe",
    "drain",
    "publish",
    "reap",
    "record",
    "resend",
    "send",
    "send_and_wait",
    "stop_claiming",
    "sweep",
    "transmit",
    "wake_drain",
]

logger = logging.getLogger(__name__)

State = Delivery.State
REAPING_MARGIN = timedelta(seconds=10)
FORGOTTEN_AFTER = timedelta(seconds=10)
# A claim that could not begin within this time (every thread was busy, the process was stopped) goes back.
BEGIN_WITHIN = 3.0
# How long outcomes are gathered before they are written in one transaction.
GATHER = 0.004
# A receiver that has not answered after this many seconds no longer counts against the deliveries in flight.
STUCK = 1.0
# The most threads a lane may ever have, stuck ones included.
POOL = 256
# How long a lane waits for an endpoint's pace before it leaves the rest to the sweeper.
LINGER = 20.0


class InsideTransaction(RuntimeError):
    """Sending was asked for inside a transaction: the claim would not be on disk when the socket opens."""


# --- the attempt -----------------------------------------------------------------------------------------------------

FAILED = {"no": State.NOT_SENT, "maybe": State.NO_ANSWER, "yes": State.REJECTED}


def transmit(claimed: Claimed) -> Outcome:
    """The single attempt. Never raises: whatever happens here is an outcome."""
    if claimed.refusal:
        return claimed.refusal
    if time.monotonic() - claimed.claimed_at > BEGIN_WITHIN:
        return Outcome(State.QUEUED)
    try:
        answer = http.post(
            claimed.url,
            body=claimed.body,
            headers=claimed.own_headers,
            platform_headers=claimed.headers,
            deadline=settings.DELIVERY_DEADLINE,
        )
    except http.SendFailed as failure:
        return _failed(failure)
    except Exception:
        logger.exception("Sending %s broke", claimed.public_id)
        return Outcome(State.INTERRUPTED, code="internal_error", detail="Our own client broke while sending.")
    return Outcome(
        State.DELIVERED if 200 <= answer.status < 300 else State.REJECTED,
        code="body_cut" if answer.body_cut else "",
        status_code=answer.status,
        address=answer.address,
        headers=answer.headers,
        body=answer.body,
        body_cut=answer.body_cut,
        timings=answer.timings.as_dict(),
    )


def _failed(failure: http.SendFailed) -> Outcome:
    state = State.BLOCKED if isinstance(failure, http.Blocked) else FAILED[failure.seen]
    return Outcome(
        state,
        code=str(failure.code),
        detail=failure.sentence,
        status_code=getattr(failure, "status", None),
        address=failure.address,
        timings=failure.timings.as_dict(),
    )


def send(delivery: Delivery) -> Delivery:
    """Send one delivery now, in this worker; whoever comes second gets the row as the first one left it."""
    if connection.in_atomic_block:
        raise InsideTransaction("send() commits a claim before it opens a socket: call it outside of transactions.")
    for claimed in claim(limit=1, only=delivery.pk):
        record([(claimed, transmit(claimed))])
    row = Delivery.objects.select_related("attempt", "endpoint", "event").get(pk=delivery.pk)
    relay.tell(f"delivery:{row.public_id}", {"type": "done", "state": row.state})
    return row


def send_and_wait(delivery: Delivery, *, timeout: float = 15) -> Delivery:
    """For a web thread: let a worker send the row at once, and wait for the outcome. Opens no socket to a customer."""
    enqueue("webhooks.tasks.send_one", delivery_id=delivery.pk)
    relay.hear(f"delivery:{delivery.public_id}", timeout=timeout)
    return Delivery.objects.select_related("attempt", "endpoint", "event").get(pk=delivery.pk)


# --- draining --------------------------------------------------------------------------------------------------------

_stopping = threading.Event()


def stop_claiming() -> None:
    """This process was told to stop: what is being sent is finished, nothing new is begun."""
    _stopping.set()


class Lane:
    """A pool of threads that sends what is queued, and the one loop that feeds it and writes outcomes down.

    Threads only speak HTTP; this loop alone touches the database. Wake-ups that come while it runs collapse into one.
    """

    def __init__(self, *, slow: bool) -> None:
        self.slow = slow
        self._asked = threading.Event()
        self._news = threading.Event()
        self._busy = threading.Lock()
        self._pool = ThreadPoolExecutor(POOL, thread_name_prefix="slow" if slow else "send")
        self._flying: dict[Future[Outcome], Claimed] = {}
        self._stuck: set[Future[Outcome]] = set()

    def drain(self) -> int:
        """Send until nothing is left that may be sent now. Returns how many; 0 if somebody drains this lane already."""
        heed_wake(slow=self.slow)
        self._asked.set()
        self._news.set()
        sent = 0
        while self._asked.is_set() and self._busy.acquire(blocking=False):
            try:
                self._asked.clear()
                sent += self._run()
            finally:
                self._busy.release()
        return sent

    def _run(self) -> int:
        sent, idle_since = 0, time.monotonic()
        while True:
            begun = self._begin()
            if self._flying:
                sent += self._record_some()
                idle_since = time.monotonic()
            elif not begun and not self._linger(idle_since):
                return sent

    def _begin(self) -> int:
        """Claim as many as may fly. One that is stuck at its receiver takes nobody's place."""
        if _stopping.is_set():
            self._put_back_waiting()
            return 0
        size = settings.DELIVERY_THREADS
        room = min(size - len(self._flying) + len(self._stuck), POOL - len(self._flying))
        if room < size // 4:
            return 0
        claims = claim(limit=room, slow=self.slow)
        for claimed in claims:
            future = self._pool.submit(transmit, claimed)
            self._flying[future] = claimed
            future.add_done_callback(self._tell)
        return len(claims)

    def _tell(self, _: Future[Outcome]) -> None:
        self._news.set()

    def _record_some(self) -> int:
        """Wait for an outcome or a wake-up; gather what ends right after it, and write it all in one transaction."""
        self._news.wait(STUCK / 2)
        self._news.clear()
        if any(future.done() for future in self._flying):
            time.sleep(GATHER)
        finished = [future for future in self._flying if future.done()]
        if finished:
            record([(self._flying.pop(future), future.result()) for future in finished])
            self._stuck.difference_update(finished)
        self._notice_stuck()
        return len(finished)

    def _notice_stuck(self) -> None:
        """Before a deadline proves it: an endpoint that keeps us waiting moves to the slow lane with what is queued."""
        since = time.monotonic() - STUCK
        stuck = {future for future, claimed in self._flying.items() if claimed.claimed_at < since} - self._stuck
        if stuck:
            self._stuck |= stuck
            note_slow({self._flying[future].endpoint.pk for future in stuck})
            wake_drain(slow=True)

    def _put_back_waiting(self) -> None:
        unbegun = [future for future in self._flying if future.cancel()]
        put_back(self._flying.pop(future) for future in unbegun)

    def _linger(self, since: float) -> bool:
        """Whether only the pace of an endpoint keeps rows back, and it is worth waiting for."""
        if self.slow or _stopping.is_set() or time.monotonic() - since > LINGER:
            return False
        seconds = next_paced()
        if seconds is None or seconds > LINGER:
            return False
        time.sleep(min(max(seconds, 0.005), 0.5))
        return True


_lanes = {slow: Lane(slow=slow) for slow in (False, True)}


def drain(*, slow: bool = False) -> int:
    return _lanes[slow].drain()


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
    with transaction.atomic():
        overdue = Delivery.objects.overdue(margin=REAPING_MARGIN).select_for_update(skip_locked=True)
        rows = list(overdue.values_list("pk", "public_id")[:1000])
        keys = [pk for pk, _ in rows]
        Delivery.objects.filter(pk__in=keys).update(state=State.INTERRUPTED, finished_at=Now())
        Attempt.objects.filter(delivery__in=keys, outcome="").update(
            outcome=State.INTERRUPTED, finished_at=Now(), code="worker_vanished"
        )
    for _, public_id in rows:
        relay.tell(f"delivery:{public_id}", {"type": "done", "state": State.INTERRUPTED})
    return len(rows)
