"""A customer's rating of one reply. A later rating of the same reply takes the place of the earlier one."""

from django.db import transaction
from django.utils import timezone

from agents.events import NOBODY, Cause, emit
from agents.models import Feedback, Message

UP, DOWN = 5, 1


class NotAReply(Exception):
    """Only what the agent said can be rated."""


def submit(*, message: Message, rating: int, comment: str = "", cause: Cause = NOBODY) -> tuple[Feedback, bool]:
    """Keep a rating from 1 to 5 and tell of it. The very same again is no news. Says whether it is the first one.

    Load `conversation__agent` with the message. Raises `NotAReply`.
    """
    if message.role != Message.Role.AGENT:
        raise NotAReply("Only a reply of the agent can be rated.")
    with transaction.atomic():
        Message.objects.select_for_update().get(pk=message.pk)
        known = Feedback.objects.filter(message=message).first()
        feedback = known or Feedback(message=message)
        if known and (known.rating, known.comment) == (rating, comment):
            return known, False
        feedback.rating, feedback.comment, feedback.submitted_at = rating, comment, timezone.now()
        feedback.save()
        conversation = message.conversation
        facts = {"message_id": message.public_id, "rating": rating, "comment": comment or None}
        emit(agent=conversation.agent, type="feedback.submitted", data=facts, conversation=conversation, cause=cause)
    return feedback, known is None
