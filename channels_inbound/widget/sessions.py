"""Who writes in the widget: a session that we signed, and perhaps a person whom the team's own server vouches for.

A session is no row: it begins to exist with its first message. Its token lives in the visitor's browser and is worth
something at one channel, from pages of one origin, for 30 days since it was last renewed.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.core import signing

from channels_inbound.models import Channel
from chatzuri.fields import new_id

LASTS = 30 * 24 * 60 * 60
SALT = "channels_inbound.widget.session"
SECRET = "identity_secret"  # noqa: S105 - its name, not its value

NOBODY_VOUCHES = "This channel has no identity secret, so nobody can be vouched for."
WRONG_HASH = "The hash does not fit this user_id. It is made on your server: HMAC-SHA256 of the user_id, in hex."


class NotOurs(Exception):
    """The token is none, is too old, or was made for another channel or another origin."""


@dataclass(frozen=True)
class Visitor:
    """A person the team's server knows. `email` is empty unless the hash covers it; `secret` is what proved it."""

    user_id: str = ""
    name: str = ""
    email: str = ""
    secret: str = ""


@dataclass(frozen=True)
class Session:
    id: str
    channel: str
    origin: str
    visitor: Visitor = Visitor()

    def token(self) -> str:
        who = self.visitor
        facts = {"s": self.id, "c": self.channel, "o": self.origin}
        known = {"u": who.user_id, "n": who.name, "e": who.email, "k": who.secret}
        return signing.dumps(facts | {name: value for name, value in known.items() if value}, salt=SALT)


def begin(channel: Channel, *, origin: str, visitor: Visitor, token: str = "") -> Session:
    """The session of this token with its 30 days begun anew, or another one.

    Another visitor in the same browser is somebody else: they get a session, and with it a conversation, of their own.
    """
    try:
        session = read(channel, origin=origin, token=token)
    except NotOurs:
        session = None
    if session is None or session.visitor.user_id != visitor.user_id:
        return Session(new_id("ses"), channel.public_id, origin, visitor)
    return replace(session, visitor=visitor)


def read(channel: Channel, *, origin: str, token: str) -> Session:
    """The session that we signed. `origin` may be empty: browsers name none when the page is our own.

    Raises `NotOurs`, also where the secret that vouched for the visitor is not valid any more.
    """
    try:
        facts: dict[str, str] = signing.loads(token, salt=SALT, max_age=LASTS)
    except signing.BadSignature:
        raise NotOurs from None
    if facts["c"] != channel.public_id or (origin and origin != facts["o"]):
        raise NotOurs
    visitor = Visitor(facts.get("u", ""), facts.get("n", ""), facts.get("e", ""), facts.get("k", ""))
    if visitor.user_id and visitor.secret not in [each.id for each in channel.connection().valid(SECRET)]:
        raise NotOurs
    return Session(facts["s"], facts["c"], facts["o"], visitor)


def identify(channel: Channel, told: Mapping[str, Any]) -> tuple[Visitor, str]:
    """Who the page says is there, if its hash proves it; and otherwise nobody, with a sentence for the developer.

    The hash is HMAC-SHA256 with the identity secret, in hex, of `user_id`; or of `user_id`, a line feed and `email`.
    Only the second one makes the address count: people are recognised by it, so nobody may choose it for themselves.
    """
    user_id, name, email = (str(told.get(each) or "") for each in ("user_id", "name", "email"))
    if not user_id:
        return Visitor(), ""
    secrets = channel.connection().valid(SECRET)
    for secret in secrets:
        if email and _fits(secret.value, f"{user_id}\n{email}", str(told["hash"])):
            return Visitor(user_id, name, email, secret.id), ""
        if _fits(secret.value, user_id, str(told["hash"])):
            return Visitor(user_id, name, "", secret.id), ""
    return Visitor(), WRONG_HASH if secrets else NOBODY_VOUCHES


def _fits(secret: str, text: str, given: str) -> bool:
    made = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(made.encode(), given.strip().lower().encode())
