"""When a matching rule fires: one small state machine that judging and rehearsing share, so that both say the same.

Pure: no database, no clock. `at` is always the event's own time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agents import conditions
from agents.models import Evaluation, TriggerRule

Fires = TriggerRule.Fires
Scope = TriggerRule.Scope
Outcome = Evaluation.Outcome

# A chain of events that rules caused ends here.
MOST_HOPS = 3

# Says of an event whether the rule's JavaScript holds; with a sentence where it could not be run.
Predicate = Callable[[Mapping[str, Any]], tuple[bool, str]]


@dataclass(frozen=True)
class Draft:
    """What a rule judges by: what is saved, or what stands in an editor."""

    event_type: str
    condition: Mapping[str, Any]
    predicate: str = ""
    fires: str = Fires.BECOMES_TRUE
    scope: str = Scope.CONVERSATION
    cooldown_minutes: int | None = None
    most_a_day: int | None = None
    public_id: str = ""

    @classmethod
    def of(cls, rule: TriggerRule) -> "Draft":
        return cls(
            rule.event_type,
            rule.condition,
            rule.predicate,
            rule.fires,
            rule.scope,
            rule.cooldown_minutes,
            rule.most_a_day,
            rule.public_id,
        )


@dataclass(frozen=True)
class Memory:
    """What a rule remembers about one conversation, customer or agent."""

    was_true: bool = False
    transitions: int = 0
    first_fired_at: datetime | None = None
    last_fired_at: datetime | None = None


@dataclass(frozen=True)
class Fact:
    """An event as rules see it."""

    key: int
    data: Mapping[str, Any]
    at: datetime
    agent: str
    conversation: str
    customer: str
    caused_by: str = ""
    depth: int = 0

    def subject(self, scope: str) -> str:
        """Whom the memory is about; a fact without a conversation counts for its customer, or its agent."""
        if scope == Scope.CONVERSATION and self.conversation:
            return self.conversation
        if scope in (Scope.CONVERSATION, Scope.CUSTOMER) and self.customer:
            return self.customer
        return self.agent


@dataclass(frozen=True)
class Verdict:
    """Whether the facts match, what follows from it, and why: a line for each row of the condition."""

    matched: bool
    outcome: str
    lines: list[dict[str, Any]]
    memory: Memory

    @property
    def fires(self) -> bool:
        return self.outcome == Outcome.FIRED


def judge(draft: Draft, fact: Fact, memory: Memory, *, fired_today: int, predicate: Predicate | None = None) -> Verdict:
    """What this rule says of this fact. `fired_today`: how often it fired since midnight (UTC) of the fact's day."""
    if fact.depth >= MOST_HOPS or (draft.public_id and draft.public_id == fact.caused_by):
        return Verdict(False, Outcome.LOOP, [], memory)
    found = conditions.judge(draft.condition, fact.data, at=fact.at)
    matched, lines = found.matched, list(found.lines)
    if matched and draft.predicate and predicate is not None:
        matched, trouble = predicate(fact.data)
        lines.append({"predicate": True, "held": matched, "trouble": trouble})
        if trouble:
            return Verdict(False, Outcome.FAULTY, lines, memory)
    outcome = _outcome(draft, memory, matched, fact.at, fired_today)
    return Verdict(matched, outcome, lines, _remember(memory, matched, outcome, fact.at))


def _outcome(draft: Draft, memory: Memory, matched: bool, at: datetime, fired_today: int) -> str:
    if not matched:
        return Outcome.NO_MATCH
    if draft.fires == Fires.BECOMES_TRUE and memory.was_true:
        return Outcome.STILL_TRUE
    if draft.fires == Fires.FIRST and memory.first_fired_at is not None:
        return Outcome.NOT_FIRST
    pause = timedelta(minutes=draft.cooldown_minutes or 0)
    if memory.last_fired_at is not None and at - memory.last_fired_at < pause:
        return Outcome.COOLING
    if draft.most_a_day is not None and fired_today >= draft.most_a_day:
        return Outcome.CAPPED
    return Outcome.FIRED


def _remember(memory: Memory, matched: bool, outcome: str, at: datetime) -> Memory:
    """A match that was held back by a pause or a limit is remembered as true all the same: it is not news later."""
    if outcome != Outcome.FIRED:
        return memory if memory.was_true == matched else replace(memory, was_true=matched)
    return Memory(True, memory.transitions + 1, memory.first_fired_at or at, at)


def day_of(at: datetime) -> datetime:
    """Midnight (UTC) before this moment: where the daily limit counts from."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
