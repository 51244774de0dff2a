"""Keeping a request and what is in it: one statement, so all of it is on disk or nothing is.

The rows that it writes in state `received` are the workers' queue; whether anybody is woken is no part of the truth.
"""

import hashlib
import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError, connection

from channels_inbound import prepared
from channels_inbound.adapters.base import Adapter, Arrival, Attachment, Incoming, Once, Sender, Verified
from channels_inbound.models import Channel, InboundMessage, InboundRequest
from chatzuri.fields import new_id
from webhooks.masking import Masker

logger = logging.getLogger(__name__)

# A larger body lies in the file store: rows are read by lists.
IN_ROW = 256 * 1024
MOST_KEY = 255
# A message that reaches us this late was not answered while it mattered: people are not surprised days later.
TOO_LATE = timedelta(hours=24)
KEPT_HEADERS = frozenset(
    {
        "content-type",
        "content-length",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "idempotency-key",
        "i-twilio-idempotency-token",
        "x-slack-retry-num",
        "x-slack-retry-reason",
        "x-slack-request-timestamp",
    }
)
# The same proof with the same content counts up; with another content no row comes back.
_KEEP = """
WITH kept AS (
    INSERT INTO channels_inbound_inboundrequest AS mine (
        public_id, channel_id, content_type, query, headers, body, body_file, body_size, body_sha256, is_form,
        secret_ref, signed_at, once_key, fingerprint, repeats, state, reason, found, was_spooled
    )
    VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s)
    ON CONFLICT (channel_id, once_key) WHERE NOT (once_key = '')
    DO UPDATE SET repeats = mine.repeats + 1 WHERE mine.fingerprint = EXCLUDED.fingerprint
    RETURNING id, xmax = 0 AS is_new
), stored AS (
    INSERT INTO channels_inbound_inboundmessage (
        public_id, request_id, channel_id, dedupe_key, second_key, kind, event_type, provider_id, thread_key, text,
        facts, extra, occurred_at, starts_agent, state, reason, attempts
    )
    SELECT each.public_id, kept.id, %s::bigint, each.dedupe_key, each.second_key, each.kind, each.event_type,
           each.provider_id, each.thread_key, each.text, each.facts, each.extra, each.occurred_at, each.starts_agent,
           'received', '', 0
    FROM kept, jsonb_to_recordset(%s::jsonb) AS each(
        public_id text, dedupe_key text, second_key text, kind text, event_type text, provider_id text, thread_key text,
        text text, facts jsonb, extra jsonb, occurred_at timestamptz, starts_agent boolean
    )
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT kept.id, kept.is_new, (SELECT count(*) FROM stored) FROM kept
"""


class StoreDown(Exception):
    """The database does not answer. Nothing was kept, not even in part."""


class UsedBefore(Exception):
    """The proof was used before, for another content."""


@dataclass(frozen=True)
class Kept:
    """The request's key, whether it is new, and how many of its messages were not known yet."""

    pk: int
    is_new: bool
    stored: int


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn *the database is away* into `StoreDown`; anything else is a fault of ours and stays one."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        logger.error("The database does not take what arrives: %s", type(error).__name__)
        connection.close()
        raise StoreDown from None


def keep(
    *,
    adapter: Adapter,
    channel: Channel,
    incoming: Incoming,
    verified: Verified,
    once: Once | None,
    arrivals: Sequence[Arrival],
    state: str = InboundRequest.State.ACCEPTED,
    reason: str = "",
    was_spooled: bool = False,
) -> Kept:
    """Write it down and commit. Raises `StoreDown` and `UsedBefore`."""
    laid = with_files(incoming, arrivals, channel)
    names = [each.file for arrival in laid for each in arrival.attachments if each.file]
    kept: Kept | None = None
    try:
        kept = _keep(adapter, channel, incoming, verified, once, laid, state, reason, was_spooled)
    finally:
        # No row speaks of them: what came again, or what the database did not take, leaves no files behind.
        if names and (kept is None or not kept.stored):
            _pick_up(names)
    return kept


def _keep(
    adapter: Adapter,
    channel: Channel,
    incoming: Incoming,
    verified: Verified,
    once: Once | None,
    arrivals: Sequence[Arrival],
    state: str,
    reason: str,
    was_spooled: bool,
) -> Kept:
    body = _body(adapter, channel, incoming)
    rows = messages(incoming, arrivals)
    headers = {name: value[:1000] for name, value in incoming.headers.items() if name in KEPT_HEADERS}
    in_row, file = (body, "") if len(body) <= IN_ROW else (b"", _lay_down(channel, ContentFile(body)))
    values = [
        new_id("inr"),
        channel.pk,
        incoming.header("content-type")[:200],
        Masker(channel.secret_values()).text(incoming.query)[:4000] if incoming.query else "",
        json.dumps(headers),
        in_row,
        file,
        len(body),
        hashlib.sha256(incoming.body or body).hexdigest(),
        incoming.form is not None,
        verified.secret_id,
        verified.signed_at,
        _short(once.key) if once else "",
        once.fingerprint if once else "",
        state,
        reason[:500],
        len(arrivals),
        was_spooled,
    ]
    found = None
    try:
        with store_errors():
            found = prepared.first(_KEEP, [*values, channel.pk, json.dumps(rows)])
    finally:
        if file and (found is None or not found[1]):
            _pick_up([file])
    if found is None:
        raise UsedBefore
    return Kept(*found)


def add(request: InboundRequest, incoming: Incoming, arrivals: Sequence[Arrival]) -> int:
    """Messages of a request that is kept already, when it is read again; how many of them are new.

    What could not be read the last time makes room for what is found in it now.
    """
    readable = InboundMessage.objects.filter(request=request).exclude(kind="unsupported")
    known = readable.count()
    InboundMessage.objects.filter(request=request, kind="unsupported", message=None).delete()
    rows = messages(incoming, arrivals)
    found = [InboundMessage(request=request, channel_id=request.channel_id, **row) for row in rows]
    InboundMessage.objects.bulk_create(found, ignore_conflicts=True)
    return readable.count() - known


# --- rows ------------------------------------------------------------------------------------------------------------


def messages(incoming: Incoming, arrivals: Sequence[Arrival]) -> list[dict[str, Any]]:
    """Columns of the messages, with the later of two that are the same left out."""
    rows: dict[str, dict[str, Any]] = {}
    for arrival in arrivals:
        row = _message(incoming, arrival)
        rows.setdefault(row["dedupe_key"], row)
    return list(rows.values())


def _message(incoming: Incoming, arrival: Arrival) -> dict[str, Any]:
    # A sender's clock that is ahead would put everything that follows before it.
    occurred_at = min(arrival.occurred_at or incoming.at, incoming.at)
    return {
        "public_id": new_id("inm"),
        "dedupe_key": _short(arrival.dedupe_key),
        "second_key": _short(str(next(iter(arrival.facts.get("also") or ()), ""))),
        "kind": arrival.kind,
        "event_type": arrival.event_type[:100],
        "provider_id": _short(arrival.provider_id),
        "thread_key": _short(_thread_key(arrival)),
        "text": arrival.text,
        "facts": facts(arrival),
        "extra": arrival.extra,
        "occurred_at": occurred_at.isoformat(),
        "starts_agent": arrival.starts_agent and incoming.at - occurred_at < TOO_LATE,
    }


def facts(arrival: Arrival) -> dict[str, Any]:
    """What has no column of its own; empty values left out."""
    columns = {"kind", "dedupe_key", "provider_id", "event_type", "text", "extra", "occurred_at", "facts"}
    given = {each.name: getattr(arrival, each.name) for each in fields(arrival)}
    found = {name: _plain(value) for name, value in given.items() if name not in columns and value}
    return {**arrival.facts, **found}


def _plain(value: Any) -> Any:
    """As JSON has it. The content of a file is not part of it: that has a place of its own by now."""
    if isinstance(value, Sender | Attachment):
        return {each.name: getattr(value, each.name) for each in fields(value) if each.name != "content"}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _thread_key(arrival: Arrival) -> str:
    """What must be worked off one after the other: a thread, or else everything of one sender."""
    sender = arrival.sender.addresses[0] if arrival.sender and arrival.sender.addresses else ""
    return arrival.thread or sender or arrival.target_id or arrival.dedupe_key


def _short(key: str) -> str:
    return key if len(key) <= MOST_KEY else "sha256:" + hashlib.sha256(key.encode(errors="replace")).hexdigest()


# --- bodies and files ------------------------------------------------------------------------------------------------


def _body(adapter: Adapter, channel: Channel, incoming: Incoming) -> bytes:
    """What is kept of the body: as it came, or the fields of a form as JSON; without this channel's secrets."""
    body = incoming.body
    if incoming.form is not None:
        body = json.dumps([list(pair) for pair in incoming.form.fields]).encode()
    return Masker(channel.secret_values()).data(body) if adapter.hides_secrets_in_body else body


def with_files(incoming: Incoming, arrivals: Sequence[Arrival], channel: Channel) -> list[Arrival]:
    """The files that came along laid down, before any row speaks of them."""
    return [
        replace(arrival, attachments=[_with_file(incoming, each, channel) for each in arrival.attachments])
        if arrival.attachments
        else arrival
        for arrival in arrivals
    ]


def _with_file(incoming: Incoming, attachment: Any, channel: Channel) -> Any:
    content: Any = None
    if attachment.content is not None:
        content = ContentFile(attachment.content)
    elif attachment.upload is not None and incoming.form and attachment.upload < len(incoming.form.files):
        content = File(incoming.form.files[attachment.upload].file)
    if content is None:
        return attachment
    content.seek(0)
    digest = hashlib.sha256()
    size = 0
    for chunk in content.chunks():
        digest.update(chunk)
        size += len(chunk)
    content.seek(0)
    return replace(attachment, file=_lay_down(channel, content), size=size, sha256=digest.hexdigest())


def _pick_up(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)


def _lay_down(channel: Channel, content: Any) -> str:
    """Its name in the file store: nothing of the sender's is in it."""
    return default_storage.save(f"inbound/{channel.public_id}/{uuid.uuid4().hex}", content)
