"""A rule's JavaScript: reads `event`, says true or false, in the sandbox of custom actions and without a way out."""

import json
from collections.abc import Mapping
from typing import Any

from agents import running, sandbox

SECONDS = 2.0
NO_FETCH = "a rule cannot fetch: use a custom action for that"
# On the first line, so that the numbers of lines stay those of the author.
OPENING = "const { event } = params; "


class _NoFetch:
    def begin(self, request: sandbox.FetchRequest) -> sandbox.FetchReply:
        return sandbox.FetchReply(error=NO_FETCH)

    def perform(self, begun: Any, *, seconds: float) -> Any:
        raise AssertionError("nothing was begun")

    def finish(self, begun: Any, answer: Any) -> Any:
        raise AssertionError("nothing was begun")


def holds(code: str, envelope: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the code returns exactly true for this event, and a sentence where it could not say. Workers only."""
    job = sandbox.Job(code=OPENING + code, params={"event": envelope}, credentials=None, config={})
    result = running.pool().run(job, _NoFetch(), seconds=SECONDS)
    if result.kind:
        where = f" (line {result.line})" if result.line else ""
        return False, f"{result.error}{where}"[:300]
    if not isinstance(result.value, bool):
        return False, f"It returned {json.dumps(result.value)[:80]} instead of true or false."
    return result.value, ""
