"""The whole registry. `PREPARE` writes down what will happen, in a transaction; `run` lets it, outside of one.

What sends nothing is done with being written down: it finishes its call in `PREPARE`.
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
GONE = ToolResult(
    False,
    "What this call was to do was deleted meanwhile. What it had sent until then may have arrived.",
    {"success": False, "outcome": "interrupted"},
)


def run(call: ToolCall) -> ToolResult | None:
    """Let what was written down happen, outside of every transaction. None while code of it is still running.

    What a call stands for decides, and not its tool, which may have been taken off the agent meanwhile.
    """
    if call.delivery_id is not None:
        return webhook_trigger.run(call)
    return custom_action.run(call) if call.run_id is not None else GONE


def left(call: ToolCall) -> bool:
    """Whether anything of a finished call may have reached a receiver."""
    return webhook_trigger.left(call) if call.delivery else custom_action.left(call) if call.run else False
