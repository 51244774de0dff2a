"""The playground over HTTP: what a message becomes, what the page asks for, and where it stops asking."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent, Conversation, Message, Turn
from tests.agents.rows import make_call
from tests.factories import make_agent, make_endpoint, make_team, make_tool, make_user
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    return make_agent(team=make_team(), name="Front desk")


@pytest.fixture
def client(agent: Agent) -> Client:
    client = Client()
    client.force_login(make_user(team=agent.team), backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:agents_agent_{name}", args=args)


def say(client: Client, agent: Agent, text: str) -> Any:
    return client.post(page("say", agent.pk), {"text": text})


def answer(turn: Turn, text: str, **brain: Any) -> None:
    turn.reply = turn.conversation.say(role="agent", text=text, brain={"kind": "offline-menu", **brain})
    turn.state = Turn.State.DONE
    turn.save()


def test_an_empty_playground_offers_the_example_phrases(client, agent):
    make_tool(agent=agent, example_phrases="Call me back\nI want a quote")
    html = client.get(page("playground", agent.pk)).content.decode()
    assert '<button type="submit">Call me back</button>' in html
    assert '<button type="submit">I want a quote</button>' in html
    assert "nothing leaves this server" in html


def test_an_agent_without_a_tool_says_what_is_missing(client, agent):
    html = client.get(page("playground", agent.pk)).content.decode()
    assert "This agent has no tool switched on" in html
    assert page("tools", agent.pk) in html


def test_a_message_becomes_one_turn_that_the_page_asks_about(client, agent):
    response = say(client, agent, "Hello there")
    turn = Turn.objects.get()
    assert (turn.message.text, turn.conversation.channel, turn.conversation.agent) == (
        "Hello there",
        "playground",
        agent,
    )
    html = response.content.decode()
    assert f'hx-get="{page("turn_reply", agent.pk, turn.pk)}"' in html
    assert 'hx-swap-oob="afterbegin:#decisions"' in html


def test_a_turn_that_waits_for_the_one_before_blames_no_worker(client, agent):
    for text in ("One", "Two"):
        say(client, agent, text)
    Turn.objects.update(queued_at=timezone.now() - timedelta(seconds=6))
    first, second = Turn.objects.order_by("pk")
    assert client.get(page("turn_reply", agent.pk, second.pk)).status_code == 204
    assert "This takes longer than usual." in client.get(page("turn_reply", agent.pk, first.pk)).content.decode()


def test_the_page_waits_then_warns_then_shows_the_reply(client, agent, settings):
    settings.DEBUG = True
    say(client, agent, "Hello")
    turn = Turn.objects.get()
    ask = page("turn_reply", agent.pk, turn.pk)
    assert client.get(ask).status_code == 204
    Turn.objects.update(queued_at=timezone.now() - timedelta(seconds=6))
    warned = client.get(ask).content.decode()
    assert "The worker is not running. Start it with <code>make run</code>." in warned
    assert "every 700ms" in warned
    answer(turn, "What can I do for you?", quick_replies=["Ask for a call back"])
    replied = client.get(ask).content.decode()
    assert "What can I do for you?" in replied
    assert '<button type="submit">Ask for a call back</button>' in replied
    assert "every" not in replied


def test_a_decision_is_sent_again_only_when_it_changed(client, agent):
    say(client, agent, "Hello")
    turn = Turn.objects.get()
    ask = page("turn_decision", agent.pk, turn.pk)
    assert client.get(ask, {"version": "queued"}).status_code == 204
    Turn.objects.update(state=Turn.State.RUNNING)
    assert "version=running" in client.get(ask, {"version": "queued"}).content.decode()
    turn.refresh_from_db()
    answer(turn, "Bye")
    settled = client.get(ask, {"version": "running"}).content.decode()
    assert "Called no tool, sent nothing." in settled
    assert "hx-get" not in settled


def test_a_delivery_that_is_still_open_keeps_the_page_asking(client, agent):
    call = make_call(team=agent.team, text="Done.")
    Conversation.objects.update(channel="playground")
    ask = page("turn_decision", call.agent.pk, call.turn.pk)
    Delivery.objects.update(state="queued", finished_at=None)
    waiting = client.get(ask).content.decode()
    assert ">queued<" in waiting
    assert "every 700ms" in waiting
    Delivery.objects.update(state="delivered")
    done = client.get(ask).content.decode()
    assert ">delivered<" in done
    assert "hx-get" not in done
    assert f"/admin/webhooks/delivery/{call.delivery.pk}/change/" in done


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
def test_what_cannot_be_a_message_is_refused_and_nothing_is_made(client, agent, text):
    assert say(client, agent, text).status_code == 422
    assert not Message.objects.exists()


def test_an_agent_that_is_not_active_says_so(client, agent):
    Agent.objects.update(is_active=False)
    assert say(client, agent, "Hello").content == b"This agent is not active."
    assert not Turn.objects.exists()


def test_start_over_begins_with_a_new_customer(client, agent):
    say(client, agent, "Hello")
    client.post(page("start_over", agent.pk))
    assert "Hello</div>" not in client.get(page("playground", agent.pk)).content.decode()
    say(client, agent, "Hello")
    assert Conversation.objects.values("customer").distinct().count() == 2


def test_two_people_do_not_share_a_conversation(client, agent):
    say(client, agent, "Hello")
    other = Client()
    other.force_login(make_user(team=agent.team), backend="django.contrib.auth.backends.ModelBackend")
    say(other, agent, "Hello")
    assert Conversation.objects.count() == 2


def test_what_is_typed_is_inert(client, agent):
    html = say(client, agent, '<img src=x onerror="alert(1)">').content.decode()
    assert "<img" not in html
    again = client.get(page("playground", agent.pk)).content.decode()
    assert "<img src=x" not in again


@pytest.mark.parametrize("name", ["turn_reply", "turn_decision"])
def test_a_turn_of_another_agent_or_channel_is_not_found(client, agent, name):
    say(client, agent, "Hello")
    turn, other = Turn.objects.get(), make_agent(team=agent.team)
    assert client.get(page(name, other.pk, turn.pk)).status_code == 404
    Conversation.objects.update(channel="api")
    assert client.get(page(name, agent.pk, turn.pk)).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_chat_ends_in_one_post_and_a_decision_that_says_so(worker, receiver):
    agent = make_agent()
    endpoint = make_endpoint(team=agent.team, url=receiver.url)
    make_tool(agent=agent, endpoint=endpoint, example_phrases="Please call me back")
    client = Client()
    client.force_login(make_user(team=agent.team), backend="django.contrib.auth.backends.ModelBackend")
    for text in ("Please call me back", "jane@example.com"):
        say(client, agent, text)
        turn = Turn.objects.latest("pk")
        wait_for(client, page("turn_reply", agent.pk, turn.pk), "ag-bubble")
    decided = wait_for(client, page("turn_decision", agent.pk, turn.pk), ">delivered<")
    assert "jane@example.com" in decided
    assert len(receiver.requests) == 1


def wait_for(client: Client, path: str, words: str) -> str:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        html = client.get(path).content.decode()
        if words in html and "is not running" not in html:
            return html
        time.sleep(0.2)
    raise AssertionError(f"{path} never showed {words!r}: {html}")
