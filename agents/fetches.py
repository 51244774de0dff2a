"""The host's side of `fetch`: each one goes through the one door out, as a row of the delivery log of its run."""

from dataclasses import dataclass
from typing import Any

from agents.models import ActionRun
from agents.sandbox import FetchReply, FetchRequest
from webhooks import fetching
from webhooks.models import Event

EVENT_TYPE = "action.ran"


@dataclass(frozen=True)
class Flight:
    """A request that was begun, and the wish of the code that it serves; `hops` redirects came before it."""

    request: FetchRequest
    begun: Any
    hops: int = 0


class RunFetcher:
    """Serves one run. `begin` and `finish` are called in the run's own thread, `perform` in a thread of the pool."""

    def __init__(self, run: ActionRun, *, secrets: list[str], hosts: frozenset[str]) -> None:
        self.run = run
        self.source = fetching.Source(
            team_id=run.team_id,
            event=_event_of(run),
            caused_by=run.public_id,
            secrets=secrets,
            hosts=hosts,
            headers=_headers_of(run),
        )

    def begin(self, request: FetchRequest) -> Flight | FetchReply:
        raise NotImplementedError

    def perform(self, flight: Flight, *, seconds: float) -> Any:
        return fetching.perform(flight.begun, seconds=seconds)

    def finish(self, flight: Flight, outcome: Any) -> Flight | FetchReply:
        raise NotImplementedError


def _event_of(run: ActionRun) -> Event:
    """Saved together with the first fetch: a run that fetches nothing leaves no event."""
    return Event(
        team_id=run.team_id,
        type=EVENT_TYPE,
        data={
            "run": run.public_id,
            "action": run.action.name if run.action else None,
            "version": run.version.number if run.version else None,
        },
        agent_ref=run.agent.public_id if run.agent else "",
        conversation_ref=run.conversation.public_id if run.conversation else "",
    )


def _headers_of(run: ActionRun) -> dict[str, str]:
    headers = {"X-Chatzuri-Agent-Id": run.agent.public_id} if run.agent else {}
    if run.conversation:
        headers["X-Chatzuri-Conversation-Id"] = run.conversation.public_id
    return headers
