"""*Send me a test*: a genuine sample goes the real road, and the page says what became of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from agents.models import Turn
from channels_inbound import receiving, samples
from channels_inbound.admin.words import KINDS, MESSAGE_TONES, REPLY_TONES
from channels_inbound.models import Channel, InboundMessage, InboundRequest, Refusal, Reply

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

# After so long the page stops asking: then no worker takes it, or the language model is very slow.
PATIENCE = timedelta(seconds=60)
SOON = timedelta(seconds=5)
LONGEST = 1000
VERDICTS = {
    "accepted": ("accepted", "good", "The request proved itself, was read and is kept."),
    "quarantined": ("in quarantine", "warn", "The request proved itself, but could not be read. It is kept."),
    "set_aside": ("set aside", "wait", "The request proved itself, but nothing in it is for this channel."),
    "repeated": ("seen before", "wait", "The very same request came before, so nothing happened twice."),
    "bad": ("not taken", "bad", "The request proved itself, but something in it is wrong."),
    "down": ("not taken", "bad", "The database did not answer. Try again in a moment."),
}


@dataclass(frozen=True)
class Became:
    """One thing of a request and what became of it."""

    message: InboundMessage
    kind: str
    tone: str
    turn: Turn | None = None
    replies: list[tuple[Reply, str]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        if self.message.state == InboundMessage.State.RECEIVED:
            return False
        if self.turn is not None and self.turn.state not in (Turn.State.DONE, Turn.State.FAILED):
            return False
        return not self._is_about_to_be_sent and all(tone != "wait" for _, tone in self.replies)

    @property
    def _is_about_to_be_sent(self) -> bool:
        """The reply was just written, and its parts are not there yet."""
        turn = self.turn
        if turn is None or not turn.then or self.replies or turn.finished_at is None:
            return False
        return timezone.now() - turn.finished_at < SOON


@dataclass(frozen=True)
class Tried:
    """What a test came to. `waits` while the page should ask again."""

    word: str
    tone: str
    sentence: str
    request: InboundRequest | None = None
    became: list[Became] = field(default_factory=list)
    waits: bool = False


class Trying(Base):
    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Takes the test and shows the page with its verdict. Asked for again, it sends another one."""
        channel = self.own_row(request, object_id, to_change=True)
        text = request.POST.get("text", "")[:LONGEST]
        self.log_change(request, channel, "Sent itself a test.")
        tried = try_out(channel, text)
        return self.channel_page(request, self.own_row(request, object_id), tried=tried)

    def channel_page(self, request: HttpRequest, channel: Channel, **context: Any) -> HttpResponse:
        raise NotImplementedError


def try_out(channel: Channel, text: str) -> Tried:
    """A channel that is switched off is not asked: its address would answer *not found*."""
    if not channel.is_active:
        return Tried("not taken", "bad", "The channel is switched off, so its address answers that there is nothing.")
    try:
        incoming = samples.sample(channel, text)
    except samples.NoSample as why:
        return Tried("not sent", "bad", str(why))
    outcome = receiving.receive(adapter=channel.adapter, channel=channel, incoming=incoming)
    if outcome.verdict == "refused":
        return Tried("refused", "bad", Refusal(reason=outcome.reason).sentence)
    word, tone, sentence = VERDICTS.get(outcome.verdict, (outcome.verdict, "wait", ""))
    return _tried(outcome.request, word, tone, f"{sentence} {outcome.reason}".strip())


def look_again(channel: Channel, key: str) -> Tried | None:
    """What became of an earlier test of this channel; None where there is none of this number."""
    is_number = key.isascii() and key.isdigit() and len(key) < 19
    kept = InboundRequest.objects.filter(channel=channel, pk=int(key)).defer("body").first() if is_number else None
    if kept is None:
        return None
    word, tone, sentence = VERDICTS.get(kept.state, ("kept", "wait", ""))
    return _tried(kept, word, tone, f"{sentence} {kept.reason}".strip())


def _tried(request: InboundRequest | None, word: str, tone: str, sentence: str) -> Tried:
    if request is None:
        return Tried(word, tone, sentence)
    found = became(request)
    is_recent = timezone.now() - request.received_at < PATIENCE
    waits = is_recent and any(not each.is_over for each in found)
    return Tried(word, tone, sentence, request, found, waits)


def became(request: InboundRequest) -> list[Became]:
    """Everything in a request, with the agent's answer to it and how far that got."""
    rows = list(request.messages.select_related("conversation", "message").prefetch_related("attachments")[:200])
    turns = _turns([row.message_id for row in rows if row.message_id])
    replies = _replies([turn.reply_id for turn in turns.values() if turn.reply_id])
    return [_became(row, turns.get(row.message_id or 0), replies) for row in rows]


def _became(row: InboundMessage, turn: Turn | None, replies: dict[int, list[Reply]]) -> Became:
    parts = replies.get(turn.reply_id, []) if turn and turn.reply_id else []
    told = [(part, REPLY_TONES[Reply.State(part.state)]) for part in parts]
    tone = MESSAGE_TONES[InboundMessage.State(row.state)]
    return Became(row, KINDS.get(row.kind, row.kind), tone, turn, told)


def _turns(messages: list[int]) -> dict[int, Turn]:
    rows = Turn.objects.filter(message__in=messages).select_related("reply").order_by("pk")
    return {turn.message_id: turn for turn in rows if turn.message_id}


def _replies(messages: list[int]) -> dict[int, list[Reply]]:
    found: dict[int, list[Reply]] = {}
    for part in Reply.objects.filter(message__in=messages).select_related("delivery").order_by("message", "part"):
        found.setdefault(part.message_id, []).append(part)
    return found
