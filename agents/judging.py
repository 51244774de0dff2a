"""Judging: events that were committed meet the rules of their agent, in their order, exactly once each.

`PendingEvent` is the outbox: written with the event, deleted with its judgement, in one transaction with everything
that follows from it. So a wake-up may be lost or come twice, and a worker may die at any point.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from agents import deciding, payloads, predicates
from agents.deciding import Draft, Fact, Memory, Verdict
from agents.models import Agent, Evaluation, Firing, PendingEvent, RuleState, TriggerRule
from agents.waking import wake
from chatzuri.fields import NotReadable
from webhooks import bodies, sending
from webhooks.models import Delivery, Event

logger = logging.getLogger(__name__)

Outcome = Evaluation.Outcome
TASK = "agents.tasks.judge_events"
BATCH = 200
FORGOTTEN_AFTER = timedelta(seconds=10)
# Two workers never judge events of one agent at the same time: order and memory would be anybody's guess.
LOCKS = 0x72756C65

EVALUATE = """
INSERT INTO agents_evaluation (rule_id, event_id, subject, matched, outcome, explanation)
SELECT rule_id, event_id, subject, matched, outcome, explanation FROM jsonb_to_recordset(%s::jsonb)
    AS t(rule_id bigint, event_id bigint, subject text, matched boolean, outcome text, explanation jsonb)
ON CONFLICT (rule_id, event_id) DO NOTHING"""

# What a watching rule would have done: nothing leaves, so a batch of it is one statement.
WATCHED = """
INSERT INTO agents_firing (rule_id, event_id, subject, transition, was_live)
SELECT rule_id, event_id, subject, transition, false FROM jsonb_to_recordset(%s::jsonb)
    AS t(rule_id bigint, event_id bigint, subject text, transition integer)
ON CONFLICT DO NOTHING"""

REMEMBER = """
INSERT INTO agents_rulestate (rule_id, subject, was_true, transitions, last_event, first_fired_at, last_fired_at)
SELECT rule_id, subject, was_true, transitions, last_event, first_fired_at, last_fired_at
FROM jsonb_to_recordset(%s::jsonb) AS t(rule_id bigint, subject text, was_true boolean, transitions integer,
    last_event bigint, first_fired_at timestamptz, last_fired_at timestamptz)
ON CONFLICT (rule_id, subject) DO UPDATE SET was_true = excluded.was_true, transitions = excluded.transitions,
    last_event = excluded.last_event, first_fired_at = excluded.first_fired_at,
    last_fired_at = excluded.last_fired_at"""


def judge_pending() -> int:
    """Judge what waits, agent by agent. Returns how many events. For workers; safe to run at once and again."""
    judged = 0
    for agent_id in _agents_waiting():
        while (count := _judge_batch(agent_id)) > 0:
            judged += count
    return judged


def sweep() -> None:
    """Wake a worker for events that nobody came for: their wake-up was lost."""
    if PendingEvent.objects.filter(waiting_since__lt=Now() - FORGOTTEN_AFTER).exists():
        wake(TASK)


def _agents_waiting() -> list[int]:
    return list(PendingEvent.objects.order_by("agent_id").values_list("agent_id", flat=True).distinct()[:500])


def _judge_batch(agent_id: int) -> int:
    """JavaScript first and outside of every transaction; then all of it in one."""
    said = _ask_predicates(agent_id)
    with transaction.atomic():
        _alone(agent_id)
        events = _waiting(agent_id, locked=True)
        if not events:
            return 0
        bench = Bench(Agent.objects.get(pk=agent_id), {event.type for event in events}, said)
        for event in events:
            bench.judge(event)
        bench.write_down()
        PendingEvent.objects.filter(pk__in=[event.pk for event in events]).delete()
    return len(events)


def _alone(agent_id: int) -> None:
    """Wait for whoever is at this agent's events: leaving them to that worker could leave the latest behind."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCKS, agent_id % 2**31])


def _waiting(agent_id: int, *, locked: bool) -> list[Event]:
    """The agent's oldest events that wait, in their order."""
    rows = PendingEvent.objects.filter(agent_id=agent_id).order_by("pk")
    if locked:
        rows = rows.select_for_update(skip_locked=True)
    keys = list(rows.values_list("pk", flat=True)[:BATCH])
    return list(Event.objects.filter(pk__in=keys).order_by("pk"))


# --- JavaScript ------------------------------------------------------------------------------------------------------

Said = dict[tuple[int, int], tuple[bool, str]]


def _ask_predicates(agent_id: int) -> Said:
    """What the rules' JavaScript says of the waiting events whose rows match, by rule and event."""
    rules = list(TriggerRule.objects.judging().filter(agent=agent_id).exclude(predicate=""))
    if not rules:
        return {}
    said: Said = {}
    for event in _waiting(agent_id, locked=False):
        for rule in (rule for rule in rules if rule.event_type == event.type):
            draft = replace(Draft.of(rule), predicate="")
            if deciding.judge(draft, fact_of(event), Memory(), fired_today=0).matched:
                said[rule.pk, event.pk] = predicates.holds(rule.predicate, event.envelope())
    return said


def fact_of(event: Event) -> Fact:
    return Fact(
        key=event.pk,
        data=event.data,
        at=event.occurred_at,
        agent=event.agent_ref,
        conversation=event.conversation_ref,
        customer=event.customer_ref,
        caused_by=event.caused_by,
        depth=event.depth,
    )


# --- the rules of one agent ------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """The rules of one agent, what they remember, and what they say of a batch of events."""

    agent: Agent
    types: set[str]
    said: Said
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    watched: list[dict[str, Any]] = field(default_factory=list)
    memories: dict[tuple[int, str], Memory] = field(default_factory=dict)
    changed: dict[tuple[int, str], int] = field(default_factory=dict)
    fired: dict[tuple[int, datetime], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.rules: dict[str, list[TriggerRule]] = defaultdict(list)
        asked = TriggerRule.objects.judging().filter(agent=self.agent, event_type__in=self.types)
        for rule in asked.order_by("position", "pk"):
            self.rules[rule.event_type].append(rule)

    def judge(self, event: Event) -> None:
        """All rules see the same event, and none of them what another one did because of it."""
        fact, rules = fact_of(event), self.rules[event.type]
        self._recall(rules, fact)
        for rule in rules:
            self._judge(rule, event, fact)

    def _judge(self, rule: TriggerRule, event: Event, fact: Fact) -> None:
        draft = Draft.of(rule)
        subject = fact.subject(rule.scope)
        memory = self.memories.get((rule.pk, subject), Memory())
        verdict = deciding.judge(
            draft,
            fact,
            memory,
            fired_today=self._fired_on(rule, fact.at) if rule.most_a_day is not None else 0,
            predicate=lambda _: self.said.get((rule.pk, event.pk), (False, "It could not be run in time.")),
        )
        if verdict.fires:
            verdict = self._fire(rule, event, subject, verdict, memory)
        if verdict.memory is not memory:
            self.memories[rule.pk, subject] = verdict.memory
            self.changed[rule.pk, subject] = event.pk
        self._note_fault(rule, verdict)
        self.evaluations.append(
            {
                "rule_id": rule.pk,
                "event_id": event.pk,
                "subject": subject,
                "matched": verdict.matched,
                "outcome": verdict.outcome,
                "explanation": verdict.lines,
            }
        )

    # --- remembering ---

    def _recall(self, rules: Iterable[TriggerRule], fact: Fact) -> None:
        wanted = {(rule.pk, fact.subject(rule.scope)) for rule in rules} - self.memories.keys()
        if not wanted:
            return
        subjects = {subject for _, subject in wanted}
        for state in RuleState.objects.filter(rule__agent=self.agent, subject__in=subjects):
            self.memories[state.rule_id, state.subject] = Memory(
                state.was_true, state.transitions, state.first_fired_at, state.last_fired_at
            )
        for key in wanted:
            self.memories.setdefault(key, Memory())

    def _fired_on(self, rule: TriggerRule, at: datetime) -> int:
        """How often the rule fired on the day of this event; counted once a batch, then kept."""
        day = deciding.day_of(at)
        if (rule.pk, day) not in self.fired:
            in_a_day = {"event__occurred_at__gte": day, "event__occurred_at__lt": day + timedelta(days=1)}
            self.fired[rule.pk, day] = Firing.objects.filter(rule=rule, **in_a_day).count()
        return self.fired[rule.pk, day]

    def write_down(self) -> None:
        remembered = [
            {
                "rule_id": rule,
                "subject": subject,
                "was_true": self.memories[rule, subject].was_true,
                "transitions": self.memories[rule, subject].transitions,
                "last_event": event,
                "first_fired_at": _text(self.memories[rule, subject].first_fired_at),
                "last_fired_at": _text(self.memories[rule, subject].last_fired_at),
            }
            for (rule, subject), event in self.changed.items()
        ]
        with connection.cursor() as cursor:
            if self.evaluations:
                cursor.execute(EVALUATE, [json.dumps(self.evaluations)])
            if self.watched:
                cursor.execute(WATCHED, [json.dumps(self.watched)])
            if remembered:
                cursor.execute(REMEMBER, [json.dumps(remembered)])

    # --- firing ---

    def _fire(self, rule: TriggerRule, event: Event, subject: str, verdict: Verdict, before: Memory) -> Verdict:
        """Owe the delivery, under keys that make it one: per event, and per transition of what it is about.

        What cannot be sent (too large, a secret that cannot be read) has not fired: the next match tries again.
        """
        keys = {"rule_id": rule.pk, "event_id": event.pk, "subject": subject}
        keys["transition"] = verdict.memory.transitions
        self.fired[rule.pk, deciding.day_of(event.occurred_at)] += rule.most_a_day is not None
        if rule.state != TriggerRule.State.LIVE:
            self.watched.append(keys)
            return replace(verdict, outcome=Outcome.WATCHED)
        try:
            with transaction.atomic():
                Firing.objects.create(**keys, was_live=True, delivery=_owe(rule, event))
        except IntegrityError:
            # The outbox held it again (a restored backup, say): what was fired is not fired twice.
            return replace(verdict, outcome=Outcome.NOT_FIRST, memory=before)
        except (bodies.BodyRefused, NotReadable) as trouble:
            self.fired[rule.pk, deciding.day_of(event.occurred_at)] -= rule.most_a_day is not None
            lines = [*verdict.lines, {"trouble": str(trouble)[:300]}]
            return replace(verdict, outcome=Outcome.FAULTY, lines=lines, memory=before)
        return verdict

    def _note_fault(self, rule: TriggerRule, verdict: Verdict) -> None:
        """What the list of rules shows; gone again with the first event it can judge."""
        fault = next((line["trouble"] for line in verdict.lines if line.get("trouble")), "")
        if fault != rule.fault and (fault or verdict.matched):
            rule.fault = fault[:300]
            TriggerRule.objects.filter(pk=rule.pk).update(fault=rule.fault)


def _owe(rule: TriggerRule, event: Event) -> Delivery:
    """Endpoint, address and body of this moment: whatever is edited later, this is what leaves."""
    assert rule.endpoint is not None, "a live rule has an endpoint, by constraint"
    headers = {
        "X-Chatzuri-Agent-Id": event.agent_ref,
        "X-Chatzuri-Rule": rule.public_id,
        "X-Chatzuri-Hops": str(event.depth + 1),
    }
    if event.conversation_ref:
        headers["X-Chatzuri-Conversation-Id"] = event.conversation_ref
    return sending.owe(
        event, endpoint=rule.endpoint, body=body_of(rule, event.envelope()), headers=headers, caused_by=rule.public_id
    )


def body_of(rule: TriggerRule, envelope: Mapping[str, Any]) -> bytes:
    """What this rule sends for an event: the event itself, or the tree the rule makes of it. Raises `BodyRefused`."""
    if rule.payload is None:
        return bodies.render(envelope)
    return bodies.render(payloads.render(rule.payload, envelope, leaves_out_missing=rule.leaves_out_missing))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
