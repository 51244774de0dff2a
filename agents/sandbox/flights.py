"""The fetches of one run: how many may be under way, who is asked when, and that each one is finished."""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from agents.sandbox.contract import Fetcher, FetchReply, FetchRequest, Limits
from agents.sandbox.frames import Violation

logger = logging.getLogger(__name__)

INTERNAL = FetchReply(error="internal error")
# What may wait to be read by a sandbox that does not read, in bytes; more fetches are not begun meanwhile.
MOST_UNREAD = 4 * 1024 * 1024


@dataclass(frozen=True)
class Landed:
    """An answer of `perform`, or that it broke."""

    number: int
    begun: Any
    answer: Any
    is_broken: bool = False


class Flights:
    """All methods are for the thread of the run. `reply` gets each reply and the number it is for."""

    def __init__(
        self, fetcher: Fetcher, limits: Limits, deadline: float, reply: Callable[[int, FetchReply], None]
    ) -> None:
        self.fetcher, self.limits, self.deadline, self.reply = fetcher, limits, deadline, reply
        self.count = self.begun = 0
        self.waiting: deque[FetchRequest] = deque()
        self.flying: set[int] = set()
        self.wake, self._waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._waker, False)
        self._lock = threading.Lock()
        self._is_closed = False
        self._landed: SimpleQueue[Landed] = SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._is_over = False

    def ask(self, request: FetchRequest) -> None:
        if request.number != self.count + 1 or request.number > self.limits.fetches:
            raise Violation("a fetch with a wrong number")
        self.count += 1
        self.waiting.append(request)

    def abort(self, number: int) -> None:
        """What was begun goes on: it may have arrived already. What was not begun will not be."""
        if not 0 < number <= self.count:
            raise Violation("an unknown fetch was aborted")
        self.waiting = deque(request for request in self.waiting if request.number != number)

    def begin_more(self, unread: int) -> None:
        while self.waiting and len(self.flying) < self.limits.fetches_at_once and unread < MOST_UNREAD:
            request = self.waiting.popleft()
            self.begun += 1
            self._go_on(request.number, self._guarded(self.fetcher.begin, request))

    def collect(self) -> None:
        """Finish what has landed since."""
        try:
            os.read(self.wake, 4096)
        except BlockingIOError:
            return
        while True:
            try:
                landed = self._landed.get_nowait()
            except Empty:
                return
            self._finish(landed)

    def end(self, grace: float) -> None:
        """The run is over and nobody reads replies. What is under way is waited for, and finished."""
        self._is_over = True
        self.waiting.clear()
        until = max(self.deadline, monotonic()) + grace
        while self.flying and (left := until - monotonic()) > 0:
            try:
                self._finish(self._landed.get(timeout=left))
            except Empty:
                break
        if self.flying:
            logger.error("%d fetches did not end in time and were given up: their rows stay begun", len(self.flying))
        if self._threads:
            self._threads.shutdown(wait=False)
        with self._lock:
            self._is_closed = True
            os.close(self.wake)
            os.close(self._waker)

    def _finish(self, landed: Landed) -> None:
        self.flying.discard(landed.number)
        if landed.is_broken:
            self._go_on(landed.number, INTERNAL)
        else:
            self._go_on(landed.number, self._guarded(self.fetcher.finish, landed.begun, landed.answer))

    def _go_on(self, number: int, next_: Any) -> None:
        """A reply is handed over; anything else is performed. A redirect that comes too late gets no time at all."""
        if isinstance(next_, FetchReply):
            if not self._is_over:
                self.reply(number, next_)
            return
        seconds = 0.0 if self._is_over else max(0.0, self.deadline - monotonic())
        self.flying.add(number)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.limits.fetches_at_once, thread_name_prefix="sandbox-fetch")
        self._threads.submit(self._perform, number, next_, seconds)

    def _perform(self, number: int, begun: Any, seconds: float) -> None:
        """In a thread of its own."""
        try:
            landed = Landed(number, begun, self.fetcher.perform(begun, seconds=seconds))
        except Exception:
            logger.exception("A fetcher raised while it performed")
            landed = Landed(number, begun, None, is_broken=True)
        with self._lock:
            self._landed.put(landed)
            # The run may be over by now, and the number of its pipe may belong to somebody else.
            if not self._is_closed:
                os.write(self._waker, b"!")

    @staticmethod
    def _guarded(call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception:
            logger.exception("A fetcher raised")
            return INTERNAL
