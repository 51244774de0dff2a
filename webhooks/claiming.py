"""Taking deliveries for this worker: fairly, in one statement, committed before anything is sent."""

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import prefetch_related_objects
from django.db.transaction import TransactionManagementError

from chatzuri.fields import NotReadable
from webhooks import signatures
from webhooks.headers import TAMPERED, TEST_HEADER
from webhooks.models import Delivery, Endpoint

State = Delivery.State
# How long after the client's own deadline a worker may still be busy writing the outcome down.
RECORDING_MARGIN = timedelta(seconds=5)
# At most this many in flight at an endpoint that does not answer in time right now, whatever its own limit says.
SLOW_CONCURRENCY = 2
# Claims of a team are made one after the other, so that limits are exact; a claim takes milliseconds and serves a whole
# batch. Teams are locked by shares, so that a claim never holds more locks than this.
CLAIM_LOCK, SHARES = 0x63686174, 64
# A team is calm while it has fewer in flight than this, and nothing queued that waits for longer than a moment.
FEW = 4
# The calm lane sends what came within the last second; what waits for longer is a queue, and not its business.
JUST_COME = timedelta(seconds=1)
# So long a crowded lane leaves to the calm lane what came for a calm team. If nobody takes it, it goes with the crowd.
HEAD_START = timedelta(seconds=0.1)


@dataclass(frozen=True)
class Outcome:
    """What is known after the attempt, and no more than that. State *queued* puts back what was never begun."""

    state: str
    code: str = ""
    detail: str = ""
    status_code: int | None = None
    address: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    body_cut: bool = False
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Claimed:
    """Everything one attempt needs, read before the socket opens, so that sending touches no database."""

    pk: int
    public_id: str
    token: uuid.UUID
    url: str
    body: bytes
    endpoint: Endpoint
    headers: Mapping[str, str]
    own_headers: Mapping[str, str]
    secrets: list[str] = field(repr=False)
    claimed_at: float
    refusal: Outcome | None = None


# Which endpoints have something queued is read off the index, one probe each, however long their queues are. Their
# teams are locked first, so that the next statement, whose look at the table is newer, counts what others have claimed.
# How many rows are queued changes faster than the planner's statistics. So there is one index for them, no other, and
# where rows are found by id the state is asked through coalesce(): that index must not look like a cheap way there.
# A bitmap scan never learns which entries of an index are dead: it would visit all that was sent in the last seconds.
LOOK = """
SET LOCAL enable_bitmapscan = off;
WITH RECURSIVE waiting(endpoint_id) AS (
    (SELECT endpoint_id FROM webhooks_delivery WHERE state = 'queued' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM webhooks_delivery d
            WHERE d.state = 'queued' AND d.endpoint_id > w.endpoint_id ORDER BY d.endpoint_id LIMIT 1)
    FROM waiting w WHERE w.endpoint_id IS NOT NULL
), crowds AS MATERIALIZED (
    SELECT e.team_id FROM webhooks_delivery d JOIN webhooks_endpoint e ON e.id = d.endpoint_id
    WHERE d.state = 'sending' AND d.deadline_at > now() AND %(calm)s IS NOT NULL
    GROUP BY e.team_id HAVING count(*) >= %(few)s
), due AS MATERIALIZED (
    SELECT e.id, e.team_id FROM waiting w JOIN webhooks_endpoint e ON e.id = w.endpoint_id
    WHERE e.state IN ('active', 'failing') AND coalesce(e.slow_until > now(), false) = %(slow)s
      AND coalesce(%(calm)s = (e.team_id NOT IN (SELECT team_id FROM crowds) AND now() - %(moment)s < (
          SELECT d.queued_at FROM webhooks_delivery d
          WHERE d.endpoint_id = e.id AND d.state = 'queued' ORDER BY d.id LIMIT 1)), true)
), locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(%(lock)s, share)
    FROM (SELECT DISTINCT mod(team_id, %(shares)s)::int AS share FROM due ORDER BY share) shares
)
SELECT set_config('chatzuri.due', (SELECT coalesce(string_agg(id::text, ','), '') FROM due), true)
FROM (SELECT count(*) FROM locked) done;"""

# Each endpoint gives as many rows as it has room for; teams then take turns, so that a flood of one does not delay
# others.
FAIR = """
WITH busy AS MATERIALIZED (
    SELECT endpoint_id, count(*) AS flying FROM webhooks_delivery
    WHERE state = 'sending' AND deadline_at > now() GROUP BY endpoint_id
), paced AS MATERIALIZED (
    SELECT e.id, e.team_id,
           least(e.concurrency, CASE WHEN %(slow)s THEN %(slow_concurrency)s ELSE e.concurrency END)
               - coalesce(b.flying, 0) AS places,
           CASE WHEN e.rate_per_minute IS NULL THEN 1000000 ELSE greatest(0, 1 + floor(
               extract(epoch FROM now() - greatest(e.next_send_at, now() - interval '1 second'))
               * e.rate_per_minute / 60.0))::int END AS allowed
    FROM unnest(string_to_array(current_setting('chatzuri.due'), ',')::bigint[]) due(endpoint_id)
    JOIN webhooks_endpoint e ON e.id = due.endpoint_id LEFT JOIN busy b ON b.endpoint_id = e.id
    WHERE e.state IN ('active', 'failing') AND coalesce(e.slow_until > now(), false) = %(slow)s
), picked AS (
    SELECT q.id, row_number() OVER (PARTITION BY p.team_id ORDER BY q.place, q.id) AS turn
    FROM paced p CROSS JOIN LATERAL (
        SELECT d.id, row_number() OVER (ORDER BY d.id) AS place FROM webhooks_delivery d
        WHERE d.endpoint_id = p.id AND d.state = 'queued' AND (d.order_key = '' OR NOT EXISTS (
            SELECT 1 FROM webhooks_delivery earlier
            WHERE earlier.endpoint_id = d.endpoint_id AND earlier.order_key = d.order_key AND earlier.order_key <> ''
              AND earlier.id < d.id AND earlier.state IN ('queued', 'sending', 'held')))
        ORDER BY d.id LIMIT greatest(0, least(p.places, p.allowed))
    ) q
), chosen AS (
    SELECT d.id FROM webhooks_delivery d JOIN picked ON picked.id = d.id WHERE coalesce(d.state, '') = 'queued'
    ORDER BY picked.turn, d.id LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
)"""

# An agent is waiting for this one: its row alone, ahead of the queue. It counts towards the limits all the same.
ONE = """
WITH chosen AS (SELECT id FROM webhooks_delivery WHERE id = %(only)s AND state = 'queued' FOR UPDATE)"""

TAKE = """, claimed AS (
    UPDATE webhooks_delivery d
    SET state = 'sending', token = gen_random_uuid(), deadline_at = clock_timestamp() + %(lifetime)s
    FROM chosen WHERE d.id = chosen.id AND coalesce(d.state, '') = 'queued'
    RETURNING d.id, d.public_id, d.token, d.url, d.headers::text, d.body, d.endpoint_id
), begun AS (
    INSERT INTO webhooks_attempt (delivery_id, token) SELECT id, token FROM claimed
), counted AS (
    UPDATE webhooks_endpoint e
    SET next_send_at = greatest(e.next_send_at, now() - interval '1 second')
                       + taken.number * interval '1 minute' / e.rate_per_minute
    FROM (SELECT endpoint_id, count(*) AS number FROM claimed GROUP BY endpoint_id) taken
    WHERE e.id = taken.endpoint_id AND e.rate_per_minute IS NOT NULL
)
SELECT c.id, c.public_id, c.token, c.url, c.headers, c.body, {columns}
FROM claimed c JOIN webhooks_endpoint e ON e.id = c.endpoint_id ORDER BY c.id"""
OWN = 6  # so many columns are the delivery's
# What is known of the endpoint comes along, column by column: looking it up would cost as much as the claim.
COLUMNS = Endpoint._meta.concrete_fields
TAKE = TAKE.replace("{columns}", ", ".join(f"e.{column.column}" for column in COLUMNS))


def claim(*, limit: int, only: int | None = None, slow: bool = False, calm: bool | None = None) -> list[Claimed]:
    """Take up to `limit` queued deliveries, or the one row `only`, for this worker, and commit.

    Each gets a token of its own and a deadline by the database's clock; its attempt row stands before it is sent.
    `slow` takes from endpoints that do not answer in time right now, which have a lane of their own. `calm` takes only
    what just came for teams with little in flight, or, if False, leaves that to the calm lane for a moment.
    """
    rows = _committed((LOOK + FAIR if only is None else ONE) + TAKE, _arguments(limit, only, slow, calm))
    endpoints = _endpoints({row[OWN]: row[OWN:] for row in rows}.values())
    proofs = {endpoint.pk: (endpoint, _proofs(endpoint)) for endpoint in endpoints}
    return [_prepare(row[:OWN], *proofs[row[OWN]]) for row in rows]


def _endpoints(rows: Iterable[tuple[Any, ...]]) -> list[Endpoint]:
    names = [column.attname for column in COLUMNS]
    endpoints = [Endpoint.from_db(connection.alias, names, list(map(_value, COLUMNS, row))) for row in rows]
    # Few have one: a join for all of them would cost a claim more than a second look costs for some.
    prefetch_related_objects([endpoint for endpoint in endpoints if endpoint.credential_id], "credential")
    return endpoints


def _value(column: Any, stored: Any) -> Any:
    """As a field gives it to a row: an encrypted one stays sealed until it is read."""
    return column.from_db_value(stored, None, connection) if hasattr(column, "from_db_value") else stored


def _arguments(limit: int, only: int | None, slow: bool, calm: bool | None) -> dict[str, Any]:
    return {
        "limit": limit,
        "only": only,
        "slow": slow,
        "slow_concurrency": SLOW_CONCURRENCY,
        "calm": calm,
        "few": FEW,
        "moment": JUST_COME if calm else HEAD_START,
        "lifetime": timedelta(seconds=settings.DELIVERY_DEADLINE) + RECORDING_MARGIN,
        "lock": CLAIM_LOCK,
        "shares": SHARES,
    }


def _committed(statements: str, arguments: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """What the last of these statements gives, after their common commit.

    They travel together and the server commits them by itself: no lock is held while this process waits for its turn.
    """
    if connection.in_atomic_block:
        raise TransactionManagementError(
            "A claim must be on disk before anything is sent: claim outside of transactions."
        )
    try:
        with connection.cursor() as cursor:
            cursor.execute(statements, arguments)
            while cursor.nextset():
                pass
            return cursor.fetchall()
    except (OperationalError, InterfaceError):
        connection.close()  # a broken one would stay broken; whoever claims next gets a new one
        raise


@dataclass(frozen=True)
class Proofs:
    """What an endpoint's requests carry, decrypted once for the rows of one claim and then forgotten."""

    signing: list[str] = field(repr=False, default_factory=list)
    own_headers: dict[str, str] = field(repr=False, default_factory=dict)
    shared: str = field(repr=False, default="")
    masked: list[str] = field(repr=False, default_factory=list)
    refusal: Outcome | None = None


def _proofs(endpoint: Endpoint) -> Proofs:
    try:
        return Proofs(
            endpoint.signing_secrets(), endpoint.custom_headers(), endpoint.shared_secret(), endpoint.secrets()
        )
    except NotReadable as error:
        return Proofs(refusal=Outcome(State.BLOCKED, code="secret_not_readable", detail=str(error)))


def _prepare(row: tuple[Any, ...], endpoint: Endpoint, proofs: Proofs) -> Claimed:
    """Sign the bytes that will be written, with the secrets of this moment."""
    pk, public_id, token, url, stored, body = row
    body = bytes(body)
    headers = {"Content-Type": "application/json", "X-Chatzuri-Delivery": public_id, **json.loads(stored)}
    if not proofs.refusal:
        now = int(time.time())
        # A test of the receiver: what is signed is not what is sent, as if it had been altered on the way.
        signed = body + b" " if headers.get(TEST_HEADER) == TAMPERED else body
        headers |= signatures.headers(proofs.signing, delivery_id=public_id, timestamp=now, body=signed)
    if proofs.shared:
        headers["X-Webhook-Secret"] = proofs.shared
    return Claimed(
        pk=pk,
        public_id=public_id,
        token=token,
        url=url,
        body=body,
        endpoint=endpoint,
        headers=headers,
        own_headers=proofs.own_headers,
        secrets=proofs.masked,
        claimed_at=time.monotonic(),
        refusal=proofs.refusal,
    )


def put_back(claims: Iterable[Claimed]) -> None:
    """Return to the queue what was claimed and never begun: nothing left, so nothing is lost or repeated."""
    with transaction.atomic(), connection.cursor() as cursor:
        for claimed in claims:
            arguments: list[int | str] = [claimed.pk, str(claimed.token)]
            cursor.execute(
                "UPDATE webhooks_delivery SET state = 'queued', token = NULL, deadline_at = NULL"
                " WHERE id = %s AND token = %s AND state = 'sending'",
                arguments,
            )
            if cursor.rowcount:
                cursor.execute("DELETE FROM webhooks_attempt WHERE delivery_id = %s AND token = %s", arguments)


def next_paced() -> float | None:
    """Seconds until an endpoint with queued deliveries may be sent to again, where only its pace holds them back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM min(e.next_send_at) - now()) FROM webhooks_endpoint e"
            " WHERE e.rate_per_minute IS NOT NULL AND e.next_send_at > now() AND e.state IN ('active', 'failing')"
            " AND EXISTS (SELECT 1 FROM webhooks_delivery d WHERE d.endpoint_id = e.id AND d.state = 'queued')"
        )
        found = cursor.fetchone()
    return float(found[0]) if found and found[0] is not None else None
