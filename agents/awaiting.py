"""A web thread waits for a call that a worker sees through; the worker tells it what it has written down."""

from datetime import datetime

from agents.models import ToolCall
from agents.waking import listen
from chatzuri import relay

Status = ToolCall.Status


def announce(done: ToolCall) -> None:
    """Tell whoever waits what this finished call says, so that they need not look for it. For after the commit."""
    result = {"result": done.result, "finished_at": done.finished_at.isoformat()} if done.finished_at else {}
    relay.tell(_channel(done), {"type": "done", "status": done.status, **result})


def wait(begun: ToolCall, *, timeout: float = 15) -> ToolCall:
    """The call as it is when a worker is through with it, or when the time is up: then it is still running."""
    if begun.status != Status.RUNNING:
        return begun

    def is_over() -> bool:
        return not ToolCall.objects.filter(pk=begun.pk, status=Status.RUNNING).exists()

    # What was told before we listen is still there; the database is asked when nothing was told for a while.
    for told in listen(_channel(begun), is_over=is_over, timeout=timeout):
        if "result" in told:
            begun.status, begun.result = told["status"], told["result"]
            begun.finished_at = datetime.fromisoformat(told["finished_at"])
            return begun
    begun.refresh_from_db(fields=["status", "result", "finished_at"])
    return begun


def _channel(call: ToolCall) -> str:
    return f"call:{call.public_id}"
