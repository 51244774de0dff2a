"""Telegram: messages, who must not start the agent, and what happens to messages."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.channels_inbound.adapters.contract import NOW
from tests.channels_inbound.adapters.telegram_posts import FILE, GROUP, JANE, PRIVATE, SAID, read, several

# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_of_a_person() -> None:
    arrival = read("message", SAID)
    assert (arrival.kind, arrival.dedupe_key, arrival.text) == ("message", "10000:5342492667:41", "Where is my order?")
    assert arrival.provider_id == "5342492667:41"
    assert (arrival.thread, arrival.answer_to) == ("", {"chat_id": "5342492667"})
    assert arrival.occurred_at == datetime.fromtimestamp(1795521500, UTC)
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.id_type) == (["5342492667"], "tg_user")
    assert (arrival.sender.name, arrival.sender.username, arrival.sender.phone) == ("Jane Doe", "jane", "")
    assert arrival.starts_agent
    assert arrival.extra == SAID


def test_a_group_is_a_thread_and_the_answer_says_whom_it_answers() -> None:
    arrival = read("message", SAID | {"chat": GROUP})
    assert arrival.thread == "-1002162095988"
    assert arrival.answer_to == {"chat_id": "-1002162095988", "message_id": "41"}


def test_a_topic_is_a_thread_of_its_own() -> None:
    opened = {"message_id": 5, "forum_topic_created": {"name": "Orders"}}
    topic = {"message_thread_id": 5, "is_topic_message": True, "reply_to_message": opened}
    arrival = read("message", SAID | {"chat": GROUP} | topic)
    assert arrival.thread == "-1002162095988:5"
    assert arrival.answer_to["message_thread_id"] == "5"
    assert arrival.reply_to_id == ""


def test_the_thread_of_an_ordinary_answer_is_no_topic() -> None:
    answered = {"message_thread_id": 5, "reply_to_message": {"message_id": 7, "text": "?"}}
    arrival = read("message", SAID | {"chat": GROUP} | answered)
    assert (arrival.thread, arrival.reply_to_id) == ("-1002162095988", "-1002162095988:7")
    assert "message_thread_id" not in arrival.answer_to


def test_the_parts_of_an_album_are_messages_with_one_group() -> None:
    photo = [{"file_id": "L1", "width": 9, "height": 9}, {"file_id": "s", "width": 1, "height": 1}]
    arrival = read("message", SAID | {"text": None, "caption": "trip", "photo": photo, "media_group_id": "13579"})
    assert (arrival.text, arrival.facts["album"]) == ("trip", "13579")
    assert [(each.kind, each.provider_media_id) for each in arrival.attachments] == [("image", "L1")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("document", "document"),
        ("voice", "voice"),
        ("video_note", "video"),
        ("sticker", "sticker"),
        ("audio", "audio"),
        ("animation", "video"),
    ],
)
def test_a_file_is_known_by_its_id(name: str, kind: str) -> None:
    file = FILE | {"mime_type": "a/b", "file_name": "bill.pdf"}
    arrival = read("message", {**SAID, "text": None, name: file} | ({"document": file} if name == "animation" else {}))
    (attachment,) = arrival.attachments
    assert (attachment.kind, attachment.provider_media_id, attachment.url) == (kind, "BQAC", "")
    assert (attachment.size, attachment.filename, attachment.mime_type) == (9001, "bill.pdf", "a/b")
    assert arrival.starts_agent


def test_a_place_a_contact_a_poll_and_a_web_app_are_facts() -> None:
    spot = {"latitude": -1.29, "longitude": 36.82}
    place = read("message", SAID | {"text": None, "location": spot, "venue": {"location": spot, "title": "Shop"}})
    assert place.facts["location"] == spot | {"name": "Shop"}
    poll = read("message", SAID | {"text": None, "poll": {"question": "When?", "options": [{"text": "Now"}]}})
    assert (poll.text, poll.facts["poll"]["options"]) == ("When?", ["Now"])
    app = read("message", SAID | {"text": None, "web_app_data": {"data": '{"a":1}', "button_text": "Order"}})
    assert (app.text, app.facts["web_app_data"]["data"]) == ("Order", '{"a":1}')
    assert app.action == {"id": "web_app", "payload": '{"a":1}', "title": "Order"}
    assert all(each.starts_agent for each in (place, poll, app))


@pytest.mark.parametrize(("owner", "phone"), [(5342492667, "+254712345678"), (99, ""), (None, "")])
def test_only_a_persons_own_contact_vouches_for_their_number(owner: int | None, phone: str) -> None:
    contact = {"phone_number": "254712345678", "first_name": "Jane", "user_id": owner}
    arrival = read("message", SAID | {"text": None, "contact": contact})
    assert arrival.sender is not None
    assert arrival.sender.phone == phone
    assert arrival.facts["contacts"][0]["phone"] == "254712345678"


def test_a_link_that_starts_the_bot_may_carry_something() -> None:
    assert read("message", SAID | {"text": "/start order-7"}).facts["start"] == "order-7"
    assert "start" not in read("message", SAID | {"text": "/start"}).facts


# --- who must not start the agent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "more", "kind"),
    [
        ("message", {"from": JANE | {"is_bot": True}}, "bot_message"),
        ("message", {"from": JANE | {"id": 777000}, "is_automatic_forward": True}, "channel_post"),
        ("channel_post", {"from": None}, "channel_post"),
        ("business_message", {"from": JANE | {"id": 99}, "business_connection_id": "b1"}, "echo"),
        ("business_message", {"sender_business_bot": {"id": 1}, "business_connection_id": "b1"}, "echo"),
        ("message", {"from": None}, "unsupported"),
    ],
)
def test_what_no_customer_says_does_not_start_the_agent(name: str, more: dict[str, Any], kind: str) -> None:
    arrival = read(name, SAID | more)
    assert arrival.kind == kind
    assert not arrival.starts_agent


def test_a_customer_of_a_business_account_is_answered_in_its_name() -> None:
    arrival = read("business_message", SAID | {"business_connection_id": "b1"})
    assert arrival.starts_agent
    assert arrival.answer_to == {"chat_id": "5342492667", "business_connection_id": "b1"}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"migrate_to_chat_id": -1001}, "telegram.migrate_to_chat_id"),
        ({"new_chat_members": [JANE]}, "telegram.new_chat_members"),
        ({"successful_payment": {"currency": "KES", "total_amount": 100}}, "telegram.successful_payment"),
    ],
)
def test_what_happens_in_a_chat_is_an_event(more: dict[str, Any], name: str) -> None:
    arrival = read("message", SAID | {"text": None, "chat": GROUP} | more)
    assert (arrival.kind, arrival.event_type) == ("event", name)
    assert arrival.facts == more


# --- buttons, edits, reactions ---------------------------------------------------------------------------------------

KEYBOARD = {"inline_keyboard": [[{"text": "No", "callback_data": "n"}, {"text": "Yes", "callback_data": "y"}], "x"]}


def test_a_pressed_button_says_what_stands_on_it() -> None:
    message = SAID | {"from": {"id": 1, "is_bot": True}, "chat": GROUP, "reply_markup": KEYBOARD}
    arrival = read("callback_query", {"id": "4382", "from": JANE, "message": message, "data": "y"})
    assert (arrival.kind, arrival.text) == ("postback", "Yes")
    assert arrival.action == {"id": "4382", "payload": "y", "title": "Yes"}
    assert (arrival.thread, arrival.reply_to_id) == ("-1002162095988", "-1002162095988:41")
    assert arrival.sender is not None
    assert arrival.sender.addresses == ["5342492667"]
    assert arrival.starts_agent


@pytest.mark.parametrize("message", [None, {"chat": PRIVATE, "message_id": 3, "date": 0}, "gone"])
def test_the_message_of_a_button_may_be_gone(message: Any) -> None:
    arrival = read("callback_query", {"id": "4382", "from": JANE, "message": message, "data": "y"})
    assert (arrival.kind, arrival.text, arrival.provider_id) == ("postback", "y", "4382")
    assert arrival.occurred_at == NOW


@pytest.mark.parametrize("name", ["edited_message", "edited_business_message", "edited_channel_post"])
def test_an_edit_says_of_what(name: str) -> None:
    arrival = read(name, SAID | {"text": "updated", "edit_date": 1795521600})
    assert (arrival.kind, arrival.target_id, arrival.text) == ("message_edited", "5342492667:41", "updated")
    assert (arrival.dedupe_key, arrival.provider_id) == ("10000:5342492667:41", "10000")
    assert arrival.occurred_at == datetime.fromtimestamp(1795521600, UTC)
    assert not arrival.starts_agent


def test_each_deleted_message_is_told() -> None:
    arrivals = several("deleted_business_messages", {"chat": PRIVATE, "message_ids": [1, "x", 2]})
    assert [each.target_id for each in arrivals] == ["5342492667:1", "5342492667:x", "5342492667:2"]
    assert len({each.dedupe_key for each in arrivals}) == 3
    assert read("deleted_business_messages", {"chat": PRIVATE, "message_ids": 7}).kind == "unsupported"


@pytest.mark.parametrize(
    ("signs", "emoji", "is_removed"),
    [
        ([{"type": "emoji", "emoji": "👍"}], "👍", False),
        ([{"type": "custom_emoji", "custom_emoji_id": "53"}], "53", False),
        ([{"type": "paid"}], "paid", False),
        ([], "", True),
    ],
)
def test_a_reaction(signs: list[Any], emoji: str, is_removed: bool) -> None:
    element = {"chat": PRIVATE, "message_id": 7, "user": JANE, "date": 1795521500, "new_reaction": signs}
    arrival = read("message_reaction", element)
    assert (arrival.kind, arrival.target_id) == ("reaction", "5342492667:7")
    assert (arrival.facts["emoji"], arrival.facts["is_removed"]) == (emoji, is_removed)


@pytest.mark.parametrize(
    ("status", "chat", "is_blocked"), [("kicked", PRIVATE, True), ("member", PRIVATE, False), ("kicked", GROUP, False)]
)
def test_a_block_is_told(status: str, chat: dict[str, Any], is_blocked: bool) -> None:
    element = {"chat": chat, "from": JANE, "date": 1795521500, "new_chat_member": {"status": status}}
    arrival = read("my_chat_member", element)
    assert (arrival.kind, arrival.event_type) == ("event", "telegram.my_chat_member")
    assert (arrival.facts["status"], arrival.facts["is_blocked"]) == (status, is_blocked)


@pytest.mark.parametrize("name", ["inline_query", "poll_answer", "chat_boost", "something_of_2030"])
def test_other_updates_are_events(name: str) -> None:
    arrival = read(name, {"id": "7", "from": JANE})
    assert (arrival.kind, arrival.event_type) == ("event", f"telegram.{name}")
