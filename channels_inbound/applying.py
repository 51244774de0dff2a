"""Edits, deletions, reactions and receipts: what providers tell about messages that are there already."""

from collections.abc import Iterable
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from agents import feedback
from agents.models import Message, Turn
from channels_inbound import settling
from channels_inbound.models import Attachment, InboundMessage, InboundRequest, Reply
from channels_inbound.saying import words
from channels_inbound.steps import Ignore, NotYet, Step

State = InboundMessage.State
DELETED = "(The sender deleted this message.)"
FORGOTTEN = "The sender deleted a message of this request, so its body is not kept."
# Of a deleted message: who wrote it and where, so that its place in the thread is known.
KEPT = ("sender", "recipient", "thread")
UP = frozenset("👍❤️♥😍🙏👏💯🎉😊🔥")
DOWN = frozenset("👎😡🤬😠💩😞")


def edited(row: InboundMessage) -> Step:
    """Before the answer the new text takes the place of the old one; after it, it is only kept."""
    target = _target(row)
    if target.reason == DELETED:
        _forget(InboundMessage.objects.filter(pk=row.pk))
        return Step(target.conversation, reason="The message was deleted since.")
    if not (row.text or row.facts.get("attachments") or row.facts.get("location")):
        raise Ignore("The change has no words.")
    if target.message is None:
        InboundMessage.objects.filter(pk=target.pk, state=State.RECEIVED).update(text=row.text)
        return Step(target.conversation)
    if is_answered(target.message):
        return Step(target.conversation, reason="It was changed after the agent had answered; both texts are kept.")
    # Some providers tell a change with its files and others without: those of the message count then.
    target.text, target.facts = row.text, target.facts | row.facts
    target.message.rewrite(words(target))
    return Step(target.conversation)


def deleted(row: InboundMessage) -> Step:
    """The words go, also those that we keep of the requests, and the files; that there was a message stays."""
    target = _target(row)
    facts = {name: value for name, value in target.facts.items() if name in KEPT}
    InboundMessage.objects.filter(pk=target.pk).update(facts=facts, reason=DELETED)
    # The request that tells of the deletion may repeat the words, and so do those that told of changes.
    told = InboundMessage.objects.filter(pk__in=(target.pk, row.pk))
    _forget(told)
    if target.conversation is not None:
        changes = InboundMessage.objects.filter(conversation=target.conversation, kind="message_edited")
        _forget(changes.filter(channel=row.channel, facts__target_id=target.provider_id))
    _remove_files(target)
    if target.state == State.RECEIVED:
        InboundMessage.objects.filter(pk=target.pk).update(state=State.IGNORED)
    elif target.message is not None:
        target.message.rewrite(DELETED)
    return Step(target.conversation)


def _forget(rows: QuerySet[InboundMessage]) -> None:
    """No word of them is kept, neither in the rows nor in the requests that they came in."""
    requests = InboundRequest.objects.filter(pk__in=list(rows.values_list("request_id", flat=True)))
    _delete_after(requests.exclude(body_file="").values_list("body_file", flat=True))
    requests.update(body=b"", body_file="", reason=FORGOTTEN)
    rows.update(text="", extra=None)


def _remove_files(target: InboundMessage) -> None:
    files = Attachment.objects.filter(inbound_message=target)
    _delete_after(files.exclude(file="").values_list("file", flat=True))
    files.update(
        state=Attachment.State.REFUSED, reason=DELETED, file="", filename="", described={}, size=None, sha256=""
    )


def _delete_after(names: Iterable[str]) -> None:
    """From the file store, once it is certain that nothing names them any more."""
    for name in list(names):
        transaction.on_commit(partial(default_storage.delete, name))


def is_answered(message: Message) -> bool:
    """Whether a turn that had this message before it has begun to answer."""
    turns = Turn.objects.filter(conversation=message.conversation_id, message_id__gte=message.pk)
    return turns.exclude(state=Turn.State.QUEUED).exists()


def _target(row: InboundMessage) -> InboundMessage:
    """Locked: a deletion may come under another thread's key than the message, and so to another worker."""
    target_id = str(row.facts.get("target_id") or "")
    rows = InboundMessage.objects.filter(channel=row.channel, provider_id=target_id, kind__in=("message", "postback"))
    key = rows.select_for_update().values_list("pk", flat=True).first() if target_id else None
    if key is None:
        raise NotYet("The message that this is about never came to us.")
    return InboundMessage.objects.select_related("message", "conversation").get(pk=key)


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
    told = str(facts.get("status") or "")
    if not facts.get("target_id") and facts.get("until"):
        return _all_until(row, told)
    reply = settling.reply_of(row, str(facts.get("target_id") or ""))
    if reply is None:
        raise NotYet("A status of a message that we did not send.")
    moved = settling.move(reply, told, _why(facts))
    return Step(reply.message.conversation, reason="" if moved else f"It was further than “{told}” already.")


def _all_until(row: InboundMessage, told: str) -> Step:
    """Some receipts name no message but a time: whatever we sent to this person up to then has come that far."""
    addresses = list((row.facts.get("sender") or {}).get("addresses") or ())
    until = parse_datetime(str(row.facts["until"]))
    sent = Reply.objects.filter(channel=row.channel, address__in=addresses, began_at__lte=until)
    behind = [state for state, rank in Reply.RANK.items() if 0 < rank < Reply.RANK.get(told, 0)]
    last = sent.select_related("message__conversation").order_by("-pk").first()
    if last is None:
        raise NotYet("A status of a message that we did not send.")
    # Of one whose answer was lost this proves nothing: it may never have come.
    moved = sent.filter(state__in=behind).update(state=told, reason="", changed_at=timezone.now()) if behind else 0
    return Step(last.message.conversation, reason="" if moved else f"Nothing was behind “{told}” any more.")


def _why(facts: dict[str, object]) -> str:
    text, code = str(facts.get("error_text") or ""), str(facts.get("error_code") or "")
    return f"{text} ({code})"[:500] if text and code else (text or code)[:500]
