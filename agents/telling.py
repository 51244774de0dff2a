"""What became of a tool call is an event too, told in the transaction that writes it down."""

from typing import Any

from agents import events
from agents.models import ToolCall

Status = ToolCall.Status
TYPES = {
    Status.FIRED: "tool.fired",
    Status.FAILED: "tool.failed",
    Status.REFUSED: "tool.refused",
    Status.HELD: "tool.held",
}


def tell(call: ToolCall) -> None:
    """In the caller's transaction. A repeat is no news; a call over its budget is a fact of its own."""
    result: dict[str, Any] = call.result or {}
    structured = result.get("structured", {})
    title = call.tool.title if call.tool else call.tool_name
    about = {"tool": call.tool_name, "title": title, "call_id": call.public_id, "reason": str(result.get("text", ""))}
    if structured.get("outcome") == "over_budget":
        happening = events.Happening("budget.reached", about, conversation=call.conversation)
    elif kind := TYPES.get(Status(call.status)):
        outcome = str(structured.get("outcome", call.status))
        about |= {"outcome": outcome, "delivery_id": structured.get("delivery")}
        happening = events.Happening(kind, about, conversation=call.conversation)
    else:
        return
    turn = call.turn
    events.emit_all(call.agent, [happening], cause=events.Cause(turn.caused_by, turn.hops) if turn else events.NOBODY)
