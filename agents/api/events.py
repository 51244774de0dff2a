"""A turn told as server-sent events while a worker takes it."""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse

from agents import turns
from agents.models import Turn
from chatzuri import relay

logger = logging.getLogger(__name__)

HEARTBEAT = 3.0
FINISHED = (Turn.State.DONE, Turn.State.FAILED)


def event_stream(turn: Turn, *, started: dict[str, Any]) -> StreamingHttpResponse:
    """`started` is told first, so that a client whose connection breaks knows where to ask for the rest."""
    response = StreamingHttpResponse(_lines(turn, started), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"  # nginx would keep the words back until the reply is complete
    return response


def _lines(turn: Turn, started: dict[str, Any]) -> Iterator[str]:
    yield _data({"type": "started", **started})
    try:
        for message in _messages(turn):
            yield _data(message) if message else ": still working\n\n"
        yield _data(_last(turn, started))
    except Exception:
        # The status line is long gone, so the failure has to be an event.
        logger.exception("Streaming %s broke", turn.public_id)
        yield _data({"type": "error", "detail": "The stream broke on our side. Ask for the turn instead.", **started})
    yield "data: [DONE]\n\n"


def _messages(turn: Turn) -> Iterator[dict[str, Any] | None]:
    """What the worker tells, and None for every silence. The database has the last word on when it is over."""
    until = time.monotonic() + settings.CHAT_WAIT
    while (left := until - time.monotonic()) > 0:
        asked_at = time.monotonic()
        message = relay.hear(f"turn:{turn.public_id}", timeout=min(HEARTBEAT, left))
        if message is not None and message.get("type") == "done":
            return
        yield message
        if message is None:
            turn.refresh_from_db(fields=["state"])
            if turn.state in FINISHED:
                return
            # Without Redis nothing blocks: look at the database once a second instead of spinning.
            time.sleep(max(0.0, 1 - (time.monotonic() - asked_at)))


def _last(turn: Turn, started: dict[str, Any]) -> dict[str, Any]:
    turn = Turn.objects.get(pk=turn.pk)
    if turn.state in FINISHED:
        return {"type": "done", "turn_id": turn.public_id, "state": turn.state, **turns.summary(turn)}
    return {"type": "running", **started}


def _data(message: dict[str, Any]) -> str:
    return f"data: {json.dumps(message, ensure_ascii=False)}\n\n"
