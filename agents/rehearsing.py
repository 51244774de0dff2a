"""Rehearsing: a rule as it stands in an editor, judged over what has really happened, with nothing sent.

It goes through the same state machine as judging does, in the same order, so it says what live would have done. The
memory is empty where the days begin.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from agents import catalogue, conditions, deciding, predicates
from agents.deciding import Draft, Fact, Memory, Verdict
from agents.judging import fact_of
from agents.models import Agent, Rehearsal, TriggerRule
from agents.waking import wake
from webhooks.models import Event

logger = logging.getLogger(__name__)

State = Rehearsal.State
TASK = "agents.tasks.rehearse"
CHUNK = 500
# Firings that are kept with their reasons; all of them are counted.
KEPT = 200
FORGOTTEN_AFTER = timedelta(seconds=60)
LOCKS = 0x72656865
BROKE = "Something broke on our side. It was logged."


@dataclass
class Play:
    """One rule going through the past: what it remembers, and how often it fired on each day."""

    draft: Draft
    memories: dict[str, Memory] = field(default_factory=dict)
    fired: Counter[datetime] = field(default_factory=Counter)
    said: dict[tuple[str, int], tuple[bool, str]] = field(default_factory=dict)

    def judge(self, fact: Fact, envelope: Mapping[str, Any]) -> Verdict:
        subject, day = fact.subject(self.draft.scope), deciding.day_of(fact.at)
        verdict = deciding.judge(
            self.draft,
            fact,
            self.memories.get(subject, Memory()),
            fired_today=self.fired[day],
            predicate=lambda _: self._holds(fact, envelope),
        )
        self.memories[subject] = verdict.memory
        self.fired[day] += verdict.fires
        return verdict

    def _holds(self, fact: Fact, envelope: Mapping[str, Any]) -> tuple[bool, str]:
        key = (self.draft.predicate, fact.key)
        if key not in self.said:
            self.said[key] = predicates.holds(self.draft.predicate, envelope)
        return self.said[key]


def begin(
    *, agent: Agent, draft: Draft, rule: TriggerRule | None = None, days: int = 30, created_by: Any = None
) -> Rehearsal:
    """Start a rehearsal in the background. With a `rule`, it says what would change against what is saved.

    Raises `ValueError` for a condition that no rule could be saved with.
    """
    condition, faults = conditions.read(draft.condition, catalogue.EVENTS[draft.event_type].fields)
    if faults:
        raise ValueError("; ".join(map(str, faults)))
    draft = replace(draft, condition=condition)
    with transaction.atomic():
        rehearsal = Rehearsal.objects.create(
            team=agent.team, agent=agent, rule=rule, draft=asdict(draft), days=days, created_by=created_by
        )
        transaction.on_commit(partial(wake, TASK, rehearsal_id=rehearsal.pk))
    return rehearsal


def cancel(rehearsal: Rehearsal) -> bool:
    """False where it was over before."""
    return rehearsal.advance(state=State.CANCELLED, finished_at=Now())


def sweep() -> None:
    """Wake a worker for rehearsals whose worker is gone; they begin anew, since nothing depends on how far they got."""
    left = Rehearsal.objects.filter(state=State.RUNNING, moved_at__lt=Now() - FORGOTTEN_AFTER)
    for key in left.order_by("pk").values_list("pk", flat=True)[:100]:
        wake(TASK, rehearsal_id=key)


def run(*, rehearsal_id: int) -> None:
    """A worker's part. Whoever comes while another one is at it does nothing."""
    with _Alone(rehearsal_id) as is_alone:
        rehearsal = Rehearsal.objects.select_related("agent", "rule").get(pk=rehearsal_id)
        if not is_alone or rehearsal.state != State.RUNNING:
            return
        try:
            _play(rehearsal)
        except Exception:
            logger.exception("%s broke", rehearsal.public_id)
            rehearsal.advance(state=State.FAILED, trouble=BROKE, finished_at=Now())


class _Alone:
    """A lock of the session, held while the rehearsal runs; it falls with the connection."""

    def __init__(self, key: int) -> None:
        self.arguments = [LOCKS, key % 2**31]

    def __enter__(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", self.arguments)
            self.held = bool(cursor.fetchone()[0])
        return self.held

    def __exit__(self, *_: object) -> None:
        if self.held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", self.arguments)


def _play(rehearsal: Rehearsal) -> None:
    draft = Draft(**rehearsal.draft)
    plays = {"new": Play(draft)}
    if rehearsal.rule is not None:
        plays["old"] = Play(Draft.of(rehearsal.rule))
    events = _events(rehearsal, {play.draft.event_type for play in plays.values()})
    rehearsal.advance(total=events.count(), done=0, counts={}, found=[])
    tally = Tally()
    for done, chunk in _chunks(events):
        for event in chunk:
            fact, envelope = fact_of(event), event.envelope()
            verdicts = {
                name: play.judge(fact, envelope) for name, play in plays.items() if play.draft.event_type == event.type
            }
            tally.count(event, verdicts)
        if not rehearsal.advance(done=done, counts=tally.counts, found=tally.found):
            return
    rehearsal.advance(state=State.FINISHED, finished_at=Now(), counts=tally.counts, found=tally.found)


def _events(rehearsal: Rehearsal, types: set[str]) -> QuerySet[Event]:
    since = timezone.now() - timedelta(days=rehearsal.days)
    facts = Event.objects.filter(agent_ref=rehearsal.agent.public_id, type__in=types, is_owed=False)
    return facts.filter(team_id=rehearsal.team_id, occurred_at__gte=since, pk__lte=_last()).order_by("pk")


def _last() -> int:
    return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _chunks(events: QuerySet[Event]) -> Iterator[tuple[int, list[Event]]]:
    done, after = 0, 0
    while chunk := list(events.filter(pk__gt=after)[:CHUNK]):
        done, after = done + len(chunk), chunk[-1].pk
        yield done, chunk


@dataclass
class Tally:
    """What would newly fire, what no longer would, and what stays."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    found: list[dict[str, Any]] = field(default_factory=list)

    def count(self, event: Event, verdicts: dict[str, Verdict]) -> None:
        new, old = verdicts.get("new"), verdicts.get("old")
        self.counts["matched"] += bool(new and new.matched)
        would, did = bool(new and new.fires), bool(old and old.fires)
        if not would and not did:
            return
        kind = "same" if would and did else "new" if would else "gone"
        self.counts[kind] += 1
        if self.counts[kind] <= KEPT:
            verdict = new or old
            assert verdict is not None
            self.found.append(
                {
                    "kind": kind,
                    "event": event.public_id,
                    "at": event.occurred_at.isoformat(),
                    "conversation": event.conversation_ref,
                    "customer": event.customer_ref,
                    "outcome": verdict.outcome,
                    "lines": verdict.lines,
                }
            )
