"""Waking workers for what arrived: a burst of requests sends one message to the broker, not one each."""

from chatzuri import relay
from webhooks import publishing

WORK_OFF = "channels_inbound.tasks.work_off"
SEND_REPLIES = "channels_inbound.tasks.send_replies"
FETCH_MEDIA = "channels_inbound.tasks.fetch_media"


def wake_workers(task: str = WORK_OFF) -> None:
    """Unless somebody is on the way already: whoever comes will find this row too, since it is committed."""
    if relay.first(task, seconds=5):
        publishing.enqueue(task)


def heed_wake(task: str = WORK_OFF) -> None:
    """A worker begins to look: whoever commits from now on must wake again."""
    relay.forget(task)
