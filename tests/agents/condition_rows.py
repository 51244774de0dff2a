"""Fields of an event and rows that ask of them, for tests of conditions."""

from datetime import UTC, datetime
from typing import Any

from agents import conditions
from agents.catalogue import SEGMENT_FIELDS, Field

FIELDS = (
    *SEGMENT_FIELDS,
    Field("channel", "Channel", "choice", ("website", "api")),
    Field("text", "Text", "text"),
    Field("rating", "Rating", "number"),
    Field("seen_at", "Seen", "moment"),
    Field("tags", "Tags", "list"),
)
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
ANYTHING = "customer.attributes.anything"  # has no type, so that every operator can be asked


def row(field: str, operator: str, value: Any = None, *, negated: bool = False) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, "not": negated}


def stored(raw: Any) -> dict[str, Any]:
    condition, faults = conditions.read(raw, FIELDS)
    assert faults == []
    return condition


def wrong(raw: Any) -> dict[str, str]:
    return {fault.pointer: fault.detail for fault in conditions.read(raw, FIELDS)[1]}


def matches(raw: Any, data: Any) -> bool:
    return conditions.judge(stored(raw), data, at=AT).matched
