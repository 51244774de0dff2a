"""Reading Telegram's updates: each request is one, and each update is of one kind."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from channels_inbound.adapters.base import Arrival, Incoming, Kind, Sender, Unusable, first
from channels_inbound.adapters.reading import get, ident, mapping, moment, objects, table
from channels_inbound.adapters.reading import text as clean
from channels_inbound.adapters.telegram_content import content, happening

# Telegram's own accounts that carry posts of channels and of nameless administrators into groups.
CARRIERS = frozenset({"777000", "136817688"})


def arrivals(incoming: Incoming) -> list[Arrival]:
    """What an update tells. Raises `Unusable` for what is no update."""
    body = table(incoming.body)
    number = ident(body.get("update_id"))
    if not (number.isascii() and number.isdigit()):
        raise Unusable("The request of Telegram has no update_id.")
    name = next((key for key in body if key != "update_id"), "")
    update = _Update(number, name, mapping(body.get(name)), incoming.at)
    if not update.element:
        return [update.made("unsupported", reason="The update of Telegram is empty.")]
    return list(READ.get(name, _Update.happened)(update))


def message_id(chat: str, number: str) -> str:
    return f"{chat}:{number}" if chat and number else ""


class _Update:
    def __init__(self, number: str, name: str, element: Mapping[str, Any], now: datetime) -> None:
        self.number, self.name, self.element, self.now = number, clean(name, 60), element, now
        self.chat = mapping(element.get("chat"))
        self.chat_id = ident(self.chat.get("id"))

    def made(self, kind: Kind, **more: Any) -> Arrival:
        known = {
            "provider_id": self.number,
            "event_type": f"telegram.{self.name}" if self.name else "telegram",
            "sender": self._sender(),
            "recipient": ident(self.element.get("business_connection_id")),
            "dedupe_key": self._key(),
            "occurred_at": moment(self.element.get("date"), self.now),
            "extra": dict(self.element),
        }
        return Arrival(kind=kind, **(known | more))

    def _key(self) -> str:
        """The number of an update alone comes again: with another bot, or after a week in which there was none."""
        own = first(ident(self.element.get(name)) for name in ("message_id", "id", "date"))
        return ":".join(filter(None, (self.number, self.chat_id, own)))

    def _sender(self) -> Sender | None:
        """Whoever shares their own contact shows us their number: Telegram has compared the two."""
        sender, card = person(self.element.get("from") or self.element.get("user")), self.element.get("contact")
        is_own = sender is not None and ident(get(card, "user_id")) in sender.addresses
        number = f"+{ident(get(card, 'phone_number')).removeprefix('+')}" if is_own else ""
        is_number = re.fullmatch(r"\+[0-9]{7,15}", number)
        return replace(sender, phone=number) if sender and is_number else sender

    # --- messages ---

    def message(self) -> Iterator[Arrival]:
        message = self.element
        said = content(message)
        what = happening(message)
        if not self.chat_id:
            yield self.made("unsupported", reason="The message does not say in which chat it is.")
        elif what:
            facts = {what: message[what]}
            yield self.made("event", event_type=f"telegram.{what}", thread=self._thread(), facts=facts)
        elif not said:
            yield self.made("unsupported", thread=self._thread(), reason="There is nothing in the message we can read.")
        else:
            kind = self._speaker()
            no_one = kind == "message" and person(message.get("from")) is None
            reason = "The message does not say who wrote it." if no_one else ""
            place = self._place() | ({"recipient": self.chat_id} if kind == "echo" else {})
            facts = {"facts": self._facts() | said.pop("facts", {})}
            yield self.made("unsupported" if no_one else kind, reason=reason, **(place | said | facts))

    def _speaker(self) -> Kind:
        message, sender = self.element, ident(get(self.element, "from", "id"))
        if self.name.endswith("channel_post") or message.get("is_automatic_forward") is True:
            return "channel_post"
        # In a chat of a business account both sides are heard: the customer is whom the chat is named after.
        if message.get("sender_business_bot") or (self.name == "business_message" and sender != self.chat_id):
            return "echo"
        return "bot_message" if get(message, "from", "is_bot") is True or sender in CARRIERS else "message"

    def _place(self) -> dict[str, Any]:
        """Where a message stands, and what it takes to answer there."""
        message = self.element
        number, topic = ident(message.get("message_id")), self._topic()
        answer_to = {
            "chat_id": self.chat_id,
            "message_thread_id": topic,
            "message_id": "" if self._is_direct() else number,
            "business_connection_id": ident(message.get("business_connection_id")),
        }
        replied = mapping(message.get("reply_to_message"))
        # Every message of a topic answers, technically, the one that opened it.
        is_answer = bool(replied) and "forum_topic_created" not in replied
        return {
            "provider_id": message_id(self.chat_id, number) or self.number,
            "thread": self._thread(),
            "answer_to": {name: value for name, value in answer_to.items() if value},
            "reply_to_id": message_id(self.chat_id, ident(replied.get("message_id"))) if is_answer else "",
        }

    def _is_direct(self) -> bool:
        kind = self.chat.get("type")
        return kind in ("private", "sender") or (kind is None and not self.chat_id.startswith("-"))

    def _topic(self) -> str:
        # Answers in ordinary groups bear the number of a thread too, in which nothing can be sent.
        return ident(self.element.get("message_thread_id")) if self.element.get("is_topic_message") is True else ""

    def _thread(self) -> str:
        topic = self._topic()
        if self._is_direct() and not topic:
            return ""
        return f"{self.chat_id}:{topic}" if topic else self.chat_id

    def _facts(self) -> dict[str, Any]:
        """What makes it more than its words. The parts of an album are messages of their own with one group."""
        found = {
            "update_id": self.number,
            "chat_id": self.chat_id,
            "chat_type": clean(self.chat.get("type"), 20),
            "chat_title": clean(self.chat.get("title"), 300),
            "album": ident(self.element.get("media_group_id")),
            "is_forwarded": bool(self.element.get("forward_origin") or self.element.get("forward_date")) or None,
            "quote": clean(get(self.element, "quote", "text")),
            "language": clean(get(self.element, "from", "language_code"), 20),
        }
        return {name: value for name, value in found.items() if value}

    def edited(self) -> Iterator[Arrival]:
        target = message_id(self.chat_id, ident(self.element.get("message_id")))
        if not target:
            yield self.made("unsupported", reason="The change does not say which message it is about.")
            return
        said = content(self.element)
        yield self.made(
            "message_edited",
            target_id=target,
            thread=self._thread(),
            text=said.get("text", ""),
            attachments=said.get("attachments", ()),
            facts=self._facts() | said.get("facts", {}),
            occurred_at=moment(self.element.get("edit_date"), self.now),
        )

    def deleted(self) -> Iterator[Arrival]:
        numbers = self.element.get("message_ids")
        targets = [message_id(self.chat_id, ident(each)) for each in numbers] if isinstance(numbers, list) else []
        for place, target in enumerate(filter(None, targets)):
            key = f"{self._key()}:deleted:{place}"
            yield self.made("message_deleted", dedupe_key=key, target_id=target)
        if not any(targets):
            yield self.made("unsupported", reason="The deletion does not say which messages it is about.")

    # --- what else people do ---

    def pressed(self) -> Iterator[Arrival]:
        """A button below a message, which may be gone or too old to be told."""
        query, message = self.element, mapping(self.element.get("message"))
        sender = person(query.get("from"))
        payload = clean(query.get("data"), 200) or clean(query.get("game_short_name"), 200)
        if sender is None:
            yield self.made("unsupported", reason="The request does not say who pressed the button.")
            return
        title = _title(message, payload)
        under = _Update(self.number, "message", message, self.now)
        place = under._place() if under.chat_id else {}
        number = ident(message.get("message_id"))
        yield self.made(
            "postback",
            **place
            | {
                "provider_id": ident(query.get("id")) or self.number,
                "reply_to_id": message_id(under.chat_id, number),
                "text": title or payload,
                "action": {"id": ident(query.get("id")), "payload": payload, "title": title},
                "occurred_at": self.now,
                "facts": {"update_id": self.number, "chat_id": under.chat_id},
            },
        )

    def reacted(self) -> Iterator[Arrival]:
        signs = [_sign(each) for each in objects(self.element.get("new_reaction"))]
        target = message_id(self.chat_id, ident(self.element.get("message_id")))
        if not target:
            yield self.made("unsupported", reason="The reaction does not say which message it is about.")
            return
        sender = person(self.element.get("user")) or person(self.element.get("actor_chat"))
        facts = {"emoji": first(signs), "emojis": [each for each in signs if each], "is_removed": not signs}
        yield self.made("reaction", target_id=target, sender=sender, facts=facts)

    def membership(self) -> Iterator[Arrival]:
        """Whether people let the bot speak to them: *kicked* in a direct chat is how a block is told."""
        status = clean(get(self.element, "new_chat_member", "status"), 20)
        facts = {"chat_id": self.chat_id, "status": status, "is_blocked": self._is_direct() and status == "kicked"}
        yield self.made("event", facts=facts)

    def happened(self) -> Iterator[Arrival]:
        yield self.made("event", facts={"chat_id": self.chat_id} if self.chat_id else {})


READ: dict[str, Callable[[_Update], Iterator[Arrival]]] = {
    "message": _Update.message,
    "business_message": _Update.message,
    "channel_post": _Update.message,
    "edited_message": _Update.edited,
    "edited_business_message": _Update.edited,
    "edited_channel_post": _Update.edited,
    "deleted_business_messages": _Update.deleted,
    "callback_query": _Update.pressed,
    "message_reaction": _Update.reacted,
    "my_chat_member": _Update.membership,
}


def person(value: Any) -> Sender | None:
    someone = mapping(value)
    number = ident(someone.get("id"))
    if not number:
        return None
    names = (clean(someone.get(key), 200) for key in ("first_name", "last_name"))
    return Sender(
        addresses=[number],
        id_type="tg_user",
        name=" ".join(filter(None, names)) or clean(someone.get("title"), 200),
        username=clean(someone.get("username"), 100),
        is_bot=someone.get("is_bot") is True,
    )


def _title(message: Mapping[str, Any], payload: str) -> str:
    """The words on the button that sends this, if the message is told along with it."""
    rows = get(message, "reply_markup", "inline_keyboard")
    buttons = (button for row in rows for button in objects(row)) if isinstance(rows, list) else ()
    return next((clean(each.get("text"), 300) for each in buttons if each.get("callback_data") == payload), "")


def _sign(reaction: Mapping[str, Any]) -> str:
    return first(
        (clean(reaction.get("emoji"), 40), ident(reaction.get("custom_emoji_id")), clean(reaction.get("type")))
    )
