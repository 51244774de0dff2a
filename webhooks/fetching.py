"""`fetch` of a custom action: each one is a delivery without an endpoint, on disk before a socket opens, tried once.

What is kept of a request has the secrets masked; the request itself lives in memory only, in `Begun`. So a row shows
what left, and can never be sent again. A worker that dies leaves it in *sending*, and the reaper says *interrupted*.
"""

import logging
import re
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models.functions import Now

from webhooks import addresses, hops, http, recording
from webhooks.attempts import failed, once
from webhooks.claiming import RECORDING_MARGIN, Outcome
from webhooks.headers import MAX_ONE, is_name, of_fetch
from webhooks.hops import Asked
from webhooks.masking import MASK, Masker
from webhooks.models import Attempt, Delivery, Event

logger = logging.getLogger(__name__)

State = Delivery.State

# Bytes of the request's body, and of the answer's, that are kept in the log.
KEPT = 64 * 1024
# Carried by the request that follows a redirect, and so kept with it: the delivery whose answer led there.
FOLLOWS = "X-Chatzuri-Follows"

_USER = re.compile(r"^([a-z0-9+.-]*:?[/\\]*)[^/\\?#]*@", re.IGNORECASE)

NOT_LOGGED = "The request could not be logged, so it was not sent."
_LATE = "The time of the run was over before this request could be sent."
_TWICE = "This request was sent before. Nothing is sent twice."
_TOO_LARGE = f"The answer is larger than {http.FETCH.response_body // 1024 // 1024} MB."
_ENDED_EARLY = "The answer ended before all of it had come."
_NO_STATUS = "The receiver answered {status}, which is not the status of a finished answer."


@dataclass(frozen=True)
class Source:
    """Who fetches. `event` is the run's, saved together with its first fetch if it is not saved yet.

    `secrets` are masked wherever something is kept, and leave for the host names in `hosts` only; there, only with one
    of `methods`, where those are given: the credential's own profile. `headers` are the platform's own and win over the
    code's. `caused_by` is the run's public id.
    """

    team_id: int
    event: Event
    caused_by: str
    secrets: Sequence[str] = field(repr=False)
    hosts: frozenset[str]
    headers: Mapping[str, str]
    methods: frozenset[str] | None = None

    @cached_property
    def masker(self) -> Masker:
        return Masker(self.secrets)

    @cached_property
    def known_hosts(self) -> frozenset[str]:
        """`hosts` as the guard spells them: lower-case ASCII without a dot at the end."""
        return frozenset(_canonical(host) for host in self.hosts)


@dataclass(frozen=True)
class Begun:
    """A request whose row is on disk. `perform` sends it once and before `until` (monotonic seconds), or not at all."""

    pk: int
    public_id: str
    token: uuid.UUID
    until: float
    asked: Asked = field(repr=False)
    platform_headers: Mapping[str, str]
    shown: Mapping[str, str]
    masker: Masker
    unsent: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass(frozen=True)
class Refused:
    """Nothing left. `sentence` is for the code; `public_id` names the row that says so, where one could be written."""

    code: str
    sentence: str
    public_id: str = ""


@dataclass(frozen=True)
class Performed:
    """What became of the one attempt; `reason` is the status in the receiver's words."""

    outcome: Outcome = field(repr=False)
    reason: str = ""


@dataclass(frozen=True)
class Finished:
    """What the code gets: an answer, or why there is none in `error`. Its own secrets are not masked for it."""

    error: str = ""
    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list, repr=False)
    body: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)


def begin(
    source: Source, *, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes = b""
) -> Begun | Refused:
    """Judge this request and write down that it is about to be sent, or that it was refused; commit; send nothing.

    Where the database does not take the row, the request is refused. Call it outside of transactions.
    """
    return _begin(source, Asked(method, url, of_fetch(headers), body))


def perform(begun: Begun, *, seconds: float) -> Performed:
    """Send it, at most once ever, within so many seconds. Only HTTP, no database; never raises."""
    if not begun.unsent.acquire(blocking=False):
        logger.error("%s was to be sent a second time.", begun.public_id)
        return Performed(Outcome(State.INTERRUPTED, code="sent_before", detail=_TWICE))
    # A process that was stopped may wake up when the row has long been given up.
    left = min(seconds, begun.until - time.monotonic())
    if left <= 0:
        return Performed(Outcome(State.NOT_SENT, code="late", detail=_LATE))
    return Performed(*once(begun.public_id, lambda: _send(begun, deadline=left)))


def finish(begun: Begun, performed: Performed) -> Finished:
    """Write the outcome down under the row's token, and what the code shall see of it.

    Never raises: while the database is away it waits as `recording.record` does, and then leaves it to the reaper.
    """
    outcome = performed.outcome
    row = recording.told(
        pk=begun.pk,
        token=begun.token,
        outcome=replace(
            outcome,
            detail=begun.masker.text(outcome.detail),
            body_cut=outcome.body_cut or len(outcome.body) > KEPT,
        ),
        shown=begun.shown,
        masker=begun.masker,
        body=begun.masker.start(outcome.body, KEPT),
    )
    recording.record_fetch(row, public_id=begun.public_id)
    return _finished(begun, performed)


def hop(source: Source, begun: Begun, performed: Performed, *, followed: int) -> Begun | Refused | None:
    """The request that this redirect leads to, begun like any other; None where the answer is no redirect.

    Only for code that asked for it. `followed` is how many redirects led to this answer. The next request is judged
    anew, has a row of its own, and carries the header FOLLOWS with the delivery that led to it.
    """
    outcome = performed.outcome
    if outcome.status_code is None or outcome.detail:
        return None
    then = hops.following(begun.asked, outcome.status_code, outcome.headers, source.masker)
    if then is None:
        return None
    return _begin(source, then, follows=begun.public_id, refusal=hops.refusal(begun.asked, then, followed))


def request_is_cut(delivery: Delivery) -> bool:
    """Whether the log keeps only the start of this fetch's body."""
    length = str(delivery.headers.get("Content-Length", ""))
    return delivery.endpoint_id is None and length.isdecimal() and int(length) > KEPT


# --- beginning -------------------------------------------------------------------------------------------------------


def _begin(source: Source, asked: Asked, *, follows: str = "", refusal: http.Blocked | None = None) -> Begun | Refused:
    token = uuid.uuid4()
    delivery = Delivery(team_id=source.team_id, event=source.event, caused_by=source.caused_by, token=token)
    platform = {**source.headers, "X-Chatzuri-Delivery": delivery.public_id} | ({FOLLOWS: follows} if follows else {})
    try:
        if refusal:
            raise refusal
        asked = replace(asked, url=_judge(source, asked, platform))
    except http.Blocked as blocked:
        return _refuse(source, asked, platform, blocked, delivery=delivery, token=token)
    delivery.state, delivery.deadline_at = State.SENDING, Now() + _lifetime()
    until = time.monotonic() + settings.ACTION_SECONDS
    shown = _describe(delivery, source, asked, platform)
    if not _save(source, delivery, Attempt(delivery=delivery, token=token, request_headers=shown)):
        return Refused("not_logged", NOT_LOGGED)
    return Begun(
        pk=delivery.pk,
        public_id=delivery.public_id,
        token=token,
        until=until,
        asked=asked,
        platform_headers=platform,
        shown=shown,
        masker=source.masker,
    )


def _judge(source: Source, asked: Asked, platform: Mapping[str, str]) -> str:
    """The address as it will be sent to. Raises Blocked."""
    destination = http.check(
        asked.method,
        asked.url,
        body=asked.body,
        headers=asked.headers,
        platform_headers=platform,
        limits=http.FETCH,
    )
    if destination.host not in source.known_hosts and _holds_secrets(source.masker, asked, destination.url):
        raise http.Blocked("credential_host", _bound_to(source.known_hosts, destination.host))
    if destination.host in source.known_hosts and source.methods is not None and asked.method not in source.methods:
        raise http.Blocked("credential_profile", _not_allowed(asked.method, source.methods))
    return destination.url


def _holds_secrets(masker: Masker, asked: Asked, url: str) -> bool:
    texts = [asked.url, url, *asked.headers, *asked.headers.values()]
    return masker.holds(asked.body) or any(masker.holds(text) for text in texts)


def _not_allowed(method: str, methods: frozenset[str]) -> str:
    return (
        f"This credential allows {', '.join(sorted(methods))} only, and not {method}. "
        "Change what it may do on the credential's page."
    )


def _bound_to(hosts: frozenset[str], host: str) -> str:
    if not hosts:
        return (
            f"This credential's secrets may not be sent to {host[:100]}, nor to any host yet. "
            "Add the host on the credential's page."
        )
    names = ", ".join(sorted(hosts)[:5]) + (" …" if len(hosts) > 5 else "")
    return (
        f"This credential's secrets may only be sent to {names[:250]}, and not to {host[:100]}. "
        "Add the host on the credential's page."
    )


def _refuse(
    source: Source,
    asked: Asked,
    platform: Mapping[str, str],
    blocked: http.Blocked,
    *,
    delivery: Delivery,
    token: uuid.UUID,
) -> Refused:
    """A row that says so: what was refused is not lost without a trace either."""
    outcome = failed(blocked)
    delivery.state, delivery.finished_at = State.BLOCKED, Now()
    attempt = Attempt(
        delivery=delivery,
        token=token,
        request_headers=_describe(delivery, source, asked, platform),
        outcome=outcome.state,
        finished_at=Now(),
        code=outcome.code[:40],
        detail=_storable(source.masker.text(outcome.detail))[:500],
    )
    if not _save(source, delivery, attempt):
        return Refused("not_logged", NOT_LOGGED)
    return Refused(outcome.code, blocked.sentence, delivery.public_id)


def _describe(delivery: Delivery, source: Source, asked: Asked, platform: Mapping[str, str]) -> dict[str, str]:
    """Put into the row what may be kept of the request; returns its headers for people."""
    masker = source.masker
    own = {
        _storable(masker.text(name))[:200]: MASK
        if name.lower() in hops.PROOFS
        else _storable(masker.text(value))[:MAX_ONE]
        for name, value in list(asked.headers.items())[:100]
    }
    shown = own | dict(platform) | ({"Content-Length": str(len(asked.body))} if asked.body else {})
    delivery.method = _storable(asked.method)[:7]
    # Of what the guard refused, a user name and password before the host are no secret of a credential, and yet one.
    delivery.url = _storable(_USER.sub(rf"\1{MASK}@", masker.text(asked.url[:10_000])))[:2048]
    delivery.headers = shown
    delivery.body = masker.start(asked.body, KEPT)
    return shown


def _save(source: Source, delivery: Delivery, attempt: Attempt) -> bool:
    """The event if it is new, the delivery and its attempt, on disk together; False where the database takes none."""
    event, is_new = source.event, source.event._state.adding
    try:
        with transaction.atomic(durable=True):
            if is_new:
                event.save(force_insert=True)
            delivery.save(force_insert=True)
            attempt.save(force_insert=True)
    except (DatabaseError, InterfaceError) as error:
        logger.error("A fetch of %s was not sent, since it could not be logged: %s", source.caused_by, type(error))
        if is_new:
            event.pk, event._state.adding = None, True
        connection.close_if_unusable_or_obsolete()
        return False
    return True


def _lifetime() -> timedelta:
    return timedelta(seconds=settings.ACTION_SECONDS) + RECORDING_MARGIN


def _storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor halves of characters, and what is refused may have any."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _canonical(host: str) -> str:
    try:
        return addresses.parse(f"https://{f'[{host}]' if ':' in host else host}/").host
    except http.Blocked:
        return host.casefold().removesuffix(".")


# --- performing ------------------------------------------------------------------------------------------------------


def _send(begun: Begun, *, deadline: float) -> http.Answer:
    return http.request(
        begun.asked.method,
        begun.asked.url,
        body=begun.asked.body,
        headers=begun.asked.headers,
        platform_headers=begun.platform_headers,
        deadline=deadline,
        limits=http.FETCH,
    )


def _finished(begun: Begun, performed: Performed) -> Finished:
    outcome = performed.outcome
    if error := _error(outcome):
        return Finished(error=error)
    # Code can hold neither our sign for a character that is none, nor a name that is no token.
    headers = [(name, value.replace("\ufffd", "?")) for name, value in outcome.headers if is_name(name)]
    return Finished(
        status=outcome.status_code or 0,
        reason=performed.reason,
        headers=headers,
        body=outcome.body,
        url=begun.asked.url,
    )


def _error(outcome: Outcome) -> str:
    """Why there is no answer to hand over, or nothing: an answer with any final status is one."""
    if outcome.detail or outcome.status_code is None:
        return outcome.detail or "There is no answer."
    if outcome.body_cut:
        return _TOO_LARGE if len(outcome.body) >= http.FETCH.response_body else _ENDED_EARLY
    return "" if 200 <= outcome.status_code <= 599 else _NO_STATUS.format(status=outcome.status_code)
