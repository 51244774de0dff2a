"""The road of a request from a provider: prove it, read it, keep it, answer. Nothing is sent, fetched or thought here.

Everything that a stranger can do wrong ends in an answer below 500, and everything authentic is on disk before its
answer leaves. What cannot be read is kept all the same, in quarantine.
"""

import json
import logging
from dataclasses import dataclass

from channels_inbound import reading_again, spooling, storing
from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    BadRequest,
    Connection,
    Incoming,
    NotAuthentic,
    Response,
    Unusable,
    Verified,
)
from channels_inbound.models import Channel, InboundRequest, Refusal
from channels_inbound.storing import StoreDown, UsedBefore
from channels_inbound.waking import wake_workers
from chatzuri import relay

logger = logging.getLogger(__name__)

State = InboundRequest.State
PROBLEM = "application/problem+json"
# How adapters begin the reason of what is another channel's: another number, page or account at the same provider.
FOREIGN = "Not for this channel"


@dataclass(frozen=True)
class Outcome:
    """`verdict` is accepted, repeated, quarantined, refused, handshake, bad or down; `request` where one was kept."""

    response: Response
    verdict: str
    reason: str = ""
    request_pk: int | None = None
    stored: int = 0

    @property
    def request(self) -> InboundRequest | None:
        return InboundRequest.objects.filter(pk=self.request_pk).first() if self.request_pk else None


def receive(*, adapter: Adapter, channel: Channel, incoming: Incoming, was_spooled: bool = False) -> Outcome:
    """One request for a channel that exists and is switched on."""
    connection = channel.connection(incoming.at)
    if incoming.method == "GET":
        return _shake_hands(adapter, channel, incoming, connection)
    try:
        verified = _verify(adapter, incoming, connection)
    except NotAuthentic as refused:
        return _refuse(adapter, channel, incoming, refused.reason)
    if (response := _answer_handshake(adapter, incoming, connection)) is not None:
        return Outcome(response, "handshake")
    return _take(adapter, channel, incoming, connection, verified, was_spooled)


def replay(request: InboundRequest) -> Outcome:
    """Read a kept request again, after an adapter learned something. What is known already stays as it is."""
    channel = request.channel
    adapter = channel.adapter
    incoming = reading_again.incoming(request)
    arrivals, state, reason = _parse(adapter, incoming, channel.connection())
    stored = storing.add(request, incoming, arrivals)
    InboundRequest.objects.filter(pk=request.pk).update(state=state, reason=reason[:500], found=len(arrivals))
    wake_workers()
    return Outcome(Response(), str(state), reason, request.pk, stored)


# --- proving ---------------------------------------------------------------------------------------------------------


def _verify(adapter: Adapter, incoming: Incoming, connection: Connection) -> Verified:
    """Whatever goes wrong in there means *not authentic*: the input is a stranger's."""
    try:
        return adapter.verify(incoming, connection)
    except NotAuthentic:
        raise
    except Exception as error:
        logger.warning("Verifying a request of %s broke: %s", adapter.kind, type(error).__name__)
        raise NotAuthentic("unreadable") from None


def _answer_handshake(adapter: Adapter, incoming: Incoming, connection: Connection) -> Response | None:
    try:
        return adapter.handshake(incoming, connection)
    except NotAuthentic:
        raise
    except Exception as error:
        logger.warning("A handshake of %s broke: %s", adapter.kind, type(error).__name__)
        return None


def _shake_hands(adapter: Adapter, channel: Channel, incoming: Incoming, connection: Connection) -> Outcome:
    try:
        response = _answer_handshake(adapter, incoming, connection)
    except NotAuthentic as refused:
        return _refuse(adapter, channel, incoming, refused.reason, status=403)
    return Outcome(response, "handshake") if response else _refuse(adapter, channel, incoming, "handshake", status=403)


def _refuse(
    adapter: Adapter, channel: Channel, incoming: Incoming, reason: str, *, status: int | None = None
) -> Outcome:
    """Nothing of it is kept but a count, and that at most once a second: a flood of forgeries costs no writes."""
    if relay.first(f"refusal:{channel.pk}:{reason}", seconds=1):
        logger.warning("Refused a request for %s (%s): %s", channel.public_id, adapter.kind, reason)
        with storing.store_errors():
            Refusal.objects.note(channel=channel, reason=reason)
    return Outcome(adapter.refused(incoming, status), "refused", reason)


# --- reading and keeping ---------------------------------------------------------------------------------------------


def _parse(adapter: Adapter, incoming: Incoming, connection: Connection) -> tuple[list[Arrival], str, str]:
    """What is in it, and in which state the request is kept. Raises `BadRequest` for a client of our own."""
    try:
        arrivals = list(adapter.parse(incoming, connection))
        aside = _put_aside(arrivals)
        return arrivals, State.SET_ASIDE if aside else State.ACCEPTED, aside
    except BadRequest:
        raise
    except Unusable as why:
        return [], State.QUARANTINED, str(why)
    except Exception:
        logger.exception("Reading a request of %s broke; it is kept in quarantine.", adapter.kind)
        return [], State.QUARANTINED, "We could not read this request. That is a fault of ours; replay it later."


def _put_aside(arrivals: list[Arrival]) -> str:
    """Why nothing in it is for this channel; empty where something is."""
    if not arrivals or not all(each.reason.startswith(FOREIGN) for each in arrivals):
        return ""
    return arrivals[0].reason


def _take(
    adapter: Adapter,
    channel: Channel,
    incoming: Incoming,
    connection: Connection,
    verified: Verified,
    was_spooled: bool,
) -> Outcome:
    try:
        once = adapter.once(incoming)
        arrivals, state, reason = _parse(adapter, incoming, connection)
        kept = storing.keep(
            adapter=adapter,
            channel=channel,
            incoming=incoming,
            verified=verified,
            once=once,
            arrivals=arrivals,
            state=state,
            reason=reason,
            was_spooled=was_spooled,
        )
    except BadRequest as bad:
        return Outcome(_problem(bad), "bad", "; ".join(bad.fields.values()))
    except UsedBefore:
        return _refuse(adapter, channel, incoming, "token_reused", status=409 if adapter.kind == "generic" else None)
    except StoreDown:
        if was_spooled:
            raise
        return down(adapter, incoming, agent_id=channel.agent.public_id)
    if kept.stored:
        wake_workers()
    verdict = str(state) if kept.is_new and (kept.stored or not arrivals) else "repeated"
    return Outcome(adapter.accepted(incoming), verdict, reason, kept.pk, kept.stored)


def down(adapter: Adapter, incoming: Incoming, *, agent_id: str) -> Outcome:
    """The store is away. Whoever asks again is told when; for whoever does not, the request waits on our own disk."""
    if not adapter.retries and spooling.put(adapter.kind, agent_id, incoming):
        return Outcome(adapter.accepted(incoming), "spooled")
    return Outcome(Response(status=503, headers={"Retry-After": "30"}), "down")


def _problem(bad: BadRequest) -> Response:
    errors = [{"pointer": f"/{name}" if name else "", "detail": sentence} for name, sentence in bad.fields.items()]
    told = {
        "type": "about:blank",
        "title": "Malformed request" if bad.status == 400 else "Conflict",
        "status": bad.status,
        "detail": " ".join(bad.fields.values()),
        "errors": errors,
    }
    return Response(status=bad.status, body=json.dumps(told).encode(), content_type=PROBLEM)
