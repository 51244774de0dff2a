"""A lane: threads that send what is queued, and the one loop that feeds them and writes outcomes down.

Threads only speak HTTP; the loop alone touches the database, so a claim, a commit and a round trip are paid once per
batch. There are three lanes: one for endpoints that answer, one for those that keep everybody waiting, and a calm one,
which a worker that is not in the crowd keeps for teams with little to send while the first is full of somebody's flood.
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
from webhooks.publishing import ask_for_quiet, heed_wake, is_quiet_asked_for, tell_of_crowd, wake_drain
from webhooks.recording import Finished, note_slow, record

# How long outcomes are gathered before they are written in one transaction.
GATHER = 0.005
# The same for a full lane while the calm lane has work: it claims and commits less often, and its batches are larger.
# Sending and writing down then take turns, so that a flood is busy in one place at a time.
GATHER_QUIETLY = 0.03
# A receiver that has not answered after this many seconds takes nobody's place any more.
STUCK = 1.0
# The most threads a lane may have, stuck ones included.
MOST_THREADS = 256
# At most this many batches are claimed ahead of the threads; only as long as they are sent at once.
AHEAD = 3
# The calm lane has this many threads: whoever it serves has little in flight.
CALM_THREADS = 8
# A lane that was half full within the last second leaves what just came for calm teams to the calm lane.
CROWDED_FOR = 1.0
TELL_EVERY = 0.5
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

    def __init__(self, *, slow: bool = False, calm: bool = False) -> None:
        self.slow, self.calm = slow, calm
        self._asked = threading.Event()
        self._busy = threading.Lock()
        self._ready: SimpleQueue[Claimed] = SimpleQueue()
        self._done: SimpleQueue[Finished | None] = SimpleQueue()  # None wakes the loop up
        self._flying: dict[int, Claimed] = {}
        self._stuck: set[int] = set()
        self._threads = 0
        self._ahead = 0
        self._crowded_at = self._told_at = float("-inf")
        self._is_quiet = False

    def drain(self) -> int:
        """Send until nothing is left that may be sent now. Returns how many; 0 if somebody drains this lane already."""
        heed_wake(slow=self.slow, calm=self.calm)
        self._asked.set()
        if self._busy.locked():  # else it is we who look, and once is enough
            self._done.put(None)
        sent = 0
        while self._asked.is_set() and self._busy.acquire(blocking=False):
            try:
                self._asked.clear()
                sent += self._run()
            finally:
                self._busy.release()
        if self.slow and sent:
            wake_drain()  # an endpoint that answers again leaves the rest of its queue to the other lane
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
            elif not begun and not self._was_crowded() and not self._linger(idle_since):
                return sent

    # --- feeding -----------------------------------------------------------------------------------------------------

    def _begin(self) -> int:
        """Claim a batch where there is room for one. What is stuck at its receiver takes no room."""
        if _stopping.is_set():
            self._return_waiting()
            return 0
        size = self._size
        room = min(size + self._ahead + len(self._stuck), MOST_THREADS) - len(self._flying)
        if room < (1 if self.calm else max(1, (size + self._ahead) // 2)):
            return 0
        claims = claim(limit=room, slow=self.slow, calm=self._calm_share())
        for claimed in claims:
            self._flying[claimed.pk] = claimed
            self._ready.put(claimed)
        self._staff(min(size + len(self._stuck), len(self._flying), MOST_THREADS))
        if self.calm and claims and self._is_time_to_tell():
            ask_for_quiet()
        self._notice_crowd()
        return len(claims)

    @property
    def _size(self) -> int:
        size: int = settings.DELIVERY_THREADS
        return min(size, CALM_THREADS) if self.calm else size

    def _calm_share(self) -> bool | None:
        """Which rows to claim: only what just came for calm teams, all but that, or any."""
        return True if self.calm else False if time.monotonic() - self._crowded_at < CROWDED_FOR else None

    def _was_crowded(self) -> bool:
        """Before it ends, a lane looks once more, also for what it left to the calm lane."""
        was_crowded, self._crowded_at = self._calm_share() is False, float("-inf")
        return was_crowded

    def _notice_crowd(self) -> None:
        """Whoever accepts something while this lane is full wakes the calm lane besides."""
        if not self.slow and not self.calm and len(self._flying) >= self._size // 2:
            self._crowded_at = time.monotonic()
            if self._is_time_to_tell():
                tell_of_crowd()
                self._is_quiet = is_quiet_asked_for()

    def _is_time_to_tell(self) -> bool:
        """Twice a second: what is said to other processes is a trip for everybody who says or reads it."""
        now = time.monotonic()
        is_time = now - self._told_at > TELL_EVERY
        self._told_at = now if is_time else self._told_at
        return is_time

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
        if first is not None and len(self._flying) > 1 and not self.calm:
            time.sleep(GATHER_QUIETLY if self._is_quiet and self._calm_share() is False else GATHER)
        return [finished for finished in (first, *_drained(self._done)) if finished is not None]

    def _look_ahead(self, finished: int) -> None:
        """Claim ahead while a whole batch ends between two looks; a slow receiver must not let claimed rows age."""
        size = 0 if self.calm else self._size
        self._ahead = min(self._ahead + size, AHEAD * size) if finished >= size // 2 else self._ahead // 2

    def _notice_stuck(self) -> None:
        """Before a deadline proves it: an endpoint that keeps us waiting moves to the slow lane with what is queued."""
        since = time.monotonic() - STUCK
        stuck = {pk for pk, claimed in self._flying.items() if claimed.claimed_at < since} - self._stuck
        if stuck:
            self._stuck |= stuck
            self._staff(min(self._size + len(self._stuck), MOST_THREADS))
            with suppress(OperationalError, InterfaceError):
                note_slow({self._flying[pk].endpoint.pk for pk in stuck})
            wake_drain(slow=True)

    def _linger(self, since: float) -> bool:
        """Whether only the pace of an endpoint keeps rows back, and it is worth waiting for."""
        if self.slow or self.calm or _stopping.is_set() or time.monotonic() - since > LINGER:
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


_lane, _slow_lane, _calm_lane = Lane(), Lane(slow=True), Lane(calm=True)


def drain(*, slow: bool = False) -> int:
    return (_slow_lane if slow else _lane).drain()


def drain_calm() -> int:
    """What just came for teams with little in flight, beside a lane that is full of others' deliveries."""
    return _calm_lane.drain()
