"""Reading the Events API of Slack: an envelope with exactly one event."""

from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters.base import Arrival, Attachment, Connection, Incoming, Kind, Sender, Unusable, first
from channels_inbound.adapters.reading import get, ident, mapping, moment, objects, table
from channels_inbound.adapters.reading import text as clean
from channels_inbound.adapters.slack_words import foreign, foreign_key, id_of, message_id, thread_id, words

# Subtypes in which somebody speaks. Every other one tells of something that happened: a join, a new topic.
SPOKEN = frozenset({"", "bot_message", "file_share", "thread_broadcast", "reply_broadcast", "me_message"})
# Slack names its signs in words. These two are said in signs too, since they rate an answer.
THUMBS = {"+1": "👍", "thumbsup": "👍", "-1": "👎", "thumbsdown": "👎"}
FILE_KINDS = {"image": "image", "video": "video", "audio": "audio", "application": "document", "text": "document"}


def event(incoming: Incoming, connection: Connection, unnamed: str) -> Arrival:
    """The one thing in a request. `unnamed` is its key where Slack gave it no id. Raises `Unusable`."""
    return _Event(incoming, connection, unnamed).arrival()


class _Event:
    def __init__(self, incoming: Incoming, connection: Connection, unnamed: str) -> None:
        self.connection, self.now = connection, incoming.at
        self.body = table(incoming.body)
        # Only the notice that we are throttled comes without an envelope.
        found = self.body if self.body.get("type") == "app_rate_limited" else self.body.get("event")
        if not isinstance(found, dict):
            raise Unusable("The request of Slack holds no event.")
        self.event: dict[str, Any] = found
        self.id = ident(self.body.get("event_id"))
        self.key = self.id or unnamed
        self.team = first((ident(self.body.get("team_id")), ident(self.event.get("team"))))
        self.type = clean(self.event.get("type"), 80)
        self.subtype = clean(self.event.get("subtype"), 80)
        self.channel = id_of(self.event.get("channel"))

    def arrival(self) -> Arrival:
        if reason := foreign(self.connection, self.body):
            return self._made("unsupported", dedupe_key=foreign_key(self.key), reason=reason)
        if self.type in {"message", "app_mention"}:
            return self._message()
        if self.type in {"reaction_added", "reaction_removed"}:
            return self._reaction()
        if not self.type:
            return self._made("unsupported", reason="The event of Slack does not say what it is.")
        return self._happened(self.type)

    def _made(self, kind: Kind, **more: Any) -> Arrival:
        known: dict[str, Any] = {
            "dedupe_key": self.key,
            "provider_id": self.id,
            "event_type": f"slack.{self.type}",
            "recipient": ident(self.body.get("api_app_id")),
            "occurred_at": moment(self.event.get("event_ts") or self.body.get("event_time"), self.now),
            "facts": {"event_id": self.id, "team": self.team, "channel": self.channel},
            "extra": self.event,
        }
        facts = {**known.pop("facts"), **more.pop("facts", {})}
        return Arrival(kind=kind, facts=facts, **(known | more))

    def _happened(self, name: str) -> Arrival:
        return self._made("event", event_type=f"slack.{name}", sender=_person(self.event.get("user")))

    def _reaction(self) -> Arrival:
        item = mapping(self.event.get("item"))
        target = message_id(ident(item.get("channel")), ident(item.get("ts")))
        name = clean(self.event.get("reaction"), 100)
        is_removed = self.type == "reaction_removed"
        return self._made(
            "reaction",
            sender=_person(self.event.get("user")),
            target_id=target or ident(item.get("file")),
            text="" if is_removed else THUMBS.get(name.partition("::")[0], ""),
            facts={"emoji": "" if is_removed else name, "is_removed": is_removed, "name": name},
        )

    # --- messages ---

    def _message(self) -> Arrival:
        if self.subtype == "message_changed":
            return self._changed()
        if self.subtype == "message_deleted":
            return self._gone(self.event.get("deleted_ts"))
        if self.subtype not in SPOKEN:
            return self._happened(self.subtype)
        return self._spoken()

    def _changed(self) -> Arrival:
        now = mapping(self.event.get("message"))
        # Whoever deletes a message that has answers leaves a stone in its place.
        if now.get("subtype") == "tombstone":
            return self._gone(now.get("ts"))
        return self._made(
            "message_edited",
            target_id=self._named(now.get("ts")),
            sender=_author(now),
            text=words(now.get("text")),
            thread=self._thread(now),
        )

    def _gone(self, stamp: Any) -> Arrival:
        before = {"ts": stamp} | dict(mapping(self.event.get("previous_message")))
        return self._made(
            "message_deleted", target_id=self._named(stamp), sender=_author(before), thread=self._thread(before)
        )

    def _spoken(self) -> Arrival:
        sender, said, files = _author(self.event), words(self.event.get("text")), _files(self.event)
        is_program = self.subtype == "bot_message" or (sender is not None and sender.is_bot)
        kind: Kind = "echo" if self._is_ours() else "bot_message" if is_program else "message"
        if kind == "message" and sender is None:
            return self._made("unsupported", reason="The message does not say who wrote it.")
        if kind == "message" and not said and not files:
            return self._made("unsupported", sender=sender, reason="The message has neither words nor files.")
        return self._made(kind, sender=sender, text=said, attachments=files, **self._place())

    def _place(self) -> dict[str, Any]:
        """Where a message stands, and where its answer belongs."""
        stamp, root = ident(self.event.get("ts")), ident(self.event.get("thread_ts"))
        name = message_id(self.channel, stamp)
        return {
            "provider_id": name or self.id,
            "thread": self._thread(self.event),
            # In a direct conversation people look into a thread only where they opened one themselves.
            "answer_to": {"channel": self.channel, "thread_ts": root if self._is_direct() else root or stamp},
            "reply_to_id": message_id(self.channel, root) if root != stamp else "",
            "occurred_at": moment(stamp, self.now),
            "facts": {
                "also": [name] if name else [],
                "event_id": self.id,
                "team": self.team,
                "channel": self.channel,
                "channel_type": clean(self.event.get("channel_type"), 20),
                "ts": stamp,
                "thread_ts": root,
                "bot_id": ident(self.event.get("bot_id")),
            },
        }

    def _thread(self, message: Mapping[str, Any]) -> str:
        root = first((ident(message.get("thread_ts")), ident(message.get("ts"))))
        return "" if self._is_direct() else thread_id(self.team, self.channel, root)

    def _is_direct(self) -> bool:
        return self.event.get("channel_type") == "im" or self.channel.startswith("D")

    def _named(self, stamp: Any) -> str:
        return message_id(self.channel, ident(stamp))

    def _is_ours(self) -> bool:
        apps = {ident(self.event.get("app_id")), ident(get(self.event, "bot_profile", "app_id"))}
        our_app = first((self.connection.setting("app_id"), ident(self.body.get("api_app_id"))))
        our_bot = self.connection.setting("bot_user_id")
        return bool((our_app and our_app in apps) or (our_bot and our_bot == id_of(self.event.get("user"))))


def _person(value: Any) -> Sender | None:
    user = id_of(value)
    return Sender(addresses=[user], id_type="slack_user") if user else None


def _author(message: Mapping[str, Any]) -> Sender | None:
    """Who wrote it; a message that bears any mark of a program is a program's, whoever's name it has."""
    bot = first((ident(message.get("bot_id")), ident(get(message, "bot_profile", "id"))))
    user = id_of(message.get("user")) or bot
    profile = mapping(message.get("user_profile")) or mapping(message.get("bot_profile"))
    if not user:
        return None
    return Sender(
        addresses=[user],
        id_type="slack_user",
        name=first(clean(profile.get(key), 200) for key in ("display_name", "real_name", "name")),
        username=clean(message.get("username"), 200),
        is_bot=bool(bot) or message.get("subtype") == "bot_message",
    )


def _files(message: Mapping[str, Any]) -> list[Attachment]:
    return [
        _file(each)
        for each in objects(message.get("files"))
        if clean(each.get("mode"), 60) not in {"tombstone", "hidden_by_limit"}
        and (each.get("id") or each.get("url_private"))
    ]


def _file(each: Mapping[str, Any]) -> Attachment:
    mime = clean(each.get("mimetype"), 100)
    size = each.get("size")
    return Attachment(
        kind="voice" if each.get("subtype") == "slack_audio" else FILE_KINDS.get(mime.partition("/")[0], "file"),
        provider_media_id=ident(each.get("id")),
        url=first(clean(each.get(key), 2000) for key in ("url_private_download", "url_private")),
        mime_type=mime,
        filename=clean(each.get("name"), 255),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
    )
