"""Edits, deletions, reactions and receipts: what providers tell about messages that are there already."""

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Case, IntegerField, Value, When
from django.utils import timezone

from agents import feedback
from agents.models import Message, Turn
from channels_inbound.models import Attachment, InboundMessage, InboundRequest, Reply
from channels_inbound.steps import Ignore, NotYet, Step

State = InboundMessage.State
DELETED = "(The sender deleted this message.)"
UP = frozenset("👍❤️♥😍🙏👏💯🎉😊🔥")
DOWN = frozenset("👎😡🤬😠💩😞")


def edited(row: InboundMessage) -> Step:
    """Before the answer the new text takes the place of the old one; after it, it is only kept."""
    target = _target(row)
    if target.message is None:
        InboundMessage.objects.filter(pk=target.pk, state=State.RECEIVED).update(text=row.text)
        return Step(target.conversation)
    if is_answered(target.message):
        return Step(target.conversation, reason="It was changed after the agent had answered; both texts are kept.")
    target.message.rewrite(row.text)
    return Step(target.conversation)


def deleted(row: InboundMessage) -> Step:
    """The words go, also those that we keep of the request; that there was a message stays."""
    target = _target(row)
    facts = {name: value for name, value in target.facts.items() if name in ("sender", "recipient", "thread")}
    InboundMessage.objects.filter(pk=target.pk).update(text="", extra=None, facts=facts)
    _forget_files(target)
    InboundRequest.objects.filter(pk=target.request_id).update(
        body=b"", body_file="", reason="The sender deleted a message of this request, so its body is not kept."
    )
    if target.state == State.RECEIVED:
        InboundMessage.objects.filter(pk=target.pk).update(state=State.IGNORED, reason=DELETED)
    elif target.message is not None:
        target.message.rewrite(DELETED)
    return Step(target.conversation)


def _forget_files(target: InboundMessage) -> None:
    """The request's body where it lies in the file store, and what came along. Only once this is really saved."""
    bodies = InboundRequest.objects.filter(pk=target.request_id).values_list("body_file", flat=True)
    names = [name for name in (*bodies, *target.attachments.values_list("file", flat=True)) if name]
    target.attachments.update(file="", state=Attachment.State.REFUSED, reason=DELETED)
    transaction.on_commit(lambda: [default_storage.delete(name) for name in names])


def is_answered(message: Message) -> bool:
    """Whether a turn that had this message before it has begun to answer."""
    turns = Turn.objects.filter(conversation=message.conversation_id, message_id__gte=message.pk)
    return turns.exclude(state=Turn.State.QUEUED).exists()


def _target(row: InboundMessage) -> InboundMessage:
    target_id = str(row.facts.get("target_id") or "")
    found = (
        InboundMessage.objects.select_related("message", "conversation")
        .filter(channel=row.channel, provider_id=target_id, kind__in=("message", "postback"))
        .first()
        if target_id
        else None
    )
    if found is None:
        raise NotYet("The message that this is about never came to us.")
    return found


def reacted(row: InboundMessage) -> Step:
    """A thumb on a reply of the agent is a rating of it. Any other reaction is only kept."""
    emoji = row.text or str(row.facts.get("emoji") or "")
    reply = (
        Reply.objects.select_related("message__conversation__agent")
        .filter(channel=row.channel, provider_id=str(row.facts.get("target_id") or ""))
        .exclude(provider_id="")
        .first()
    )
    if reply is None:
        raise Ignore("A reaction to a message that is not the agent’s.")
    rating = _rating(emoji)
    if rating is None:
        return Step(reply.message.conversation, reason=f"The customer reacted with {emoji or 'nothing any more'}.")
    with transaction.atomic():
        feedback.submit(message=reply.message, rating=rating)
    return Step(reply.message.conversation, reason=f"{emoji} counts as a rating of {rating}.")


def _rating(emoji: str) -> int | None:
    if any(letter in UP for letter in emoji):
        return feedback.UP
    return feedback.DOWN if any(letter in DOWN for letter in emoji) else None


# --- receipts --------------------------------------------------------------------------------------------------------


def status(row: InboundMessage) -> Step:
    """What became of a message of ours. Only forward: a late *delivered* does not undo *read*."""
    facts = row.facts
    reply = _our_reply(row)
    if reply is None:
        raise NotYet("A status of a message that we did not send.")
    told = str(facts.get("status") or "")
    moved = _move(reply, told, _why(facts))
    return Step(reply.message.conversation, reason="" if moved else f"It was further than “{told}” already.")


def _our_reply(row: InboundMessage) -> Reply | None:
    """By the provider's id, or by our own where the provider brings it back: then its answer to us was lost."""
    rows = Reply.objects.select_related("message__conversation").filter(channel=row.channel).order_by("-pk")
    target_id = str(row.facts.get("target_id") or "")
    if target_id and (found := rows.filter(provider_id=target_id).first()) is not None:
        return found
    own = str(row.facts.get("our_message_id") or "")
    found = rows.filter(public_id=own, provider_id="").first() if own else None
    if found is not None and target_id:
        Reply.objects.filter(pk=found.pk).update(provider_id=target_id)
    return found


def _why(facts: dict[str, object]) -> str:
    text, code = str(facts.get("error_text") or ""), str(facts.get("error_code") or "")
    return f"{text} ({code})"[:500] if text and code else (text or code)[:500]


def _move(reply: Reply, told: str, why: str) -> bool:
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
