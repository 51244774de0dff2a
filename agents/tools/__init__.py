"""The whole registry. `PREPARE` writes down what will happen, in a transaction; `RUN` lets it, outside of one.

What sends nothing is done with being written down: it finishes its call in `PREPARE` and has no `RUN`.
`left` says whether a receiver may have seen what a finished call did: only then does asking again count as a repeat.
"""

from collections.abc import Callable

from agents.models import Tool, ToolCall
from agents.tools import custom_action, escalate_to_human, webhook_trigger
from agents.tools.results import ToolResult

PREPARE: dict[str, Callable[[ToolCall, Tool], None]] = {
    Tool.Kind.WEBHOOK_TRIGGER: webhook_trigger.prepare,
    Tool.Kind.CUSTOM_ACTION: custom_action.prepare,
    Tool.Kind.ESCALATE: escalate_to_human.prepare,
}
RUN: dict[str, Callable[[ToolCall], ToolResult]] = {
    Tool.Kind.WEBHOOK_TRIGGER: webhook_trigger.run,
    Tool.Kind.CUSTOM_ACTION: custom_action.run,
}


def left(call: ToolCall) -> bool:
    """Whether anything of a finished call may have reached a receiver."""
    return webhook_trigger.left(call) if call.delivery else custom_action.left(call) if call.run else False
