"""What happened on an agent, and what its rules said of it: *why did it not fire?*"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agents import catalogue, conditions
from agents.admin.rule_words import OUTCOME_SENTENCES, OUTCOME_TONES, Reason, event_title, reasons
from agents.models import Agent, Evaluation, Firing, PendingEvent, TriggerRule
from webhooks.models import Delivery, Event
from webhooks.outcomes import Description, describe

State = TriggerRule.State


@dataclass(frozen=True)
class Said:
    """What one rule said of one event. `delivery` is what it sent, with its outcome in words."""

    rule: TriggerRule
    label: str
    tone: str
    sentence: str
    reasons: list[Reason]
    delivery: Delivery | None = None
    told: Description | None = None

    @property
    def is_settled(self) -> bool:
        """Nothing more will change by itself."""
        is_held = self.delivery is not None and self.delivery.state == Delivery.State.HELD
        return self.told is None or is_held or self.told.tone != "wait"


@dataclass(frozen=True)
class Fact:
    """One event, and what was said of it. `waits`: no rule has judged it yet."""

    event: Event
    title: str
    waits: bool
    said: list[Said] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        return not self.waits and all(one.is_settled for one in self.said)

    @property
    def version(self) -> str:
        """Changes whenever a page that shows it has to change."""
        parts = [f"{one.rule.pk}{one.label}{one.told.label if one.told else ''}" for one in self.said]
        return "-".join([str(self.event.pk), str(int(self.waits)), *parts])


# --- which events ----------------------------------------------------------------------------------------------------


def latest(agent: Agent, *, types: Iterable[str] = (), before: int = 0, limit: int = 50) -> list[Event]:
    """The newest facts of an agent, newest first, without their data; `before` is the key of the last one seen.

    Each type is read by its own index and the newest of them all are kept: an agent may have millions.
    """
    kinds = [kind for kind in types or catalogue.EVENTS if kind in catalogue.EVENTS]
    facts = Event.objects.filter(agent_ref=agent.public_id, is_owed=False, team=agent.team_id)
    if before:
        facts = facts.filter(pk__lt=before)
    pieces = [facts.filter(type=kind).order_by("-pk").values_list("pk")[:limit] for kind in kinds]
    if not pieces:
        return []
    keys = pieces[0].union(*pieces[1:], all=True).order_by("-pk")[:limit] if len(pieces) > 1 else pieces[0]
    return list(Event.objects.filter(pk__in=[key for (key,) in keys]).defer("data").order_by("-pk"))


def of_conversation(agent: Agent, conversation_ref: str, *, since: datetime, limit: int = 50) -> list[Event]:
    """What happened in one conversation since then, oldest first, as far as it is among the agent's newest facts."""
    events = latest(agent, limit=limit)
    return [
        event for event in reversed(events) if event.conversation_ref == conversation_ref and event.occurred_at >= since
    ]


# --- what rules said of them -----------------------------------------------------------------------------------------


def told(events: Sequence[Event]) -> list[Fact]:
    """The events in the order given; all judgements are read with one query, and so are all deliveries."""
    keys = [event.pk for event in events]
    waiting = set(PendingEvent.objects.filter(pk__in=keys).values_list("pk", flat=True))
    judged: dict[int, list[Evaluation]] = {key: [] for key in keys}
    rows = Evaluation.objects.filter(event__in=keys).select_related("rule").order_by("rule__position", "rule")
    for row in rows:
        judged[row.event_id].append(row)
    fired = _firings(keys)
    return [
        Fact(
            event=event,
            title=event_title(event.type),
            waits=event.pk in waiting,
            said=[said(row, event.type, fired.get((row.rule_id, event.pk))) for row in judged[event.pk]],
        )
        for event in events
    ]


def _firings(keys: Sequence[int]) -> dict[tuple[int, int], Delivery | None]:
    rows = Firing.objects.filter(event__in=keys).select_related("delivery__attempt", "delivery__endpoint")
    rows = rows.defer("delivery__body", "delivery__attempt__response_body")
    return {(row.rule_id, row.event_id): row.delivery for row in rows}


def said(row: Evaluation, type: str, delivery: Delivery | None) -> Said:
    outcome = Evaluation.Outcome(row.outcome)
    return Said(
        rule=row.rule,
        label=row.get_outcome_display(),
        tone=OUTCOME_TONES[outcome],
        sentence=OUTCOME_SENTENCES[outcome],
        reasons=reasons(row.explanation, type),
        delivery=delivery,
        told=describe(delivery) if delivery else None,
    )


def not_asked(agent: Agent, event: Event, asked: Iterable[int], *, waits: bool, limit: int = 200) -> list[Said]:
    """The agent's other rules, each with the reason why it said nothing, those that listen to this event first."""
    rules = agent.trigger_rules.exclude(pk__in=list(asked)).select_related("endpoint")
    own = [_unasked(rule, event, waits=waits) for rule in rules.filter(event_type=event.type).order_by("position")]
    others = rules.exclude(event_type=event.type).order_by("position", "pk")[:limit]
    return [*own, *map(_elsewhere, others)]


def _elsewhere(rule: TriggerRule) -> Said:
    return Said(rule, "not asked", "", f"It listens to something else: “{event_title(rule.event_type)}”.", [])


def _unasked(rule: TriggerRule, event: Event, *, waits: bool) -> Said:
    """With what its rows would say now, which may be another thing than what they would have said then."""
    lines = reasons(conditions.judge(rule.condition, event.data, at=event.occurred_at).lines, event.type)
    if rule.created_at > event.occurred_at:
        return Said(rule, "not asked", "", "It was made after this happened. Its rows as they stand now:", lines)
    if waits and rule.state != State.OFF:
        return Said(rule, "waits", "wait", "It judges this event in a moment.", [])
    off = "It is off." if rule.state == State.OFF else "It was off, or listened to something else, when this happened."
    return Said(rule, "not asked", "", f"{off} Its rows as they stand now:", lines)
