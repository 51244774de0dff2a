"""Reading what Slack sends as a form: pressed buttons (`payload` holds JSON) and slash commands."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from channels_inbound.adapters.base import Arrival, Connection, Incoming, Kind, Sender, Unusable, first
from channels_inbound.adapters.reading import get, ident, mapping, moment, objects, storable, table
from channels_inbound.adapters.reading import text as clean
from channels_inbound.adapters.slack_words import foreign, foreign_key, id_of, message_id, thread_id, words

CHOSEN = (
    "selected_user",
    "selected_conversation",
    "selected_channel",
    "selected_date",
    "selected_time",
    "selected_date_time",
)
NAMELESS = "The request of Slack does not say what it is."


def pressed_or_commanded(incoming: Incoming, connection: Connection, unnamed: str) -> list[Arrival]:
    """What a form holds. `unnamed` is its key where Slack gave it no id. Raises `Unusable`."""
    pairs = parse_qsl(incoming.body.decode("utf-8", "replace"), keep_blank_values=True)
    fields = storable(dict(pairs))
    if fields.get("payload"):
        return list(_Interaction(table(fields["payload"].encode()), incoming, connection, unnamed).arrivals())
    if fields.get("command"):
        return [_command(fields, incoming, connection, unnamed)]
    raise Unusable("The form of Slack holds neither a payload nor a command.")


def _command(fields: Mapping[str, str], incoming: Incoming, connection: Connection, unnamed: str) -> Arrival:
    """Only who typed a command sees it: it is a private word to the app, and answered in the direct conversation."""
    key = ident(fields.get("trigger_id")) or unnamed
    user, command = ident(fields.get("user_id")), clean(fields.get("command"), 100)
    not_ours = foreign(connection, fields)
    reason = not_ours or ("" if user else "The command does not say who typed it.")
    return Arrival(
        kind="unsupported" if reason else "message",
        dedupe_key=foreign_key(key) if not_ours else key,
        provider_id=key,
        event_type="slack.command",
        sender=Sender(addresses=[user], id_type="slack_user", username=clean(fields.get("user_name"), 200))
        if user
        else None,
        recipient=ident(fields.get("api_app_id")),
        text=words(fields.get("text")).strip() or command,
        answer_to={"channel": user, "thread_ts": ""},
        reason=reason,
        occurred_at=incoming.at,
        facts={"command": command, "team": ident(fields.get("team_id")), "channel": ident(fields.get("channel_id"))},
        extra=dict(fields),
    )


class _Interaction:
    """Somebody used a part of a message, a menu or a window of the app."""

    def __init__(self, body: dict[str, Any], incoming: Incoming, connection: Connection, unnamed: str) -> None:
        self.body, self.connection, self.now = body, connection, incoming.at
        self.type = clean(body.get("type"), 80)
        self.key = ident(body.get("trigger_id")) or unnamed
        self.team = first((ident(get(body, "team", "id")), ident(get(body, "user", "team_id"))))
        self.channel = id_of(body.get("channel")) or ident(get(body, "container", "channel_id"))

    def arrivals(self) -> Iterator[Arrival]:
        actions = list(objects(self.body.get("actions")))
        if reason := foreign(self.connection, self.body):
            yield self._made("unsupported", foreign_key(self.key), provider_id=self.key, reason=reason)
        elif self.type not in {"block_actions", "interactive_message"}:
            yield self._made("event" if self.type else "unsupported", self.key, reason="" if self.type else NAMELESS)
        elif not actions or not self._sender():
            yield self._made("unsupported", self.key, reason="Nothing in the request of Slack was pressed by anybody.")
        else:
            for number, action in enumerate(actions):
                yield self._pressed(action, self.key if number == 0 else f"{self.key}:{number}")

    def _made(self, kind: Kind, key: str, **more: Any) -> Arrival:
        known = {
            "provider_id": key,
            "event_type": f"slack.{self.type}",
            "sender": self._sender(),
            "recipient": ident(self.body.get("api_app_id")),
            "occurred_at": self.now,
            "facts": {"team": self.team, "channel": self.channel},
            "extra": self.body,
        }
        return Arrival(kind=kind, dedupe_key=key, **(known | more))

    def _sender(self) -> Sender | None:
        user = mapping(self.body.get("user"))
        address = ident(user.get("id"))
        if not address:
            return None
        username = first((clean(user.get("username"), 200), clean(user.get("name"), 200)))
        return Sender(addresses=[address], id_type="slack_user", username=username)

    def _pressed(self, action: Mapping[str, Any], key: str) -> Arrival:
        payload, title = _choice(action)
        name = first((ident(action.get("action_id")), ident(action.get("name"))))
        stamp = first((ident(get(self.body, "container", "message_ts")), ident(self.body.get("message_ts"))))
        root = first((ident(get(self.body, "message", "thread_ts")), ident(get(self.body, "container", "thread_ts"))))
        is_direct = self.channel.startswith("D") or not self.channel
        return self._made(
            "postback",
            key,
            text=title or payload or name,
            action={"id": name, "payload": payload, "title": title},
            thread="" if is_direct else thread_id(self.team, self.channel, root or stamp),
            answer_to={"channel": self.channel, "thread_ts": root if is_direct else root or stamp},
            reply_to_id=message_id(self.channel, stamp),
            occurred_at=moment(action.get("action_ts"), self.now) or self.now,
        )


def _choice(action: Mapping[str, Any]) -> tuple[str, str]:
    """What was chosen: its value, and the words on it as far as there are any."""
    several = (action.get("selected_options"), action.get("selected_option"))
    chosen = [*objects(several[0]), *([mapping(several[1])] if several[1] else [])]
    if chosen:
        values = [clean(each.get("value"), 2000) for each in chosen]
        titles = [words(get(each, "text", "text")) or words(each.get("text")) for each in chosen]
        return ", ".join(filter(None, values)), ", ".join(filter(None, titles))
    value = first((clean(action.get("value"), 3000), *(ident(action.get(key)) for key in CHOSEN)))
    return value, words(get(action, "text", "text"))
