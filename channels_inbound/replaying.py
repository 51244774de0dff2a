"""Reading a kept request again, on a person's or a back end's word: only where there is something left to read."""

from channels_inbound import reading_again, receiving
from channels_inbound.models import InboundRequest

GONE = "Its body is not kept any more, so it cannot be read again. What was found in it stays as it is."


class NothingToRead(Exception):
    """The body was taken away: its sender deleted a message, or its file is gone. Nothing was changed."""


def replay(request: InboundRequest) -> receiving.Outcome:
    """What is known already stays as it is. Raises `NothingToRead`."""
    if request.body_size and not reading_again.body_of(request):
        raise NothingToRead(GONE)
    return receiving.replay(request)
