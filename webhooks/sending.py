"""From an event to an outcome: accept in the caller's transaction, claim, commit, send once, record.

The rows are the queue; Celery and Redis only wake workers, and losing every wake-up loses nothing. A delivery is
claimed by a conditional update that is committed before a socket opens, so whoever comes second finds nothing to send.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.db.models.functions import Now

from chatzuri import relay
from chatzuri.fields import NotReadable
from chatzuri.models import Credential
from webhooks import bodies, http, signatures
from webhooks.models import Attempt, Delivery, Endpoint, Event
from webhooks.outcomes import Description, describe

__all__ = ["Description", "describe", "drain", "publish", "reap", "resend", "send", "send_and_wait", "sweep"]

logger = logging.getLogger(__name__)

State = Delivery.State
# How long after the client's own deadline a worker may still be busy writing the outcome down.
RECORDING_MARGIN = timedelta(seconds=5)
REAPING_MARGIN = timedelta(seconds=10)
FORGOTTEN_AFTER = timedelta(seconds=10)


class InsideTransaction(RuntimeError):
    """Sending was asked for inside a transaction: the claim would not be on disk when the socket opens."""


# --- accepting -------------------------------------------------------------------------------------------------------


def publish(
    *,
    endpoint: Endpoint,
    event_type: str,
    data: Any,
    body: bytes | None = None,
    agent_ref: str = "",
    conversation_ref: str = "",
    caused_by: str = "",
    headers: Mapping[str, str] | None = None,
    form_token: uuid.UUID | None = None,
    wake: bool = True,
) -> Delivery:
    """Accept an event for an endpoint, in the caller's transaction. That commit is the acceptance.

    `body` is sent exactly as it is; without it the event's envelope is rendered, once. `headers` are the platform's
    own (X-Chatzuri-Agent-Id), never a customer's. Raises `bodies.BodyRefused` for what is not sendable JSON.
    """
    event = Event(
        team_id=endpoint.team_id,
        type=event_type,
        data=data,
        agent_ref=agent_ref,
        conversation_ref=conversation_ref,
    )
    rendered = bodies.render(event.envelope()) if body is None else body

    def accept() -> Delivery:
        event.save()
        return _owe(event, endpoint, body=rendered, headers=headers, caused_by=caused_by, token=form_token, wake=wake)

    return _once(form_token, accept)


def resend(delivery: Delivery, *, form_token: uuid.UUID | None = None, wake: bool = True) -> Delivery:
    """A new delivery of the same event and bytes to the endpoint's present address, linked to the old one.

    A `form_token` that was used before gives back the delivery it made: a double click sends once.
    """
    return _once(
        form_token,
        lambda: _owe(
            delivery.event,
            delivery.endpoint,
            body=bytes(delivery.body),
            headers=delivery.headers,
            caused_by="resend",
            token=form_token,
            replay_of=delivery,
            wake=wake,
        ),
    )


def _once(form_token: uuid.UUID | None, accept: Callable[[], Delivery]) -> Delivery:
    """What `accept` makes, or what the same button made a moment ago: the unique token decides, not a look before."""
    try:
        with transaction.atomic():
            return accept()
    except IntegrityError:
        made = Delivery.objects.filter(form_token=form_token).first() if form_token else None
        if made is None:
            raise
        return made


def _owe(
    event: Event,
    endpoint: Endpoint,
    *,
    body: bytes,
    headers: Mapping[str, str] | None,
    caused_by: str,
    token: uuid.UUID | None,
    wake: bool,
    replay_of: Delivery | None = None,
) -> Delivery:
    delivery = Delivery.objects.create(
        team_id=endpoint.team_id,
        event=event,
        endpoint=endpoint,
        url=endpoint.destination(),
        headers=dict(headers or {}),
        body=body,
        caused_by=caused_by,
        form_token=token,
        replay_of=replay_of,
        state=State.QUEUED if endpoint.is_active else State.HELD,
    )
    if wake and endpoint.is_active:
        transaction.on_commit(wake_drain)
    return delivery


def wake_drain() -> None:
    """Best effort: the request must not depend on the broker, and the sweeper wakes again."""
    _enqueue("webhooks.tasks.drain")


def _enqueue(task: str, **arguments: Any) -> None:
    """By name, since tasks stand above this module."""
    try:
        current_app.send_task(task, kwargs=arguments, retry=False)
    except Exception as error:
        logger.warning("No broker to wake a worker with (%s); the sweeper will.", type(error).__name__)


# --- claiming --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claimed:
    """Everything one attempt needs, read before the socket opens, so that sending touches no database."""

    delivery: Delivery
    url: str
    headers: dict[str, str]
    secrets: list[str] = field(repr=False, default_factory=list)
    claimed_at: float = 0.0
    refusal: "Outcome | None" = None


def claim(*, limit: int, only: int | None = None) -> list[Claimed]:
    """Take up to `limit` queued deliveries (or the one row `only`) for this worker, and commit.

    Each gets a token of its own and a deadline by the database's clock; its attempt row stands before it is sent.
    """
    with transaction.atomic(durable=True):
        waiting = Delivery.objects.waiting().select_for_update(skip_locked=only is None)
        waiting = waiting.filter(pk=only) if only else waiting.order_by("queued_at")
        keys = list(waiting.values_list("pk", flat=True)[:limit])
        lifetime = timedelta(seconds=settings.DELIVERY_DEADLINE) + RECORDING_MARGIN
        Delivery.objects.filter(pk__in=keys, state=State.QUEUED).update(
            state=State.SENDING,
            token=models.Func(function="gen_random_uuid", output_field=models.UUIDField()),
            deadline_at=Now() + lifetime,
        )
        rows = list(Delivery.objects.filter(pk__in=keys).select_related("event", "endpoint__credential"))
        Attempt.objects.bulk_create(Attempt(delivery=row, token=row.token or uuid.uuid4()) for row in rows)
    return [_prepare(row) for row in rows]


def _prepare(delivery: Delivery) -> Claimed:
    """Sign the bytes that will be written, with the secret of this moment."""
    try:
        endpoint = delivery.endpoint
        headers = {"Content-Type": "application/json", "X-Chatzuri-Delivery": delivery.public_id} | delivery.headers
        headers |= signatures.headers(
            endpoint.signing_secret,
            delivery_id=delivery.public_id,
            timestamp=int(time.time()),
            body=bytes(delivery.body),
        )
        if shared := endpoint.shared_secret():
            headers["X-Webhook-Secret"] = shared
        return Claimed(delivery, delivery.url, headers, endpoint.secrets(), time.monotonic())
    except NotReadable as error:
        refusal = Outcome(State.BLOCKED, code="secret_not_readable", detail=str(error))
        return Claimed(delivery, delivery.url, {}, [], time.monotonic(), refusal)


# --- sending ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What is known after the attempt, and no more than that."""

    state: str
    code: str = ""
    detail: str = ""
    status_code: int | None = None
    address: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    body_cut: bool = False
    timings: dict[str, float] = field(default_factory=dict)


def transmit(claimed: Claimed) -> Outcome:
    """The single attempt. Never raises: whatever happens here is an outcome."""
    if claimed.refusal:
        return claimed.refusal
    if time.monotonic() - claimed.claimed_at > settings.DELIVERY_DEADLINE:
        return Outcome(State.NOT_SENT, code="late", detail="The worker was held up until it was too late to send.")
    try:
        answer = http.post(
            claimed.url,
            body=bytes(claimed.delivery.body),
            platform_headers=claimed.headers,
            deadline=settings.DELIVERY_DEADLINE,
        )
    except http.SendFailed as failure:
        return _failed(failure)
    except Exception:
        logger.exception("Sending %s broke", claimed.delivery.public_id)
        return Outcome(State.INTERRUPTED, code="internal_error", detail="Our own client broke while sending.")
    return Outcome(
        State.DELIVERED if 200 <= answer.status < 300 else State.REJECTED,
        code="body_cut" if answer.body_cut else "",
        status_code=answer.status,
        address=answer.address,
        headers=answer.headers,
        body=answer.body,
        body_cut=answer.body_cut,
        timings=answer.timings.as_dict(),
    )


FAILED = {"no": State.NOT_SENT, "maybe": State.NO_ANSWER, "yes": State.REJECTED}


def _failed(failure: http.SendFailed) -> Outcome:
    state = State.BLOCKED if isinstance(failure, http.Blocked) else FAILED[failure.seen]
    return Outcome(
        state,
        code=str(failure.code),
        detail=failure.sentence,
        address=failure.address,
        timings=failure.timings.as_dict() if failure.timings else {},
    )


# --- recording -------------------------------------------------------------------------------------------------------


def record(finished: Iterable[tuple[Claimed, Outcome]]) -> None:
    """Write outcomes down, each only under the token it was claimed with. A late one corrects *interrupted*."""
    with transaction.atomic():
        for claimed, outcome in finished:
            _record_one(claimed, outcome)


def _record_one(claimed: Claimed, outcome: Outcome) -> None:
    delivery = claimed.delivery
    ours = Delivery.objects.filter(
        pk=delivery.pk, token=delivery.token, state__in=[State.SENDING, State.INTERRUPTED]
    ).update(state=outcome.state, finished_at=Now())
    if not ours:
        logger.error("Outcome of %s came too late and was not ours to write.", delivery.public_id)
        return
    Attempt.objects.filter(delivery=delivery, token=delivery.token).update(
        finished_at=Now(),
        outcome=outcome.state,
        code=outcome.code[:40],
        detail=outcome.detail[:500],
        status_code=outcome.status_code,
        address=outcome.address,
        request_headers=_without_shared_secret(claimed.headers),
        response_headers=[[name, _masked(value, claimed.secrets)] for name, value in outcome.headers],
        response_body=_masked_bytes(outcome.body, claimed.secrets),
        response_cut=outcome.body_cut,
        timings=outcome.timings,
    )
    if credential := delivery.endpoint.credential_id:
        Credential.objects.filter(pk=credential).update(last_used_at=Now())


def _without_shared_secret(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: "••••••••" if name == "X-Webhook-Secret" else value for name, value in headers.items()}


def _masked(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "••••••••")
    return text


def _masked_bytes(body: bytes, secrets: list[str]) -> bytes:
    """An echoing receiver must not turn our log into a list of secrets."""
    for secret in secrets:
        body = body.replace(secret.encode(), "••••••••".encode())
    return body


# --- the ways to send ------------------------------------------------------------------------------------------------


def send(delivery: Delivery) -> Delivery:
    """Send one delivery now, in this worker; whoever comes second gets the row as the first one left it."""
    if connection.in_atomic_block:
        raise InsideTransaction("send() commits a claim before it opens a socket: call it outside of transactions.")
    for claimed in claim(limit=1, only=delivery.pk):
        record([(claimed, transmit(claimed))])
    row = Delivery.objects.select_related("attempt", "endpoint", "event").get(pk=delivery.pk)
    relay.tell(f"delivery:{row.public_id}", {"type": "done", "state": row.state})
    return row


def send_and_wait(delivery: Delivery, *, timeout: float = 15) -> Delivery:
    """For a web thread: let a worker send the row at once, and wait for the outcome. Opens no socket to a customer."""
    _enqueue("webhooks.tasks.send_one", delivery_id=delivery.pk)
    relay.hear(f"delivery:{delivery.public_id}", timeout=timeout)
    return Delivery.objects.select_related("attempt", "endpoint", "event").get(pk=delivery.pk)


def drain() -> int:
    """Send what is queued, until nothing is: claim for the free threads, record as they finish. Returns how many."""
    sent = 0
    in_flight: dict[Future[Outcome], Claimed] = {}
    with ThreadPoolExecutor(settings.DELIVERY_THREADS, thread_name_prefix="send") as pool:
        while True:
            for claimed in claim(limit=settings.DELIVERY_THREADS - len(in_flight)):
                in_flight[pool.submit(transmit, claimed)] = claimed
            if not in_flight:
                return sent
            finished, _ = wait(in_flight, return_when=FIRST_COMPLETED)
            record([(in_flight.pop(future), future.result()) for future in finished])
            sent += len(finished)


def sweep() -> bool:
    """Wake a worker where deliveries are queued and nobody came: their wake-up was lost. Sends nothing itself."""
    forgotten = Delivery.objects.forgotten(older_than=FORGOTTEN_AFTER).exists()
    if forgotten:
        wake_drain()
    return forgotten


def reap() -> int:
    """Call *interrupted* what a vanished process left in *sending*. Never sends. Returns how many."""
    with transaction.atomic():
        overdue = Delivery.objects.overdue(margin=REAPING_MARGIN).select_for_update(skip_locked=True)
        rows = list(overdue.values_list("pk", "public_id")[:1000])
        keys = [pk for pk, _ in rows]
        Delivery.objects.filter(pk__in=keys).update(state=State.INTERRUPTED, finished_at=Now())
        Attempt.objects.filter(delivery__in=keys, outcome="").update(
            outcome=State.INTERRUPTED, finished_at=Now(), code="worker_vanished"
        )
    for _, public_id in rows:
        relay.tell(f"delivery:{public_id}", {"type": "done", "state": State.INTERRUPTED})
    return len(rows)
