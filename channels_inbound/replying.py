"""What the agent answers goes back to the provider: each part once, through the one door out, its outcome on the row.

A part is claimed before its request is written down, and its request is written down before a socket opens. So two
workers never send the same, and a worker that dies leaves *may have been sent*, which nobody sends again.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import Conversation, Message, Turn
from channels_inbound import samples
from channels_inbound.adapters import ADAPTERS
from channels_inbound.adapters.base import Adapter, Outgoing, Recipient
from channels_inbound.models import Channel, Contact, InboundMessage, Reply
from channels_inbound.waking import SEND_REPLIES
from webhooks import fetching, publishing
from webhooks.models import Delivery, Event

logger = logging.getLogger(__name__)

State = Reply.State
UNFINISHED = (State.QUEUED, State.SENDING)
EVENT_TYPE = "channel.reply"
# Longer than a request may take, and its recording after it.
LOST_AFTER = timedelta(seconds=90)
FORGOTTEN_AFTER = timedelta(seconds=30)
SWEPT = timedelta(hours=24)
# Our own signature of a reply. The guard takes these names from nobody but the platform.
PROOFS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})

NO_CREDENTIAL = "The channel has no credential to send with. Choose one on the channel’s page."
CHANNEL_OFF = "The channel is switched off."
A_TEST = "The message was a test of yours, so its reply goes to nobody."
EARLIER = "An earlier part of the same reply did not go out."
WINDOW = "{title} allows free text only within {hours} hours of the customer’s last message, and those are over."
LOST = "The worker ended while it was sending. The provider may have it, so it is not sent again."
NO_ANSWER = "The provider did not answer. It may have it, so it is not sent again."


# --- what there is to send -------------------------------------------------------------------------------------------


def send_replies(*, turn_id: int) -> None:
    """A worker's part when a turn is over: write down its parts, and send what is due at that address."""
    turn = Turn.objects.select_related("reply", "conversation__agent").filter(pk=turn_id).first()
    if turn is None or turn.reply is None:
        return
    inbound = (
        InboundMessage.objects.select_related("channel__agent__team", "channel__credential")
        .filter(message=turn.message_id)
        .first()
    )
    if inbound is None:
        return
    address = prepare(turn.reply, inbound)
    if address:
        send_due(inbound.channel, address)


def prepare(message: Message, inbound: InboundMessage) -> str:
    """A row for each part; the address they go to, or nothing where the channel has no way out at all."""
    addresses = (inbound.facts.get("sender") or {}).get("addresses") or []
    adapter = inbound.channel.adapter
    if not addresses or not can_send(adapter):
        return ""
    parts = adapter.parts(message.text)
    rows = [
        Reply(
            message=message,
            answers=inbound,
            channel=inbound.channel,
            address=addresses[0][:255],
            part=number,
            text=text,
        )
        for number, text in enumerate(parts)
    ]
    Reply.objects.bulk_create(rows, ignore_conflicts=True)
    return str(addresses[0])[:255]


def can_send(adapter: Adapter) -> bool:
    return type(adapter).outgoing is not Adapter.outgoing


def send_due(channel: Channel, address: str) -> None:
    """Send what waits for this address, one after the other, until nothing does or another worker is at it."""
    while (reply := _claim(channel, address)) is not None:
        send(reply)


def _claim(channel: Channel, address: str) -> Reply | None:
    """The oldest part that waits, if nothing before it is on its way: a reply arrives in the order of its parts."""
    earlier = Reply.objects.filter(
        channel=OuterRef("channel"), address=OuterRef("address"), pk__lt=OuterRef("pk"), state__in=UNFINISHED
    )
    due = Reply.objects.filter(channel=channel, address=address, state=State.QUEUED).filter(~Exists(earlier))
    key = due.order_by("pk").values_list("pk", flat=True).first()
    if key is None:
        return None
    claimed = due.filter(pk=key).update(state=State.SENDING, began_at=Now(), changed_at=Now())
    rows = Reply.objects.select_related(
        "message__conversation__agent__team", "channel__agent__team", "channel__credential", "answers"
    )
    return rows.get(pk=key) if claimed else None


# --- sending one -----------------------------------------------------------------------------------------------------


def send(reply: Reply) -> None:
    """Send a claimed part, once. Whatever happens, the row says what."""
    try:
        outgoing = _outgoing(reply)
    except ValueError as why:
        _end(reply, State.NOT_SENT, str(why))
        return
    except Exception:
        logger.exception("Preparing %s broke.", reply)
        _end(reply, State.NOT_SENT, "We could not prepare this message. That is a fault of ours.")
        return
    begun = fetching.begin(
        _source(reply, outgoing),
        method=outgoing.method,
        url=outgoing.url,
        headers=[(name, value) for name, value in outgoing.headers if name not in PROOFS],
        body=outgoing.body,
    )
    if isinstance(begun, fetching.Refused):
        _link(reply, begun.public_id)
        _end(reply, State.NOT_SENT, begun.sentence)
        return
    _link(reply, begun.public_id)
    performed = fetching.perform(begun, seconds=settings.DELIVERY_DEADLINE)
    fetching.finish(begun, performed)
    _conclude(reply, performed, begun.masker.text)
    if reply.channel.credential is not None:
        type(reply.channel.credential).objects.filter(pk=reply.channel.credential.pk).note_use()


def _outgoing(reply: Reply) -> Outgoing:
    """The provider's request. Raises ValueError, a sentence, where it may not or cannot be sent."""
    channel, adapter = reply.channel, reply.channel.adapter
    if not channel.is_active:
        raise ValueError(CHANNEL_OFF)
    if reply.address in samples.SENDERS:
        raise ValueError(A_TEST)
    if reply.message.replies.filter(part__lt=reply.part, state__in=(State.NOT_SENT, State.FAILED)).exists():
        raise ValueError(EARLIER)
    if adapter.credential_kind and channel.credential is None:
        raise ValueError(NO_CREDENTIAL)
    to = recipient(reply)
    if adapter.reply_window and to.last_message_at and timezone.now() - to.last_message_at > adapter.reply_window:
        hours = int(adapter.reply_window.total_seconds() // 3600)
        raise ValueError(WINDOW.format(title=adapter.title, hours=hours))
    values = channel.credential.reveal() if channel.credential else {}
    return adapter.outgoing(reply.text, to=to, connection=channel.connection(), credential=values, part=reply.part)


def recipient(reply: Reply) -> Recipient:
    inbound = reply.answers
    contact = Contact.objects.filter(channel=reply.channel, address=reply.address).first()
    facts: dict[str, Any] = inbound.facts if inbound else {}
    answer_to = dict(facts.get("answer_to") or {})
    return Recipient(
        address=reply.address,
        answer_to=answer_to,
        last_message_at=contact.last_message_at if contact else None,
        reply_to_id=inbound.provider_id if inbound else "",
        references=[str(each) for each in facts.get("references") or ()],
        message_id=reply.public_id,
    )


def _source(reply: Reply, outgoing: Outgoing) -> fetching.Source:
    conversation: Conversation = reply.message.conversation
    credential = reply.channel.credential
    secrets = [*(credential.secret_values() if credential else []), *reply.channel.secret_values()]
    return fetching.Source(
        team_id=conversation.agent.team_id,
        event=Event(
            team_id=conversation.agent.team_id,
            type=EVENT_TYPE,
            data={"channel": reply.channel.kind, "message_id": reply.message.public_id, "part": reply.part},
            agent_ref=conversation.agent.public_id,
            conversation_ref=conversation.public_id,
            is_owed=False,
        ),
        caused_by=reply.public_id,
        secrets=secrets,
        hosts=credential.allowed_hosts() if credential else frozenset(),
        headers={name: value for name, value in outgoing.headers if name in PROOFS},
    )


def _link(reply: Reply, delivery_id: str) -> None:
    if delivery_id:
        key = Delivery.objects.filter(public_id=delivery_id).values("pk")
        Reply.objects.filter(pk=reply.pk).update(delivery_id=key)


def _conclude(reply: Reply, performed: fetching.Performed, mask: Callable[[str], str]) -> None:
    outcome = performed.outcome
    if outcome.status_code is None:
        unsent = outcome.state in (Delivery.State.NOT_SENT, Delivery.State.BLOCKED)
        _end(reply, State.NOT_SENT if unsent else State.INTERRUPTED, mask(outcome.detail) if unsent else NO_ANSWER)
        return
    said = reply.channel.adapter.sent(outcome.status_code, outcome.body)
    if said.error:
        _end(reply, State.FAILED, mask(said.error))
    else:
        _end(reply, State.SENT, "", provider_id=said.provider_id)


def _end(reply: Reply, state: str, reason: str, *, provider_id: str = "") -> None:
    """Unless the reaper was faster: what it wrote stays, and only the provider's id is added."""
    values = {"state": state, "reason": reason[:500], "provider_id": provider_id[:255], "changed_at": Now()}
    late = (State.SENDING, State.INTERRUPTED)
    Reply.objects.filter(pk=reply.pk, state__in=late).update(**values)


# --- sweeping --------------------------------------------------------------------------------------------------------


def sweep() -> None:
    """Call what was lost by its name, and wake somebody for what was forgotten. Sends nothing."""
    Reply.objects.filter(state=State.SENDING, began_at__lt=Now() - LOST_AFTER).update(
        state=State.INTERRUPTED, reason=LOST, changed_at=Now()
    )
    _wake_forgotten_turns()
    _wake_forgotten_parts()


def _wake_forgotten_turns() -> None:
    recent = Turn.objects.filter(then=SEND_REPLIES, finished_at__gt=Now() - SWEPT, reply__isnull=False)
    unsent = recent.filter(finished_at__lt=Now() - FORGOTTEN_AFTER, reply__replies__isnull=True)
    kinds = [kind for kind, adapter in ADAPTERS.items() if can_send(adapter)]
    # The channel may be gone since: then so is what came in on it.
    for turn in unsent.filter(message__inbound_message__channel__kind__in=kinds).order_by("-pk")[:200]:
        publishing.enqueue(SEND_REPLIES, turn_id=turn.pk)


def _wake_forgotten_parts() -> None:
    waiting = Reply.objects.filter(state=State.QUEUED, created_at__lt=Now() - FORGOTTEN_AFTER)
    messages = list(waiting.order_by("pk").values_list("message", flat=True)[:400])
    for turn in Turn.objects.filter(then=SEND_REPLIES, reply__in=messages):
        publishing.enqueue(SEND_REPLIES, turn_id=turn.pk)
