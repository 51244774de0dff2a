"""Sandboxes kept ready. Each serves one run and is never used again, whatever came of it."""

import atexit
import logging
import os
import select
import threading
import weakref
from collections import deque
from time import monotonic
from typing import NoReturn

from agents.sandbox.contract import Fetcher, Job, Limits, Result, SandboxUnavailable
from agents.sandbox.frames import Reader, Ready, Violation
from agents.sandbox.process import PATIENCE, Child, Litter
from agents.sandbox.running import Run

logger = logging.getLogger(__name__)

LIMITS = Limits()
MOST_WAITING = 20
WAITING_SECONDS = 15.0
# Older ones are replaced: nothing is gained by keeping a process for days.
IDLE_SECONDS = 600.0
ENOUGH_FAILURES = 3
LONGEST_PAUSE = 30.0
CLOSING_SECONDS = 15.0
BUSY = Result(kind="busy", error="Too many actions are running right now. Nothing was executed; try again in a moment.")
UNAVAILABLE = "Actions cannot be run right now. Nothing was executed."


class Pool:
    """Threads may share it; a forked process gets an empty one. Nothing is started before the first run."""

    def __init__(self, size: int = 2, *, relaxed: bool = False) -> None:
        self.size, self.relaxed = max(1, size), relaxed
        self._reset()
        _POOLS.add(self)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._wake_up = self._waker = -1
        self._keeper: threading.Thread | None = None
        self._starting: dict[Child, Reader] = {}
        self._ready: deque[Child] = deque()
        self._buried: list[Child] = []
        self._litters: list[Litter] = []
        self._waiting = 0
        self._failures, self._failure, self._paused_until = 0, "", 0.0
        self._is_closed = False

    def run(self, job: Job, fetcher: Fetcher, *, seconds: float = 10.0, limits: Limits = LIMITS) -> Result:
        """Run the job once. Never raises for anything the code does.

        `seconds` count from the moment when a sandbox has the job; waiting for one comes on top. Raises ValueError or
        TypeError where the arguments of the job are not JSON.
        """
        if len(job.code.encode(errors="replace")) > limits.code:
            return Result(kind="syntax", error=f"The code is longer than {limits.code // 1024} KB", name="SyntaxError")
        taken = self._take()
        if isinstance(taken, Result):
            return taken
        try:
            run = Run(taken, job, fetcher, seconds, limits, self._bury)
        except OSError:
            self._bury(taken)
            raise
        return run.execute()

    def close(self) -> None:
        """Kills what is ready, and waits a while for the runs that are under way."""
        with self._changed:
            self._is_closed = True
            keeper = self._keeper
            self._changed.notify_all()
        if keeper:
            self._wake()
            keeper.join(CLOSING_SECONDS)

    # --- for runs

    def _take(self) -> Child | Result:
        with self._changed:
            if self._waiting >= MOST_WAITING:
                return BUSY
            self._waiting += 1
            try:
                return self._wait_for_one()
            finally:
                self._waiting -= 1

    def _wait_for_one(self) -> Child | Result:
        until = monotonic() + WAITING_SECONDS
        self._employ_keeper()
        while True:
            if self._is_closed or self._is_broken():
                return Result(kind="unavailable", error=UNAVAILABLE, diagnostics=self._failure)
            while self._ready:
                child = self._ready.popleft()
                self._wake()
                if _is_quiet(child):
                    return child
                self._buried.append(child)
            if not self._changed.wait(until - monotonic()):
                return BUSY

    def _bury(self, child: Child) -> None:
        with self._changed:
            self._buried.append(child)
        self._wake()

    def _is_broken(self) -> bool:
        return self._failures >= ENOUGH_FAILURES

    # --- the keeper: the one thread that starts, checks, replaces and reaps. Sandboxes die with it.

    def _employ_keeper(self) -> None:
        if self._keeper is None and not self._is_closed:
            self._wake_up, self._waker = os.pipe()
            os.set_blocking(self._wake_up, False)
            os.set_blocking(self._waker, False)
            self._keeper = threading.Thread(target=self._keep, name="sandbox-keeper", daemon=True)
            self._keeper.start()

    def _keep(self) -> None:
        while not self._is_closed:
            try:
                self._reap()
                self._retire()
                self._start()
                self._listen()
            except SandboxUnavailable as reason:
                self._failed(str(reason))
            except Exception as error:
                logger.exception("The keeper of sandboxes stumbled")
                self._failed(f"{type(error).__name__}: {error}")
        self._end()

    def _reap(self) -> None:
        with self._changed:
            buried, self._buried = self._buried, []
        for child in buried:
            child.kill()
            child.reap()
        done = [litter for litter in self._litters if litter.is_spent and not litter.alive]
        for litter in done:
            self._litters.remove(litter)
            litter.close()

    def _retire(self) -> None:
        """Those that are too old, and those that take too long to get ready."""
        now = monotonic()
        with self._changed:
            for old in [child for child in self._ready if now - child.started_at > IDLE_SECONDS]:
                self._ready.remove(old)
                self._buried.append(old)
        for child in [child for child in self._starting if now - child.started_at > PATIENCE]:
            self._discard(child, "it was not ready in time")

    def _start(self) -> None:
        if self._is_broken() and monotonic() < self._paused_until:
            return
        while len(self._starting) + len(self._ready) < self.size:
            if not self._litters or self._litters[-1].is_spent:
                self._litters.append(Litter(relaxed=self.relaxed))
            try:
                child = self._litters[-1].start()
            except SandboxUnavailable:
                self._litters[-1].give_up()  # The next try has a launcher of its own.
                raise
            self._starting[child] = Reader(LIMITS)

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._wake_up, select.POLLIN)
        children = {child.stdout: child for child in self._starting}
        for pipe in children:
            poll.register(pipe, select.POLLIN)
        for pipe, _ in poll.poll(self._nap() * 1000):
            if pipe == self._wake_up:
                os.read(pipe, 4096)
            else:
                self._hear(children[pipe])

    def _nap(self) -> float:
        """Seconds until something may have to be done without being woken."""
        return 1.0 if self._starting or self._is_broken() else 30.0

    def _hear(self, child: Child) -> None:
        data = child.read()
        try:
            frames = list(self._starting[child].feed(data or b""))
        except Violation as violation:
            self._discard(child, str(violation))
        if data == b"":
            child.wait(0.5)
            self._discard(child, f"it ended: {child.errors.decode(errors='replace')}")
        if frames and frames != [Ready(granted=[])]:
            self._discard(child, f"it has permissions, or talks too much: {frames}")
        if frames:
            self._offer(child)

    def _offer(self, child: Child) -> None:
        del self._starting[child]
        with self._changed:
            self._failures, self._failure = 0, ""
            self._ready.append(child)
            self._changed.notify()

    def _discard(self, child: Child, why: str) -> NoReturn:
        del self._starting[child]
        with self._changed:
            self._buried.append(child)
        raise SandboxUnavailable(f"A sandbox did not get ready: {why}")

    def _failed(self, why: str) -> None:
        logger.error("No sandbox could be started: %s", why)
        with self._changed:
            self._failures += 1
            self._failure = why
            pause = min(LONGEST_PAUSE, 2.0 ** (self._failures - ENOUGH_FAILURES))
            self._paused_until = monotonic() + pause
            self._changed.notify_all()

    def _end(self) -> None:
        """Runs that are under way keep their process until they bury it, for as long as that may take."""
        with self._changed:
            self._buried += [*self._starting, *self._ready]
            self._starting.clear()
            self._ready.clear()
        until = monotonic() + CLOSING_SECONDS
        self._reap()
        while self._litters and any(litter.alive for litter in self._litters) and monotonic() < until:
            self._listen()
            self._reap()
        for litter in self._litters:
            litter.close()
        self._litters.clear()
        with self._changed:
            self._close_pipes()

    def _wake(self) -> None:
        with self._changed:
            if self._waker < 0:
                return
            try:
                os.write(self._waker, b"!")
            except BlockingIOError:
                return  # It has been woken often enough.

    def _close_pipes(self) -> None:
        for pipe in (self._wake_up, self._waker):
            if pipe >= 0:
                os.close(pipe)
        self._wake_up = self._waker = -1

    # --- forks

    def forget(self) -> None:
        """In a forked process: the sandboxes belong to the parent. Only copies of its pipes are closed here."""
        for child in [*self._starting, *self._ready, *self._buried]:
            child.let_go()
        for litter in self._litters:
            litter.abandon()
        self._close_pipes()
        self._reset()


def _is_quiet(child: Child) -> bool:
    """Whether a sandbox that waits for its job still does: it neither ended nor spoke."""
    poll = select.poll()
    poll.register(child.stdout, select.POLLIN)
    return not poll.poll(0)


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forget_all() -> None:
    for pool in list(_POOLS):
        pool.forget()


def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
