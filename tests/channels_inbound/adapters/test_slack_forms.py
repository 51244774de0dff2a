"""Slack: pressed buttons, other interactions, and commands."""

import json
from typing import Any

import pytest
from hypothesis import given

from channels_inbound.adapters.base import Unusable
from channels_inbound.adapters.slack import Slack
from tests.channels_inbound.adapters.contract import EXAMPLES, JSON, check_arrivals
from tests.channels_inbound.adapters.slack_posts import CONNECTION, form, only

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
