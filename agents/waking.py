"""Waking workers and waiting for them. Best effort on both sides: the rows are the truth, sweepers wake again."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from chatzuri import relay
from webhooks import publishing

# How often a listener looks at the database although nobody told it anything.
LOOK_AGAIN = 3.0


def wake(task: str, **ids: Any) -> None:
    """Queue a task by name. The caller must not fail because the broker is away."""
    publishing.enqueue(task, **ids)


def listen(channel: str, *, is_over: Callable[[], bool], timeout: float) -> Iterator[dict[str, Any]]:
    """Messages of `channel` up to `done`; ends without one when `is_over` says so or the time is up."""
    until = time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0:
        asked_at = time.monotonic()
        message = relay.hear(channel, timeout=max(min(left, LOOK_AGAIN), 0.05))
        if message is not None:
            yield message
            if message.get("type") == "done":
                return
        elif is_over():
            return
        elif time.monotonic() - asked_at < 0.05:
            time.sleep(0.25)  # Redis is away and answered at once.
