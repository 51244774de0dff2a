"""Slack: replies and files."""

import dataclasses
import json
from typing import Any

import pytest

from channels_inbound.adapters.base import Recipient
from channels_inbound.adapters.slack import Slack
from tests.channels_inbound.adapters.slack_posts import CONNECTION, CREDENTIAL, SAID, envelope, read, request

# --- replies ---------------------------------------------------------------------------------------------------------


def reply(text: str, to: Recipient) -> dict[str, Any]:
    outgoing = Slack().outgoing(text, to=to, connection=CONNECTION, credential=CREDENTIAL)
    assert outgoing.url == "https://slack.com/api/chat.postMessage"
    assert ("Authorization", f"Bearer {CREDENTIAL['bot_token']}") in outgoing.headers
    message: dict[str, Any] = json.loads(outgoing.body)
    return message


def test_a_reply_goes_into_the_thread_and_calls_nobody() -> None:
    to = Recipient(address="U1", answer_to={"channel": "C1", "thread_ts": "1.2"})
    assert reply("<!channel> & *you*", to) == {
        "channel": "C1",
        "thread_ts": "1.2",
        "text": "&lt;!channel&gt; &amp; *you*",
        "mrkdwn": False,
    }


def test_without_a_channel_the_reply_goes_to_the_person() -> None:
    assert reply("Hello", Recipient(address="U1")) == {"channel": "U1", "text": "Hello", "mrkdwn": False}


@pytest.mark.parametrize("token", ["", "xoxb-1\r\nX-Evil: 1", "xoxb 1", "xoxb-ä"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="bot token"):
        Slack().outgoing("x", to=Recipient(address="U1"), connection=CONNECTION, credential={"bot_token": token})


@pytest.mark.parametrize(
    ("status", "body", "provider_id", "code"),
    [
        (200, {"ok": True, "channel": "C1", "ts": "1.2"}, "C1:1.2", ""),
        (200, {"ok": False, "error": "not_in_channel"}, "", "not_in_channel"),
        (200, {"ok": False, "error": "never_heard_of"}, "", "never_heard_of"),
        (429, {"ok": False, "error": "ratelimited"}, "", "ratelimited"),
        (502, "<html>", "", "502"),
    ],
)
def test_what_slack_answers_is_read(status: int, body: Any, provider_id: str, code: str) -> None:
    sent = Slack().sent(status, json.dumps(body).encode())
    assert (sent.provider_id, sent.error_code) == (provider_id, code)
    assert bool(sent.error) == bool(code)


def test_our_own_message_seen_again_has_the_id_that_its_answer_gave() -> None:
    sent = Slack().sent(200, b'{"ok": true, "channel": "C1", "ts": "1795521500.000300"}')
    again = read(SAID | {"channel": "C1", "ts": "1795521500.000300", "bot_id": "B1", "app_id": "A0PNCHHK2"})
    assert (again.kind, again.provider_id) == ("echo", sent.provider_id)


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_fetched_with_the_token() -> None:
    outgoing = Slack().media({"url": "https://files.slack.com/files-pri/T1-F1/a.png"}, CREDENTIAL)
    assert outgoing is not None
    assert outgoing.headers == (("Authorization", f"Bearer {CREDENTIAL['bot_token']}"),)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/files.slack.com",
        "http://files.slack.com/a",
        "https://files.slack.com@evil.example/a",
        "https://files.slack.com:8443/a",
        "https://files.slack.com.evil.example/a",
        "https://[",
    ],
)
def test_a_foreign_host_never_sees_the_token(url: str) -> None:
    assert Slack().media({"url": url, "provider_media_id": "F1"}, CREDENTIAL) is None


def test_what_a_file_says_never_leads_to_another_one() -> None:
    secret = b'{"ok": true, "file": {"url_private": "https://files.slack.com/files-pri/T1-F9/secret.pdf"}}'
    assert Slack().media_url(secret, {}) == ""
    assert Slack().media({"provider_media_id": "F1"}, CREDENTIAL) is None


def test_arrivals_are_equal_however_often_they_are_read() -> None:
    incoming = request(envelope(SAID))
    assert Slack().parse(incoming, CONNECTION) == Slack().parse(dataclasses.replace(incoming), CONNECTION)
