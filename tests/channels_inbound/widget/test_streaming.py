"""A reply on its way to the visitor."""

import json
from typing import Any

import pytest

from agents.models import Turn
from chatzuri import relay
from tests.agents.scripted_model import ScriptedModel, says
from tests.channels_inbound.widget.client import Widget, make_call_back, make_website
from tests.factories import make_agent

pytestmark = pytest.mark.django_db


def events(response: Any) -> list[dict[str, Any]]:
    text = b"".join(response.streaming_content).decode()
    return [json.loads(piece[6:]) for piece in text.split("\n\n") if piece.startswith("data: ")]


def test_words_come_first_and_the_whole_reply_last(widget):
    said = widget.say().json()
    turn = Turn.objects.get()
    for told in ({"type": "text", "delta": "Yes"}, {"type": "action", "call": {"delivery_id": "dlv_secret"}}):
        relay.tell(f"turn:{turn.public_id}", told)
    turn.reply = turn.conversation.say(role="agent", text="Yes, it is.", brain={"model": "secret-model"})
    turn.save()
    relay.tell(f"turn:{turn.public_id}", {"type": "done"})
    response = widget.get(f"stream?turn={said['turn_id']}")
    assert response["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response["Access-Control-Allow-Origin"] == widget.origin
    assert response["Cache-Control"] == "no-cache"
    Turn.objects.update(state="done")
    started, words, done = events(response)
    assert started == {"type": "started", "turn_id": turn.public_id}
    assert words == {"type": "text", "delta": "Yes"}
    assert (done["type"], done["message"]["text"], done["message"]["role"]) == ("done", "Yes, it is.", "agent")
    assert set(done["message"]) == {"id", "client_id", "role", "text", "at", "rating"}


def test_a_turn_that_is_over_is_told_at_once(widget):
    said = widget.say().json()
    turn = Turn.objects.get()
    turn.reply, turn.state = turn.conversation.say(role="agent", text="Done."), "done"
    turn.save()
    assert [each["type"] for each in events(widget.get(f"stream?turn={said['turn_id']}"))] == ["started", "done"]


def test_a_reply_that_takes_too_long_is_still_running(widget, settings):
    settings.CHAT_WAIT = 0.2
    said = widget.say().json()
    assert [each["type"] for each in events(widget.get(f"stream?turn={said['turn_id']}"))] == ["started", "running"]


def test_a_second_listener_takes_no_words_from_the_first(widget, settings):
    settings.CHAT_WAIT = 0.2
    said = widget.say().json()
    first = iter(widget.get(f"stream?turn={said['turn_id']}").streaming_content)
    next(first)
    next(first)
    second = events(widget.get(f"stream?turn={said['turn_id']}"))
    assert [each["type"] for each in second] == ["started", "running"]
    list(first)
    third = widget.get(f"stream?turn={said['turn_id']}")
    lines = iter(third.streaming_content)
    next(lines)
    assert next(lines) == b": still working\n\n"
    third.close()  # the visitor is gone: the next one may listen
    assert relay.first(f"widget-stream:{said['turn_id']}", seconds=1)


@pytest.mark.parametrize("turn", ["", "turn_1", "turn_" + "0" * 26, "%00", "turn_1'--"])
def test_a_turn_that_is_none(widget, turn):
    widget.begin()
    assert widget.get(f"stream?turn={turn}").status_code == 404


def test_with_a_worker_a_message_becomes_a_webhook_and_a_reply(receiver, worker):
    channel = make_website()
    make_call_back(channel, url=receiver.url)
    widget = Widget(channel)
    turn = widget.say("Please call me back").json()["turn_id"]
    asks = events(widget.get(f"stream?turn={turn}"))[-1]["message"]["text"]
    turn = widget.say("asha@example.com").json()["turn_id"]
    told = events(widget.get(f"stream?turn={turn}"))
    [request] = receiver.wait_for(1)
    assert "e-mail address or phone number" in asks
    assert json.loads(request.body)["email"] == "asha@example.com"
    assert "".join(each["delta"] for each in told if each["type"] == "text") == told[-1]["message"]["text"]
    assert not {"delivery_id", "call_id", "brain", "tokens"} & set(json.dumps(told).split('"'))


def test_what_a_language_model_says_comes_word_by_word(receiver, start_worker):
    model = ScriptedModel()
    model.plays(says("Karibu sana, how can I help you today?"))
    start_worker(LANGUAGE_MODEL_ORIGINS=model.origin)
    agent = make_agent(brain="llm", llm_base_url=model.url, llm_model="scripted")
    widget = Widget(make_website(agent=agent))
    try:
        told = events(widget.get(f"stream?turn={widget.say().json()['turn_id']}"))
    finally:
        model.stop()
    assert told[-1]["message"]["text"].strip() == "Karibu sana, how can I help you today?"
    assert len([each for each in told if each["type"] == "text"]) > 1
    assert "scripted" not in json.dumps(told)
