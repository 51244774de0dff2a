"""What a message of Telegram says: words, files, places, contacts."""

from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters.base import Attachment, first
from channels_inbound.adapters.reading import ident, mapping, objects
from channels_inbound.adapters.reading import text as clean

FILES = {
    "animation": "video",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
    "video": "video",
    "video_note": "video",
    "voice": "voice",
}
# Messages in which nobody speaks: Telegram tells that something happened in the chat.
HAPPENINGS = (
    "new_chat_members",
    "left_chat_member",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "pinned_message",
    "successful_payment",
    "refunded_payment",
    "users_shared",
    "chat_shared",
    "gift",
    "unique_gift",
    "connected_website",
    "write_access_allowed",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_closed",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "giveaway_created",
    "giveaway",
    "giveaway_winners",
    "giveaway_completed",
    "paid_message_price_changed",
    "video_chat_scheduled",
    "video_chat_started",
    "video_chat_ended",
    "video_chat_participants_invited",
)


def happening(message: Mapping[str, Any]) -> str:
    return next((name for name in HAPPENINGS if message.get(name)), "")


def content(message: Mapping[str, Any]) -> dict[str, Any]:
    """`text`, `attachments`, `action` and `facts`, as far as there are any; empty for a message that says nothing."""
    data = mapping(message.get("web_app_data"))
    words = clean(message.get("text")) or clean(message.get("caption")) or clean(data.get("button_text"), 300)
    facts, files = _facts(message), _files(message)
    if not (words or files or facts):
        return {}
    found: dict[str, Any] = {"text": words or _described(facts), "attachments": files, "facts": facts}
    if data:
        title = clean(data.get("button_text"), 300)
        found["action"] = {"id": "web_app", "payload": clean(data.get("data"), 5000), "title": title}
    return found


def _described(facts: Mapping[str, Any]) -> str:
    """Words for what has none of its own but a sign or a question."""
    return first((facts.get("dice", {}).get("emoji", ""), facts.get("poll", {}).get("question", "")))


def _facts(message: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "location": _location(message),
        "contacts": _contacts(message),
        "poll": _poll(message),
        "dice": _dice(message),
        "web_app_data": _web_app(message),
        "start": _start(message),
    }
    return {name: value for name, value in found.items() if value}


def _location(message: Mapping[str, Any]) -> dict[str, Any]:
    venue = mapping(message.get("venue"))
    place = mapping(venue.get("location")) or mapping(message.get("location"))
    spot = {name: place[name] for name in ("latitude", "longitude") if isinstance(place.get(name), int | float)}
    if len(spot) < 2:
        return {}
    words = {"name": clean(venue.get("title"), 300), "address": clean(venue.get("address"), 500)}
    return spot | {name: value for name, value in words.items() if value}


def _contacts(message: Mapping[str, Any]) -> list[dict[str, str]]:
    contact = mapping(message.get("contact"))
    name = " ".join(filter(None, (clean(contact.get(key), 200) for key in ("first_name", "last_name"))))
    number = clean(contact.get("phone_number"), 40)
    return [{"name": name, "phone": number, "user_id": ident(contact.get("user_id"))}] if name or number else []


def _poll(message: Mapping[str, Any]) -> dict[str, Any]:
    poll = mapping(message.get("poll"))
    options = [clean(each.get("text"), 300) for each in objects(poll.get("options"))]
    return {"question": clean(poll.get("question"), 500), "options": options} if poll else {}


def _dice(message: Mapping[str, Any]) -> dict[str, str]:
    dice = mapping(message.get("dice"))
    return {"emoji": clean(dice.get("emoji"), 20), "value": ident(dice.get("value"))} if dice else {}


def _web_app(message: Mapping[str, Any]) -> dict[str, str]:
    data = mapping(message.get("web_app_data"))
    return {name: clean(data.get(name), 5000) for name in ("data", "button_text")} if data else {}


def _start(message: Mapping[str, Any]) -> str:
    """What a link to the bot carried along: t.me/bot?start=this."""
    command, _, rest = clean(message.get("text"), 200).partition(" ")
    return rest.strip() if command == "/start" else ""


# --- files -----------------------------------------------------------------------------------------------------------


def _files(message: Mapping[str, Any]) -> list[Attachment]:
    photos = [each for each in objects(message.get("photo")) if ident(each.get("file_id"))]
    found = [_file("image", max(photos, key=_area))] if photos else []
    for name, kind in FILES.items():
        file = mapping(message.get(name))
        # Whatever moves is told a second time as a document, for applications that do not know it.
        if ident(file.get("file_id")) and not (name == "document" and "animation" in message):
            found.append(_file(kind, file))
    return found


def _area(photo: Mapping[str, Any]) -> int:
    width, height = photo.get("width"), photo.get("height")
    return width * height if isinstance(width, int) and isinstance(height, int) else 0


def _file(kind: str, file: Mapping[str, Any]) -> Attachment:
    size = file.get("file_size")
    return Attachment(
        kind=kind,
        provider_media_id=ident(file.get("file_id")),
        mime_type=clean(file.get("mime_type"), 100),
        filename=clean(file.get("file_name"), 255),
        size=size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53 else None,
    )
