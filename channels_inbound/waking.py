"""Waking workers for what arrived: a burst of requests sends one message to the broker, not one each."""

import time

from chatzuri import relay
from webhooks import publishing

WORK_OFF = "channels_inbound.tasks.work_off"
SEND_REPLIES = "channels_inbound.tasks.send_replies"
FETCH_MEDIA = "channels_inbound.tasks.fetch_media"
# For so long a process believes that somebody is on the way; a worker looks once more after twice that time.
BELIEF = 0.05

_on_the_way: dict[str, float] = {}


def wake_workers(task: str = WORK_OFF) -> None:
    """Unless somebody is on the way already: whoever comes will find this row too, since it is committed."""
    now = time.monotonic()
    if _on_the_way.get(task, 0.0) > now:
        return
    if relay.first(task, seconds=5):
        publishing.enqueue(task)
    _on_the_way[task] = now + BELIEF


def heed_wake(task: str = WORK_OFF) -> None:
    """A worker begins to look: whoever commits from now on must wake again, and learns so within `BELIEF` seconds."""
    relay.forget(task)
    _on_the_way.pop(task, None)
