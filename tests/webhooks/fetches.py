"""Fetches as the host of a sandbox makes them: begun, performed, finished."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chatzuri.models import Team
from tests.factories import make_team
from webhooks import fetching
from webhooks.fetching import Begun, Finished, Performed, Refused, Source
from webhooks.models import Delivery, Event

RUN = "run_06fhnk8z5vqkq3k2w9r1x0c4ta"
PLAIN = "planted-secret-0123"


def make_source(*, team: Team | None = None, secrets: Iterable[str] = (), hosts: Iterable[str] = ()) -> Source:
    team = team or make_team()
    return Source(
        team_id=team.pk,
        event=Event(team=team, type="action.ran", data={"run": RUN}, agent_ref="agt_1"),
        caused_by=RUN,
        secrets=list(secrets),
        hosts=frozenset(hosts),
        headers={"X-Chatzuri-Agent-Id": "agt_1"},
    )


@dataclass(frozen=True)
class Fetched:
    """What the code got, and the row that the log has of it."""

    refused: Refused | None
    finished: Finished | None
    delivery: Delivery
    begun: Begun | None = None
    performed: Performed | None = None

    @property
    def outcome(self) -> tuple[str, str]:
        return self.delivery.state, self.delivery.attempt.code

    @property
    def told(self) -> str:
        """The sentence that the code gets in the place of an answer."""
        return self.refused.sentence if self.refused else self.finished.error if self.finished else ""


def fetch(source: Source, url: str, *, seconds: float = 5, **asked: Any) -> Fetched:
    wanted = {"method": "GET", "headers": [], "body": b""} | asked
    return complete(fetching.begin(source, url=url, **wanted), seconds=seconds)


def complete(begun: Begun | Refused, *, seconds: float = 5) -> Fetched:
    if isinstance(begun, Refused):
        return Fetched(begun, None, row(begun.public_id))
    performed = fetching.perform(begun, seconds=seconds)
    finished = fetching.finish(begun, performed)
    return Fetched(None, finished, row(begun.public_id), begun, performed)


def row(public_id: str) -> Delivery:
    return Delivery.objects.select_related("attempt", "event", "endpoint").get(public_id=public_id)


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    """The bytes of an answer; `status` with its reason phrase."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def everything_kept(got: Fetched) -> str:
    """Whatever the log has of it, in one text to search in."""
    delivery, attempt = got.delivery, got.delivery.attempt
    kept = [delivery.url, delivery.headers, delivery.event.data, attempt.request_headers, attempt.response_headers]
    kept += [attempt.detail, bytes(delivery.body).decode(), bytes(attempt.response_body).decode()]
    return json.dumps(kept)
