"""Accepting: an event and what is owed of it, written in the caller's transaction. That commit is the acceptance."""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery import current_app
from django.db import IntegrityError, transaction
from django.utils import timezone

from chatzuri import relay
from webhooks import bodies
from webhooks.headers import GENUINE, TAMPERED, TEST_HEADER
from webhooks.models import Delivery, Endpoint, Event

logger = logging.getLogger(__name__)

State = Delivery.State
TEST_EVENT = "test.signature"
ENVELOPE = {"id", "timestamp", "agent_id", "data"}
# Said while a lane is full; outlives by a second what that lane believes of itself.
CROWD, CROWD_SECONDS = "crowd", 2
# Said while the calm lane has something to send.
QUIET, QUIET_SECONDS = "quiet", 2
CALM = "webhooks.tasks.drain_calm"


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
    """Accept an event for an endpoint, in the caller's transaction.

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
    url = endpoint.destination()

    def accept() -> Delivery:
        event.save()
        return _owe(
            event, endpoint, url, body=rendered, headers=headers, caused_by=caused_by, token=form_token, wake=wake
        )

    return _once(form_token, accept)


def owe(
    event: Event, *, endpoint: Endpoint, body: bytes, headers: Mapping[str, str] | None = None, caused_by: str = ""
) -> Delivery:
    """One more delivery of an event that is stored already, in the caller's transaction: a rule's."""
    url = endpoint.destination()
    return _owe(event, endpoint, url, body=body, headers=headers, caused_by=caused_by, token=None, wake=True)


class NotResendable(ValueError):
    """A fetch of a custom action is not kept with its secrets, so it cannot be sent again; its action can run again."""


def resend(
    delivery: Delivery,
    *,
    body: bytes | None = None,
    form_token: uuid.UUID | None = None,
    wake: bool = True,
    caused_by: str = "resend",
) -> Delivery:
    """A new delivery of the same event to the endpoint's present address, linked to the old one.

    It has the same bytes, unless a `body` is given (see `rebuilt`). A `form_token` that was used before gives back
    the delivery it made: a double click sends once. Raises `NotResendable` for a fetch.
    """
    if (endpoint := delivery.endpoint) is None:
        raise NotResendable(f"{delivery.public_id} is a fetch of a custom action.")
    url = endpoint.destination()
    return _once(
        form_token,
        lambda: _owe(
            delivery.event,
            endpoint,
            url,
            body=bytes(delivery.body) if body is None else body,
            headers=delivery.headers,
            caused_by=caused_by,
            token=form_token,
            replay_of=delivery,
            wake=wake,
        ),
    )


def test_signature(*, endpoint: Endpoint, form_token: uuid.UUID) -> tuple[Delivery, Delivery]:
    """A genuine request, and one whose body is not the one that was signed: a good receiver refuses the second."""
    genuine, tampered = (
        publish(
            endpoint=endpoint,
            event_type=TEST_EVENT,
            data={"message": f"A test from Chatzuri: this request is {kind}. Nothing happened to a customer."},
            caused_by="signature test",
            headers={TEST_HEADER: kind},
            form_token=token_of(form_token, kind),
            wake=False,
        )
        for kind in (GENUINE, TAMPERED)
    )
    return genuine, tampered


def token_of(form_token: uuid.UUID, kind: str) -> uuid.UUID:
    """One button makes two deliveries, each with a token that only this button makes again."""
    return uuid.uuid5(form_token, kind)


def rebuilt(delivery: Delivery) -> bytes:
    """The body rendered anew from the event: its envelope, or the data alone where that was what a tool sent.

    What a rule made of the event by a payload of its own comes back as it was: the rule may be another one by now.
    """
    event, body = delivery.event, bytes(delivery.body)
    sent = json.loads(body)
    if isinstance(sent, dict) and sent.keys() >= ENVELOPE and sent["id"] == event.public_id:
        return bodies.render(event.envelope())
    return bodies.render(event.data) if sent == event.data else body


def _once(form_token: uuid.UUID | None, accept: Callable[[], Delivery]) -> Delivery:
    """What `accept` makes, or what the same button made a moment ago: the unique token decides, not a look before.

    All of it or nothing. Only what a button makes can be there already, and needs a savepoint to go back to.
    """
    try:
        with transaction.atomic(savepoint=form_token is not None):
            return accept()
    except IntegrityError:
        made = Delivery.objects.filter(form_token=form_token).first() if form_token else None
        if made is None:
            raise
        return made


def _owe(
    event: Event,
    endpoint: Endpoint,
    url: str,
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
        url=url,
        headers=dict(headers or {}),
        body=body,
        caused_by=caused_by,
        form_token=token,
        replay_of=replay_of,
        order_key=event.conversation_ref if endpoint.is_ordered else "",
        state=State.QUEUED if endpoint.is_active else State.HELD,
    )
    if wake and endpoint.is_active:
        is_slow = endpoint.slow_until is not None and endpoint.slow_until > timezone.now()
        transaction.on_commit(partial(wake_drain, slow=is_slow))
    return delivery


def wake_drain(*, slow: bool = False) -> None:
    """One small task, unless one is on its way already: it will find this row too, since the row is committed.

    Where the lane is crowded, the calm lane is woken besides, and first. Best effort: the request must not depend on
    the broker, and the sweeper wakes again.
    """
    if not slow and relay.is_said(CROWD):
        _wake(CALM)
    _wake(_task(slow))


def _wake(task: str) -> None:
    if relay.first(task, seconds=5):
        enqueue(task)


def heed_wake(*, slow: bool = False, calm: bool = False) -> None:
    """A lane begins to look: whoever commits from now on must wake again."""
    relay.forget(CALM if calm else _task(slow))


def tell_of_crowd() -> None:
    """A lane is full. Said often and forgotten soon, so that a process that vanishes leaves no crowd behind."""
    relay.say(CROWD, seconds=CROWD_SECONDS)


def ask_for_quiet() -> None:
    """The calm lane sends: whoever is in a crowd leaves processors and disk to it now and then."""
    relay.say(QUIET, seconds=QUIET_SECONDS)


def is_quiet_asked_for() -> bool:
    return relay.is_said(QUIET)


def _task(slow: bool) -> str:
    return "webhooks.tasks.drain_slow" if slow else "webhooks.tasks.drain"


def enqueue(task: str, **arguments: Any) -> None:
    """By name, since tasks stand above the modules they call. Arguments are ids."""
    try:
        if not relay.answers():
            raise ConnectionError("Redis does not answer")
        current_app.send_task(task, kwargs=arguments, retry=False)
    except Exception as error:
        logger.warning("No broker to wake a worker with (%s); the sweeper will.", type(error).__name__)
