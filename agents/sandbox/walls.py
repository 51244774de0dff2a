"""Which walls stand around a sandbox here: found out by starting one, not by reading about the system."""

import select
from time import monotonic

from agents.sandbox.contract import Limits, SandboxUnavailable
from agents.sandbox.frames import Frame, Reader, Ready, Violation
from agents.sandbox.process import PATIENCE, Child, Litter

PERMISSIONS = "deno permissions"
# Without one of these, actions do not run in production. The others are more of the same, where the system has them.
REQUIRED = (PERMISSIONS, "rlimits", "seccomp")


def layers() -> dict[str, str]:
    """Each wall and its state: "on" or "none granted" at the beginning where it stands, "unavailable" where not.

    Starts and ends one sandbox, which takes a fifth of a second. Raises SandboxUnavailable where none starts at all.
    """
    litter = Litter(relaxed=True, size=1)
    try:
        child = litter.start()
        try:
            granted = _wait_until_ready(child)
        finally:
            child.kill()
            child.reap()
    finally:
        litter.close()
    return {PERMISSIONS: f"granted: {', '.join(granted)}" if granted else "none granted"} | child.walls


def missing(walls: dict[str, str]) -> list[str]:
    """The required walls that do not stand."""
    return [name for name in REQUIRED if not walls.get(name, "").startswith(("on", "none granted"))]


def _wait_until_ready(child: Child) -> list[str]:
    until, reader, frames = monotonic() + PATIENCE, Reader(Limits()), list[Frame]()
    poll = select.poll()
    poll.register(child.stdout, select.POLLIN)
    while not frames:
        data = child.read() if poll.poll(max(0.0, until - monotonic()) * 1000) else b""
        if data == b"":
            child.wait(0.5)
            raise SandboxUnavailable(f"A sandbox did not get ready: {child.errors.decode(errors='replace')}")
        try:
            frames += reader.feed(data or b"")
        except Violation as violation:
            raise SandboxUnavailable(f"A sandbox did not get ready: {violation}") from None
    if not isinstance(frames[0], Ready):
        raise SandboxUnavailable("A sandbox did not get ready: it said something else")
    return frames[0].granted
