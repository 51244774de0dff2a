"""How a run ended, in words for the user."""

import signal
from dataclasses import dataclass

from agents.sandbox.frames import Failed

MEMORY = "Memory limit exceeded"
_OUT_OF_MEMORY = ("out of memory", "memory allocation")
# V8 stops itself with a trap when its heap is full, Rust aborts when it gets no memory.
_STOPPED_ITSELF = {-signal.SIGTRAP, -signal.SIGABRT}
_CRASHED = {-signal.SIGSEGV, -signal.SIGILL, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGSYS}


@dataclass(frozen=True)
class Outcome:
    kind: str
    error: str
    name: str = ""
    line: int | None = None
    diagnostics: str = ""


def timed_out(seconds: float) -> Outcome:
    return Outcome("timeout", f"Action timed out after {seconds:g} s")


def used_too_much_memory() -> Outcome:
    return Outcome("memory", MEMORY)


def broke_protocol(detail: str) -> Outcome:
    return Outcome("protocol", "Sandbox protocol violation", diagnostics=detail)


def not_json(reason: str, *, name: str = "TypeError") -> Outcome:
    return Outcome("result", f"Return value is not JSON-serialisable: {reason}", name)


def failed(frame: Failed, *, lines: int) -> Outcome:
    """`lines` is how many the code has: a mistake at its very end is found by V8 behind it."""
    if frame.kind == "result":
        return not_json(frame.message, name=frame.name)
    line = min(frame.line, lines) if frame.line else None
    return Outcome(frame.kind, frame.message, frame.name, line)


def died(code: int | None, errors: bytes, *, elapsed: float, cpu_seconds: float) -> Outcome:
    """The process ended without a result. `code` is its exit status, negative for a signal, None where unknown."""
    complaint = errors.decode(errors="replace")
    ended = f"exit status {code}"
    if any(words in complaint.lower() for words in _OUT_OF_MEMORY) or code in _STOPPED_ITSELF:
        return Outcome("memory", MEMORY, diagnostics=ended)
    if code == -signal.SIGKILL and elapsed < cpu_seconds / 2:
        # Too early for the limit on its processor time, so it was the system, which ran short of memory.
        return Outcome("memory", MEMORY, diagnostics=ended)
    if code in (-signal.SIGKILL, -signal.SIGXCPU):
        return Outcome("timeout", f"Action used more than {cpu_seconds:g} s of processor time", diagnostics=ended)
    if code in _CRASHED:
        return Outcome("crashed", "The sandbox crashed", diagnostics=ended)
    return Outcome("exit", "Action ended without returning a value", diagnostics=ended)
