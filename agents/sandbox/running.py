"""One run: the job goes in, frames come out, and at the deadline it is over whatever the sandbox thinks."""

import secrets
import select
from collections.abc import Callable
from dataclasses import asdict
from time import monotonic
from typing import Any

from agents.sandbox import outcomes
from agents.sandbox.contract import Fetcher, FetchReply, FetchRequest, Job, Limits, Result
from agents.sandbox.flights import Flights
from agents.sandbox.frames import Abort, Failed, Frame, Log, NotPlain, Reader, Returned, Violation, pack, read_result
from agents.sandbox.outcomes import Outcome
from agents.sandbox.process import CPU_SECONDS, MEBIBYTE, Child

# How often a silent sandbox is looked at, in seconds.
GLANCE = 0.2
# A run that takes longer is made to step back behind everybody else.
POLITE_AFTER = 0.5
MOST_MEMORY = 400 * MEBIBYTE
LAST_BREATH = 1.0
# For fetches that are under way at the end: they have the same deadline, and then need a moment to be written down.
GRACE = 2.0


def job_header(job: Job, limits: Limits) -> dict[str, Any]:
    return {
        "code": job.code,
        "params": dict(job.params),
        "credentials": None if job.credentials is None else dict(job.credentials),
        "config": dict(job.config),
        "only_check": job.only_check,
        "limits": asdict(limits),
    }


class Run:
    """Uses the child up: when `execute` returns, it was killed and only has to be reaped, by `bury`."""

    def __init__(
        self, child: Child, job: Job, fetcher: Fetcher, seconds: float, limits: Limits, bury: Callable[[Child], None]
    ) -> None:
        self.child, self.job, self.seconds, self.limits, self.bury = child, job, seconds, limits, bury
        self.began = monotonic()
        self.deadline = self.began + seconds
        self.reader = Reader(limits)
        self.outgoing = bytearray()
        self.outcome: Outcome | None = None
        self.value: Any = None
        self.console: list[tuple[str, str]] = []
        self.logged = 0
        self.peak = 0
        self.is_polite = False
        self.flights = Flights(fetcher, limits, self.deadline, self._reply)
        self.poll = select.poll()

    def execute(self) -> Result:
        try:
            self._send_job()
            while self.outcome is None:
                self._step()
        except Violation as violation:
            self.outcome = outcomes.broke_protocol(str(violation))
        finally:
            took = (monotonic() - self.began) * 1000
            self.child.kill()
            self.bury(self.child)
            self.flights.end(GRACE)
        return self._result(took)

    def _send_job(self) -> None:
        """The token is new, and no code exists in the sandbox before it: whoever has it is the sandbox itself."""
        self.reader.token = secrets.token_bytes(16)
        self.outgoing += pack(job_header(self.job, self.limits), self.reader.token)
        for pipe in (self.child.stdout, self.child.stderr, self.flights.wake):
            self.poll.register(pipe, select.POLLIN)

    # --- one step

    def _step(self) -> None:
        left = self.deadline - monotonic()
        if left <= 0:
            self._look()
            self.outcome = outcomes.timed_out(self.seconds)
            return
        if self.outgoing:
            self.poll.register(self.child.stdin, select.POLLOUT)
        for pipe, _ in self.poll.poll(min(left, GLANCE) * 1000):
            self._attend(pipe)
            if self.outcome is not None:
                return  # Dead, perhaps, and its pipes closed.
        self.flights.begin_more(len(self.outgoing))
        self._watch()

    def _attend(self, pipe: int) -> None:
        if pipe == self.child.stdin:
            self.child.write(self.outgoing)
            if not self.outgoing:
                self.poll.unregister(pipe)
        elif pipe == self.child.stderr:
            if not self.child.read_errors():
                self.poll.unregister(pipe)
        elif pipe == self.child.stdout:
            self._hear()
        else:
            self.flights.collect()

    def _hear(self) -> None:
        data = self.child.read()
        if data == b"" and self.outcome is None:
            self._died()
        for frame in self.reader.feed(data or b""):
            if self.outcome is not None:
                return  # Nothing after the result counts.
            self._take(frame)

    def _watch(self) -> None:
        if not self.is_polite and monotonic() - self.began > POLITE_AFTER:
            self.is_polite = True
            self.child.step_back()
        if self._look() > MOST_MEMORY:
            self.outcome = outcomes.used_too_much_memory()

    def _look(self) -> int:
        now, most = self.child.memory()
        self.peak = max(self.peak, most)
        return now

    # --- frames

    def _take(self, frame: Frame) -> None:
        match frame:
            case Log():
                self._log(frame)
            case FetchRequest():
                self.flights.ask(frame)
                # At once: a result in the same breath does not take back what the code has asked for.
                self.flights.begin_more(len(self.outgoing))
            case Abort():
                self.flights.abort(frame.number)
            case Returned():
                self._returned(frame.body)
            case Failed():
                self._look()
                self.outcome = outcomes.failed(frame, lines=self.job.code.count("\n") + 1)
            case _:
                raise Violation("a frame out of turn")

    def _log(self, frame: Log) -> None:
        size = len(frame.text.encode())
        if len(self.console) < self.limits.lines and self.logged <= self.limits.log_bytes:
            self.console.append((frame.level, frame.text))
            self.logged += size

    def _returned(self, body: bytes) -> None:
        self._look()
        try:
            self.value = read_result(body)
            self.outcome = Outcome("", "")
        except NotPlain as reason:
            self.outcome = outcomes.not_json(str(reason))

    def _reply(self, number: int, reply: FetchReply) -> None:
        if len(reply.body) > self.limits.response_body:
            reply = FetchReply(error=f"the answer is larger than {self.limits.response_body // 1024} KB")
        header = {
            "number": number,
            "error": reply.error,
            "status": reply.status,
            "status_text": reply.status_text,
            "headers": [list(pair) for pair in reply.headers],
            "url": reply.url,
            "redirected": reply.redirected,
        }
        self.outgoing += pack(header, reply.body)

    # --- the end

    def _died(self) -> None:
        """It closed its output, so it is gone, or as good as that."""
        elapsed = monotonic() - self.began
        ended = self.child.wait(min(LAST_BREATH, max(0.0, self.deadline - monotonic())))
        self.child.kill()
        code = self.child.reap() if ended else None
        self.outcome = outcomes.died(code, bytes(self.child.errors), elapsed=elapsed, cpu_seconds=CPU_SECONDS)

    def _result(self, took: float) -> Result:
        assert self.outcome is not None
        complaint = self.child.errors.decode(errors="replace")
        return Result(
            kind=self.outcome.kind,
            value=self.value,
            error=self.outcome.error[: self.limits.error],
            name=self.outcome.name,
            line=self.outcome.line,
            console=self.console,
            milliseconds=took,
            fetches=self.flights.begun,
            peak_memory=self.peak,
            diagnostics="\n".join(part for part in (self.outcome.diagnostics, complaint) if part),
        )
