"""A reply told to the visitor while it is written, as server-sent events without anything that is the team's business.

{"type": "started", "turn_id"}          first
{"type": "text", "delta"}               as the agent speaks
{"type": "done", "message": {…}}        the whole reply, which replaces what the deltas said
{"type": "running"}                     not yet, and not here: ask for the history, and again for the stream
"""

import json
import logging
import time
from collections.abc import Iterator
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse

from agents import turns
from agents.leases import UNFINISHED
from agents.models import Turn
from channels_inbound.widget.history import describe
from chatzuri import relay

logger = logging.getLogger(__name__)

# Also how soon we notice that a visitor is gone, and have their thread back.
HEARTBEAT = 3.0
# A stream holds a thread of the web process, and providers need threads too. Whoever comes later asks for the history.
STREAMS_AT_ONCE = 4

_listening = BoundedSemaphore(STREAMS_AT_ONCE)


def event_stream(turn: Turn) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_lines(turn), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"  # nginx would keep the words back until the reply is complete
    return response


def _lines(turn: Turn) -> Iterator[str]:
    yield _data({"type": "started", "turn_id": turn.public_id})
    if not _listening.acquire(blocking=False):
        yield _data({"type": "running"})
        return
    try:
        yield from _listen(turn)
    finally:
        _listening.release()


def _listen(turn: Turn) -> Iterator[str]:
    # Two listeners would share the words between them. A second one, in another tab, waits for the whole reply.
    listener = f"widget-stream:{turn.public_id}"
    if not relay.first(listener, seconds=int(settings.CHAT_WAIT) + 10):
        yield _data({"type": "running"})
        return
    try:
        for message in _told(turn):
            yield _data(message) if message else ": still working\n\n"
        yield _data(_last(turn))
    except Exception:
        # The status line is long gone, so the failure has to be an event.
        logger.exception("Streaming %s to a visitor broke", turn.public_id)
        yield _data({"type": "running"})
    finally:
        relay.forget(listener)


def _told(turn: Turn) -> Iterator[dict[str, Any] | None]:
    """Words, and None for everything else: silence, and tools at work."""
    until = time.monotonic() + (settings.CHAT_WAIT if turn.state in UNFINISHED else 0)
    while (left := until - time.monotonic()) > 0:
        for message in turns.stream(turn, timeout=min(HEARTBEAT, left)):
            if message["type"] == "done":
                return
            yield message if message["type"] == "text" else None
        yield None


def _last(turn: Turn) -> dict[str, Any]:
    now = Turn.objects.select_related("reply__feedback").filter(pk=turn.pk).first()
    if now is not None and now.state in UNFINISHED:
        return {"type": "running"}
    # Without a message there is nothing to wait for: it was deleted meanwhile.
    return {"type": "done", "message": describe(now.reply) if now and now.reply else None}


def _data(message: dict[str, Any]) -> str:
    return f"data: {json.dumps(message, ensure_ascii=False)}\n\n"
