"""The host's side of `fetch`: each one goes through the one door out, as a row of the delivery log of its run."""

from dataclasses import dataclass

from agents.models import ActionRun
from agents.sandbox import FetchReply, FetchRequest
from webhooks import fetching
from webhooks.models import Event

EVENT_TYPE = "action.ran"


@dataclass(frozen=True)
class Flight:
    """A request that was begun, for the wish of the code that it serves; so many redirects led to it."""

    begun: fetching.Begun
    redirect: str
    followed: int = 0


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
            methods=run.credential.allowed_methods() if run.credential else None,
            headers=_headers_of(run),
        )

    def begin(self, request: FetchRequest) -> Flight | FetchReply:
        begun = fetching.begin(
            self.source, method=request.method, url=request.url, headers=request.headers, body=request.body
        )
        self._link()
        return _flight(begun, redirect=request.redirect, followed=0)

    def perform(self, flight: Flight, *, seconds: float) -> fetching.Performed:
        return fetching.perform(flight.begun, seconds=seconds)

    def finish(self, flight: Flight, performed: fetching.Performed) -> Flight | FetchReply:
        done = fetching.finish(flight.begun, performed)
        if flight.redirect == "follow":
            following = fetching.hop(self.source, flight.begun, performed, followed=flight.followed)
            if following is not None:
                return _flight(following, redirect=flight.redirect, followed=flight.followed + 1)
        if flight.redirect == "error" and 300 <= done.status < 400:
            return FetchReply(error=f"the answer is a redirect ({done.status}), and redirect is set to 'error'")
        return FetchReply(
            error=done.error,
            status=done.status,
            status_text=done.reason,
            headers=done.headers,
            url=done.url,
            redirected=flight.followed > 0,
            body=done.body,
        )

    def _link(self) -> None:
        """The run knows its event as soon as there is one: a worker that dies now leaves them together."""
        if self.run.event_id is None and self.source.event.pk is not None:
            self.run.event = self.source.event
            ActionRun.objects.filter(pk=self.run.pk).update(event=self.source.event)


def _flight(begun: fetching.Begun | fetching.Refused, *, redirect: str, followed: int) -> Flight | FetchReply:
    if isinstance(begun, fetching.Refused):
        return FetchReply(error=begun.sentence)
    return Flight(begun, redirect, followed)


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
