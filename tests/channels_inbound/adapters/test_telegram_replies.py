"""Telegram: replies and files."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.base import Recipient
from channels_inbound.adapters.telegram import MOST_UNITS, Telegram
from tests.channels_inbound.adapters.contract import EXAMPLES
from tests.channels_inbound.adapters.telegram_posts import CONNECTION, CREDENTIAL, GROUP, JANE, PRIVATE, SAID, read


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
