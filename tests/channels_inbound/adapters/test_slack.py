import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.base import FORM_TYPE, Arrival, Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.slack import Slack
from tests.channels_inbound.adapters.contract import (
    EXAMPLES,
    JSON,
    NOW,
    AdapterContract,
    check_arrivals,
    connected,
    with_header,
)

SECRET = "slack-signing-secret-0123456789"
CONNECTION = connected(Slack, {"signing_secret": SECRET})
CREDENTIAL = {"bot_token": "xoxb-17653672481-abcdefghij"}
STAMP = str(int(NOW.timestamp()))
SAID = {
    "type": "message",
    "channel": "C024BE91L",
    "channel_type": "channel",
    "user": "U2147483697",
    "text": "Where is my order?",
    "ts": "1795521500.000200",
    "event_ts": "1795521500.000200",
}


def envelope(event: Any, **more: Any) -> bytes:
    outer = {"type": "event_callback", "team_id": "T061EG9R6", "api_app_id": "A0PNCHHK2", "event_id": "Ev08MFMKH6"}
    return json.dumps(outer | {"event_time": 1795521500, "event": event} | more).encode()


def request(body: bytes, stamp: str = STAMP, secret: str = SECRET, content_type: str = "application/json") -> Incoming:
    proof = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"content-type": content_type, "x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={proof}"}
    return Incoming(headers=headers, body=body, at=NOW)


def form(**fields: str) -> Incoming:
    return request(urlencode(fields).encode(), content_type=FORM_TYPE)


def read(event: Any, more: dict[str, Any] | None = None, **settings: str) -> Arrival:
    return only(request(envelope(event, **more or {})), **settings)


def only(incoming: Incoming, **settings: str) -> Arrival:
    connection = connected(Slack, {"signing_secret": SECRET}, settings)
    Slack().verify(incoming, connection)
    (arrival,) = Slack().parse(incoming, connection)
    check_arrivals([arrival])
    return arrival


class TestSlack(AdapterContract):
    adapter = Slack()
    connection = CONNECTION
    sample = envelope(SAID)
    proof_headers = ("x-slack-signature", "x-slack-request-timestamp")
    credential = CREDENTIAL
    recipient = Recipient(address="U2147483697", answer_to={"channel": "C024BE91L", "thread_ts": "1795521500.000200"})

    def request(self, body: bytes) -> Incoming:
        return request(body)


# --- proofs ----------------------------------------------------------------------------------------------------------


def test_the_example_of_slacks_own_documentation_is_authentic() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "content-type": FORM_TYPE,
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    incoming = Incoming(headers=headers, body=body, at=datetime.fromtimestamp(1531420618, UTC))
    connection = connected(Slack, {"signing_secret": "8f742231b10e8888abcd99yyyzzz85a5"})
    assert Slack().verify(incoming, connection).signed_at == incoming.at


@pytest.mark.parametrize(
    "stamp", ["", "abc", "1.5", "-1", "１７", "9" * 30, f" {STAMP}"], ids=lambda each: f"68-{each!r}"
)
def test_a_timestamp_that_is_none_is_refused(stamp: str) -> None:
    incoming = with_header(request(envelope(SAID)), "x-slack-request-timestamp", stamp)
    with pytest.raises(NotAuthentic, match="timestamp"):
        Slack().verify(incoming, CONNECTION)


@pytest.mark.parametrize(
    ("seconds", "is_fresh"),
    [
        pytest.param(-301, False, id="68-301-s-old"),
        pytest.param(-300, True, id="300-s-old"),
        pytest.param(300, True, id="300-s-ahead"),
        pytest.param(301, False, id="68-301-s-ahead"),
    ],
)
def test_a_request_is_fresh_for_five_minutes_both_ways(seconds: int, is_fresh: bool) -> None:
    signed_at = NOW + timedelta(seconds=seconds)
    incoming = request(envelope(SAID), stamp=str(int(signed_at.timestamp())))
    if is_fresh:
        assert Slack().verify(incoming, CONNECTION).signed_at == signed_at
    else:
        with pytest.raises(NotAuthentic, match="stale"):
            Slack().verify(incoming, CONNECTION)


def test_68_the_signature_does_not_hold_for_another_timestamp() -> None:
    moved = str(int(STAMP) + 1)
    with pytest.raises(NotAuthentic, match="signature"):
        Slack().verify(with_header(request(envelope(SAID)), "x-slack-request-timestamp", moved), CONNECTION)


@pytest.mark.parametrize("prefix", ["v1=", "", "V0=", "v0 ="], ids=lambda each: f"69-{each}")
def test_a_signature_of_another_version_is_refused(prefix: str) -> None:
    incoming = request(envelope(SAID))
    digest = incoming.header("x-slack-signature").removeprefix("v0=")
    with pytest.raises(NotAuthentic):
        Slack().verify(with_header(incoming, "x-slack-signature", prefix + digest), CONNECTION)


def test_both_secrets_of_a_rotation_let_in_and_say_which_it_was() -> None:
    connection = connected(Slack, {"signing_secret": ["new-secret", SECRET]})
    assert Slack().verify(request(envelope(SAID), secret="new-secret"), connection).secret_id == "signing_secret-0"
    assert Slack().verify(request(envelope(SAID)), connection).secret_id == "signing_secret-1"


@EXAMPLES
@given(stamp=st.text(max_size=30), proof=st.text(max_size=80))
def test_no_headers_break_the_verifier(stamp: str, proof: str) -> None:
    incoming = with_header(request(b"{}"), "x-slack-request-timestamp", stamp)
    with pytest.raises(NotAuthentic):
        Slack().verify(with_header(incoming, "x-slack-signature", proof), CONNECTION)


# --- handshake -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_the_challenge_is_echoed_as_plain_text(content_type: str) -> None:
    body = json.dumps({"type": "url_verification", "token": "x", "challenge": "<b>3eZbrw</b>"}).encode()
    response = Slack().handshake(request(body, content_type=content_type), CONNECTION)
    assert response is not None
    assert (response.status, response.body) == (200, b"<b>3eZbrw</b>")
    assert response.content_type.startswith("text/plain")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"type": "url_verification"}', id="71-no-challenge"),
        pytest.param(b'{"type": "url_verification", "challenge": {"a": 1}}', id="71-challenge-no-text"),
        pytest.param(b'{"type": "event_callback", "challenge": "x"}', id="an-event"),
        pytest.param(b"\xff", id="no-text"),
    ],
)
def test_without_a_challenge_there_is_no_handshake_and_nothing_to_read(body: bytes) -> None:
    assert Slack().handshake(request(body), CONNECTION) is None
    with pytest.raises(Unusable):
        Slack().parse(request(body), CONNECTION)


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_in_a_channel_opens_a_thread_of_its_own() -> None:
    arrival = read(SAID)
    assert (arrival.kind, arrival.dedupe_key, arrival.text) == ("message", "Ev08MFMKH6", "Where is my order?")
    assert arrival.provider_id == "C024BE91L:1795521500.000200"
    assert arrival.thread == "T061EG9R6:C024BE91L:1795521500.000200"
    assert arrival.answer_to == {"channel": "C024BE91L", "thread_ts": "1795521500.000200"}
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.id_type) == (["U2147483697"], "slack_user")
    assert arrival.occurred_at == datetime(2026, 11, 24, 11, 58, 20, 200, tzinfo=UTC)
    assert arrival.starts_agent
    assert arrival.extra == SAID


def test_an_answer_in_a_thread_belongs_to_it() -> None:
    arrival = read(SAID | {"ts": "1795521599.000100", "thread_ts": "1795521500.000200"})
    assert arrival.thread == "T061EG9R6:C024BE91L:1795521500.000200"
    assert arrival.reply_to_id == "C024BE91L:1795521500.000200"
    assert arrival.answer_to["thread_ts"] == "1795521500.000200"


def test_a_direct_message_is_of_the_direct_conversation_and_answered_without_a_thread() -> None:
    arrival = read(SAID | {"channel": "D024BE91L", "channel_type": "im"})
    assert (arrival.thread, arrival.answer_to) == ("", {"channel": "D024BE91L", "thread_ts": ""})
    asked_in_a_thread = read(SAID | {"channel": "D024BE91L", "channel_type": "im", "thread_ts": "1.2"})
    assert (asked_in_a_thread.thread, asked_in_a_thread.answer_to["thread_ts"]) == ("", "1.2")


def test_a_mention_that_comes_twice_has_a_key_in_common() -> None:
    heard = read(SAID, {"event_id": "Ev1"})
    mentioned = read(SAID | {"type": "app_mention"}, {"event_id": "Ev2"})
    assert heard.dedupe_key != mentioned.dedupe_key
    assert heard.facts["also"] == mentioned.facts["also"] == ["C024BE91L:1795521500.000200"]
    assert (heard.kind, mentioned.kind) == ("message", "message")


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
def test_a_person_also_speaks_under_these_subtypes(subtype: str) -> None:
    assert read(SAID | {"subtype": subtype}).starts_agent


def test_signs_that_slack_writes_as_entities_are_signs_again() -> None:
    assert read(SAID | {"text": "Q&amp;A: 1 &lt; 2 &amp;lt; &copy;"}).text == "Q&A: 1 < 2 &lt; &copy;"


@pytest.mark.parametrize("subtype", [{}, {"subtype": "file_share"}])
def test_files_come_with_and_without_a_subtype(subtype: dict[str, str]) -> None:
    file = {
        "id": "F111",
        "name": "bill.pdf",
        "mimetype": "application/pdf",
        "size": 92582,
        "url_private": "https://files.slack.com/files-pri/T1-F111/bill.pdf",
    }
    gone = {"id": "F112", "mode": "tombstone"}
    arrival = read(SAID | {"text": "", "files": [file, gone, "x", {"id": "F113", "size": -1}]} | subtype)
    assert arrival.starts_agent
    assert [(each.provider_media_id, each.kind, each.url, each.size) for each in arrival.attachments] == [
        ("F111", "document", file["url_private"], 92582),
        ("F113", "file", "", None),
    ]


@pytest.mark.parametrize("mode", [{}, [], 5, None])
def test_a_file_whose_mode_is_no_word_is_a_file(mode: Any) -> None:
    assert len(read(SAID | {"files": [{"id": "F111", "mode": mode}]}).attachments) == 1


# --- programs --------------------------------------------------------------------------------------------------------

PROGRAMS = [
    pytest.param({"bot_id": "B999"}, "bot_message", id="74-bot-id-without-subtype"),
    pytest.param({"subtype": "bot_message", "user": None}, "bot_message", id="74-bot-message-of-nobody"),
    pytest.param({"subtype": "bot_message", "bot_id": "B1", "user": None}, "bot_message", id="74-bot-message"),
    pytest.param({"bot_profile": {"id": "B9", "app_id": "A222", "name": "Other"}}, "bot_message", id="74-bot-profile"),
    pytest.param({"bot_id": "B1", "app_id": "A0PNCHHK2"}, "echo", id="74-our-own-app"),
    pytest.param({"bot_id": "B1", "bot_profile": {"app_id": "A0PNCHHK2"}}, "echo", id="74-our-own-profile"),
    pytest.param({"user": "U0BOT"}, "echo", id="74-our-own-bot-user"),
]


@pytest.mark.parametrize("type_", ["message", "app_mention"])
@pytest.mark.parametrize(("more", "kind"), PROGRAMS)
def test_what_a_program_says_never_starts_the_agent(type_: str, more: dict[str, Any], kind: str) -> None:
    event = {name: value for name, value in (SAID | more).items() if value is not None}
    arrival = read(event | {"type": type_}, bot_user_id="U0BOT")
    assert arrival.kind == kind
    assert not arrival.starts_agent


# --- what happens to messages, and the rest --------------------------------------------------------------------------


def test_a_changed_message_says_which_one_and_what_it_says_now() -> None:
    now = {"user": "U1", "text": "updated &amp; longer", "ts": "1.2", "edited": {"user": "U1", "ts": "1.9"}}
    event = {"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "1.9", "message": now}
    arrival = read(event | {"channel_type": "channel", "previous_message": {"text": "before"}})
    assert (arrival.kind, arrival.target_id, arrival.text) == ("message_edited", "C1:1.2", "updated & longer")
    assert arrival.thread == "T061EG9R6:C1:1.2"
    assert not arrival.starts_agent


@pytest.mark.parametrize(
    "event",
    [
        {"subtype": "message_deleted", "deleted_ts": "1.2", "previous_message": {"user": "U1", "text": "oops"}},
        {"subtype": "message_changed", "message": {"subtype": "tombstone", "ts": "1.2", "text": "gone"}},
    ],
    ids=lambda event: event["subtype"],
)
def test_a_deleted_message_is_told_without_its_words(event: dict[str, Any]) -> None:
    arrival = read({"type": "message", "channel": "C1", "ts": "1.9"} | event)
    assert (arrival.kind, arrival.target_id, arrival.text) == ("message_deleted", "C1:1.2", "")


@pytest.mark.parametrize(
    ("type_", "name", "sign", "is_removed", "text"),
    [
        ("reaction_added", "heart_eyes", "heart_eyes", False, ""),
        ("reaction_added", "+1::skin-tone-3", "+1::skin-tone-3", False, "👍"),
        ("reaction_added", "thumbsdown", "thumbsdown", False, "👎"),
        ("reaction_removed", "+1", "", True, ""),
    ],
)
def test_a_reaction_says_to_what(type_: str, name: str, sign: str, is_removed: bool, text: str) -> None:
    item = {"type": "message", "channel": "C1", "ts": "1.2"}
    arrival = read({"type": type_, "user": "U1", "reaction": name, "item": item})
    assert (arrival.kind, arrival.target_id, arrival.text) == ("reaction", "C1:1.2", text)
    assert (arrival.facts["emoji"], arrival.facts["is_removed"]) == (sign, is_removed)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"type": "app_uninstalled"}, "slack.app_uninstalled"),
        ({"type": "tokens_revoked", "tokens": {"bot": ["U1"]}}, "slack.tokens_revoked"),
        ({"type": "app_rate_limited", "minute_rate_limited": 1}, "slack.app_rate_limited"),
        ({"type": "channel_rename", "channel": {"id": "C1", "name": "new"}}, "slack.channel_rename"),
        ({"type": "team_join", "user": {"id": "U1", "name": "new"}}, "slack.team_join"),
        ({"type": "message", "subtype": "channel_join", "user": "U1", "text": "joined"}, "slack.channel_join"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_happens_in_the_workspace_is_an_event(event: dict[str, Any], name: str) -> None:
    arrival = read(event)
    assert (arrival.kind, arrival.event_type) == ("event", name)
    assert not arrival.starts_agent


def test_the_notice_of_being_throttled_comes_without_an_envelope() -> None:
    body = {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1518467820, "api_app_id": "A1"}
    arrival = only(request(json.dumps(body).encode()))
    assert (arrival.kind, arrival.event_type) == ("event", "slack.app_rate_limited")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(envelope(None), id="72-event-null"),
        pytest.param(b'{"type": "event_callback", "event_id": "Ev1"}', id="72-no-event"),
        pytest.param(envelope([SAID]), id="72-event-a-list"),
    ],
)
def test_a_request_without_an_event_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable):
        Slack().parse(request(body), CONNECTION)


def test_72_a_channel_may_be_an_object() -> None:
    assert read(SAID | {"channel": {"id": "C1"}}).provider_id == "C1:1795521500.000200"


@pytest.mark.parametrize(
    "more", [{"text": ""}, {"text": None}, {"user": ""}, {"type": ""}], ids=["empty", "null", "nobody", "no-type"]
)
def test_a_message_that_says_nothing_has_a_reason(more: dict[str, Any]) -> None:
    arrival = read(SAID | more)
    assert (arrival.kind, arrival.dedupe_key) == ("unsupported", "Ev08MFMKH6")
    assert arrival.reason.endswith(".")


def test_73_two_events_without_an_id_stay_two() -> None:
    body = envelope(SAID, event_id="")
    later = str(int(STAMP) + 60)
    keys = {only(each).dedupe_key for each in (request(body), request(body, stamp=later))}
    assert len(keys) == 2
    assert "" not in keys


@pytest.mark.parametrize("setting", [{"team_id": "T0OTHER"}, {"app_id": "A0OTHER"}], ids=lambda each: next(iter(each)))
def test_what_is_of_another_workspace_or_app_is_no_message(setting: dict[str, str]) -> None:
    arrival = read(SAID, **setting)
    assert arrival.kind == "unsupported"
    assert arrival.reason.startswith("Not for this channel: ")


def test_a_shared_channel_belongs_to_several_workspaces() -> None:
    authorizations = [{"team_id": "T0OURS", "user_id": "U0"}]
    assert read(SAID, {"authorizations": authorizations}, team_id="T0OURS").kind == "message"


# --- forms -----------------------------------------------------------------------------------------------------------

PRESSED = {
    "type": "block_actions",
    "user": {"id": "U1", "username": "jane", "team_id": "T1"},
    "api_app_id": "A1",
    "team": {"id": "T1"},
    "container": {"type": "message", "message_ts": "111.222", "channel_id": "C1"},
    "trigger_id": "12.34.abc",
    "channel": {"id": "C1", "name": "shop"},
    "message": {"ts": "111.222", "thread_ts": "100.1"},
    "actions": [
        {
            "action_id": "again",
            "text": {"type": "plain_text", "text": "Order again"},
            "value": "order-7",
            "type": "button",
            "action_ts": "1795521500.2",
        }
    ],
}


def test_a_pressed_button_is_a_postback_in_the_thread_of_its_message() -> None:
    arrival = only(form(payload=json.dumps(PRESSED)))
    assert (arrival.kind, arrival.dedupe_key, arrival.text) == ("postback", "12.34.abc", "Order again")
    assert arrival.action == {"id": "again", "payload": "order-7", "title": "Order again"}
    assert (arrival.thread, arrival.reply_to_id) == ("T1:C1:100.1", "C1:111.222")
    assert arrival.answer_to == {"channel": "C1", "thread_ts": "100.1"}
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.username) == (["U1"], "jane")
    assert arrival.starts_agent


@pytest.mark.parametrize(
    ("action", "payload", "title"),
    [
        ({"selected_option": {"text": {"text": "Red"}, "value": "r"}}, "r", "Red"),
        ({"selected_options": [{"text": {"text": "A"}, "value": "a"}, {"value": "b"}]}, "a, b", "A"),
        ({"selected_date": "2026-12-01"}, "2026-12-01", ""),
        ({"selected_user": "U7"}, "U7", ""),
        ({"value": ["odd"]}, "", ""),
    ],
)
def test_what_was_chosen_is_read_from_every_part(action: dict[str, Any], payload: str, title: str) -> None:
    arrival = only(form(payload=json.dumps(PRESSED | {"actions": [{"action_id": "x"} | action]})))
    assert arrival.action == {"id": "x", "payload": payload, "title": title}
    assert arrival.text == (title or payload or "x")


def test_several_actions_of_one_request_have_keys_of_their_own() -> None:
    incoming = form(payload=json.dumps(PRESSED | {"actions": [{"action_id": "a"}, {"action_id": "b"}]}))
    assert [each.dedupe_key for each in Slack().parse(incoming, CONNECTION)] == ["12.34.abc", "12.34.abc:1"]


@pytest.mark.parametrize("type_", ["view_submission", "shortcut", "message_action", "block_suggestion"])
def test_other_interactions_are_events(type_: str) -> None:
    arrival = only(form(payload=json.dumps({"type": type_, "user": {"id": "U1"}, "trigger_id": "1.2"})))
    assert (arrival.kind, arrival.event_type) == ("event", f"slack.{type_}")


def test_a_command_is_a_private_word_answered_in_the_direct_conversation() -> None:
    fields = {"command": "/ask", "text": "where &amp; when?", "user_id": "U1", "user_name": "jane"}
    arrival = only(form(**fields, team_id="T1", channel_id="C1", trigger_id="13.3.7", api_app_id="A1"))
    assert (arrival.kind, arrival.text, arrival.dedupe_key) == ("message", "where & when?", "13.3.7")
    assert (arrival.thread, arrival.answer_to["channel"]) == ("", "U1")
    assert arrival.facts["command"] == "/ask"


@pytest.mark.parametrize("fields", [{}, {"a": "1"}, {"payload": "no json"}, {"payload": "[]"}], ids=str)
def test_a_form_with_neither_is_unusable(fields: dict[str, str]) -> None:
    with pytest.raises(Unusable):
        Slack().parse(form(**fields), CONNECTION)


@EXAMPLES
@given(value=JSON)
def test_any_json_in_a_payload_gives_arrivals_or_is_unusable(value: Any) -> None:
    for payload in (value, PRESSED | {"actions": value}, PRESSED | {"user": value, "channel": value}):
        try:
            check_arrivals(Slack().parse(form(payload=json.dumps(payload)), CONNECTION))
        except Unusable as refusal:
            assert str(refusal).endswith(".")


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
