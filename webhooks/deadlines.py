"""One clock per request, kept outside the HTTP client: when it strikes, whatever is being waited for is cut.

Timeouts of a client count from the last byte, so a receiver that sends one byte now and then keeps it busy
for ever. This clock counts from the start and does not care what the client is doing.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from types import TracebackType
from typing import Self

# Striking a little late is fine, waking up for every finished request is not.
GRAIN = 0.05


class Deadline:
    """`with Deadline(10.0) as deadline:`, then `deadline.guard(cut)` for the thing that must end in time."""

    def __init__(self, seconds: float) -> None:
        self.at = monotonic() + seconds
        self.passed = False
        self.is_over = False
        self._cut: Callable[[], object] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        _watchdog.watch(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.is_over = True
        self.release()

    def remaining(self) -> float:
        return max(self.at - monotonic(), 0.0)

    def guard(self, cut: Callable[[], object]) -> None:
        """From now on `cut` is what ends the waiting; at once, if the time is already up."""
        with self._lock:
            self._cut = cut
            if self.passed:
                self._end()

    def release(self) -> None:
        """Must be called before the guarded thing is closed, so that nothing reused in its place is cut."""
        with self._lock:
            self._cut = None

    def strike(self) -> None:
        with self._lock:
            if not self.is_over:
                self.passed = True
                self._end()

    def _end(self) -> None:
        if self._cut is not None:
            with suppress(OSError):
                self._cut()


class Watchdog:
    """One thread for all deadlines of the process."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deadline]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, deadline: Deadline) -> None:
        with self._changed:
            heappush(self._heap, (deadline.at, next(self._order), deadline))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is deadline:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            for deadline in self._wait():
                deadline.strike()

    def _wait(self) -> list[Deadline]:
        with self._changed:
            self._drop_finished()
            seconds = max(self._heap[0][0] - monotonic(), GRAIN) if self._heap else None
            self._changed.wait(seconds)
            due = []
            while self._heap and self._heap[0][0] <= monotonic():
                due.append(heappop(self._heap)[2])
            return due

    def _drop_finished(self) -> None:
        while self._heap and self._heap[0][2].is_over:
            heappop(self._heap)


_watchdog = Watchdog()


def _begin_anew() -> None:
    """A forked process inherits the heap but not the thread."""
    global _watchdog
    _watchdog = Watchdog()


os.register_at_fork(after_in_child=_begin_anew)
