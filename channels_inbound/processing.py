"""A worker's part: what arrived becomes conversation. One thread at a time, in the order in which it happened.

The rows in state `received` are the queue. A thread is worked off under a lock of the database, in one
transaction, so a worker that dies leaves everything as it was, and the next one goes on; a row that breaks is undone
alone. A burst of short messages waits a moment and is answered by one turn.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import Message
from channels_inbound import applying, payments, saying
from channels_inbound.models import InboundMessage
from channels_inbound.steps import Ignore, NotYet, Step
from channels_inbound.waking import BELIEF, WORK_OFF, heed_wake, wake_workers

logger = logging.getLogger(__name__)

State = InboundMessage.State
# The first half of the advisory lock's key; the second is a digest of channel and thread.
LOCKS = 0x63686E6C
THREADS_AT_ONCE = 100
# However fast somebody types on: after this long the agent answers.
LONGEST_BURST = timedelta(seconds=8)
TRIES = 5
TRY_AGAIN = timedelta(seconds=3)
# A status may overtake the answer to our own request that tells us its id.
WAITS_AT_MOST = timedelta(seconds=60)
BROKEN = "This could not be worked off. It was tried five times; try again when the cause is gone."

STEPS: dict[str, Callable[[InboundMessage], Step]] = {
    "message": saying.said,
    "postback": saying.said,
    "auto_reply": saying.noted,
    "bounce": saying.noted,
    "echo": saying.echoed,
    "message_edited": applying.edited,
    "message_deleted": applying.deleted,
    "reaction": applying.reacted,
    "status": applying.status,
    "event": payments.happened,
}

# Threads with something to do, the ones of each channel taking turns. Ripe: nobody is still typing. What nobody typed,
# a receipt or a payment, waits for nothing.
_THREADS = """
SELECT channel_id, thread_key, ripe_in
FROM (
    SELECT channel_id, thread_key, min(id) AS oldest,
           greatest(0, least(
               coalesce(extract(epoch FROM max(received_at) FILTER (WHERE starts_agent) + %(debounce)s - now()), 0),
               extract(epoch FROM min(received_at) + %(longest)s - now())
           )) AS ripe_in
    FROM channels_inbound_inboundmessage
    WHERE state = 'received' AND (worked_at IS NULL OR worked_at < now() - attempts * %(again)s)
    GROUP BY channel_id, thread_key
) AS threads
ORDER BY row_number() OVER (PARTITION BY channel_id ORDER BY oldest), oldest
LIMIT %(most)s
"""


@dataclass(frozen=True)
class Waiting:
    channel_id: int
    thread_key: str
    ripe_in: float


def work_off() -> int:
    """Work off whatever is ripe, waiting for what will be in a moment; how many rows were done."""
    done = 0
    until = time.monotonic() + LONGEST_BURST.total_seconds() * 4
    nothing_before = False
    while time.monotonic() < until:
        if not nothing_before:
            heed_wake()
        threads = waiting()
        ripe = [thread for thread in threads if thread.ripe_in <= 0]
        worked = sum(work_on(thread.channel_id, thread.thread_key) for thread in ripe)
        done += worked
        if not worked:
            soon = [thread.ripe_in for thread in threads if thread.ripe_in > 0]
            # Where a thread is ripe and not ours, another worker is at it.
            if not soon and (threads or nothing_before):
                return done
            time.sleep(min(max(min(soon), 0.02), 0.5) if soon else 2 * BELIEF)
        nothing_before = not threads
    wake_workers()
    return done


def waiting() -> list[Waiting]:
    values: dict[str, Any] = {
        "debounce": timedelta(seconds=settings.INBOUND_DEBOUNCE),
        "longest": LONGEST_BURST,
        "again": TRY_AGAIN,
        "most": THREADS_AT_ONCE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_THREADS, values)
        return [Waiting(channel, thread, float(ripe or 0)) for channel, thread, ripe in cursor.fetchall()]


def work_on(channel_id: int, thread_key: str) -> int:
    """Everything that waits in this thread; how many rows are done. Nothing where another worker has it."""
    with transaction.atomic():
        if not _alone(channel_id, thread_key):
            return 0
        rows = list(
            InboundMessage.objects.select_related("channel__agent__team", "channel__credential")
            .filter(_is_due(), channel_id=channel_id, thread_key=thread_key, state=State.RECEIVED)
            .order_by("occurred_at", "pk")
            .select_for_update(of=("self",))[:200]
        )
        steps = [(row, step) for row in rows if (step := _take(row)) is not None]
        saying.answer(_still_said([step for _, step in steps]))
    return len(steps)


def _still_said(steps: list[Step]) -> list[Step]:
    """Without what its sender deleted in the same breath: nobody answers that."""
    asked = [step.message.pk for step in steps if step.wants_answer and step.message]
    gone = set(Message.objects.filter(pk__in=asked, text=applying.DELETED).values_list("pk", flat=True))
    return [step for step in steps if not (step.message and step.message.pk in gone)]


def _is_due() -> Q:
    """Not what has to wait: a message that comes meanwhile uses up no try of an earlier one."""
    pause = ExpressionWrapper(F("attempts") * Value(TRY_AGAIN), output_field=DurationField())
    return Q(worked_at=None) | Q(worked_at__lt=Now() - pause)


def _alone(channel_id: int, thread_key: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [LOCKS, f"{channel_id}:{thread_key}"])
        return bool(cursor.fetchone()[0])


def _take(row: InboundMessage) -> Step | None:
    """Do what one row asks for, all of it or nothing; None where it has to wait."""
    try:
        with transaction.atomic():
            step = _do(row)
            _end(row, State.DONE, step.reason, step)
            return step
    except Ignore as why:
        _end(row, State.IGNORED, str(why), Step())
        return Step()
    except NotYet as why:
        _later(row, str(why))
    except (OperationalError, InterfaceError):
        # Nothing is wrong with the row: the database is away, or two transactions waited for each other.
        raise
    except Exception:
        logger.exception("Working off %s broke.", row)
        _later(row, BROKEN, is_broken=True)
    return None


def _do(row: InboundMessage) -> Step:
    step = STEPS.get(row.kind)
    if step is None:
        raise Ignore(str(row.facts.get("reason") or IGNORED.get(row.kind, "There is nothing to do for this kind.")))
    return step(row)


IGNORED = {
    "bot_message": "Another program wrote this; programs that answer each other never end.",
    "standby": "Another application has this conversation at the moment.",
    "channel_post": "A post in a channel is not addressed to the agent.",
    "unsupported": "The provider sent something that cannot be shown as a message.",
}


def _end(row: InboundMessage, state: str, reason: str, step: Step) -> None:
    InboundMessage.objects.filter(pk=row.pk).update(
        state=state, reason=reason[:500], conversation=step.conversation, message=step.message, worked_at=Now()
    )


def _later(row: InboundMessage, reason: str, *, is_broken: bool = False) -> None:
    """Back into the queue for a while; then it is over, and the row says why."""
    is_over = row.attempts + 1 >= TRIES if is_broken else timezone.now() - row.received_at > WAITS_AT_MOST
    over = State.FAILED if is_broken else State.IGNORED
    InboundMessage.objects.filter(pk=row.pk).update(
        state=over if is_over else State.RECEIVED, reason=reason[:500], attempts=row.attempts + 1, worked_at=Now()
    )


def retry(row: InboundMessage) -> None:
    """Somebody mended the cause: from the start, with all its tries."""
    InboundMessage.objects.filter(pk=row.pk, state__in=(State.FAILED, State.IGNORED), message=None).update(
        state=State.RECEIVED, reason="", attempts=0, worked_at=None, received_at=Now()
    )
    wake_workers(WORK_OFF)


def sweep() -> None:
    """Wake somebody where a wake-up was lost, or a worker with it."""
    old = timedelta(seconds=settings.INBOUND_DEBOUNCE + 5)
    if InboundMessage.objects.filter(state=State.RECEIVED, received_at__lt=Now() - old).exists():
        heed_wake()
        wake_workers(WORK_OFF)
