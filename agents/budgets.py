"""How often a tool may be used: ceilings that whoever builds the agent sets and no brain can raise."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from django.db.models import QuerySet
from django.utils import timezone

from agents.models import Tool, ToolCall

DAY = timedelta(hours=24)
# These used nothing up.
UNCOUNTED = (ToolCall.Status.REFUSED, ToolCall.Status.REPEATED)


@dataclass(frozen=True)
class OverBudget:
    """`retry_after`: seconds until there is room again; None where waiting does not help."""

    sentence: str
    retry_after: int | None


def exceeded(call: ToolCall, tool: Tool) -> OverBudget | None:
    """What stands in the way of `call`, which is written down already, if anything.

    Locks the tool's row until the end of the transaction, so that racing calls are counted one after the other.
    """
    if tool.calls_per_conversation is None and tool.calls_per_day is None:
        return None
    Tool.objects.select_for_update().get(pk=tool.pk)
    others = ToolCall.objects.filter(tool=tool, duplicate_of=None).exclude(status__in=UNCOUNTED).exclude(pk=call.pk)
    return _in_conversation(call, tool, others) or _in_a_day(tool, others)


def _in_conversation(call: ToolCall, tool: Tool, others: QuerySet[ToolCall]) -> OverBudget | None:
    most = tool.calls_per_conversation
    if most is None or call.conversation is None or others.filter(conversation=call.conversation).count() < most:
        return None
    return OverBudget(f"This tool may be used {_times(most)} in one conversation. Nothing was sent.", None)


def _in_a_day(tool: Tool, others: QuerySet[ToolCall]) -> OverBudget | None:
    most, now = tool.calls_per_day, timezone.now()
    recent = others.filter(created_at__gt=now - DAY)
    if most is None or recent.count() < most:
        return None
    # There is room again when the call is a day old that is `most` calls back.
    first = recent.order_by("-created_at")[most - 1].created_at
    seconds = max(1, ceil((first + DAY - now).total_seconds()))
    return OverBudget(f"This tool may be used {_times(most)} in 24 hours. Nothing was sent.", seconds)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
