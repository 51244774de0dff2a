"""What WhatsApp, Messenger and Instagram share: Meta's signature, its handshake, its envelope and its answers."""

import json
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    Outgoing,
    Response,
    SecretField,
    Sent,
    Unusable,
    Verified,
    first,
)
from channels_inbound.adapters.reading import document, get, ident, mapping, objects, table, text
from channels_inbound.adapters.signing import fingerprint, hex_mac, matching, same, verified

GRAPH = "https://graph.facebook.com/v25.0"
# What marks an arrival that is no more than bytes in the wrong shape. A request of nothing else goes to quarantine.
MALFORMED = "meta.malformed"
_CHALLENGE = re.compile(r"[A-Za-z0-9_.-]{1,200}")

SECRETS = (
    SecretField(
        name="app_secret",
        label="App secret",
        help="In the app's dashboard under App settings, Basic. Meta signs every request with it.",
    ),
    SecretField(
        name="verify_token",
        label="Verify token",
        help="Meta asks for it once, when you save the callback address.",
        is_made_here=True,
    ),
)


class Meta(Adapter):
    """One app of Meta's. Subclasses name their product and read one entry."""

    product: ClassVar[str]  # what `object` says
    methods = ("GET", "POST")
    secrets = SECRETS

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        """The signature covers the bytes as they came. It has no time in it: a repeat is known by its ids."""
        secrets = connection.valid("app_secret")
        header = incoming.header("x-hub-signature-256")
        if secrets and not header:
            raise NotAuthentic("no_signature")
        scheme, _, proof = header.partition("=")
        proofs = [proof] if scheme == "sha256" else []
        return verified(matching(secrets, proofs, lambda secret: hex_mac(secret, incoming.body)))

    def handshake(self, incoming: Incoming, connection: Connection) -> Response | None:
        """Meta asks once with a GET whether the address is ours, and wants its challenge back as it is.

        Raises `NotAuthentic` where it does not know our token.
        """
        if incoming.method != "GET":
            return None
        challenge = _only(incoming, "hub.challenge")
        if _only(incoming, "hub.mode") != "subscribe" or not _knows_token(incoming, connection):
            raise NotAuthentic("verify_token")
        if not _CHALLENGE.fullmatch(challenge):
            return Response(status=400)
        return Response(body=challenge.encode(), headers={"X-Content-Type-Options": "nosniff"})

    def refused(self, incoming: Incoming, status: int | None = None) -> Response:
        return super().refused(incoming, status or (403 if incoming.method == "GET" else None))

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        found = table(incoming.body)
        if found.get("object") != self.product:
            raise Unusable(f"The request is about another product of Meta's than {self.title}.")
        arrivals = [*misfits(found.get("entry"), "entry")]
        for entry in objects(found.get("entry")):
            arrivals += self.entry(entry, incoming, connection)
        if all(each.event_type == MALFORMED for each in arrivals):
            raise Unusable(first(each.reason for each in arrivals) or "The request holds nothing.")
        return arrivals

    @abstractmethod
    def entry(self, entry: dict[str, Any], incoming: Incoming, connection: Connection) -> Iterator[Arrival]:
        """The arrivals of one entry. Never raises."""

    # --- replying ---

    def sent(self, status: int, body: bytes) -> Sent:
        answer = answered(body)
        error = mapping(answer.get("error"))
        if status < 300 and not error:
            return Sent(provider_id=first([ident(get(answer, "messages", 0, "id")), ident(answer.get("message_id"))]))
        code, subcode = ident(error.get("code")), ident(error.get("error_subcode"))
        return Sent(error=self.explain(status, code, subcode, error), error_code=code or str(status))

    def explain(self, status: int, code: str, subcode: str, error: Mapping[str, Any]) -> str:
        """Why it was not taken: our own sentence where we know the code, else what Meta says."""
        known = self.errors.get(subcode) or self.errors.get(code) or _ERRORS.get(code)
        return known or said(error) or f"Meta answered with status {status} and gave no reason."

    errors: ClassVar[Mapping[str, str]] = {}


def _only(incoming: Incoming, name: str) -> str:
    """The value of a parameter that stands there exactly once."""
    values = incoming.query_values(name)
    return values[0] if len(values) == 1 else ""


def _knows_token(incoming: Incoming, connection: Connection) -> bool:
    given = _only(incoming, "hub.verify_token")
    return any(same(given, secret.value) for secret in connection.valid("verify_token"))


# --- the envelope ----------------------------------------------------------------------------------------------------


def misfits(value: Any, name: str) -> Iterator[Arrival]:
    """An arrival for everything that is not an object in what should be a list of objects."""
    if value is None:
        return
    if not isinstance(value, list):
        yield malformed(value, f"“{name}” is not a list.")
        return
    yield from (malformed(each, f"An element of “{name}” is not an object.") for each in value if not _is_object(each))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def malformed(element: Any, reason: str) -> Arrival:
    key = f"malformed:{print_of(element)}"
    return Arrival(kind="unsupported", dedupe_key=key, event_type=MALFORMED, reason=reason, extra=element)


def foreign(element: Any, owner: str, event_type: str) -> Arrival:
    """Something for another number, page or account of the same app.

    Its key is not that of the message: once the setting is put right, the message itself may still arrive.
    """
    reason = f"Not for this channel: it is for {owner}."
    key = f"foreign:{owner}:{print_of(element)}"
    return Arrival(kind="unsupported", dedupe_key=key, event_type=event_type, reason=reason, extra=element)


def print_of(*elements: Any) -> str:
    """The fingerprint of what has no id of its own."""
    return fingerprint(*(json.dumps(each, sort_keys=True).encode() for each in elements))


def filled(**values: Any) -> dict[str, Any]:
    """Only what is there: facts are shown to people."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


# --- answers ---------------------------------------------------------------------------------------------------------


def post(url: str, token: str, content: Mapping[str, Any]) -> Outgoing:
    """A message to the Graph API. The token goes into a header: addresses end up in logs."""
    headers = (("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"))
    return Outgoing(url=url, headers=headers, body=json.dumps(content).encode())


def token_of(credential: Mapping[str, str], title: str) -> str:
    """Raises `ValueError`. A line end in it would end the header."""
    token = credential.get("access_token", "").strip()
    if not token:
        raise ValueError(f"The credential of {title} has no access token.")
    if not (token.isascii() and token.isprintable()):
        raise ValueError(f"The access token of {title} holds letters that no token has.")
    return token


def answered(body: bytes) -> Mapping[str, Any]:
    try:
        return mapping(document(body))
    except Unusable:
        return {}


def said(error: Mapping[str, Any]) -> str:
    """Meta's own words as one sentence; the details say more than the title."""
    words = first(
        text(each, 400).strip()
        for each in (get(error, "error_data", "details"), error.get("message"), error.get("title"))
    )
    return words and (words if words.endswith(".") else f"{words}.")


_ERRORS: Mapping[str, str] = {
    "0": "Meta does not accept the access token. Make a new one and put it into the credential.",
    "2": "Meta could not take the message just then, or this person has blocked you.",
    "3": "The access token may not send messages. Give it the permission at Meta.",
    "4": "Your app has sent too many requests to Meta for now.",
    "10": "The access token may not send messages. Give it the permission at Meta.",
    "190": "The access token has ended or was revoked. Make a new one and put it into the credential.",
    "200": "The access token may not send messages. Give it the permission at Meta.",
    "368": "Meta has blocked this account for a while because of its policies.",
    "613": "Your app has sent too many messages for now.",
}
