"""The API of our own script on other people's pages: no cookies and no key, but an origin and a session.

Every answer is for the page whose origin was looked at, so `Vary: Origin` stands everywhere. That look keeps other
sites from showing the widget; it is no proof, since a program writes whatever origin it likes. What is proved is the
session, and it opens nothing but its own conversation.
"""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import feedback
from agents.api.base import too_many
from agents.api.feedback import RatingField
from agents.models import Conversation, Message, Turn
from channels_inbound.models import Channel
from channels_inbound.storing import StoreDown, store_errors
from channels_inbound.widget import appearance, history, limits, saying, sessions, streaming
from chatzuri.api import ApiView, JsonParser, Problem, find

KIND = "website"
# How long a browser remembers that it may ask. Chromium stops believing it after two hours.
PREFLIGHT_SECONDS = 7200


class PlainJsonParser(JsonParser):
    """JSON that is called text: browsers send it to another origin without asking first."""

    media_type = "text/plain"


class WidgetView(ApiView):
    """A view under /api/v1/agents/<agent_id>/chat/website/."""

    authentication_classes = []
    permission_classes = []
    channel: Channel
    is_allowed = False

    @property
    def origin(self) -> str:
        return self.request.headers.get("Origin", "")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.channel = _channel(kwargs["agent_id"])
        # To the site that they are on browsers name no origin with a GET; the session knows where it began.
        is_named = bool(self.origin) or request.method != "GET"
        if is_named and not appearance.allows(self.channel, self.origin):
            host = appearance.host_of(self.origin)
            raise Problem(
                403,
                "Domain not allowed",
                f"{host or 'A page without a host name'} is not among the allowed domains of this chat.",
                domain=host,
            )
        self.is_allowed = True

    def session(self) -> sessions.Session:
        """Of the token in the header, and only if the page it was made for is still allowed."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        try:
            session = sessions.read(self.channel, origin=self.origin, token=token if scheme == "Bearer" else "")
        except sessions.NotOurs:
            raise Problem(401, "No session", "Begin a session first: this token is none, or it has expired.") from None
        if not appearance.allows(self.channel, session.origin):
            raise Problem(401, "No session", "The page that this session began on is not allowed any more.")
        return session

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        headers = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
        return Response(status=204, headers=headers)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, ["Origin"])
        response.headers.setdefault("Cache-Control", "no-store")
        origin = request.headers.get("Origin", "")
        if self.is_allowed and origin:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "Retry-After"
        return response


def _channel(agent_id: str) -> Channel:
    """With its whole agent: what it greets with and listens for counts here, unlike where a message only waits."""
    rows = Channel.objects.select_related("agent__team").filter(kind=KIND, is_active=True)
    try:
        with store_errors():
            channel = rows.filter(agent__public_id=agent_id).first() if agent_id.isprintable() else None
    except StoreDown:
        problem = Problem(503, "Not available", "Please try again in a moment.")
        problem.wait = 30  # type: ignore[attr-defined]
        raise problem from None
    if channel is None:
        raise exceptions.NotFound
    return channel


# --- beginning -------------------------------------------------------------------------------------------------------


class VisitorSerializer(serializers.Serializer[Any]):
    """Not trimmed: the hash is of exactly this. Without line feeds, which stand between the two values of a hash."""

    user_id = serializers.RegexField(r"\A[^\x00-\x1f]*\Z", max_length=200, allow_blank=True, trim_whitespace=False)
    name = serializers.CharField(max_length=200, default="", allow_blank=True)
    email = serializers.CharField(max_length=254, default="", allow_blank=True, trim_whitespace=False)
    hash = serializers.CharField(max_length=200, default="", allow_blank=True)


class SessionRequestSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=4000, default="", allow_blank=True)
    visitor = VisitorSerializer(required=False)


@extend_schema(exclude=True)
class SessionStart(WidgetView):
    """Begins a session, or renews one: a page asks once when it is loaded."""

    parser_classes = [JsonParser, PlainJsonParser]

    def post(self, request: Request, agent_id: str) -> Response:
        asked = SessionRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        told = asked.validated_data
        visitor, fault = sessions.identify(self.channel, told.get("visitor") or {})
        session = sessions.begin(self.channel, origin=self.origin, visitor=visitor, token=told["token"])
        return Response(
            {
                "token": session.token(),
                "session": session.id,
                "greeting": appearance.greeting(self.channel),
                "settings": appearance.Appearance.of(self.channel).facts(),
                "is_answered": self.channel.agent.is_active,
                "is_identified": bool(visitor.user_id),
                "identity_problem": fault or None,
            }
        )

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """A refusal may be read by every page: it says nothing of the team, and the widget has to tell why it is not
        there. Browsers read it because this request, unlike the others, is sent without asking first."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if not self.is_allowed and request.method == "POST":
            response["Access-Control-Allow-Origin"] = "*"
        return response


# --- talking ---------------------------------------------------------------------------------------------------------


class MessageRequestSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=4000)
    client_id = serializers.RegexField(r"\A[A-Za-z0-9_-]+\Z", max_length=64)
    page = serializers.RegexField(r"\Ahttps?://\S*\Z", max_length=2000, default="", allow_blank=True)


@extend_schema(exclude=True)
class Messages(WidgetView):
    def post(self, request: Request, agent_id: str) -> Response:
        session = self.session()
        asked = MessageRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        line = saying.Line(**asked.validated_data)
        try:
            turn = saying.said_before(self.channel, session, line.client_id) or self._say(request, session, line)
        except saying.Forgotten:
            raise Problem(410, "Deleted", "This message was taken once, and is deleted since.") from None
        return Response({"message_id": turn.message.public_id, "turn_id": turn.public_id}, status=202)

    def get(self, request: Request, agent_id: str) -> Response:
        session = self.session()
        conversation = saying.conversations_of(self.channel, session).filter(state=Conversation.State.OPEN).first()
        if conversation is None:
            return Response({"messages": [], "turns": []})
        lines = history.lines(conversation, after=_after(conversation, request.query_params.get("after", "")))
        return Response(
            {"messages": [history.describe(line) for line in lines], "turns": history.unanswered(conversation)}
        )

    def _say(self, request: Request, session: sessions.Session, line: saying.Line) -> Turn:
        if not self.channel.agent.is_active:
            raise Problem(409, "Agent switched off", appearance.offline_text(self.channel))
        _count(request, self.channel, session, "message")
        return saying.say(channel=self.channel, session=session, line=line)


@extend_schema(exclude=True)
class Stream(WidgetView):
    def get(self, request: Request, agent_id: str) -> HttpResponseBase:
        rows = Turn.objects.filter(conversation__in=saying.conversations_of(self.channel, self.session()))
        return streaming.event_stream(find(rows, request.query_params.get("turn", ""), what="turn of this session"))


class FeedbackRequestSerializer(serializers.Serializer[Any]):
    rating = RatingField()
    comment = serializers.CharField(max_length=2000, default="", allow_blank=True)


@extend_schema(exclude=True)
class MessageFeedback(WidgetView):
    def post(self, request: Request, agent_id: str, message_id: str) -> Response:
        session = self.session()
        asked = FeedbackRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        rows = Message.objects.filter(conversation__in=saying.conversations_of(self.channel, session))
        message = find(rows.select_related("conversation__agent"), message_id, what="message of this session")
        _count(request, self.channel, session, "feedback")
        try:
            feedback.submit(message=message, **asked.validated_data)
        except feedback.NotAReply as refusal:
            raise Problem(409, "Not a reply", str(refusal)) from None
        message = Message.objects.select_related("feedback").get(pk=message.pk)
        return Response({"rating": history.describe(message)["rating"]})


def _count(request: Request, channel: Channel, session: sessions.Session, what: str) -> None:
    """Once more for this session and this address, or 429. Nothing is stored and no brain is asked before this."""
    address = limits.address_of(request._request)
    whose = [f"{channel.public_id}:{session.id}", f"{channel.public_id}:{address}"]
    if wait := limits.take(what, most=appearance.messages_a_minute(channel), whose=whose):
        raise too_many("Too many messages", appearance.rate_limit_message(channel), seconds=wait)


def _after(conversation: Conversation, message_id: str) -> Message | None:
    """An id that is not of this conversation asks for all of it: the last one has ended, and another has begun."""
    if not message_id or not message_id.isprintable():
        return None
    return conversation.messages.filter(public_id=message_id).first()
