"""One genuine body of most things that each provider tells of: what the fuzzer starts from."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from channels_inbound import samples
from channels_inbound.models import Channel
from tests.channels_inbound import recorded
from tests.channels_inbound.providers import URL_FORM

JSON = "application/json"
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Seed:
    """`content` is a JSON value, or the pairs of a form."""

    content_type: str
    content: Any


def seeds(channel: Channel) -> list[Seed]:
    """What this channel's provider sends; of recorded requests too, where there are any."""
    made = samples.sample(channel, "Do you ship to Kisumu?")
    whole = [read(made.header("content-type"), made.body)]
    whole += [Seed(JSON, each) for each in DOCUMENTS.get(channel.kind, _none)()]
    whole += [Seed(URL_FORM, each) for each in FORMS.get(channel.kind, _none)()]
    return [each for each in [*whole, *_recorded(channel.kind)] if each is not None]


def read(content_type: str, body: bytes) -> Seed | None:
    kind = content_type.partition(";")[0].strip()
    try:
        if kind == URL_FORM:
            return Seed(URL_FORM, parse_qsl(body.decode(), keep_blank_values=True))
        return Seed(JSON, json.loads(body)) if kind in (JSON, "") else None
    except (ValueError, RecursionError):
        return None


def _recorded(kind: str) -> list[Seed | None]:
    folder = os.environ.get("RECORDED_REQUESTS", "")
    found = [each for each in recorded.load(Path(folder)) if each.kind == kind] if folder else []
    types = [{name.lower(): value for name, value in each.fixture["request"]["headers"]} for each in found]
    # The large ones are tests of their own.
    pairs = [(each, named) for each, named in zip(found, types, strict=True) if len(each.body) < 20_000]
    return [read(named.get("content-type", ""), each.body) for each, named in pairs]


def _none() -> list[Any]:
    return []


# --- Meta ------------------------------------------------------------------------------------------------------------


def _whatsapp() -> list[Any]:
    stamp, who = str(int(time.time())), "254712345678"

    def message(kind: str, value: Any, **more: Any) -> dict[str, Any]:
        return {"from": who, "id": f"wamid.{kind}", "timestamp": stamp, "type": kind, kind: value, **more}

    file = {"id": "1234", "mime_type": "image/jpeg", "sha256": "abc", "caption": "This one", "filename": "a.jpg"}
    button = {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}}
    order = {"catalog_id": "1", "product_items": [{"product_retailer_id": "2", "quantity": 3, "item_price": 4.5}]}
    person = [{"name": {"formatted_name": "Ben"}, "phones": [{"phone": "+254700000000", "wa_id": "254700000000"}]}]
    messages = [
        message("image", file),
        message("document", file, context={"id": "wamid.earlier", "from": who}),
        message("interactive", button),
        message("button", {"payload": "yes", "text": "Yes"}),
        message("reaction", {"message_id": "wamid.earlier", "emoji": "👍"}),
        message("location", {"latitude": -1.2, "longitude": 36.8, "name": "Shop", "address": "Moi Avenue"}),
        message("contacts", person),
        message("order", order),
        message("edit", {"original_message_id": "wamid.earlier", "message": {"type": "text", "text": {"body": "x"}}}),
        message("revoke", {"original_message_id": "wamid.earlier"}),
        message("system", {"type": "user_changed_number", "body": "moved", "wa_id": "254700000001"}),
        message("unsupported", None, errors=[{"code": 131051, "title": "Unsupported"}]),
    ]
    status = {"id": "wamid.sent", "status": "failed", "timestamp": stamp, "recipient_id": who}
    errors = [{"code": 131047, "title": "Re-engagement message", "error_data": {"details": "More than 24 hours"}}]
    number = {"display_phone_number": "15550001111", "phone_number_id": "1234567890"}
    contacts = [{"profile": {"name": "Asha"}, "wa_id": who, "user_id": "KE.13491208655302741918"}]
    values = [{"contacts": contacts, "messages": messages}, {"statuses": [status | {"errors": errors}, status]}]
    values += [{"errors": errors}, {"contacts": contacts, "messages": messages[:1]}]
    return [
        _entry("whatsapp_business_account", {"changes": [{"field": "messages", "value": {"metadata": number} | value}]})
        for value in values
    ]


def _messaging(product: str) -> Callable[[], list[Any]]:
    def make() -> list[Any]:
        stamp = int(time.time() * 1000)
        base = {"sender": {"id": "99"}, "recipient": {"id": "1234567890"}, "timestamp": stamp}
        picture = {"type": "image", "payload": {"url": "https://cdn.fbsbx.com/a.jpg", "sticker_id": 1}}
        place = {"type": "location", "payload": {"coordinates": {"lat": 1.0, "long": 2.0}}}
        events = [
            {"message": {"mid": "m_1", "attachments": [picture, place], "reply_to": {"mid": "m_0"}}},
            {"message": {"mid": "m_2", "text": "Yes", "quick_reply": {"payload": "yes"}}},
            {"message": {"mid": "m_3", "text": "Ours", "is_echo": True, "app_id": 1}},
            {"message": {"mid": "m_4", "is_deleted": True}},
            {"message_edit": {"mid": "m_1", "text": "Better", "num_edit": 1}},
            {"postback": {"mid": "m_5", "title": "Start", "payload": "start", "referral": {"ref": "ad"}}},
            {"reaction": {"mid": "m_1", "action": "react", "emoji": "👍", "reaction": "like"}},
            {"delivery": {"mids": ["m_1", "m_2"], "watermark": stamp}},
            {"read": {"watermark": stamp, "mid": "m_1"}},
            {"referral": {"ref": "ad", "source": "ADS", "type": "OPEN_THREAD"}},
            {"optin": {"type": "one_time_notif_req", "payload": "x"}},
        ]
        whole = {"messaging": [base | each for each in events]}
        standby = {"standby": [base | events[0]]}
        changes = {"changes": [{"field": "messages", "value": base | events[1]}]}
        return [_entry(product, each) for each in (whole, standby, changes)]

    return make


def _entry(product: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"object": product, "entry": [{"id": "1234567890", "time": int(time.time()), **content}]}


# --- chat, payments --------------------------------------------------------------------------------------------------


def _slack() -> list[Any]:
    said = {"type": "message", "channel": "C1", "user": "U1", "text": "Hi <@U2> &amp; all", "ts": "1790000000.000100"}
    file = {"id": "F1", "name": "a.png", "mimetype": "image/png", "url_private": "https://files.slack.com/a", "size": 9}
    changed = {"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "1790000001.000100"}
    events = [
        said | {"channel_type": "channel", "thread_ts": "1790000000.000100", "files": [file], "subtype": "file_share"},
        said | {"type": "app_mention"},
        said | {"bot_id": "B1", "subtype": "bot_message"},
        changed | {"message": said, "previous_message": said},
        changed | {"subtype": "message_deleted", "deleted_ts": said["ts"], "previous_message": said},
        {"type": "reaction_added", "user": "U1", "reaction": "thumbsup", "item": {"channel": "C1", "ts": said["ts"]}},
        {"type": "app_uninstalled"},
        {"type": "channel_created", "channel": {"id": "C2", "name": "new"}},
    ]
    envelope = {"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_time": int(time.time())}
    who = [{"team_id": "T1", "user_id": "U9", "is_bot": True}]
    found = [envelope | {"event_id": f"Ev{n}", "event": each, "authorizations": who} for n, each in enumerate(events)]
    return [*found, {"type": "url_verification", "challenge": "abc"}, {"type": "app_rate_limited", "team_id": "T1"}]


def _slack_forms() -> list[Pairs]:
    action = {"action_id": "a", "block_id": "b", "type": "button", "value": "yes", "text": {"text": "Yes"}}
    pressed = {
        "type": "block_actions",
        "user": {"id": "U1", "name": "asha"},
        "team": {"id": "T1"},
        "channel": {"id": "C1"},
        "container": {"message_ts": "1790000000.000100", "channel_id": "C1"},
        "message": {"ts": "1790000000.000100", "thread_ts": "1790000000.000100"},
        "actions": [
            action,
            action | {"type": "static_select", "selected_option": {"value": "1", "text": {"text": "1"}}},
        ],
        "trigger_id": "1.2.3",
    }
    command = {
        "command": "/ask",
        "text": "hours",
        "user_id": "U1",
        "channel_id": "C1",
        "team_id": "T1",
        "trigger_id": "1",
    }
    return [[("payload", json.dumps(pressed))], list(command.items())]


def _telegram() -> list[Any]:
    person = {"id": 42, "is_bot": False, "first_name": "Asha", "username": "asha"}
    chat = {"id": 42, "type": "private"}
    said = {"message_id": 1, "from": person, "chat": chat, "date": int(time.time()), "text": "Hi"}
    photo = [{"file_id": "p", "file_unique_id": "q", "width": 1, "height": 1, "file_size": 9}]
    group = {"id": -1001, "type": "supergroup", "is_forum": True}
    updates = [
        {"message": said | {"photo": photo, "caption": "This", "media_group_id": "1", "reply_to_message": said}},
        {"message": said | {"chat": group, "message_thread_id": 7, "is_topic_message": True}},
        {"message": said | {"contact": {"phone_number": "254712345678", "first_name": "A", "user_id": 42}}},
        {"message": said | {"location": {"latitude": 1.5, "longitude": 2.5}, "voice": {"file_id": "v", "duration": 1}}},
        {"message": said | {"web_app_data": {"data": "{}", "button_text": "Go"}}},
        {"message": said | {"migrate_to_chat_id": -1002}},
        {"edited_message": said | {"edit_date": int(time.time())}},
        {"channel_post": {"message_id": 2, "chat": group, "date": int(time.time()), "text": "News"}},
        {"callback_query": {"id": "1", "from": person, "message": said, "data": "yes", "chat_instance": "x"}},
        {"inline_query": {"id": "1", "from": person, "query": "x", "offset": ""}},
        {"my_chat_member": {"chat": chat, "from": person, "date": 1, "new_chat_member": {"status": "kicked"}}},
        {"message_reaction": {"chat": chat, "message_id": 1, "user": person, "date": 1, "new_reaction": []}},
        {"business_message": said | {"business_connection_id": "b"}},
    ]
    return [{"update_id": 1000 + number, **each} for number, each in enumerate(updates)]


def _stripe() -> list[Any]:
    objects = {
        "payment_intent.succeeded": {"object": "payment_intent", "amount_received": 100, "status": "succeeded"},
        "payment_intent.payment_failed": {
            "object": "payment_intent",
            "last_payment_error": {"code": "card_declined", "message": "No", "charge": "ch_1"},
        },
        "charge.refunded": {
            "object": "charge",
            "amount_refunded": 100,
            "refunds": {"data": [{"id": "re_1", "amount": 1}]},
        },
        "invoice.paid": {
            "object": "invoice",
            "amount_paid": 100,
            "lines": {"data": []},
            "customer_email": "a@b.example",
        },
        "invoice.upcoming": {"object": "invoice", "id": None},
        "checkout.session.async_payment_failed": {"object": "checkout.session", "payment_status": "unpaid"},
    }
    common = {"object": "event", "created": int(time.time()), "livemode": True, "request": {"id": None}}
    shared = {
        "id": "x_1",
        "amount": 100,
        "currency": "kes",
        "metadata": {"conversation_id": "cnv_1"},
        "customer": "cus_1",
    }
    found: list[Any] = [
        common
        | {
            "id": f"evt_{n}",
            "type": kind,
            "data": {"object": shared | each, "previous_attributes": {"amount_refunded": 1}},
        }
        for n, (kind, each) in enumerate(objects.items())
    ]
    thin = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error",
        "created": "2026-11-25T10:00:00Z",
    }
    return [
        *found,
        thin | {"related_object": {"id": "m_1", "type": "billing.meter", "url": "/v1/x"}, "livemode": False},
    ]


# --- text messages, mail, our own ------------------------------------------------------------------------------------


def _infobip() -> list[Any]:
    text = {"messageId": "i1", "from": "254712345678", "to": "254711000111", "text": "Hi", "cleanText": "Hi"}
    when = {
        "receivedAt": "2026-11-25T10:00:00.000+0000",
        "smsCount": 1,
        "price": {"pricePerMessage": 0, "currency": "KES"},
    }
    parts = [
        {"contentType": "text/plain", "value": "Look"},
        {"contentType": "image/jpeg", "url": "https://api.infobip.com/a"},
    ]
    report = {
        "messageId": "i3",
        "status": {"groupId": 5, "groupName": "REJECTED", "description": "No"},
        "error": {"id": 1},
    }
    return [{"results": [text | when, {"messageId": "i2", "from": "1", "message": parts}, report], "messageCount": 3}]


def _sozuri() -> list[Any]:
    report = {
        "messageId": "s1",
        "status": "delivered",
        "type": "bulkDelivery",
        "number": "254712345678",
        "timestamp": "1",
    }
    said = {"messageId": "s2", "channel": "whatsapp", "direction": "inbound", "number": "254712345678", "message": "Hi"}
    return [report, said, said | {"direction": "outbound", "status": "read"}]


def _twilio() -> list[Pairs]:
    base = {"MessageSid": "SM1", "AccountSid": "AC1", "From": "+254712345678", "To": "+12025550100"}
    media = {
        "NumMedia": "2",
        "MediaUrl0": "https://api.twilio.com/a",
        "MediaContentType0": "image/jpeg",
        "MediaUrl1": "x",
    }
    more = {
        "Body": "",
        "ButtonText": "Yes",
        "ButtonPayload": "yes",
        "Latitude": "1",
        "Longitude": "x",
        "OptOutType": "STOP",
    }
    status = {"MessageStatus": "failed", "ErrorCode": "21610", "MessageSid": "SM2"}
    return [
        list(each.items()) for each in (base | media, base | more | {"From": "whatsapp:+254712345678"}, base | status)
    ]


def _mailgun_events() -> list[Any]:
    failed = {
        "event": "failed",
        "severity": "permanent",
        "id": "e1",
        "timestamp": time.time(),
        "recipient": "a@b.example",
    }
    message = {"headers": {"message-id": "1@mg.example.com", "from": "help@mg.example.com"}, "size": 9}
    status = {"code": 550, "message": "No such user", "description": None}
    return [{"event-data": failed | {"message": message, "delivery-status": status, "user-variables": {"a": "b"}}}]


def _mailgun_mails() -> list[Pairs]:
    mime = (
        "From: Asha <asha@b.example>\r\nSubject: =?utf-8?q?H=C3=A9?=\r\nMessage-Id: <1@b>\r\nReferences: <0@b>\r\n"
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\nHi\r\n"
        "--x\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename*=utf-8''a%2Fb.png\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n!!!!iVBOR\r\n--x--\r\n"
    )
    raw = {"recipient": "help@mg.example.com", "sender": "asha@b.example", "body-mime": mime}
    stored = {
        "recipient": "help+tag@mg.example.com",
        "sender": "asha@b.example",
        "from": "Asha <asha@b.example>",
        "Message-Id": "<2@b.example>",
        "body-plain": "Hi\r\n> you wrote",
        "body-html": "<p>Hi<script>x</script></p>",
        "stripped-text": "Hi",
        "attachments": json.dumps([{"url": "https://storage.api.mailgun.net/a", "name": "a", "size": 9}]),
        "content-id-map": json.dumps({"<a>": "attachment-1"}),
        "message-headers": json.dumps([["In-Reply-To", "<1@b>"], ["Auto-Submitted", "no"], ["Date", "soon"]]),
    }
    return [list(raw.items()), list(stored.items())]


def _generic() -> list[Any]:
    who = {"user_id": "u1", "name": "Asha", "email": "asha@b.example", "phone": "+254712345678"}
    return [
        {"message": "Hi", "conversation_id": "c1", "metadata": {"plan": "pro", "n": 1}, "timestamp": time.time(), **who}
    ]


DOCUMENTS: dict[str, Callable[[], list[Any]]] = {
    "whatsapp": _whatsapp,
    "messenger": _messaging("page"),
    "instagram": _messaging("instagram"),
    "slack": _slack,
    "telegram": _telegram,
    "stripe": _stripe,
    "infobip": _infobip,
    "sozuri": _sozuri,
    "mailgun": _mailgun_events,
    "generic": _generic,
}
FORMS: dict[str, Callable[[], list[Pairs]]] = {"slack": _slack_forms, "twilio": _twilio, "mailgun": _mailgun_mails}
