"""A team's own JavaScript: the brain fills in the parameters, code and credential are the team's. Run at most once."""

from typing import Any

from agents import parameters, running
from agents.models import ActionRun, Tool, ToolCall
from agents.tools.failures import ToolFailed
from agents.tools.results import ToolResult
from webhooks.models import Delivery

State = ActionRun.State

# What the code did not cause and its author cannot mend is said in our words; the rest in theirs.
OURS = {
    "busy": "Too many actions are running right now. Nothing was sent; try again in a moment.",
    "unavailable": "The action was not begun in time. Nothing was sent.",
    "interrupted": "The action was interrupted. What it had sent until then may have arrived.",
}
GONE = ToolResult(
    False,
    "Action failed: it was deleted meanwhile. What it had sent until then may have arrived.",
    {"success": False, "outcome": "interrupted"},
)


def prepare(call: ToolCall, tool: Tool) -> None:
    """Queue the run in the caller's transaction, with code, credential and config of now. Raises `ToolFailed`."""
    action = tool.action
    if action is None or action.current is None:
        raise ToolFailed("This action has no code yet. Nothing was sent.")
    wanted = running.Wanted(
        team=call.agent.team,
        action=action,
        version=action.current,
        tool=tool,
        credential=tool.credential,
        config=tool.config,
        params=parameters.fill(action.current.parameters, call.arguments, _context(call)),
        agent=call.agent,
        conversation=call.conversation,
    )
    try:
        call.run = running.accept(wanted)
    except running.TooManyWaiting as refusal:
        raise ToolFailed(str(refusal)) from None


def _context(call: ToolCall) -> dict[str, str | None]:
    """What the code may know about where it is called from; no model can say anything else."""
    conversation = call.conversation
    return {
        "agent_id": call.agent.public_id,
        "conversation_id": conversation.public_id if conversation else None,
        "customer_id": conversation.customer.public_id if conversation else None,
        "channel": conversation.channel if conversation else None,
    }


def left(call: ToolCall) -> bool:
    """Whether a fetch of this run may have been seen; a run that is not over yet counts as if."""
    run = call.run
    if run is None or run.state == State.CANCELLED:
        return False
    if run.state in (State.SUCCEEDED, State.QUEUED, State.RUNNING, State.INTERRUPTED):
        return True
    return run.event_id is not None and any(
        delivery.seen_by_receiver != "no" for delivery in Delivery.objects.filter(event=run.event_id).defer("body")
    )


def run(call: ToolCall) -> ToolResult | None:
    """What became of the queued run; None while it is not over. No thread waits: whoever ends it wakes the call."""
    assert call.run_id is not None
    done = ActionRun.objects.filter(pk=call.run_id).first()
    if done is None or not done.is_finished:
        return GONE if done is None else None
    structured: dict[str, Any] = {"run": done.public_id, "success": False, "outcome": done.kind or done.state}
    if done.state != State.SUCCEEDED:
        sentence = f"Action failed: {OURS.get(done.kind) or done.error or 'it gave no reason.'}"
        return ToolResult(False, sentence, structured | {"error": done.error, "line": done.line})
    if reported_failure(done.result):
        words = done.result["error"] if done.result and "error" in done.result else ""
        error = words if isinstance(words, str) and words else "it gave no reason"
        structured |= {"outcome": "reported_failure", "error": error[:2000], "result": done.result}
        return ToolResult(False, f"Action failed: {error[:2000]}", structured)
    structured |= {"success": True, "outcome": "returned", "result": done.result}
    return ToolResult(True, "Done.", structured)


def reported_failure(result: Any) -> bool:
    """By convention code returns `{success, data, error}`; `success: false` is a failure that the code noticed."""
    return isinstance(result, dict) and result.get("success") is False
