"""What a rule would send: the finished body, for an event that really happened or for the catalogue's example."""

from copy import deepcopy
from typing import Any

from agents import catalogue, rules
from agents.admin.rule_drafts import Draft
from agents.models import Agent, TriggerRule
from webhooks import bodies
from webhooks.admin import showing
from webhooks.models import Event

CHOICES = 10
EXAMPLE = "example"


def shown(agent: Agent, draft: Draft, saved: TriggerRule | None, wanted: str = "") -> dict[str, Any]:
    """`body` is a `showing.Body`, or there are `preview_faults`. `wanted` is the id of an event, or `example`."""
    draft = deepcopy(draft)  # what is wrong here shall not be marked in the form before anybody saved it
    events = _choices(agent, draft.event_type)
    event = None if wanted == EXAMPLE else next((one for one in events if one.public_id == wanted), None)
    event = event or (events[0] if events and wanted != EXAMPLE else None)
    context = {"preview_events": events, "preview_event": event, "most": bodies.MAX_BODY // 1024}
    rule = draft.rule(agent, saved, [])
    try:
        faults = _faults(draft, rule)
        body = None if faults else showing.body(rules.preview(rule, event))
    except bodies.BodyRefused as refused:
        faults, body = [refused.sentence], None
    return {**context, "body": body, "preview_faults": faults}


def _choices(agent: Agent, type: str) -> list[Event]:
    facts = Event.objects.filter(agent_ref=agent.public_id, type=type, is_owed=False, team=agent.team_id)
    return list(facts.order_by("-pk")[:CHOICES])


def _faults(draft: Draft, rule: TriggerRule) -> list[str]:
    if rule.event_type not in catalogue.EVENTS:
        return ["Choose one of the events in the list."]
    draft.judge(rule)
    return draft.errors.get("payload", [])
