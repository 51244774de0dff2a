"""WhatsApp Business, by Meta's Cloud API."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from channels_inbound.adapters.base import Arrival, Connection, Incoming, Outgoing, Recipient, Sender, Setting, first
from channels_inbound.adapters.meta import (
    GRAPH,
    Meta,
    answered,
    filled,
    foreign,
    malformed,
    misfits,
    post,
    print_of,
    said,
    token_of,
)
from channels_inbound.adapters.reading import get, ident, mapping, moment, objects, text
from channels_inbound.adapters.whatsapp_messages import Fields, content
from channels_inbound.adapters.whatsapp_words import ERRORS, EVENTS, STATUSES

# Ids that stand for a person in one business, where the number is not shown: a country, a dot, and letters or digits.
_BUSINESS_SCOPED = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]+")


@dataclass(frozen=True)
class Place:
    """Where in a request we are: which number of ours it is about, who is introduced there, and what went wrong."""

    number_id: str
    contacts: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    now: datetime
    is_standby: bool = False


class WhatsApp(Meta):
    kind = "whatsapp"
    title = "WhatsApp"
    conversation_channel = "whatsapp"
    product = "whatsapp_business_account"
    settings = (
        Setting(
            name="phone_number_id",
            label="Phone number ID",
            help="In the app's dashboard under WhatsApp, API setup. It is not the number itself.",
            example="106540352242922",
        ),
        Setting(
            name="number",
            label="Number",
            help="As people dial it; only for your own pages.",
            is_required=False,
            example="+254 712 345 678",
        ),
    )
    credential_kind = "whatsapp"
    steps = (
        "In Meta's dashboard for developers open your app, and in it WhatsApp, then Configuration.",
        "Paste {url} as callback URL and the verify token from here, and choose Verify and save.",
        "Subscribe to the field messages there.",
        "Copy the phone number ID under API setup, and the app secret under App settings, Basic, and enter both here.",
        "Make a permanent token of a system user that has the permission whatsapp_business_messaging, "
        "and store it as the credential that sends replies.",
    )
    text_limit = 4096
    reply_window = timedelta(hours=24)
    media_hosts = ("graph.facebook.com", "lookaside.fbsbx.com")
    links = {
        "App dashboard": "https://developers.facebook.com/apps/",
        "Setting up webhooks": "https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview",
    }
    errors = ERRORS

    def entry(self, entry: dict[str, Any], incoming: Incoming, connection: Connection) -> Iterator[Arrival]:
        yield from misfits(entry.get("changes"), "changes")
        for change in objects(entry.get("changes")):
            yield from _change(change, entry, incoming, connection)

    # --- replying ---

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        token = token_of(credential, "WhatsApp")
        number_id = connection.setting("phone_number_id") or ident(to.answer_to.get("phone_number_id"))
        if not number_id:
            raise ValueError("The channel has no phone number ID.")
        message = _addressed(to, part) | {"messaging_product": "whatsapp", "type": "text", "text": {"body": text}}
        if to.message_id:
            # It comes back with every status, also where the answer to this request is lost.
            message["biz_opaque_callback_data"] = to.message_id
        return post(f"{GRAPH}/{quote(number_id, safe='')}/messages", token, message)

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        """Asks for the address of a file: it is short-lived, and answers only to the same token."""
        token = token_of(credential, "WhatsApp")
        number = ident(attachment.get("provider_media_id"))
        if not re.fullmatch(r"\d+", number):
            return None
        return Outgoing(method="GET", url=f"{GRAPH}/{number}", headers=(("Authorization", f"Bearer {token}"),))

    def media_url(self, body: bytes, credential: Mapping[str, str]) -> str:
        return text(answered(body).get("url"), 2000)


def _addressed(to: Recipient, part: int) -> dict[str, Any]:
    """To a group, to a number, or to the id of somebody who hides their number."""
    group = ident(to.answer_to.get("group_id"))
    if group:
        # Where several people talk, the answer shows to what it is one.
        quoted = {"context": {"message_id": to.reply_to_id}} if to.reply_to_id and not part else {}
        return {"recipient_type": "group", "to": group} | quoted
    if _BUSINESS_SCOPED.fullmatch(to.address):
        return {"recipient_type": "individual", "recipient": to.address}
    if not to.address:
        raise ValueError("There is no number to answer to.")
    return {"recipient_type": "individual", "to": to.address}


# --- one change ------------------------------------------------------------------------------------------------------


def _change(
    change: dict[str, Any], entry: Mapping[str, Any], incoming: Incoming, connection: Connection
) -> Iterator[Arrival]:
    field, value = text(change.get("field"), 60), change.get("value")
    if not isinstance(value, dict):
        yield malformed(change, "A change has no object as its value.")
        return
    number_id = ident(get(value, "metadata", "phone_number_id"))
    if _is_foreign(number_id, connection):
        yield from _foreign(value, number_id, field)
        return
    place = Place(
        number_id=number_id,
        contacts=[*objects(value.get("contacts"))],
        errors=[*objects(value.get("errors"))],
        now=incoming.at,
        is_standby=field == "standby",
    )
    if field in ("", "messages", "message_echoes", "smb_message_echoes", "standby"):
        yield from _conversation(value, place)
    else:
        yield _account(change, field, entry, incoming)


def _is_foreign(number_id: str, connection: Connection) -> bool:
    own = connection.setting("phone_number_id")
    return bool(own and number_id and own != number_id)


def _foreign(value: dict[str, Any], number_id: str, field: str) -> Iterator[Arrival]:
    elements = [each for name, _ in _LISTS for each in objects(value.get(name))] or [value]
    yield from (foreign(each, f"the phone number ID {number_id}", f"whatsapp.{field}") for each in elements)


def _conversation(value: Mapping[str, Any], place: Place) -> Iterator[Arrival]:
    count = 0
    for name, reader in _LISTS:
        yield from misfits(value.get(name), name)
        for element in objects(value.get(name)):
            count += 1
            yield reader(element, place)
    if not count:
        yield from (_error(each, place) for each in place.errors)


def _account(change: Mapping[str, Any], field: str, entry: Mapping[str, Any], incoming: Incoming) -> Arrival:
    """What happens to the account. It has no id; the same change at the same time is the same thing."""
    known = field in EVENTS
    return Arrival(
        kind="event" if known else "unsupported",
        dedupe_key=f"{field}:{print_of(change, entry.get('id'), entry.get('time'))}",
        event_type=f"whatsapp.{field}",
        reason="" if known else f"We do not know what “{field}” is about.",
        occurred_at=moment(entry.get("time"), incoming.at),
        extra=change,
    )


def _error(error: Mapping[str, Any], place: Place) -> Arrival:
    """Something went wrong at Meta that has to do with no message in particular."""
    return Arrival(
        kind="event",
        dedupe_key=f"error:{print_of(error, place.number_id, place.now.isoformat())}",
        event_type="whatsapp.errors",
        recipient=place.number_id,
        error_code=ident(error.get("code")),
        error_text=_explained(error),
        extra=error,
    )


def _explained(error: Mapping[str, Any]) -> str:
    return ERRORS.get(ident(error.get("code"))) or said(error)


# --- messages --------------------------------------------------------------------------------------------------------


def _message(message: dict[str, Any], place: Place) -> Arrival:
    sender = _sender(message, place)
    if sender is None:
        return malformed(message, "The message does not say who wrote it.")
    if place.errors and "errors" not in message:
        # With a message that is not readable, Meta says beside it why.
        return _arrival(message, place, sender, content(message | {"errors": place.errors}))
    return _arrival(message, place, sender, content(message))


def _arrival(message: dict[str, Any], place: Place, sender: Sender, fields: Fields) -> Arrival:
    group = ident(message.get("group_id"))
    name = ident(message.get("id"))
    described: Fields = {
        "event_type": f"whatsapp.{text(message.get('type'), 40) or 'message'}",
        "dedupe_key": name or f"{sender.addresses[0]}:{print_of(message)}",
        "provider_id": name,
        "sender": sender,
        "recipient": place.number_id,
        "thread": group,
        "occurred_at": moment(message.get("timestamp"), place.now),
        "reply_to_id": ident(get(message, "context", "id")),
        "answer_to": filled(phone_number_id=place.number_id, group_id=group),
        "extra": message,
    }
    facts = {"facts": _facts(message) | fields.get("facts", {})}
    arrival = Arrival(**(described | fields | facts))
    starts = place.is_standby and arrival.starts_agent
    return replace(arrival, kind="standby") if starts else arrival


def _facts(message: Mapping[str, Any]) -> dict[str, Any]:
    context = mapping(message.get("context"))
    forwarded = context.get("forwarded") is True or context.get("frequently_forwarded") is True
    return filled(
        referral=message.get("referral"),
        referred_product=context.get("referred_product"),
        is_forwarded=forwarded or None,
    )


def _sender(message: Mapping[str, Any], place: Place) -> Sender | None:
    """Who writes: by number, or by an id alone where they hide it. None where it says neither."""
    number, scoped = _word(message.get("from")), _word(message.get("from_user_id"))
    if text(message.get("type")) == "system":
        scoped = scoped or _word(get(message, "system", "previous_user_id"))
    if not (number or scoped):
        return None
    contact = _contact(number, scoped, place)
    is_theirs = _is_of(contact, number, scoped)
    ids = [number, scoped, _word(message.get("from_parent_user_id"))]
    if is_theirs:
        ids += [_word(contact.get("user_id")), _word(contact.get("parent_user_id"))]
    return Sender(
        addresses=tuple(dict.fromkeys(each for each in ids if each)),
        id_type="phone" if number else "bsuid",
        name=text(get(contact, "profile", "name"), 200),
        username=text(get(contact, "profile", "username"), 200),
        phone=f"+{number}" if re.fullmatch(r"\d{4,15}", number) else "",
    )


def _word(value: Any) -> str:
    """An id that must be a text: a phone number sent as a number may have lost its zeros."""
    return ident(value) if isinstance(value, str) else ""


def _contact(number: str, scoped: str, place: Place) -> Mapping[str, Any]:
    """Contacts may be missing or fewer than messages, so a place in the list says nothing; a single one is it."""
    for contact in place.contacts:
        if _is_of(contact, number, scoped):
            return contact
    return place.contacts[0] if len(place.contacts) == 1 else {}


def _is_of(contact: Mapping[str, Any], number: str, scoped: str) -> bool:
    found = {_word(contact.get("wa_id")), _word(contact.get("user_id"))} - {""}
    return bool(found & {number, scoped})


# --- echoes and statuses ---------------------------------------------------------------------------------------------


def _echo(message: dict[str, Any], place: Place) -> Arrival:
    """What the business itself said, in its own application or by another program."""
    addressee = first([_word(message.get("to")), _word(message.get("to_user_id"))])
    sender = Sender(addresses=(_word(message.get("from")) or place.number_id,), id_type="phone")
    arrival = _arrival(message, place, sender, content(message))
    return replace(arrival, kind="echo", reason="", recipient=addressee)


def _status(status: dict[str, Any], place: Place) -> Arrival:
    target, word = ident(status.get("id")), text(status.get("status"), 40)
    if not target:
        return malformed(status, "The status does not say which message it is about.")
    error = next(objects(status.get("errors")), {})
    known = STATUSES.get(word, "")
    return Arrival(
        kind="status" if known else "unsupported",
        dedupe_key=f"{target}:{word}",
        event_type=f"whatsapp.status.{word}",
        provider_id=target,
        target_id=target,
        recipient=first([ident(status.get("recipient_id")), ident(status.get("recipient_user_id"))]),
        status=known,
        error_code=ident(error.get("code")),
        error_text=_explained(error),
        reason="" if known else f"We do not know what the status “{word}” means.",
        occurred_at=moment(status.get("timestamp"), place.now),
        facts=_status_facts(status, place),
        extra=status,
    )


def _status_facts(status: Mapping[str, Any], place: Place) -> dict[str, Any]:
    return filled(
        phone_number_id=place.number_id,
        our_message_id=text(status.get("biz_opaque_callback_data"), 200),
        recipient_type=text(status.get("recipient_type"), 40),
        participant=first(
            [ident(status.get("recipient_participant_id")), ident(status.get("recipient_participant_user_id"))]
        ),
        pricing=status.get("pricing"),
    )


_LISTS: tuple[tuple[str, Callable[[dict[str, Any], Place], Arrival]], ...] = (
    ("messages", _message),
    ("message_echoes", _echo),
    ("statuses", _status),
)
