import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.base import Arrival, Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.telegram import MOST_UNITS, Telegram
from tests.channels_inbound.adapters.contract import (
    EXAMPLES,
    NOW,
    AdapterContract,
    check_arrivals,
    connected,
    with_header,
)

SECRET = "telegram-Secret_0123456789"
HEADER = "x-telegram-bot-api-secret-token"
CONNECTION = connected(Telegram, {"secret_token": SECRET})
CREDENTIAL = {"bot_token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"}

JANE = {
    "id": 5342492667,
    "is_bot": False,
    "first_name": "Jane",
    "last_name": "Doe",
    "username": "jane",
    "language_code": "sw",
}
PRIVATE = {"id": 5342492667, "type": "private", "first_name": "Jane"}
GROUP = {"id": -1002162095988, "type": "supergroup", "title": "Shop", "is_forum": True}
SAID = {"message_id": 41, "from": JANE, "chat": PRIVATE, "date": 1795521500, "text": "Where is my order?"}
FILE = {"file_id": "BQAC", "file_unique_id": "Ag", "file_size": 9001}


def request(body: bytes) -> Incoming:
    return Incoming(headers={"content-type": "application/json", HEADER: SECRET}, body=body, at=NOW)


def update(name: str, element: Any, number: Any = 10000) -> bytes:
    return json.dumps({"update_id": number, name: element}).encode()


def several(name: str, element: Any) -> list[Arrival]:
    arrivals = Telegram().parse(request(update(name, element)), CONNECTION)
    check_arrivals(arrivals)
    return arrivals


def read(name: str, element: Any) -> Arrival:
    (arrival,) = several(name, element)
    return arrival


class TestTelegram(AdapterContract):
    adapter = Telegram()
    connection = CONNECTION
    sample = update("message", SAID)
    proof_headers = (HEADER,)
    credential = CREDENTIAL
    recipient = Recipient(address="5342492667", answer_to={"chat_id": "5342492667"})
    signs_body = False
    secret_in_url = True

    def request(self, body: bytes) -> Incoming:
        return request(body)


# --- proofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("", id="75-empty"),
        pytest.param(SECRET.lower(), id="75-other-case"),
        pytest.param(f"{SECRET}x", id="75-trailing-text"),
        pytest.param(f"{SECRET},x", id="75-twice"),
        pytest.param(f"{SECRET}, {SECRET}", id="75-twice-the-right-one"),
        pytest.param(f"{SECRET}é", id="75-non-ascii"),
        pytest.param(f" {SECRET}", id="75-leading-space"),
    ],
)
def test_another_secret_is_refused(given: str) -> None:
    with pytest.raises(NotAuthentic):
        Telegram().verify(with_header(request(b"{}"), HEADER, given), CONNECTION)


def test_75_the_secret_in_the_query_proves_nothing() -> None:
    url = f"https://hooks.example.test/chat/telegram?secret_token={SECRET}"
    incoming = Incoming(url=url, query=f"secret_token={SECRET}&{HEADER}={SECRET}", body=b"{}", at=NOW)
    with pytest.raises(NotAuthentic):
        Telegram().verify(incoming, CONNECTION)


def test_both_secrets_of_a_rotation_let_in_and_say_which_it_was() -> None:
    connection = connected(Telegram, {"secret_token": ["new", SECRET]})
    assert Telegram().verify(request(b"{}"), connection).secret_id == "secret_token-1"
    assert Telegram().verify(with_header(request(b"{}"), HEADER, "new"), connection).secret_id == "secret_token-0"


def test_the_answer_is_empty_since_telegram_would_run_it() -> None:
    response = Telegram().accepted(request(b"{}"))
    assert (response.status, response.body) == (200, b"")
    assert Telegram().refused(request(b"{}")).body == b""


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_of_a_person() -> None:
    arrival = read("message", SAID)
    assert (arrival.kind, arrival.dedupe_key, arrival.text) == ("message", "10000", "Where is my order?")
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
    assert (arrival.dedupe_key, arrival.provider_id) == ("10000", "10000")
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


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps({"message": SAID}).encode(), id="76-no-update-id"),
        pytest.param(update("message", SAID, "abc"), id="76-text-update-id"),
        pytest.param(update("message", SAID, None), id="update-id-null"),
        pytest.param(update("message", SAID, -7), id="update-id-negative"),
        pytest.param(update("message", SAID, [1]), id="update-id-a-list"),
    ],
)
def test_what_has_no_update_id_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable, match="update_id"):
        Telegram().parse(request(body), CONNECTION)


@pytest.mark.parametrize(
    "element",
    [
        pytest.param(None, id="76-message-null"),
        pytest.param({**SAID, "chat": None}, id="76-no-chat"),
        pytest.param({**SAID, "text": None, "photo": []}, id="76-empty-photo-list"),
        pytest.param({**SAID, "text": ["x"]}, id="text-a-list"),
        pytest.param("text", id="message-a-text"),
    ],
)
def test_an_update_that_says_nothing_is_kept_with_a_reason(element: Any) -> None:
    arrival = read("message", element)
    assert (arrival.kind, arrival.dedupe_key) == ("unsupported", "10000")
    assert arrival.reason.endswith(".")


@pytest.mark.parametrize("date", [10**18, -1, "soon", None, 1.5e300], ids=lambda date: f"76-date-{date}")
def test_a_date_out_of_range_is_no_date(date: Any) -> None:
    arrival = read("message", SAID | {"date": date})
    assert arrival.starts_agent
    assert arrival.occurred_at is None


def test_77_the_key_is_the_update_whatever_it_says() -> None:
    assert read("message", SAID).dedupe_key == read("message", SAID | {"text": "other"}).dedupe_key == "10000"


# --- replies ---------------------------------------------------------------------------------------------------------


def reply(to: Recipient, part: int = 0) -> dict[str, Any]:
    outgoing = Telegram().outgoing("Hi <b>", to=to, connection=CONNECTION, credential=CREDENTIAL, part=part)
    assert outgoing.url == f"https://api.telegram.org/bot{CREDENTIAL['bot_token']}/sendMessage"
    message: dict[str, Any] = json.loads(outgoing.body)
    return message


def test_a_reply_in_a_topic_quotes_what_it_answers_once() -> None:
    place = read("message", SAID | {"chat": GROUP, "message_thread_id": 5, "is_topic_message": True}).answer_to
    first = reply(Recipient(address="5342492667", answer_to=place))
    assert first == {
        "chat_id": -1002162095988,
        "text": "Hi <b>",
        "message_thread_id": 5,
        "reply_parameters": {"message_id": 41, "allow_sending_without_reply": True},
    }
    assert "reply_parameters" not in reply(Recipient(address="5342492667", answer_to=place), part=1)


def test_a_direct_reply_is_plain_text_to_the_person() -> None:
    assert reply(Recipient(address="5342492667")) == {"chat_id": 5342492667, "text": "Hi <b>"}


@pytest.mark.parametrize("token", ["", "abc", "1:a/../../x", "1:a\r\nb", "1:a?x=", "１:abc"])
def test_a_token_that_is_none_never_becomes_part_of_an_address(token: str) -> None:
    with pytest.raises(ValueError, match="bot token"):
        Telegram().outgoing("x", to=Recipient(address="1"), connection=CONNECTION, credential={"bot_token": token})


@EXAMPLES
@given(text=st.text(alphabet="a😀 \n", min_size=1, max_size=200), times=st.integers(1, 60))
def test_every_part_fits_as_telegram_counts(text: str, times: int) -> None:
    assert all(len(each.encode("utf-16-le")) // 2 <= MOST_UNITS for each in Telegram().parts(text * times))


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (403, {"error_code": 403, "description": "Forbidden: bot was blocked by the user"}, "has blocked the bot"),
        (401, {"error_code": 401, "description": "Unauthorized"}, "does not take the bot token"),
        (404, {"error_code": 404, "description": "Not Found"}, "knows no bot"),
        (400, {"error_code": 400, "description": "Bad Request: chat not found"}, "does not know this chat"),
        (429, {"error_code": 429, "description": "Too Many Requests: retry after 7"}, "no more messages"),
        (400, {"error_code": 400, "description": "Bad Request: something new"}, "did not send"),
        (502, {}, "did not send the message (502)"),
    ],
)
def test_why_telegram_refused_is_said_in_a_sentence(status: int, answer: dict[str, Any], words: str) -> None:
    sent = Telegram().sent(status, json.dumps({"ok": False} | answer).encode())
    assert words in sent.error
    assert (sent.provider_id, sent.error_code) == ("", str(status))


def test_what_was_sent_has_the_id_that_reactions_name() -> None:
    answer = {"ok": True, "result": {"message_id": 7, "chat": {"id": 5342492667}}}
    sent = Telegram().sent(200, json.dumps(answer).encode())
    element = {"chat": PRIVATE, "message_id": 7, "user": JANE, "new_reaction": []}
    assert sent.provider_id == read("message_reaction", element).target_id == "5342492667:7"


def test_a_file_is_asked_for_by_its_id_and_fetched_from_its_path() -> None:
    outgoing = Telegram().media({"provider_media_id": "BQ/AC&x"}, CREDENTIAL)
    assert outgoing is not None
    token = CREDENTIAL["bot_token"]
    assert outgoing.url == f"https://api.telegram.org/bot{token}/getFile?file_id=BQ%2FAC%26x"
    answer = json.dumps({"ok": True, "result": {"file_path": "documents/file 1.pdf"}}).encode()
    assert (
        Telegram().media_url(answer, CREDENTIAL) == f"https://api.telegram.org/file/bot{token}/documents/file%201.pdf"
    )
    assert Telegram().media_url(answer, {}) == "documents/file%201.pdf"
    assert Telegram().media_url(b"{}", CREDENTIAL) == ""
    assert Telegram().media({}, CREDENTIAL) is None
