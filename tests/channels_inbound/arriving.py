"""What an adapter would have found, put in as if a request had brought it, and worked off in this process."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from agents import turns
from agents.models import Message, Turn
from channels_inbound import processing, replying, storing
from channels_inbound.adapters.base import Arrival, Incoming, Sender, Verified
from channels_inbound.models import Channel, InboundMessage, Reply

_numbers = itertools.count(1)


def person(address: str = "254712345678", *more: str, **known: Any) -> Sender:
    return Sender(addresses=(address, *more), **known)


def keep(channel: Channel, *arrivals: Arrival, body: bytes = b"{}") -> list[InboundMessage]:
    """One request with all of these, as rows that wait."""
    storing.keep(
        adapter=channel.adapter,
        channel=channel,
        incoming=Incoming(body=body, at=datetime.now(UTC)),
        verified=Verified(),
        once=None,
        arrivals=arrivals,
    )
    keys = [arrival.dedupe_key for arrival in arrivals]
    return list(InboundMessage.objects.filter(channel=channel, dedupe_key__in=keys).order_by("pk"))


def arrive(channel: Channel, text: str = "Hello", *, body: bytes = b"{}", **fields: Any) -> InboundMessage:
    """One row that waits: a message of a person, unless `fields` of the arrival say something else."""
    key = f"wamid.in{next(_numbers)}"
    known = {"kind": "message", "dedupe_key": key, "provider_id": key, "sender": person(), "text": text}
    [row] = keep(channel, Arrival(**(known | fields)), body=body)
    return row


def work(channel: Channel) -> None:
    """Everything that is due, thread by thread."""
    rows = InboundMessage.objects.filter(channel=channel, state="received").order_by("pk")
    for key in dict.fromkeys(rows.values_list("thread_key", flat=True)):
        processing.work_on(channel.pk, key)


def said(channel: Channel, text: str = "Hello", **fields: Any) -> InboundMessage:
    """It arrived and was worked off."""
    row = arrive(channel, text, **fields)
    work(channel)
    row.refresh_from_db()
    return row


def answered(row: InboundMessage, text: str = "We open at nine.") -> Message:
    """The agent's answer to this message, as a turn leaves it."""
    turn = Turn.objects.get(message=row.message)
    reply = turn.conversation.say(role=Message.Role.AGENT, text=text)
    Turn.objects.filter(pk=turn.pk).update(state=Turn.State.DONE, reply=reply)
    return reply


def replies_to(row: InboundMessage, text: str = "We open at nine.", **fields: Any) -> list[Reply]:
    """The parts of the answer, with `fields` as if they had been sent."""
    message = answered(row, text)
    replying.prepare(message, InboundMessage.objects.select_related("channel__agent").get(pk=row.pk))
    parts = Reply.objects.filter(message=message).order_by("part")
    parts.update(**fields)
    return list(parts)


def go_on(channel: Channel) -> None:
    """What the workers would do from here on: work off, think, and send what comes of it."""
    work(channel)
    waiting = Turn.objects.filter(conversation__agent=channel.agent, state=Turn.State.QUEUED).order_by("pk")
    for key in list(waiting.values_list("pk", flat=True)):
        turns.take_turn(turn_id=key)
        replying.send_replies(turn_id=key)


# --- looking at it ---------------------------------------------------------------------------------------------------


def ago(**units: float) -> datetime:
    return datetime.now(UTC) - timedelta(**units)


def texts(channel: Channel) -> list[str]:
    """Every line with this agent, in the order in which they were said."""
    return list(Message.objects.filter(conversation__agent=channel.agent).order_by("pk").values_list("text", flat=True))


def again(row: Any) -> Any:
    """The row as it is now."""
    row.refresh_from_db()
    return row
