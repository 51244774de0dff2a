"""Trigger rules: how many judgements and payloads a second one core makes of an ordinary event.

Each part gives its figures and its goals; the last table and line hold them all.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bench import stage

SCALES = {"small": 20_000, "full": 200_000}
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
EVENT = "message.received"
# Four rows with a group, of the kinds people ask most: all of them have to be looked at.
CONDITION = {
    "all": [
        {"field": "lead.score", "operator": "more_than", "value": 70},
        {"field": "text", "operator": "contains", "value": "refund", "not": True},
        {
            "any": [
                {"field": "customer.country", "operator": "is_one_of", "value": ["KE", "UG", "TZ"]},
                {"field": "lead.answers.budget", "operator": "at_least", "value": 1000},
            ]
        },
    ]
}
PAYLOAD = {
    "text": '{{ customer.name | default:"Somebody" }} wrote on {{ channel }}: {{ text }}',
    "contact": {"email": "{{ lead.email | lower }}", "phone": "{{ lead.phone }}", "score": "{{ lead.score }}"},
    "answers": "{{ lead.answers }}",
    "day": '{{ timestamp | date:"DD.MM.YYYY" }}',
    "conversation_id": "{{ conversation_id }}",
}

Figures = dict[str, float]
Goals = dict[str, tuple[str, float]]


def per_second(work: Callable[[], Any], count: int) -> float:
    """The best of five rounds: what else ran on the core in the others is not what is measured."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(count // 5):
            work()
        rounds.append((count // 5) / (time.perf_counter() - began))
    return max(rounds)


def judging(count: int) -> tuple[Figures, Goals]:
    """One rule of four rows against one event, with the reasons, on one core."""
    from agents import catalogue, conditions

    kind = catalogue.EVENTS[EVENT]
    condition, faults = conditions.read(CONDITION, kind.fields)
    assert faults == [], faults
    data = kind.example
    judgement = conditions.judge(condition, data, at=AT)
    assert judgement.matched and len(judgement.lines) == 4, judgement
    rate = per_second(lambda: conditions.judge(condition, data, at=AT), count)
    return {"judgements_per_second": rate}, {"judgements_per_second": (">=", 20_000.0)}


def payloads(count: int) -> tuple[Figures, Goals]:
    """One payload of eight placeholders, filled in and checked to be a body, on one core."""
    from agents import catalogue, payloads

    kind = catalogue.EVENTS[EVENT]
    envelope = {"id": "evt_1", "event": kind.type, "timestamp": "2026-11-25T12:00:00Z", "agent_id": "agt_1"}
    envelope["data"] = kind.example
    tree, faults = payloads.read(PAYLOAD, kind.schema["properties"])
    assert faults == [], faults
    return {"payloads_per_second": per_second(lambda: payloads.render(tree, envelope), count)}, {}


def whole_events(count: int) -> tuple[Figures, Goals]:
    """From the waiting event to its written judgements, with ten and with a thousand watching rules on the agent."""
    figures: Figures = {}
    for rules in (10, 1000):
        took = _judged(rules, events=20)
        figures[f"event_with_{rules}_rules_p50_ms"] = stage.percentile(took, 0.5)
        figures[f"event_with_{rules}_rules_p95_ms"] = stage.percentile(took, 0.95)
    return figures, {"event_with_1000_rules_p50_ms": ("<=", 150.0)}


def _judged(number: int, *, events: int) -> list[float]:
    """Milliseconds each event took. One in four rules matches; two events in three change what it remembers."""
    from django.db import transaction

    from agents import conditions, judging
    from agents.catalogue import EVENTS
    from agents.events import emit
    from agents.models import Agent, Conversation, Customer, TriggerRule
    from chatzuri.models import Team

    team = Team.objects.create(name="rules", slug=f"rules-{number}-{time.monotonic_ns()}")
    agent = Agent.objects.create(team=team, name="bench")
    conversation = Conversation.objects.create(agent=agent, customer=Customer.objects.create(team=team))
    rows = {"all": [*CONDITION["all"], {"field": "lead.score", "operator": "at_most", "value": 100}]}
    condition, faults = conditions.read(rows, EVENTS[EVENT].fields)
    assert faults == [], faults
    never = {"all": [*condition["all"], {"field": "channel", "operator": "is", "value": "none", "not": False}]}
    TriggerRule.objects.bulk_create(
        TriggerRule(
            agent=agent, name=f"rule {n}", event_type=EVENT, condition=condition if n % 4 == 0 else never, position=n
        )
        for n in range(number)
    )
    took = []
    for event in range(events):
        lead = EVENTS[EVENT].example["lead"] | {"score": 90 if event % 3 else 10}
        with transaction.atomic():
            data = {"message_id": f"msg_{event}", "text": "Hello, how much is it?", "lead": lead}
            customer = EVENTS[EVENT].example["customer"]
            emit(agent=agent, type=EVENT, data=data | {"customer": customer}, conversation=conversation)
        began = time.perf_counter()
        assert judging.judge_pending() == 1
        took.append((time.perf_counter() - began) * 1000)
    return took


PARTS = (judging, payloads, whole_events)


def prepare() -> None:
    """Django on the throw-away servers; nothing is sent, so the receiver it is told of need not be there."""
    os.environ |= {"LOG_LEVEL": "WARNING", "DEBUG": "false"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatzuri.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def main() -> None:
    count = SCALES[stage.arguments().scale]
    prepare()
    figures: Figures = {}
    goals: Goals = {}
    for part in PARTS:
        found, wanted = part(count)
        figures |= found
        goals |= wanted
    stage.report("rules", figures, goals)


if __name__ == "__main__":
    main()
