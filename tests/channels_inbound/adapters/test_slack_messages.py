"""Slack: messages, programs, and what happens in a workspace."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from channels_inbound.adapters.base import Unusable
from channels_inbound.adapters.slack import Slack
from tests.channels_inbound.adapters.slack_posts import CONNECTION, SAID, STAMP, envelope, only, read, request

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
