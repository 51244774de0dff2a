"""What Messenger and Instagram share: entries of messaging events between a person and a page or an account."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from channels_inbound.adapters.base import Arrival, Connection, Incoming, Outgoing, Sender, first
from channels_inbound.adapters.meta import Meta, filled, foreign, malformed, misfits, print_of
from channels_inbound.adapters.meta_content import MEDIA_HOSTS, content, is_media
from channels_inbound.adapters.reading import get, ident, moment, objects, text

# Samples that the dashboard sends, and some accounts' real ones, stand under `changes` by these names.
FIELDS = frozenset(
    {
        "messages",
        "message_deliveries",
        "message_echoes",
        "message_edit",
        "message_edits",
        "message_reactions",
        "message_reads",
        "messaging_handover",
        "messaging_handovers",
        "messaging_optins",
        "messaging_postbacks",
        "messaging_referral",
        "messaging_referrals",
        "messaging_seen",
        "standby",
    }
)
# What may happen in a thread without anybody saying anything.
EVENTS = (
    "referral",
    "optin",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "app_roles",
    "account_linking",
    "policy_enforcement",
    "message_request",
    "messaging_feedback",
    "response_feedback",
    "order",
    "game_play",
)

ERRORS: Mapping[str, str] = {
    "551": "This person cannot be reached now: they have blocked you, or left.",
    "2018001": "Meta does not know this person, or they never wrote to you.",
    "2018109": "The message is longer than Meta takes.",
    "2018278": "More than 24 hours have passed since this person last wrote, so no free text may be sent.",
    "2018300": "Another application has this thread now.",
    "2534014": "Meta does not know this person, or they never wrote to you.",
    "2534022": "More than 24 hours have passed since this person last wrote, so no free text may be sent.",
    "1545041": "This person cannot be reached now: they have blocked you, or left.",
    "100": "Meta does not know this person or this account, or does not accept the message as it is.",
    "32": "Your page has sent too many messages for now.",
    "80002": "Your account has sent too many messages for now.",
    "80006": "Your page has sent too many messages for now.",
}


@dataclass(frozen=True)
class Place:
    """Where we are: the account it is about, and whether another application has the thread."""

    kind: str
    id_type: str
    account: str
    now: datetime
    is_standby: bool = False


class Messaging(Meta):
    """A page or an account. `owner` names the setting that holds its id."""

    owner: ClassVar[str]
    id_type: ClassVar[str]
    reply_window = timedelta(hours=24)
    media_hosts = MEDIA_HOSTS
    errors = ERRORS

    def entry(self, entry: dict[str, Any], incoming: Incoming, connection: Connection) -> Iterator[Arrival]:
        account, own = ident(entry.get("id")), connection.setting(self.owner)
        for element, is_standby in _elements(entry):
            if isinstance(element, Arrival):
                yield element
            elif _is_foreign(element, account, own):
                yield foreign(element, _owner(element, account, own), self.kind)
            else:
                place = Place(self.kind, self.id_type, own or account, incoming.at, is_standby)
                yield from _event(element, place)

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        """The address holds its own proof; the token stays here."""
        url = text(attachment.get("url"), 4000)
        return Outgoing(method="GET", url=url) if is_media(url) else None


def _elements(entry: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any] | Arrival, bool]]:
    """The events of an entry, each with whether it is only for our information."""
    for name in ("messaging", "standby", "changes"):
        yield from ((each, False) for each in misfits(entry.get(name), name))
    yield from ((each, False) for each in objects(entry.get("messaging")))
    yield from ((each, True) for each in objects(entry.get("standby")))
    for change in objects(entry.get("changes")):
        field, value = text(change.get("field"), 60), change.get("value")
        if field in FIELDS and isinstance(value, dict):
            yield value, field == "standby"
        else:
            yield _other_field(change, field, entry), False


def _other_field(change: Mapping[str, Any], field: str, entry: Mapping[str, Any]) -> Arrival:
    if not field:
        return malformed(change, "A change does not say what it is about.")
    key = f"{field}:{print_of(change, entry.get('id'), entry.get('time'))}"
    reason = f"“{field}” is no part of a conversation."
    return Arrival(kind="unsupported", dedupe_key=key, event_type=field, reason=reason, extra=change)


def _ends(element: Mapping[str, Any]) -> tuple[str, str]:
    return ident(get(element, "sender", "id")), ident(get(element, "recipient", "id"))


def _is_foreign(element: Mapping[str, Any], account: str, own: str) -> bool:
    """Whether another page or account than ours is one of its ends. Without a setting everything is ours."""
    if not own:
        return False
    sender, recipient = _ends(element)
    return (bool(account) and account != own) or (bool(recipient) and own not in (sender, recipient))


def _owner(element: Mapping[str, Any], account: str, own: str) -> str:
    return account if account and account != own else _ends(element)[1]


# --- one event -------------------------------------------------------------------------------------------------------


def _event(element: dict[str, Any], place: Place) -> Iterator[Arrival]:
    if isinstance(element.get("delivery"), dict):
        yield from _deliveries(element, place)
    else:
        yield _single(element, place)


def _single(element: dict[str, Any], place: Place) -> Arrival:
    for name, reader in _READERS:
        if isinstance(element.get(name), dict):
            return reader(element, place)
    name = first(each for each in EVENTS if each in element)
    if name:
        return _happening(element, place, name)
    words = ", ".join(sorted(set(element) - {"sender", "recipient", "timestamp"}))[:100] or "nothing"
    return _arrival(element, place, "unsupported", f"unknown:{_mark(element)}", reason=f"We do not know: {words}.")


def _arrival(element: dict[str, Any], place: Place, kind: Any, key: str, **fields: Any) -> Arrival:
    sender, recipient = _ends(element)
    described = {
        "event_type": f"{place.kind}.{kind}",
        "sender": Sender(addresses=(sender,), id_type=place.id_type) if sender else None,
        "recipient": recipient,
        "occurred_at": moment(element.get("timestamp"), place.now),
        "extra": element,
    }
    return Arrival(kind=kind, dedupe_key=key, **(described | fields))


def _mark(element: Mapping[str, Any]) -> str:
    """Stands in for an id: who, when and what."""
    return f"{_ends(element)[0]}:{ident(element.get('timestamp'))}:{print_of(element)}"


def _happening(element: dict[str, Any], place: Place, name: str) -> Arrival:
    key, facts = f"{name}:{_mark(element)}", filled(**{name: element[name]})
    return _arrival(element, place, "event", key, event_type=f"{place.kind}.{name}", facts=facts)


# --- messages --------------------------------------------------------------------------------------------------------


def _message(element: dict[str, Any], place: Place) -> Arrival:
    message = element["message"]
    name, sender = ident(message.get("mid")), _ends(element)[0]
    if not sender:
        return malformed(element, "The message does not say who wrote it.")
    if message.get("is_deleted") is True:
        return _deleted(element, place, name)
    fields = {"provider_id": name} | content(message)
    # Our own account's words are no customer's, whatever the event says.
    if message.get("is_echo") is True or message.get("is_self") is True or sender == place.account:
        return _echo(element, place, name, fields)
    kind = fields.pop("kind")
    starts = kind == "message" and place.is_standby
    return _arrival(element, place, "standby" if starts else kind, name or _mark(element), **fields)


def _deleted(element: dict[str, Any], place: Place, name: str) -> Arrival:
    if not name:
        return malformed(element, "It does not say which message is deleted.")
    return _arrival(element, place, "message_deleted", f"{name}:deleted", provider_id=name, target_id=name)


def _echo(element: dict[str, Any], place: Place, name: str, fields: dict[str, Any]) -> Arrival:
    message = element["message"]
    facts = fields.get("facts", {}) | filled(
        app_id=ident(message.get("app_id")), our_message_id=text(message.get("metadata"), 200)
    )
    fields = fields | {"facts": facts, "reason": ""}
    fields.pop("kind")
    return _arrival(element, place, "echo", name or _mark(element), **fields)


# --- what else people do ---------------------------------------------------------------------------------------------


def _edit(element: dict[str, Any], place: Place) -> Arrival:
    edit = element["message_edit"]
    name, number, words = ident(edit.get("mid")), ident(edit.get("num_edit")), text(edit.get("text"))
    if not name:
        return malformed(element, "It does not say which message is edited.")
    key = f"{name}:edit:{number or print_of(element)}"
    if not words:
        # Instagram tells of edits number 0 of messages that nobody changed; they must not empty a text.
        return _arrival(element, place, "unsupported", key, target_id=name, reason="The edit has no new text.")
    kind = "echo" if _ends(element)[0] == place.account else "message_edited"
    return _arrival(element, place, kind, key, target_id=name, text=words)


def _postback(element: dict[str, Any], place: Place) -> Arrival:
    """A button, an icebreaker or an entry of the menu was pressed."""
    postback, sender = element["postback"], _ends(element)[0]
    if not sender:
        return malformed(element, "The postback does not say who pressed.")
    name, payload, title = ident(postback.get("mid")), text(postback.get("payload")), text(postback.get("title"))
    return _arrival(
        element,
        place,
        "standby" if place.is_standby else "postback",
        name or f"{sender}:{ident(element.get('timestamp'))}:{payload or print_of(element)}",
        provider_id=name,
        text=title,
        action={"id": payload, "payload": payload, "title": title},
        facts=filled(referral=postback.get("referral")),
    )


def _reaction(element: dict[str, Any], place: Place) -> Arrival:
    reaction = element["reaction"]
    name, sender = ident(reaction.get("mid")), _ends(element)[0]
    emoji = text(reaction.get("emoji"), 40) or text(reaction.get("reaction"), 40)
    is_removed = reaction.get("action") == "unreact"
    kind = "echo" if sender and sender == place.account else "reaction"
    key = f"{name}:reaction:{sender}:{ident(element.get('timestamp')) or print_of(element)}"
    facts = {"emoji": "" if is_removed else emoji, "is_removed": is_removed}
    return _arrival(element, place, kind, key, target_id=name, facts=facts)


# --- what became of ours ---------------------------------------------------------------------------------------------


def _read(element: dict[str, Any], place: Place) -> Arrival:
    """Instagram names the message; Messenger gives a time up to which everything was read."""
    name, watermark = ident(get(element, "read", "mid")), get(element, "read", "watermark")
    key = f"{name}:read" if name else f"read:{_ends(element)[0]}:{ident(watermark) or print_of(element)}"
    return _receipt(element, place, "read", key, name, watermark)


def _receipt(element: dict[str, Any], place: Place, status: str, key: str, name: str, watermark: Any) -> Arrival:
    until = moment(watermark, place.now)
    return _arrival(
        element,
        place,
        "status",
        key,
        event_type=f"{place.kind}.status.{status}",
        provider_id=name,
        target_id=name,
        status=status,
        facts=filled(until=until.isoformat() if until else None),
    )


def _deliveries(element: dict[str, Any], place: Place) -> Iterator[Arrival]:
    """One status for every message that it names; where it names none, one for the time up to which all arrived."""
    watermark = get(element, "delivery", "watermark")
    for name in _mids(element):
        yield _receipt(element, place, "delivered", f"{name}:delivered", name, watermark)
    if not _mids(element):
        key = f"delivered:{_ends(element)[0]}:{ident(watermark) or print_of(element)}"
        yield _receipt(element, place, "delivered", key, "", watermark)


def _mids(element: Mapping[str, Any]) -> list[str]:
    mids = get(element, "delivery", "mids")
    return [ident(each) for each in mids if ident(each)] if isinstance(mids, list) else []


_READERS: tuple[tuple[str, Callable[[dict[str, Any], Place], Arrival]], ...] = (
    ("message", _message),
    ("message_edit", _edit),
    ("postback", _postback),
    ("reaction", _reaction),
    ("read", _read),
)
