"""Trigger rules as their builder posts them and as they are kept, and events for them to judge."""

from typing import Any

from django.db import transaction

from agents import catalogue, events
from agents.models import TriggerRule
from webhooks.models import Event

TYPE = "message.received"
FIELDS = catalogue.EVENTS[TYPE].fields
OVER_70 = {"field": "lead.score", "operator": "more_than", "value": 70, "not": False}
FROM_KENYA = {"field": "customer.country", "operator": "is", "value": "KE", "not": False}
ROW = ("field", "key", "operator", "value", "second", "unit", "group")


def row(field: str, operator: str = "is", value: str = "", **more: str) -> dict[str, str]:
    return {"field": field, "operator": operator, "value": value, "unit": "days", **more}


def posted(*rows: dict[str, str], groups: Any = (), **fields: Any) -> dict[str, Any]:
    """The builder's form. `groups` are (number, mode); a row is in the group that it names."""
    data: dict[str, Any] = {"name": "Good leads", "event_type": TYPE, "fires": "becomes_true", "scope": "conversation"}
    data |= {f"row-{cell}": [each.get(cell, "") for each in rows] for cell in ROW}
    data |= {"group-number": [number for number, _ in groups], "group-mode": [mode for _, mode in groups]}
    return data | {"condition-mode": "all", "sends": "event"} | fields


def make_rule(agent: Any, **fields: Any) -> TriggerRule:
    fields = {"name": f"rule {TriggerRule.objects.count()}", "event_type": TYPE, "position": 1} | fields
    return TriggerRule.objects.create(agent=agent, **fields)


def tell(conversation: Any, *, score: int | None = 82, type: str = TYPE, **data: Any) -> Event:
    lead = {"id": "lead_1", "name": None, "email": None, "phone": None, "answers": {}, "qualified": False}
    facts = {"message_id": "msg_1", "text": "hello", "lead": None if score is None else lead | {"score": score}}
    with transaction.atomic():
        return events.emit(agent=conversation.agent, type=type, data=facts | data, conversation=conversation)
