"""What working off one row can come to."""

from dataclasses import dataclass

from agents.models import Conversation, Message


class Ignore(Exception):
    """There is nothing to do; the sentence says why."""


class NotYet(Exception):
    """What it refers to is not here yet; the sentence says what."""


@dataclass(frozen=True)
class Step:
    """A row that is done: where it went, and whether the agent has to answer it."""

    conversation: Conversation | None = None
    message: Message | None = None
    reason: str = ""
    wants_answer: bool = False
