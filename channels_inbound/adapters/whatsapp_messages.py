"""What a message of WhatsApp says, type by type. Each reader takes the message and gives fields of an `Arrival`."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from channels_inbound.adapters.base import Attachment
from channels_inbound.adapters.meta import filled, said
from channels_inbound.adapters.reading import get, ident, mapping, objects, storable, text

Fields = dict[str, Any]
FILES = ("image", "video", "audio", "voice", "document", "sticker")


def content(message: Mapping[str, Any]) -> Fields:
    """The fields that depend on the type: `kind` always, the others where there is something to say."""
    reader = _READERS.get(text(message.get("type")))
    if reader is None:
        name = text(message.get("type"), 40) or "without a type"
        return {"kind": "unsupported", "reason": f"We do not know messages of the type “{name}”."}
    return reader(message)


def _text(message: Mapping[str, Any]) -> Fields:
    body = text(get(message, "text", "body"))
    return {"kind": "message", "text": body} if body else _empty("The text message has no text.")


def _empty(reason: str) -> Fields:
    return {"kind": "unsupported", "reason": reason}


def _unreadable(message: Mapping[str, Any], reason: str) -> Fields:
    """Somebody did say something, only nobody can read it: it is a message, so that the agent can say so."""
    errors = [*objects(message.get("errors"))]
    words = said(errors[0]) if errors else ""
    facts = filled(unsupported=filled(errors=errors, **mapping(message.get("unsupported"))) or {"reason": reason})
    return {"kind": "message", "reason": words or reason, "facts": facts}


def _unsupported(message: Mapping[str, Any]) -> Fields:
    return _unreadable(message, "WhatsApp does not hand over messages of this type.")


def _file(message: Mapping[str, Any]) -> Fields:
    name = text(message["type"])
    media = mapping(message.get(name))
    kind = "voice" if media.get("voice") is True else name
    found = Attachment(
        kind=kind,
        provider_media_id=ident(media.get("id")),
        url=text(media.get("url"), 2000),
        mime_type=text(media.get("mime_type"), 100),
        filename=text(media.get("filename"), 200),
        sha256=text(media.get("sha256"), 64),
        caption=text(media.get("caption")),
    )
    if not (found.provider_media_id or found.url):
        return _empty("The file has neither an id nor an address.")
    return {"kind": "message", "text": found.caption, "attachments": (found,)}


def _location(message: Mapping[str, Any]) -> Fields:
    place = {
        name: value
        for name, value in mapping(message.get("location")).items()
        if name in ("latitude", "longitude", "name", "address", "url")
    }
    if not {"latitude", "longitude"} <= set(place):
        return _empty("The location has no coordinates.")
    return {"kind": "message", "facts": {"location": place}}


def _contacts(message: Mapping[str, Any]) -> Fields:
    cards = [*objects(message.get("contacts"))]
    return {"kind": "message", "facts": {"contacts": cards}} if cards else _empty("No contact came along.")


def _button(message: Mapping[str, Any]) -> Fields:
    """The answer to a quick reply button of a template."""
    title, payload = text(get(message, "button", "text")), text(get(message, "button", "payload"))
    if not (title or payload):
        return _unreadable(message, "The button was pressed, but WhatsApp does not say which one.")
    return {"kind": "message", "text": title, "action": {"id": payload, "payload": payload, "title": title}}


def _interactive(message: Mapping[str, Any]) -> Fields:
    answer = mapping(message.get("interactive"))
    for name in ("button_reply", "list_reply"):
        chosen = mapping(answer.get(name))
        if chosen:
            return _chosen(chosen)
    if isinstance(answer.get("nfm_reply"), dict):
        return _form(answer["nfm_reply"])
    if "call_permission_reply" in answer:
        facts = {"call_permission": answer["call_permission_reply"]}
        return {"kind": "event", "event_type": "whatsapp.call_permission_reply", "facts": facts}
    return _unreadable(message, "Something was chosen, but WhatsApp does not say what.")


def _chosen(chosen: Mapping[str, Any]) -> Fields:
    name, title = text(chosen.get("id")), text(chosen.get("title"))
    facts = filled(description=text(chosen.get("description")))
    return {"kind": "message", "text": title, "action": {"id": name, "payload": name, "title": title}, "facts": facts}


def _form(reply: Mapping[str, Any]) -> Fields:
    """A filled in form (a flow). Its answers are JSON in a text, or whatever the flow's author made of it."""
    written = text(reply.get("response_json"))
    try:
        answers = storable(json.loads(written, parse_constant=lambda _: None))
    except (ValueError, RecursionError):
        answers = written
    if not _is_storable(answers):
        answers = written
    facts = {"form": filled(name=text(reply.get("name")), answers=answers)}
    return {"kind": "message", "text": text(reply.get("body")), "facts": facts}


def _is_storable(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True


def _reaction(message: Mapping[str, Any]) -> Fields:
    """Without an emoji the reaction was taken back."""
    emoji = text(get(message, "reaction", "emoji"), 40)
    target = ident(get(message, "reaction", "message_id"))
    return {"kind": "reaction", "target_id": target, "facts": {"emoji": emoji, "is_removed": not emoji}}


def _order(message: Mapping[str, Any]) -> Fields:
    order = mapping(message.get("order"))
    if not order:
        return _empty("The order is empty.")
    return {"kind": "message", "text": text(order.get("text")), "facts": {"order": dict(order)}}


def _system(message: Mapping[str, Any]) -> Fields:
    """A number or an id changed. The new ones are facts: whether it is still the same person is not ours to say."""
    system = mapping(message.get("system"))
    new = (system.get("wa_id"), system.get("new_wa_id"), system.get("user_id"), system.get("parent_user_id"))
    facts = filled(
        system=dict(system),
        identity=message.get("identity"),
        changed_to=[ident(each) for each in new if ident(each)],
    )
    return {"kind": "event", "facts": facts}


def _edit(message: Mapping[str, Any]) -> Fields:
    target = ident(get(message, "edit", "original_message_id"))
    inner = content(mapping(get(message, "edit", "message")))
    if not target or inner["kind"] != "message":
        return _empty("The edit does not say what is changed.")
    # Only words can be changed; the file is the one that came with the message.
    return inner | {"kind": "message_edited", "target_id": target, "attachments": ()}


def _revoke(message: Mapping[str, Any]) -> Fields:
    target = ident(get(message, "revoke", "original_message_id"))
    return {"kind": "message_deleted", "target_id": target} if target else _empty("It does not say what is deleted.")


def _welcome(message: Mapping[str, Any]) -> Fields:
    """Somebody opened the chat for the first time, and has said nothing yet."""
    return {"kind": "event"}


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Fields]] = {
    "text": _text,
    **dict.fromkeys(FILES, _file),
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "reaction": _reaction,
    "order": _order,
    "system": _system,
    "edit": _edit,
    "revoke": _revoke,
    "request_welcome": _welcome,
    "unsupported": _unsupported,
}
