"""What customers think of a reply."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import feedback
from agents.api import people_docs
from agents.api.base import AgentView, cause_of
from agents.models import Feedback, Message
from chatzuri.api import Problem, find
from webhooks.api import moment

THUMBS = {"up": feedback.UP, "down": feedback.DOWN}


@extend_schema_field({"oneOf": [{"type": "integer", "minimum": 1, "maximum": 5}, {"enum": list(THUMBS)}]})
class RatingField(serializers.Field):
    """A number of stars, or a thumb."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and data in THUMBS:
            return THUMBS[data]
        if isinstance(data, int) and not isinstance(data, bool) and 1 <= data <= 5:
            return data
        raise serializers.ValidationError("Give a number from 1 to 5, or up or down.")

    def to_representation(self, value: Any) -> Any:
        return value


class FeedbackRequestSerializer(serializers.Serializer[Any]):
    rating = RatingField(help_text="1 (bad) to 5 (good); `up` counts as 5 and `down` as 1.")
    comment = serializers.CharField(max_length=2000, default="", allow_blank=True)


class MessageFeedback(AgentView):
    @extend_schema(**people_docs.FEEDBACK, request=FeedbackRequestSerializer)
    def post(self, request: Request, agent_id: str, message_id: str) -> Response:
        rows = Message.objects.filter(conversation__agent=self.agent(agent_id)).select_related("conversation__agent")
        message = find(rows, message_id, what="message of this agent")
        asked = FeedbackRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            given, is_new = feedback.submit(message=message, cause=cause_of(request), **asked.validated_data)
        except feedback.NotAReply as refusal:
            raise Problem(409, "Not a reply", str(refusal)) from None
        return Response(describe(given), status=201 if is_new else 200)


def describe(given: Feedback) -> dict[str, Any]:
    return {
        "id": given.public_id,
        "message_id": given.message.public_id,
        "rating": given.rating,
        "comment": given.comment or None,
        "submitted_at": moment(given.submitted_at),
    }
