"""What a visitor says becomes a line of their session's conversation and a turn of the agent, once per client id."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents import turns
from agents.identity import Identifiers
from agents.models import Conversation, Turn
from agents.speaking import take_in
from channels_inbound.models import Channel, InboundMessage, InboundRequest
from channels_inbound.widget.sessions import Session

WORD = "website"


class Forgotten(Exception):
    """This client id was used, and its conversation is deleted since."""


class _Repeated(Exception):
    """Somebody else has stored this client id, now or long ago."""


@dataclass(frozen=True)
class Line:
    """`client_id` is the browser's own name of the message: sent twice with one name, it is one message."""

    text: str
    client_id: str
    page: str = ""

    def body(self) -> bytes:
        return json.dumps({"text": self.text, "client_id": self.client_id, "page": self.page}).encode()


def say(*, channel: Channel, session: Session, line: Line) -> Turn:
    """Store it and queue the turn in one transaction; the turn of the first time where it was stored before.

    Raises `Forgotten`.
    """
    try:
        with transaction.atomic():
            turn = _begin(channel, session, line)
            _keep(channel, session, line, turn)
            return turn
    except _Repeated:
        known = said_before(channel, session, line.client_id)
        if known is None:
            raise Forgotten from None
        return known


def said_before(channel: Channel, session: Session, client_id: str) -> Turn | None:
    """The turn that this client id led to. Raises `Forgotten`."""
    key = _dedupe_key(session, client_id)
    rows = InboundMessage.objects.filter(channel=channel, dedupe_key=key)
    inbound = rows.select_related("message__turn__conversation").first()
    if inbound is None:
        return None
    if inbound.message is None:
        raise Forgotten
    return inbound.message.turn


def conversations_of(channel: Channel, session: Session) -> QuerySet[Conversation]:
    """The open one, and those that ended. They bear the session's name: no other browser writes or reads there."""
    return Conversation.objects.filter(agent=channel.agent_id, channel=WORD, thread=session.id)


# --- storing ---------------------------------------------------------------------------------------------------------


def _begin(channel: Channel, session: Session, line: Line) -> Turn:
    who = session.visitor
    given = Identifiers.read(external_id=who.user_id, email=who.email, session_id=session.id)
    # A thread of its own: whoever names somebody else's address in a chat must not land in their conversation.
    taken = take_in(agent=channel.agent, text=line.text, given=given, channel=WORD, thread=session.id, name=who.name)
    return turns.begin(taken.message, stream=True)


def _keep(channel: Channel, session: Session, line: Line, turn: Turn) -> None:
    """The rows that every channel has for what arrives. They are done already: nobody has to work them off.

    Raises `_Repeated`, and then nothing of the message is stored.
    """
    body = line.body()
    request = InboundRequest.objects.create(
        channel=channel,
        content_type="application/json",
        body=body,
        body_size=len(body),
        body_sha256=hashlib.sha256(body).hexdigest(),
        secret_ref=session.visitor.secret,
        found=1,
    )
    now = timezone.now()
    try:
        with transaction.atomic():
            InboundMessage.objects.create(
                request=request,
                channel=channel,
                dedupe_key=_dedupe_key(session, line.client_id),
                kind="message",
                provider_id=line.client_id,
                thread_key=session.id,
                text=line.text,
                facts=_facts(session, line),
                occurred_at=now,
                starts_agent=True,
                state=InboundMessage.State.DONE,
                conversation=turn.conversation,
                message=turn.message,
                worked_at=now,
            )
    except IntegrityError:
        raise _Repeated from None


def _facts(session: Session, line: Line) -> dict[str, Any]:
    who = session.visitor
    sender = {"addresses": [session.id], "id_type": "session", "session_id": session.id, "name": who.name}
    sender |= {"external_id": who.user_id, "email": who.email}
    return {"sender": {name: value for name, value in sender.items() if value}} | (
        {"page": line.page} if line.page else {}
    )


def _dedupe_key(session: Session, client_id: str) -> str:
    return f"{session.id}:{client_id}"
