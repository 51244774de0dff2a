"""What a message of Messenger or Instagram says: its words, files, places, and what was shared in it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from channels_inbound.adapters.base import Attachment, first
from channels_inbound.adapters.meta import filled
from channels_inbound.adapters.reading import get, ident, mapping, objects, text

MEDIA_HOSTS = ("fbsbx.com", "fbcdn.net", "cdninstagram.com")
FILES = ("image", "video", "audio", "file")
REELS = ("reel", "ig_reel")
# A heart is a message of its own, without any text.
_HEARTS: Mapping[str, str] = {"like_heart": "❤️"}


def content(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an `Arrival` that a message fills, with its `kind`."""
    parts = [*objects(message.get("attachments"))]
    words = text(message.get("text")) or first(_HEARTS.get(text(each.get("type")), "") for each in parts)
    attachments = tuple(found for found in (_attachment(each) for each in parts) if found)
    facts = _facts(message, parts)
    fields = {
        "kind": "message",
        "text": words,
        "attachments": attachments,
        "action": _quick_reply(message),
        "reply_to_id": ident(get(message, "reply_to", "mid")),
        "facts": facts,
    }
    if words or attachments or facts or fields["action"]:
        return fields
    if message.get("is_unsupported") is True:
        # Somebody did say something, only nobody can read it: the agent can say so.
        return fields | {"reason": "Meta does not hand over messages of this type.", "facts": {"unsupported": True}}
    return fields | {"kind": "unsupported", "reason": "The message holds nothing."}


def _quick_reply(message: Mapping[str, Any]) -> dict[str, str] | None:
    if not isinstance(message.get("quick_reply"), dict):
        return None
    payload = text(get(message, "quick_reply", "payload"))
    return {"id": payload, "payload": payload, "title": text(message.get("text"))}


def _attachment(part: Mapping[str, Any]) -> Attachment | None:
    """A file, where the address is one of Meta's own. Addresses of pages are facts, never fetched."""
    name, payload = text(part.get("type"), 40), mapping(part.get("payload"))
    url = text(payload.get("url"), 4000)
    if not (name in FILES or is_media(url)) or not url:
        return None
    if payload.get("sticker_id"):
        kind = "sticker"
    elif name in REELS:
        kind = "video"
    else:
        kind = name if name in FILES else "file"
    return Attachment(kind=kind, url=url, provider_media_id=ident(payload.get("sticker_id")), caption=_title(part))


def _title(part: Mapping[str, Any]) -> str:
    return text(get(part, "payload", "title")) or text(part.get("title"))


def is_media(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" and any(host == each or host.endswith(f".{each}") for each in MEDIA_HOSTS)


def _facts(message: Mapping[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    shared = [_shared(each) for each in parts if text(each.get("type")) not in (*FILES, *_HEARTS, "location")]
    return filled(
        location=next((_location(each) for each in parts if each.get("type") == "location"), None),
        shared=[each for each in shared if each],
        referral=message.get("referral"),
        story=get(message, "reply_to", "story"),
    )


def _location(part: Mapping[str, Any]) -> dict[str, Any]:
    coordinates = get(part, "payload", "coordinates")
    return filled(
        latitude=get(coordinates, "lat"),
        longitude=get(coordinates, "long"),
        name=text(part.get("title")),
        url=text(part.get("url"), 2000),
    )


def _shared(part: Mapping[str, Any]) -> dict[str, Any]:
    """A link, a post, a reel, a story or a template: what it is called, and where it is."""
    url = text(get(part, "payload", "url"), 4000) or text(part.get("url"), 4000)
    return filled(type=text(part.get("type"), 40), title=_title(part), url=url)
