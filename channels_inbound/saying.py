"""Messages become lines of a conversation, and a burst of them gets one turn."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction

from agents import turns
from agents.events import emit
from agents.models import Conversation, Message, Turn
from agents.speaking import take_in
from channels_inbound import people, settling
from channels_inbound.models import Attachment, Channel, InboundMessage, Reply
from channels_inbound.steps import Ignore, Step
from channels_inbound.waking import FETCH_MEDIA, SEND_REPLIES, wake_workers

AGENT_OFF = "The agent is switched off, so nobody answers."
ANSWERED_SINCE = "It came after a later message had been answered."
LATE = "It reached us more than a day late, so the agent does not answer it."
THREAD_MOST = 255
SAME_MOMENT = timedelta(seconds=2)


@dataclass(frozen=True)
class Place:
    """Where a message belongs: the name of its thread (empty: the direct one), and whether it answers a known one."""

    thread: str = ""
    is_answer: bool = False


def said(row: InboundMessage) -> Step:
    """A person says something, or presses a button."""
    sender = _sender(row)
    channel, adapter = row.channel, row.channel.adapter
    place = place_of(row)
    with_words = words(row)
    taken = take_in(
        agent=channel.agent,
        text=with_words,
        given=people.identifiers(sender),
        channel=channel.word,
        thread=place.thread,
        name=str(sender.get("name") or ""),
        known=people.known(channel, people.addresses(channel, sender)),
    )
    message, conversation = taken.message, taken.message.conversation
    people.remember(channel, people.addresses(channel, sender), taken.customer)
    attach(row, message)
    if place.is_answer and adapter.conversation_channel == "email":
        facts = {"message_id": message.public_id, "subject": str(row.facts.get("subject") or ""), "text": message.text}
        emit(agent=channel.agent, type="email.replied", data=facts, conversation=conversation, customer=taken.customer)
    reason = _why_not(row, conversation)
    return Step(conversation, message, reason, wants_answer=not reason)


def noted(row: InboundMessage) -> Step:
    """Mail that a machine wrote: a note in the conversation it answers, and nothing that anybody answers."""
    place = place_of(row)
    found = _open_thread(row.channel, place.thread) if place.is_answer else None
    if found is None:
        raise Ignore("A machine wrote this, and it belongs to no conversation.")
    what = "A mail could not be delivered" if row.kind == "bounce" else "An automatic reply came"
    message = found.say(role=Message.Role.SYSTEM, text=f"{what}: {(row.facts.get('subject') or row.text)[:300]}")
    return Step(found, message, "A machine wrote this, so nobody answers it.")


def echoed(row: InboundMessage) -> Step:
    """What the team wrote in the provider's own application: a line of the agent's side, sent already."""
    if (own := settling.own_reply(row)) is not None:
        return Step(own.message.conversation, reason="This is our own message, seen again.")
    recipient = str(row.facts.get("recipient") or "")
    customer = people.known(row.channel, [recipient]) if recipient else None
    found = (
        Conversation.objects.filter(
            agent=row.channel.agent, customer=customer, channel=row.channel.word, state=Conversation.State.OPEN
        ).first()
        if customer
        else None
    )
    if found is None:
        raise Ignore("It is our own side that speaks, and there is no conversation with this person.")
    message = found.say(role=Message.Role.AGENT, text=words(row), brain={"kind": "person"})
    return Step(found, message, "Written by the team in the provider’s own application.")


# --- where it belongs ------------------------------------------------------------------------------------------------


def place_of(row: InboundMessage) -> Place:
    """A thread that the message answers wins over the one that it would begin."""
    facts, channel = row.facts, row.channel
    if (tag := str(facts.get("tag") or "")) and (thread := _of_conversation(channel, tag)) is not None:
        return Place(thread, is_answer=True)
    if (references := _references(facts)) and (thread := _of_messages(channel, references)) is not None:
        return Place(thread, is_answer=True)
    return Place(str(facts.get("thread") or "")[:THREAD_MOST])


def _references(facts: dict[str, Any]) -> list[str]:
    """What it answers; of a bounce, the mail that did not arrive is the last word."""
    listed = facts.get("references")
    answered = [str(each) for each in listed] if isinstance(listed, list) else []
    about = str(facts.get("target_id") or "")
    return [*answered, about] if about else answered


def _of_conversation(channel: Channel, public_id: str) -> str | None:
    rows = Conversation.objects.filter(agent=channel.agent, channel=channel.word, public_id=public_id)
    return rows.values_list("thread", flat=True).first()


def _of_messages(channel: Channel, references: list[str]) -> str | None:
    """The thread of the last of these messages that we know: one that came, or one that we sent."""
    came = InboundMessage.objects.filter(channel=channel, provider_id__in=references, conversation__isnull=False)
    threads = came.order_by("-pk").values_list("conversation__thread", flat=True)
    if (thread := threads.first()) is not None:
        return str(thread)
    sent = Reply.objects.filter(channel=channel, provider_id__in=references).order_by("-pk")
    return sent.values_list("message__conversation__thread", flat=True).first()


def _open_thread(channel: Channel, thread: str) -> Conversation | None:
    rows = Conversation.objects.filter(agent=channel.agent, channel=channel.word, thread=thread)
    return rows.filter(state=Conversation.State.OPEN).exclude(thread="").first()


# --- what it says ----------------------------------------------------------------------------------------------------


def _sender(row: InboundMessage) -> dict[str, Any]:
    sender = dict(row.facts.get("sender") or {})
    if not sender.get("addresses"):
        raise Ignore("The provider does not say who wrote this, so nobody could be answered.")
    return sender


def words(row: InboundMessage) -> str:
    """The text, or what stands for it where there is none: brains and rules read texts."""
    facts = row.facts
    action = facts.get("action") or {}
    text = row.text or str(action.get("title") or action.get("payload") or action.get("id") or "")
    extras = [_described(each) for each in facts.get("attachments") or () if not each.get("is_inline")]
    if place := facts.get("location"):
        extras.append(_location(place))
    if contacts := facts.get("contacts"):
        extras.append(f"[{len(contacts)} contact{'s' if len(contacts) > 1 else ''}]")
    return "\n".join(part for part in (text, *extras) if part) or "[message without text]"


def _described(attachment: dict[str, Any]) -> str:
    name = attachment.get("filename") or ""
    return f"[{attachment.get('kind') or 'file'}{': ' + name if name else ''}]"


def _location(place: Any) -> str:
    if not isinstance(place, dict):
        return "[location]"
    known = [str(place[key]) for key in ("name", "address") if place.get(key)]
    spot = [str(place[key]) for key in ("latitude", "longitude") if place.get(key) is not None]
    return f"[location: {', '.join([*known, *spot])}]"


def attach(row: InboundMessage, message: Message) -> None:
    """A row for each file; those that did not come along are fetched by a worker."""
    rows = [
        Attachment(
            inbound_message=row,
            message=message,
            position=position,
            kind=str(each.get("kind") or "file")[:20],
            described=each,
            filename=_basename(str(each.get("filename") or "")),
            mime_type=str(each.get("mime_type") or "")[:100],
            size=each.get("size"),
            sha256=str(each.get("sha256") or "")[:64],
            file=str(each.get("file") or ""),
            state=Attachment.State.STORED if each.get("file") else Attachment.State.PENDING,
        )
        for position, each in enumerate(row.facts.get("attachments") or ())
    ]
    if rows:
        Attachment.objects.bulk_create(rows, ignore_conflicts=True)
        transaction.on_commit(lambda: wake_workers(FETCH_MEDIA))


def _basename(name: str) -> str:
    """Only a name, whatever path it came with."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip(". ")[:200]


# --- answering -------------------------------------------------------------------------------------------------------


def _why_not(row: InboundMessage, conversation: Conversation) -> str:
    """Why the agent does not answer this message; empty where it does."""
    if not row.starts_agent:
        return LATE
    if not row.channel.agent.is_active:
        return AGENT_OFF
    # Providers count in whole seconds, and where one has no time at all ours takes its place.
    later = InboundMessage.objects.filter(conversation=conversation, occurred_at__gt=row.occurred_at + SAME_MOMENT)
    return ANSWERED_SINCE if later.filter(message__turn__isnull=False).exists() else ""


def answer(steps: Iterable[Step]) -> list[Turn]:
    """One turn for each conversation, at the last of the messages that want an answer."""
    last: dict[int, Message] = {}
    for step in steps:
        if step.wants_answer and step.message and step.conversation:
            last[step.conversation.pk] = step.message
    return [turns.begin(message, then=SEND_REPLIES) for message in last.values()]
