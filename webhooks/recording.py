"""Writing outcomes down: in small batches, each only under the token it was claimed with, and never given up early."""

import base64
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Model
from django.db.models.functions import Coalesce, Now

from chatzuri.models import Credential
from webhooks import proxy
from webhooks.claiming import Claimed, Outcome, put_back
from webhooks.masking import MASK, Masker
from webhooks.models import Attempt, Delivery, Endpoint

logger = logging.getLogger(__name__)

State = Delivery.State
Finished = tuple[Claimed, Outcome]
Done = TypeVar("Done")
Row = TypeVar("Row", bound=Model)

# While the database is away, outcomes are kept in memory for this long; then the reaper's word stands.
PATIENCE = 120.0
# An endpoint that does not answer in time is sent to from the slow lane until it answers again, or this long.
SLOW_FOR = timedelta(minutes=5)
SLOW_MS = 5_000
SLOW_CODES = {"deadline", "connect_timeout", "tls_timeout"}
# Failing is said after this many failures in a row over at least this long, and acted on a day later.
FAILING_AFTER = 10
FAILING_FOR = timedelta(hours=1)
COUNTDOWN = timedelta(hours=24)

# One statement and one parameter a batch: what costs is every step of Python's and every trip to the database.
RECORD = """
WITH told AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS t(id bigint, token uuid, outcome text, code text, detail text,
        status_code smallint, address text, request_headers jsonb, response_headers jsonb, response_body text,
        response_cut boolean, timings jsonb)
), ours AS (
    UPDATE webhooks_delivery d SET state = told.outcome, finished_at = clock_timestamp()
    FROM told WHERE d.id = told.id AND d.token = told.token AND d.state IN ('sending', 'interrupted')
    RETURNING d.id
)
UPDATE webhooks_attempt a SET finished_at = clock_timestamp(), outcome = told.outcome, code = told.code,
    detail = told.detail, status_code = told.status_code, address = told.address,
    request_headers = told.request_headers, response_headers = told.response_headers,
    response_body = decode(told.response_body, 'base64'), response_cut = told.response_cut, timings = told.timings
FROM told JOIN ours ON ours.id = told.id WHERE a.delivery_id = told.id AND a.token = told.token
RETURNING a.delivery_id, a.id"""


def record(finished: Sequence[Finished]) -> dict[int, int]:
    """Write these outcomes down. A late one corrects *interrupted*; one under another token changes nothing.

    Outlives a database that is away for a while. A row that refuses its outcome does not keep the others from theirs.
    Returns {key of the delivery: key of its attempt} of those that were written.
    """
    unbegun = [claimed for claimed, outcome in finished if outcome.state == State.QUEUED]
    if unbegun:
        _patiently(partial(put_back, unbegun), what=len(unbegun))
    ended = [(claimed, outcome) for claimed, outcome in finished if outcome.state != State.QUEUED]
    if not ended:
        return {}
    try:
        return _patiently(partial(_write, ended), what=len(ended))
    except (DatabaseError, InterfaceError):
        return _one_by_one(ended)


def as_written(claimed: Claimed, outcome: Outcome, *, attempt_id: int) -> Delivery:
    """The row of an outcome that `record` wrote, without reading it again; what else is asked of it is read then."""
    row = _attempt(claimed, outcome)
    delivery = _partly(
        Delivery,
        id=claimed.pk,
        public_id=claimed.public_id,
        endpoint_id=claimed.endpoint.pk,
        url=claimed.url,
        state=row["outcome"],
    )
    told = {name: row[name] for name in ("outcome", "code", "detail", "status_code", "response_cut", "timings")}
    body = base64.b64decode(row["response_body"])
    delivery.attempt = _partly(Attempt, id=attempt_id, delivery_id=claimed.pk, response_body=body, **told)
    return delivery


def _partly(model: type[Row], **known: Any) -> Row:
    """As `only` would load it: Django asks for the columns in their order."""
    names = [column.attname for column in model._meta.concrete_fields if column.attname in known]
    return model.from_db(connection.alias, names, [known[name] for name in names])


def record_fetch(row: Mapping[str, Any], *, public_id: str) -> None:
    """The same for one delivery without an endpoint, whose row (see `told`) has been made already. Never raises."""
    try:
        _patiently(partial(_update, [row], [public_id]), what=1)
    except (DatabaseError, InterfaceError):
        logger.exception("The outcome %s of %s could not be recorded.", row["outcome"], public_id)


def told(
    *, pk: int, token: uuid.UUID, outcome: Outcome, shown: Mapping[str, str], masker: Masker, body: bytes
) -> dict[str, Any]:
    """What RECORD wants to know of an attempt. `shown` are the request's headers for people; `body` is masked."""
    return {
        "id": pk,
        "token": str(token),
        "outcome": outcome.state,
        "code": outcome.code[:40],
        "detail": outcome.detail[:500],
        "status_code": outcome.status_code,
        "address": outcome.address,
        "request_headers": shown,
        "response_headers": [[masker.text(name), masker.text(value)] for name, value in outcome.headers],
        "response_body": base64.b64encode(body).decode(),
        "response_cut": outcome.body_cut,
        "timings": outcome.timings,
    }


def _patiently(work: Callable[[], Done], *, what: int) -> Done:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError):
            if time.monotonic() > until:
                raise
            logger.warning("The database is away; %s outcomes wait to be recorded.", what)
            connection.close()
            time.sleep(0.5)


def _one_by_one(finished: Sequence[Finished]) -> dict[int, int]:
    written: dict[int, int] = {}
    for claimed, outcome in finished:
        try:
            written |= _write([(claimed, outcome)])
        except (DatabaseError, InterfaceError):
            logger.exception("The outcome %s of %s could not be recorded.", outcome.state, claimed.public_id)
    return written


def _write(finished: Sequence[Finished]) -> dict[int, int]:
    rows = [_attempt(claimed, outcome) for claimed, outcome in finished]
    written = _update(rows, [claimed.public_id for claimed, _ in finished])
    _note_health(finished)
    _note_use(claimed.endpoint.credential_id for claimed, _ in finished)
    return written


def _update(rows: Sequence[Mapping[str, Any]], public_ids: Sequence[str]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(RECORD, [json.dumps(rows)])
        written: dict[int, int] = dict(cursor.fetchall())
    if len(written) != len(rows):
        logger.error("Some outcomes were not ours to write: %s", public_ids)
    return written


def _attempt(claimed: Claimed, outcome: Outcome) -> dict[str, Any]:
    # An echoing receiver must not turn our log into a list of secrets, not even of short ones.
    masker = Masker(claimed.secrets, exact=claimed.secrets)
    return told(
        pk=claimed.pk,
        token=claimed.token,
        outcome=outcome,
        shown=_shown(claimed),
        masker=masker,
        body=masker.data(outcome.body),
    )


def _shown(claimed: Claimed) -> dict[str, str]:
    """The request's headers for people: what a customer typed, and what proves a secret, is masked."""
    ours = {name: MASK if name == "X-Webhook-Secret" else value for name, value in claimed.headers.items()}
    return dict.fromkeys(claimed.own_headers, MASK) | ours


# --- what an outcome says about its endpoint -------------------------------------------------------------------------


def _note_health(finished: Iterable[Finished]) -> None:
    """Only what changes is written: a healthy endpoint that answers costs nothing here."""
    last: dict[int, list[Outcome]] = {}
    endpoints: Mapping[int, Endpoint] = {claimed.endpoint.pk: claimed.endpoint for claimed, _ in finished}
    for claimed, outcome in finished:
        last.setdefault(claimed.endpoint.pk, []).append(outcome)
    for pk in sorted(last):  # always in one order, so that two workers never wait for each other
        _note_answer(endpoints[pk], last[pk])


def _note_answer(endpoint: Endpoint, outcomes: list[Outcome]) -> None:
    if any(is_slow(outcome) for outcome in outcomes):
        note_slow([endpoint.pk])
    elif endpoint.slow_until is not None and any(outcome.status_code for outcome in outcomes):
        Endpoint.objects.filter(pk=endpoint.pk).update(slow_until=None)
    if any(outcome.state == State.DELIVERED for outcome in outcomes):
        _recovered(endpoint)
    elif failures := sum(_tells_of_receiver(outcome) for outcome in outcomes):
        _failed(endpoint, failures)


def _tells_of_receiver(outcome: Outcome) -> bool:
    """What we refused, and what our own proxy could not do, is no fault of the endpoint."""
    return outcome.state != State.BLOCKED and outcome.code not in proxy.NOT_THE_RECEIVER


def is_slow(outcome: Outcome) -> bool:
    return outcome.code in SLOW_CODES or outcome.timings.get("total", 0.0) > SLOW_MS


def note_slow(endpoints: Iterable[int]) -> None:
    """These keep us waiting: what is queued for them goes through the slow lane from now on."""
    Endpoint.objects.filter(pk__in=list(endpoints)).update(slow_until=Now() + SLOW_FOR)


def _recovered(endpoint: Endpoint) -> None:
    """A 2xx ends every count and countdown at once. A pause by a person stays."""
    if endpoint.consecutive_failures == 0 and endpoint.state != Endpoint.State.FAILING:
        return
    row = Endpoint.objects.filter(pk=endpoint.pk)
    row.update(consecutive_failures=0, failing_since=None, hold_at=None)
    row.filter(state=Endpoint.State.FAILING).update(state=Endpoint.State.ACTIVE)


def _failed(endpoint: Endpoint, times: int) -> None:
    row = Endpoint.objects.filter(pk=endpoint.pk)
    row.update(consecutive_failures=F("consecutive_failures") + times, failing_since=Coalesce("failing_since", Now()))
    begun = row.filter(
        state=Endpoint.State.ACTIVE,
        consecutive_failures__gte=FAILING_AFTER,
        failing_since__lte=Now() - FAILING_FOR,
    ).update(state=Endpoint.State.FAILING, hold_at=Now() + COUNTDOWN)
    if begun:
        endpoint.refresh_from_db(fields=["hold_at"])
        logger.error(
            "Endpoint %s (%s) is failing; its deliveries will be held from %s.",
            endpoint.public_id,
            endpoint.name,
            endpoint.hold_at,
        )


def hold_failing() -> int:
    """Where a countdown ended, hold what is queued and what comes: nothing is dropped. Returns how many endpoints."""
    with transaction.atomic():
        due = Endpoint.objects.select_for_update(skip_locked=True).filter(
            state=Endpoint.State.FAILING, hold_at__lte=Now()
        )
        endpoints = list(due)
        for endpoint in endpoints:
            endpoint.hold()
            logger.error("Endpoint %s (%s) kept failing; its deliveries are held.", endpoint.public_id, endpoint.name)
    return len(endpoints)


def _note_use(credentials: Iterable[int | None]) -> None:
    used = {pk for pk in credentials if pk}
    if used:
        Credential.objects.filter(pk__in=used).note_use()
