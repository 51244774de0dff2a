"""Chatting with an agent over the API, with a real worker behind it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.test import Client

from agents.models import Conversation, Customer, Turn
from chatzuri import relay
from tests.factories import (
    make_agent,
    make_api_key,
    make_conversation,
    make_customer,
    make_endpoint,
    make_team,
    make_tool,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Any:
    return make_team()


@pytest.fixture
def key(team: Any) -> str:
    return make_api_key(team=team)


@pytest.fixture
def api(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def agent(team: Any) -> Any:
    return make_agent(team=team)


@pytest.fixture
def live_agent(team: Any, receiver: Any, worker: Any) -> Any:
    """An agent with a tool that reaches `receiver`, and a worker that takes its turns."""
    tool = make_tool(
        agent=make_agent(team=team),
        endpoint=make_endpoint(team=team, url=receiver.url),
        title="Ask for a call back",
        example_phrases="Please call me back",
    )
    return tool.agent


@pytest.fixture
def at_once(settings: Any) -> None:
    """No worker takes turns in this test, so do not wait for one."""
    settings.CHAT_WAIT = 0.05


def chat(api: Client, agent: Any, message: Any = "Hello", **body: Any) -> Any:
    path = f"/api/v1/agents/{agent.public_id}/chat"
    return api.post(path, json.dumps({"message": message, **body}), content_type="application/json")


# --- a reply ---------------------------------------------------------------------------------------------------------


def test_a_message_leads_to_a_webhook_and_the_reply_names_it(api, live_agent, receiver):
    response = chat(api, live_agent, "Please call me back", user_id="user-42")
    body = response.json()
    assert response.status_code == 200
    assert body["actions"] == []
    response = chat(api, live_agent, "asha@example.com", user_id="user-42")

    [got] = receiver.wait_for(1)
    second = response.json()
    [action] = second["actions"]
    assert json.loads(got.body)["email"] == "asha@example.com"
    assert second["conversation_id"] == body["conversation_id"]
    assert second["conversation_id"].startswith("cnv_")
    assert second["message_id"].startswith("msg_")
    assert (second["state"], second["tokens"]) == ("done", {"input": 0, "output": 0})
    assert second["brain"]["kind"].startswith("offline")
    assert (action["tool"], action["status"], action["outcome"]) == ("webhook_trigger", "fired", "delivered")
    assert (action["status_code"], action["duplicate_of"]) == (200, None)
    assert api.get(f"/api/v1/deliveries/{action['delivery_id']}").json()["state"] == "delivered"
    assert Customer.objects.get().external_id == "user-42"
    turn = api.get(f"/api/v1/agents/{live_agent.public_id}/turns/{second['turn_id']}")
    assert (turn.status_code, turn.json()) == (200, second)


def test_a_receiver_that_fails_is_named_in_the_reply(api, live_agent, receiver):
    receiver.answer(503)
    chat(api, live_agent, "Please call me back", user_id="u")
    body = chat(api, live_agent, "+254 711 000 111", user_id="u").json()
    [action] = body["actions"]
    assert (action["status"], action["outcome"], action["status_code"]) == ("failed", "rejected", 503)
    assert len(receiver.requests) == 1


def test_a_reply_that_takes_too_long_can_be_asked_for(api, agent, at_once):
    response = chat(api, agent, user_id="slow")
    body = response.json()
    assert response.status_code == 202
    assert response["Content-Type"] == "application/json"
    assert body["state"] == "running"
    assert response["Location"].endswith(f"/api/v1/agents/{agent.public_id}/turns/{body['turn_id']}")
    later = api.get(response["Location"])
    assert (later.status_code, later.json()) == (200, body)


def test_a_turn_of_another_agent_is_not_found(api, agent, team, at_once):
    turn = chat(api, agent).json()["turn_id"]
    other = make_agent(team=team)
    assert api.get(f"/api/v1/agents/{other.public_id}/turns/{turn}").status_code == 404


# --- who speaks ------------------------------------------------------------------------------------------------------


def test_the_same_user_goes_on_with_the_same_conversation(api, agent, at_once):
    ids = {chat(api, agent, user_id="asha").json()["conversation_id"] for _ in range(3)}
    assert len(ids) == 1
    assert chat(api, agent, user_id="juma").json()["conversation_id"] not in ids


@pytest.mark.parametrize("anonymous", [{}, {"user_id": None}, {"user_id": ""}, {"user_id": "  "}])
def test_without_a_user_everybody_is_new_and_can_go_on_by_the_conversation(api, agent, at_once, anonymous):
    first, second = (chat(api, agent, **anonymous).json()["conversation_id"] for _ in range(2))
    assert first != second
    assert chat(api, agent, conversation_id=first, **anonymous).json()["conversation_id"] == first
    assert Customer.objects.count() == 2


def test_a_conversation_of_another_agent_is_not_found(api, agent, team, at_once):
    for conversation in (make_conversation(agent=make_agent(team=team)), make_conversation()):
        response = chat(api, agent, conversation_id=conversation.public_id)
        assert response.status_code == 404
        assert response.json()["detail"] == "There is no conversation of this agent with this id."
    assert chat(api, agent, conversation_id="cnv_0").status_code == 404
    assert not Turn.objects.exists()


def test_a_conversation_does_not_change_its_customer(api, agent, team, at_once):
    conversation = make_conversation(agent=agent, customer=make_customer(team=team, external_id="asha"))
    response = chat(api, agent, conversation_id=conversation.public_id, user_id="juma")
    assert response.status_code == 400
    assert response.json()["errors"] == [
        {"pointer": "/user_id", "detail": "This conversation belongs to another customer."}
    ]
    assert chat(api, agent, conversation_id=conversation.public_id, user_id="asha").status_code == 202


def test_an_ended_conversation_is_not_continued(api, agent, at_once):
    conversation = make_conversation(agent=agent, state=Conversation.State.ENDED)
    response = chat(api, agent, conversation_id=conversation.public_id)
    assert response.status_code == 409
    assert "Leave conversation_id out" in response.json()["detail"]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["", "   ", None, "x" * 8001, [], {}, True])
def test_a_message_that_is_none_is_refused(api, agent, message):
    response = chat(api, agent, message)
    assert response.status_code == 400
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/message"]
    assert not Conversation.objects.exists()


def test_the_longest_message_and_user_id_are_accepted(api, agent, at_once):
    assert chat(api, agent, "é" * 8000, user_id="u" * 200).status_code == 202
    assert Turn.objects.get().message.text == "é" * 8000


@pytest.mark.parametrize("body", [[], "text", 7, None])
def test_a_body_that_is_no_object_is_refused(api, agent, body):
    path = f"/api/v1/agents/{agent.public_id}/chat"
    assert api.post(path, json.dumps(body), content_type="application/json").status_code == 400


def test_an_agent_that_is_switched_off_says_so(api, agent):
    agent.is_active = False
    agent.save()
    response = chat(api, agent)
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == f"{agent.name} is switched off. Switch it on in the admin first."
    assert not Conversation.objects.exists()


def test_another_teams_agent_is_as_unknown_as_none(api):
    theirs, none = make_agent(), make_agent()
    none.delete()
    answers = [chat(api, one) for one in (theirs, none)]
    assert [response.status_code for response in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert not Conversation.objects.exists()


# --- server-sent events ----------------------------------------------------------------------------------------------


def events(response: requests.Response) -> Iterator[Any]:
    """What a plain client of data-only events sees; comments are skipped."""
    assert response.status_code == 200, response.text
    for line in response.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("data: "):
            yield line[6:] if line == "data: [DONE]" else json.loads(line[6:])


def stream(live_server: Any, key: str, agent: Any, message: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
    body = {"message": message, "user_id": "streamer", **options}
    url = f"{live_server.url}/api/v1/agents/{agent.public_id}/chat"
    return requests.post(url, json=body, headers=headers, stream=True, timeout=30)


@pytest.mark.parametrize("asked", [{"stream": True}, {"headers": {"Accept": "text/event-stream"}}])
def test_a_reply_is_streamed(live_server, key, live_agent, receiver, asked):
    list(events(stream(live_server, key, live_agent, "Please call me back", **dict(asked))))
    response = stream(live_server, key, live_agent, "asha@example.com", **dict(asked))
    told = list(events(response))
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-cache", "no")
    started, *between, done, end = told
    assert (started["type"], done["type"], end) == ("started", "done", "[DONE]")
    assert started["turn_id"] == done["turn_id"]
    [action] = [event["call"] for event in between if event["type"] == "action"]
    assert [action] == done["actions"]
    assert action["outcome"] == "delivered"
    assert "".join(event["delta"] for event in between if event["type"] == "text").strip() == done["reply"].strip()
    assert len(receiver.requests) == 1


def test_a_stream_nobody_feeds_stays_alive_and_says_where_to_ask(live_server, key, agent, settings, transactional_db):
    settings.CHAT_WAIT = 3.5
    text = stream(live_server, key, agent, "Hello", stream=True).text
    assert text.count(": still working\n\n") >= 1
    *_, last, end, rest = text.split("\n\n")
    assert json.loads(last.removeprefix("data: "))["type"] == "running"
    assert (end, rest) == ("data: [DONE]", "")


def test_a_stream_shows_what_is_told_as_it_is_told(live_server, key, agent, transactional_db):
    told = events(stream(live_server, key, agent, "Hello", stream=True))
    turn = Turn.objects.get(public_id=next(told)["turn_id"])
    relay.tell(f"turn:{turn.public_id}", {"type": "text", "delta": "Zoë\n\ndata: [DONE]"})
    assert next(told) == {"type": "text", "delta": "Zoë\n\ndata: [DONE]"}
    Turn.objects.filter(pk=turn.pk).update(
        state="done", reply=turn.conversation.say(role="agent", text="Told"), ending="done"
    )
    relay.tell(f"turn:{turn.public_id}", {"type": "done"})
    assert next(told)["reply"] == "Told"
    assert next(told) == "[DONE]"


def test_what_is_wrong_is_a_problem_also_when_a_stream_was_asked_for(live_server, key, agent, transactional_db):
    response = stream(live_server, key, agent, "", stream=True)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
