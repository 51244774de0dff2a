"""Which reply of ours a provider speaks of, and how far it has come."""

from django.db.models import Case, IntegerField, Value, When
from django.utils import timezone

from channels_inbound.models import InboundMessage, Reply
from channels_inbound.steps import Ignore


def reply_of(row: InboundMessage, target_id: str) -> Reply | None:
    """By the provider's id, or by our own where the provider brings it back: then its answer to us was lost."""
    rows = Reply.objects.select_related("message__conversation").filter(channel=row.channel).order_by("-pk")
    if target_id and (found := rows.filter(provider_id=target_id).first()) is not None:
        return found
    own = str(row.facts.get("our_message_id") or "")
    found = rows.filter(public_id=own, provider_id="").first() if own else None
    if found is not None and target_id:
        Reply.objects.filter(pk=found.pk).update(provider_id=target_id)
    return found


def own_reply(row: InboundMessage) -> Reply | None:
    """The reply of ours that comes back as an echo, even where it is faster than the provider's answer to us."""
    reply = reply_of(row, row.provider_id)
    if reply is None:
        unsure = (Reply.State.SENDING, Reply.State.INTERRUPTED)
        rows = Reply.objects.select_related("message__conversation").filter(channel=row.channel, provider_id="")
        there = rows.filter(address=str(row.facts.get("recipient") or ""), state__in=unsure, text=row.text)
        reply = there.order_by("pk").first()
    if reply is not None and reply.state == Reply.State.INTERRUPTED:
        # So it did get there.
        move(reply, Reply.State.SENT, "")
    if reply is not None and not reply.provider_id and row.provider_id:
        Reply.objects.filter(pk=reply.pk).update(provider_id=row.provider_id)
    return reply


def move(reply: Reply, told: str, why: str) -> bool:
    """Whether it got on. Raises `Ignore` for a word that is none of ours."""
    if told == Reply.State.FAILED:
        unread = Reply.objects.filter(pk=reply.pk).exclude(state__in=(Reply.State.READ, Reply.State.DELIVERED))
        return bool(unread.update(state=Reply.State.FAILED, reason=why, changed_at=timezone.now()))
    if told not in Reply.RANK:
        raise Ignore(f"A status that says nothing to us: {told[:50]}.")
    rank = Case(
        *(When(state=state, then=Value(place)) for state, place in Reply.RANK.items()),
        default=Value(9),
        output_field=IntegerField(),
    )
    rows = Reply.objects.filter(pk=reply.pk).annotate(rank=rank).filter(rank__lt=Reply.RANK[told])
    return bool(rows.update(state=told, reason="", changed_at=timezone.now()))
