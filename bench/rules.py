"""Trigger rules: how many judgements and payloads a second one core makes of an ordinary event.

Each part gives its figures and its goals; the last table and line hold them all.
"""

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


PARTS = (judging, payloads)


def main() -> None:
    count = SCALES[stage.arguments().scale]
    figures: Figures = {}
    goals: Goals = {}
    for part in PARTS:
        found, wanted = part(count)
        figures |= found
        goals |= wanted
    stage.report("rules", figures, goals)


if __name__ == "__main__":
    main()
