"""A lane: threads that send what is queued, and the one loop that feeds them and writes outcomes down.

Threads only speak HTTP; the loop alone touches the database, so a claim, a commit and a round trip are paid once per
batch. There are two lanes in a worker: one for endpoints that answer, one for those that keep everybody waiting.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from webhooks.attempts import transmit
from webhooks.claiming import Claimed, claim, next_paced, put_back
from webhooks.publishing import heed_wake, wake_drain
from webhooks.recording import Finished, note_slow, record

# How long outcomes are gathered before they are written in one transaction.
GATHER = 0.005
# A receiver that has not answered after this many seconds takes nobody's place any more.
STUCK = 1.0
# The most threads a lane may have, stuck ones included.
MOST_THREADS = 256
# At most this many batches are claimed ahead of the threads; only as long as they are sent at once.
AHEAD = 3
# How long a lane waits for an endpoint's pace before it leaves the rest to the sweeper.
LINGER = 20.0

logger = logging.getLogger(__name__)

_stopping = threading.Event()
Item = TypeVar("Item")


def stop_claiming() -> None:
    """This process was told to stop: what is being sent is finished, nothing new is begun."""
    _stopping.set()


class Lane:
    """Wake-ups that come while a lane is drained collapse into one more look at the queue."""

    def __init__(self, *, slow: bool) -> None:
        self.slow = slow
        self._asked = threading.Event()
        self._busy = threading.Lock()
        self._ready: SimpleQueue[Claimed] = SimpleQueue()
        self._done: SimpleQueue[Finished | None] = SimpleQueue()  # None wakes the loop up
        self._flying: dict[int, Claimed] = {}
        self._stuck: set[int] = set()
        self._threads = 0
        self._ahead = 0

    def drain(self) -> int:
        """Send until nothing is left that may be sent now. Returns how many; 0 if somebody drains this lane already."""
        heed_wake(slow=self.slow)
        self._asked.set()
        self._done.put(None)
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
            try:
                begun = self._begin()
            except (OperationalError, InterfaceError):
                if not self._flying:
                    raise
                # What is on its way comes back, and its outcomes must be written down by somebody.
                logger.warning("The database is away; %s deliveries are on their way.", len(self._flying))
                connection.close()
                begun = 0
            if self._flying:
                sent += self._record_some()
                idle_since = time.monotonic()
            elif not begun and not self._linger(idle_since):
                return sent

    # --- feeding -----------------------------------------------------------------------------------------------------

    def _begin(self) -> int:
        """Claim a batch where there is room for one. What is stuck at its receiver takes no room."""
        if _stopping.is_set():
            self._return_waiting()
            return 0
        size: int = settings.DELIVERY_THREADS
        room = min(size + self._ahead + len(self._stuck), MOST_THREADS) - len(self._flying)
        if room < max(1, (size + self._ahead) // 2):
            return 0
        claims = claim(limit=room, slow=self.slow)
        for claimed in claims:
            self._flying[claimed.pk] = claimed
            self._ready.put(claimed)
        self._staff(min(size + len(self._stuck), len(self._flying), MOST_THREADS))
        return len(claims)

    def _staff(self, wanted: int) -> None:
        """As many threads as may send at once, and one more for each that is stuck."""
        for _ in range(wanted - self._threads):
            self._threads += 1
            threading.Thread(target=self._work, daemon=True, name="slow" if self.slow else "send").start()

    def _work(self) -> None:
        while True:
            claimed = self._ready.get()
            self._done.put((claimed, transmit(claimed)))

    def _return_waiting(self) -> None:
        """Put back what no thread has taken: nothing of it left."""
        put_back(self._flying.pop(claimed.pk) for claimed in _drained(self._ready))

    # --- writing down ------------------------------------------------------------------------------------------------

    def _record_some(self) -> int:
        """Wait for an outcome or a wake-up; gather what ends right after it, and write it all in one transaction."""
        finished = self._gather()
        if finished:
            for claimed, _ in finished:
                self._flying.pop(claimed.pk, None)
                self._stuck.discard(claimed.pk)
            record(finished)
            self._look_ahead(len(finished))
        self._notice_stuck()
        return len(finished)

    def _gather(self) -> list[Finished]:
        try:
            first = self._done.get(timeout=STUCK / 2)
        except Empty:
            return []
        if first is not None and len(self._flying) > 1:
            time.sleep(GATHER)
        return [finished for finished in (first, *_drained(self._done)) if finished is not None]

    def _look_ahead(self, finished: int) -> None:
        """Claim ahead while a whole batch ends between two looks; a slow receiver must not let claimed rows age."""
        size: int = settings.DELIVERY_THREADS
        self._ahead = min(self._ahead + size, AHEAD * size) if finished >= size // 2 else self._ahead // 2

    def _notice_stuck(self) -> None:
        """Before a deadline proves it: an endpoint that keeps us waiting moves to the slow lane with what is queued."""
        since = time.monotonic() - STUCK
        stuck = {pk for pk, claimed in self._flying.items() if claimed.claimed_at < since} - self._stuck
        if stuck:
            self._stuck |= stuck
            self._staff(min(settings.DELIVERY_THREADS + len(self._stuck), MOST_THREADS))
            with suppress(OperationalError, InterfaceError):
                note_slow({self._flying[pk].endpoint.pk for pk in stuck})
            wake_drain(slow=True)

    def _linger(self, since: float) -> bool:
        """Whether only the pace of an endpoint keeps rows back, and it is worth waiting for."""
        if self.slow or _stopping.is_set() or time.monotonic() - since > LINGER:
            return False
        seconds = next_paced()
        if seconds is None or seconds > LINGER:
            return False
        time.sleep(min(max(seconds, 0.005), 0.5))
        return True


def _drained(queue: "SimpleQueue[Item]") -> Iterator[Item]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


_lanes = {slow: Lane(slow=slow) for slow in (False, True)}


def drain(*, slow: bool = False) -> int:
    return _lanes[slow].drain()
