"""Trigger rules as a team keeps them: what may be saved, in which state they are, and what they would send."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from agents import catalogue, conditions, judging, payloads, predicates, running
from agents.arguments import Fault
from agents.models import Agent, RuleState, TriggerRule
from webhooks.models import Event

State = TriggerRule.State
MOST_OF_AN_AGENT = 2000
MOST_SCRIPT = 8 * 1024
UNCHECKED = "No worker looked at the syntax of the JavaScript in time, so it was saved as it stands."


class RuleRefused(ValueError):
    """This rule cannot be saved. `faults` say what is wrong and where: /condition/all/0/value, /payload, /name …"""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = list(faults)


def save(rule: TriggerRule, *, starts_anew: bool = False) -> str:
    """Save a new or changed rule; returns a warning, or nothing. Raises `RuleRefused` and then nothing was saved.

    A changed rule keeps what it remembers. With `starts_anew` it forgets, so it fires also for what matches already.
    """
    if faults := check(rule):
        raise RuleRefused(faults)
    warning = _check_script(rule)
    with transaction.atomic():
        if rule._state.adding:
            _take_place(rule)
        rule.fault = ""
        rule.save()
        if starts_anew:
            forget(rule)
    return warning


def check(rule: TriggerRule) -> list[Fault]:
    """Everything that keeps this rule from being saved, the syntax of its JavaScript apart."""
    kind = catalogue.EVENTS.get(rule.event_type)
    if kind is None:
        return [Fault("/event_type", "Choose one of the events in the list.")]
    rule.condition, faults = conditions.read(rule.condition or {}, kind.fields)
    found = [Fault(f"/condition{fault.pointer}", fault.detail) for fault in faults]
    if rule.payload is not None:
        rule.payload, faults = payloads.read(rule.payload, kind.schema["properties"])
        found += [Fault(f"/payload{fault.pointer}", fault.detail) for fault in faults]
    if len(rule.predicate.encode(errors="replace")) > MOST_SCRIPT:
        found.append(Fault("/predicate", f"The JavaScript is longer than {MOST_SCRIPT // 1024} KB. Shorten it."))
    return [*found, *_model_faults(rule)]


def _model_faults(rule: TriggerRule) -> list[Fault]:
    try:
        rule.full_clean(exclude=["agent", "condition", "payload", "predicate"])
    except ValidationError as error:
        messages = error.message_dict.items()
        taken = "This agent has another rule with that name."
        return [
            Fault("/name", taken) if field == "__all__" else Fault(f"/{field}", sentence)
            for field, sentences in messages
            for sentence in sentences
        ]
    return []


def _check_script(rule: TriggerRule) -> str:
    if not rule.predicate.strip():
        return ""
    looked = running.check(team=rule.agent.team, code=predicates.OPENING + rule.predicate)
    if looked is not None and looked.kind == "syntax":
        where = f" (line {looked.line})" if looked.line else ""
        raise RuleRefused([Fault("/predicate", f"The JavaScript cannot be read{where}: {looked.error}")])
    return "" if looked is not None and not looked.kind else UNCHECKED


def _take_place(rule: TriggerRule) -> None:
    rules = TriggerRule.objects.filter(agent=rule.agent)
    if rules.count() >= MOST_OF_AN_AGENT:
        raise RuleRefused([Fault("", f"An agent may have {MOST_OF_AN_AGENT} rules. Delete one you do not need.")])
    rule.position = (rules.aggregate(last=Max("position"))["last"] or 0) + 1


# --- states ----------------------------------------------------------------------------------------------------------


def set_state(rule: TriggerRule, state: str) -> None:
    """Live, watching or off, at once. Raises `RuleRefused` where a rule without an endpoint shall go live."""
    if state == State.LIVE and rule.endpoint_id is None:
        raise RuleRefused([Fault("/endpoint", "Choose an endpoint before the rule goes live.")])
    rule.state = State(state)
    rule.save(update_fields=["state", "changed_at"])


def forget(rule: TriggerRule) -> None:
    """What was true before is news again. The count of transitions stays: each firing has one of its own."""
    RuleState.objects.filter(rule=rule).update(was_true=False, first_fired_at=None, last_fired_at=None)


def move(rule: TriggerRule, *, up: bool) -> None:
    """One place up or down in the list."""
    with transaction.atomic():
        rows = list(TriggerRule.objects.select_for_update().filter(agent=rule.agent).order_by("position", "pk"))
        place = next(number for number, row in enumerate(rows) if row.pk == rule.pk)
        other = place - 1 if up else place + 1
        if 0 <= other < len(rows):
            rows[place], rows[other] = rows[other], rows[place]
        for number, row in enumerate(rows, 1):
            row.position = number
        TriggerRule.objects.bulk_update(rows, ["position"])


# --- looking ahead ---------------------------------------------------------------------------------------------------


def latest_event(agent: Agent, event_type: str) -> Event | None:
    """The newest fact of this kind that the agent has seen: what previews are made of."""
    facts = Event.objects.filter(agent_ref=agent.public_id, type=event_type, is_owed=False, team=agent.team_id)
    return facts.order_by("-pk").first()


def preview(rule: TriggerRule, event: Event | None) -> bytes:
    """What would be sent for this event, or for the catalogue's example. Raises `bodies.BodyRefused`."""
    return judging.body_of(rule, event.envelope() if event else example_envelope(rule))


def example_envelope(rule: TriggerRule) -> dict[str, Any]:
    kind = catalogue.EVENTS[rule.event_type]
    return {
        "id": "evt_example",
        "event": kind.type,
        "timestamp": "2026-01-01T12:00:00Z",
        "agent_id": rule.agent.public_id,
        "data": kind.example,
    }
