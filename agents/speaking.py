"""What is said: a customer's message comes in and a reply goes out, each with the events that follow from it.

Everything that one message means (who writes, a new thread, contact details, a lead, a segment, a word of a list, a
call for a person) is found here and told in the transaction that stores it.
"""

from dataclasses import dataclass, replace
from typing import Any

from agents import escalating, leads, segments
from agents.brains import slots
from agents.brains.base import clean
from agents.ending import moment
from agents.events import NOBODY, Cause, Happening, emit_all
from agents.identity import Identifiers, Told, recognise
from agents.models import Agent, Conversation, Customer, Message, ToolCall, Turn, WordList
from agents.phrases import claim, first_of

Status = ToolCall.Status

# Any of these is something that a reply may speak of as done, or as under way.
BACKING = (Status.RUNNING, Status.HELD, Status.FIRED, Status.REPEATED)


# --- coming in --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """A stored message, and who wrote it: in a group that is not always whose conversation it is."""

    message: Message
    customer: Customer


def take_in(
    *,
    agent: Agent,
    text: str,
    given: Identifiers,
    channel: str = "api",
    thread: str = "",
    name: str = "",
    known: Customer | None = None,
    cause: Cause = NOBODY,
) -> Said:
    """Store a customer's message in the caller's transaction, and tell everything that follows from it.

    With a `thread` it goes into the open conversation of that name, whoever began it: a group's, or that of a mail.
    `name` is what the channel calls them, and counts before a name found in the text.
    """
    text = clean(text)
    found = {name: value for name, value in slots.find(text).items() if name != "order_number"}
    told = Told(
        given=given,
        heard=Identifiers(phone=found.get("phone", ""), email=found.get("email", "")),
        details={"name": called} if (called := clean(name)[:200] or found.get("name", "")) else {},
        writes_on=channel,
        cause=cause,
    )
    recognised = recognise(agent, told, known=known)
    conversation, is_new = _open_conversation(agent, recognised.customer, channel, thread)
    message = conversation.say(role=Message.Role.CUSTOMER, text=text)
    happenings = [*recognised.happenings, *_opening(conversation, is_new), _received(conversation, message)]
    happenings += [*_contact(conversation, message, found), *_words(conversation, message)]
    happenings += _learned(agent, recognised.customer, conversation, found, happenings)
    happenings += escalating.notice(conversation, message)
    # In a group it is not always the one who began the conversation.
    writer = recognised.customer
    emit_all(agent, [replace(one, conversation=conversation, customer=writer) for one in happenings], cause=cause)
    return Said(message, recognised.customer)


def _open_conversation(agent: Agent, customer: Customer, channel: str, thread: str) -> tuple[Conversation, bool]:
    """Locked, so that messages of one thread get their numbers one after another; and whether it is new."""
    whose = {"defaults": {"customer": customer}} if thread else {"customer": customer}
    while True:
        found, is_new = Conversation.objects.get_or_create(
            agent=agent, channel=channel, thread=thread, state=Conversation.State.OPEN, **whose
        )
        locked = Conversation.objects.select_for_update(of=("self",)).select_related("customer").get(pk=found.pk)
        # It may have been ended between the two; then another one begins.
        if locked.state == Conversation.State.OPEN:
            locked.agent = agent
            return locked, is_new


def _opening(conversation: Conversation, is_new: bool) -> list[Happening]:
    return [Happening("conversation.started", {"started_at": moment(conversation.started_at)})] if is_new else []


def _received(conversation: Conversation, message: Message) -> Happening:
    return Happening("message.received", {"message_id": message.public_id, "text": message.text})


def _contact(conversation: Conversation, message: Message, found: dict[str, str]) -> list[Happening]:
    return [
        Happening("contact.shared", {"kind": kind, "value": found[kind], "message_id": message.public_id})
        for kind in ("email", "phone")
        if kind in found
    ]


def _words(conversation: Conversation, message: Message) -> list[Happening]:
    """Each list of the team at most once a message, with the first of its words that is in there."""
    lists = WordList.objects.filter(team=conversation.agent.team_id).order_by("name")
    matches = ((words.name, first_of(words.lines, message.text)) for words in lists)
    facts = {"message_id": message.public_id, "text": message.text}
    return [Happening("keyword.matched", facts | {"list": name, "word": word}) for name, word in matches if word]


def _learned(
    agent: Agent, customer: Customer, conversation: Conversation, found: dict[str, str], before: list[Happening]
) -> list[Happening]:
    """The lead, and then the segments, if anything is known now that was not."""
    about_lead = leads.hear(agent, customer, conversation, found) if found else None
    if about_lead is None and not any(one.type.startswith("customer.") for one in before):
        return []
    return [*(about_lead or []), *segments.rejudge(customer)]


# --- going out --------------------------------------------------------------------------------------------------------


def send_out(turn: Turn, *, text: str, brain: dict[str, Any], tokens: dict[str, int]) -> Message:
    """Store the reply of a turn in the caller's transaction, and tell of it.

    A language model that writes it did something, where nothing was done in this turn, gets a flag: `unbacked` in the
    message's `brain`, and an event. What it wrote is not changed.
    """
    conversation = turn.conversation
    # Its customer may have been merged with another one while the brain was thinking.
    conversation.refresh_from_db(fields=["customer"])
    phrase = _unbacked(turn, text) if brain.get("kind") == "llm" else None
    if phrase:
        brain = brain | {"unbacked": phrase}
    reply = conversation.say(role=Message.Role.AGENT, text=text, brain=brain or None, tokens=tokens)
    facts = {"message_id": reply.public_id, "text": reply.text}
    happenings = [Happening("message.sent", facts, conversation)]
    if phrase:
        happenings.append(Happening("reply.unbacked", facts | {"phrase": phrase}, conversation))
    emit_all(conversation.agent, happenings, cause=Cause(turn.caused_by, turn.hops))
    return reply


def _unbacked(turn: Turn, text: str) -> str | None:
    phrase = claim(text)
    if phrase is None or turn.tool_calls.filter(status__in=BACKING).exists():
        return None
    # A person may have been asked for because of what the customer wrote, without any tool.
    is_with_people = turn.conversation.escalations.exclude(state=escalating.State.RESOLVED).exists()
    return None if is_with_people else phrase
