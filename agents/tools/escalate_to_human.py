"""The agent asks for a person. Nothing leaves the server: the escalation is there the moment it is written down."""

from agents import escalating
from agents.events import emit_all
from agents.models import Escalation, Tool, ToolCall
from agents.telling import tell
from agents.tools.failures import ToolFailed
from agents.tools.results import ToolResult

ASKED = "A person of the team was asked to take over this conversation."
ASKED_BEFORE = "A person of the team was asked to take over this conversation before, and has not closed that yet."


def prepare(call: ToolCall, tool: Tool) -> None:
    """Write the escalation and its events in the caller's transaction, and with that the call is done.

    Raises `ToolFailed` where there is no conversation to take over.
    """
    if call.conversation is None:
        raise ToolFailed("There is no conversation that a person could take over. Nothing was done.")
    requested = escalating.request(
        call.conversation,
        trigger=Escalation.Trigger.TOOL,
        reason=call.arguments["reason"],
        summary=call.arguments.get("summary", ""),
    )
    emit_all(call.agent, requested.happenings)
    if call.finish(status=ToolCall.Status.FIRED, result=_result(requested).as_json()):
        tell(call)


def _result(requested: escalating.Requested) -> ToolResult:
    structured = {
        "success": True,
        "outcome": "escalated",
        "escalation": requested.escalation.public_id,
        "is_new": requested.is_new,
    }
    return ToolResult(True, ASKED if requested.is_new else ASKED_BEFORE, structured)
