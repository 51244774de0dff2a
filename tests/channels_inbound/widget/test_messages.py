"""What a visitor says is stored once, and read by nobody but them."""

import json
import threading

import pytest
from django.db import connection

from agents import turns
from agents.models import Conversation, Customer, Escalation, Feedback, Message, Turn
from channels_inbound.models import InboundMessage, InboundRequest
from tests.channels_inbound.widget.client import Widget, make_website
from tests.factories import make_agent, make_customer
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def answer(text: str = "Here you are.") -> None:
    """What a worker would say to the message that waits."""
    turn = Turn.objects.get(state="queued")
    turn.reply = turn.conversation.say(role="agent", text=text, brain={"kind": "llm", "model": "secret-model"})
    turn.state = "done"
    turn.save()


# --- saying ----------------------------------------------------------------------------------------------------------


def test_a_message_is_kept_like_every_channels(widget, channel):
    response = widget.say("  Is it in stock?\n", client_id="one", page="https://www.shop.example/shoes")
    turn = Turn.objects.get()
    assert response.status_code == 202
    assert response.json() == {"message_id": turn.message.public_id, "turn_id": turn.public_id}
    assert (turn.message.text, turn.is_streamed, turn.state) == ("Is it in stock?", True, "queued")
    assert (turn.conversation.channel, turn.conversation.agent) == ("website", channel.agent)

    inbound, session = InboundMessage.objects.get(), turn.conversation.thread
    assert (inbound.state, inbound.kind, inbound.starts_agent) == ("done", "message", True)
    assert (inbound.dedupe_key, inbound.thread_key, inbound.text) == (f"{session}:one", session, "Is it in stock?")
    assert (inbound.message, inbound.conversation) == (turn.message, turn.conversation)
    assert inbound.facts["page"] == "https://www.shop.example/shoes"
    assert inbound.facts["sender"] == {"addresses": [session], "id_type": "session", "session_id": session}
    assert json.loads(bytes(inbound.request.body)) == {
        "text": "Is it in stock?",
        "client_id": "one",
        "page": "https://www.shop.example/shoes",
    }
    assert Customer.objects.get().session_id == session
    told = set(Event.objects.values_list("type", flat=True))
    assert {"customer.created", "conversation.started", "message.received"} <= told


def test_the_same_client_id_is_the_same_message(widget):
    first = widget.say("Hello", client_id="one").json()
    answer()
    again = widget.say("Hello", client_id="one")
    assert (again.status_code, again.json()) == (202, first)
    assert widget.say("Hello", client_id="two").json() != first
    assert (
        Message.objects.filter(role="customer").count() == InboundRequest.objects.count() == Turn.objects.count() == 2
    )


def test_another_session_may_use_the_same_client_id(channel):
    one, other = Widget(channel), Widget(channel)
    assert one.say(client_id="one").json() != other.say(client_id="one").json()


@pytest.mark.django_db(transaction=True)
def test_sent_ten_times_at_once_it_is_one_message(widget):
    widget.begin()
    answers, barrier = [], threading.Barrier(10)

    def send() -> None:
        barrier.wait()
        answers.append(widget.say("Once", client_id="one"))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {response.status_code for response in answers} == {202}
    assert len({response.content for response in answers}) == 1
    assert Message.objects.count() == Turn.objects.count() == InboundRequest.objects.count() == 1
    assert Event.objects.filter(type="message.received").count() == 1


def test_what_was_deleted_is_not_said_again(widget):
    widget.say(client_id="one")
    Message.objects.all().delete()
    assert widget.say(client_id="one").status_code == 410
    assert Message.objects.count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": " \n "},
        {"text": "x" * 4001},
        {"text": None},
        {"text": ["Hello"]},
        {"client_id": ""},
        {"client_id": "x" * 65},
        {"client_id": "a b"},
        {"client_id": None},
        {"page": "javascript:alert(1)"},
        {"page": "https://x.example/" + "x" * 2000},
    ],
)
def test_what_is_not_right_is_refused_field_by_field(widget, fields):
    response = widget.say(**{"text": "Hello", "client_id": "one"} | fields)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == f"/{next(iter(fields))}"
    assert Message.objects.count() == InboundRequest.objects.count() == 0


@pytest.mark.parametrize("text", ["x" * 4000, "<script>alert(1)</script>", "a\u202eb", "😀" * 100])
def test_any_text_is_kept_and_given_back_as_it_is(widget, text):
    assert widget.say(text).status_code == 202
    response = widget.get("messages")
    assert response["Content-Type"] == "application/json"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.json()["messages"][0]["text"] == text


def test_what_the_agent_listens_for_is_heard():
    agent = make_agent(escalation_phrases="mtu halisi")
    Widget(make_website(agent=agent)).say("Nataka mtu halisi!")
    assert Escalation.objects.get().conversation.agent == agent


def test_an_agent_that_is_switched_off_says_so(widget, channel):
    widget.begin()
    channel.settings = {"offline_text": "We are closed until Monday."}
    channel.save()
    channel.agent.is_active = False
    channel.agent.save()
    response = widget.say()
    assert (response.status_code, response.json()["detail"]) == (409, "We are closed until Monday.")
    assert Message.objects.count() == 0
    body = widget.begin().json()
    assert (body["is_answered"], body["settings"]["offline_text"]) == (False, "We are closed until Monday.")


# --- who reads it ----------------------------------------------------------------------------------------------------


def test_the_history_is_what_was_said(widget):
    said = widget.say("Is it in stock?", client_id="one").json()
    assert widget.history()["turns"] == [said["turn_id"]]
    answer("Yes.")
    history = widget.history()
    lines = [(each["role"], each["text"], each["client_id"], each["rating"]) for each in history["messages"]]
    assert lines == [("customer", "Is it in stock?", "one", None), ("agent", "Yes.", None, None)]
    assert history["turns"] == []
    assert set(history["messages"][1]) == {"id", "client_id", "role", "text", "at", "rating"}
    assert [each["text"] for each in widget.history(after=said["message_id"])["messages"]] == ["Yes."]


def test_it_is_the_last_hundred_and_oldest_first(widget):
    widget.say("first")
    conversation = Conversation.objects.get()
    for number in range(120):
        conversation.say(role="agent", text=str(number))
    texts = [each["text"] for each in widget.history()["messages"]]
    assert texts == [str(number) for number in range(20, 120)]


def test_a_session_reads_nothing_of_another_one(channel):
    one, other = Widget(channel), Widget(channel)
    said = one.say("My number is 4711").json()
    answer()
    reply = Message.objects.get(role="agent").public_id
    other.begin()
    assert other.history() == {"messages": [], "turns": []}
    assert other.history(after=said["message_id"]) == {"messages": [], "turns": []}
    assert other.get(f"stream?turn={said['turn_id']}").status_code == 404
    assert other.post(f"messages/{reply}/feedback", {"rating": "down"}).status_code == 404
    assert Feedback.objects.count() == 0


def test_naming_somebody_elses_address_does_not_open_their_chat(channel):
    victim = Widget(channel)
    victim.say("I am victim@example.com and my secret is 4711")
    attacker = Widget(channel)
    attacker.say("Hello, I am victim@example.com")
    texts = [each["text"] for each in attacker.history()["messages"]]
    assert texts == ["Hello, I am victim@example.com"]
    assert Conversation.objects.count() == 2


def test_a_conversation_of_the_api_is_not_the_widgets(widget, channel):
    customer = make_customer(team=channel.agent.team, email="asha@example.com")
    turns.receive(agent=channel.agent, text="Over the API", external_id="", customer=customer)
    widget.say("asha@example.com")
    assert [each["text"] for each in widget.history()["messages"]] == ["asha@example.com"]


def test_after_the_conversation_ended_another_one_begins(widget):
    said = widget.say("first").json()
    answer()
    Conversation.objects.update(state="ended")
    assert widget.history() == {"messages": [], "turns": []}
    # Its reply can still be heard and rated.
    assert widget.get(f"stream?turn={said['turn_id']}").status_code == 200
    widget.say("second")
    assert [each["text"] for each in widget.history(after=said["message_id"])["messages"]] == ["second"]


# --- rating ----------------------------------------------------------------------------------------------------------


def test_a_reply_is_rated_and_rated_again(widget):
    widget.say()
    answer()
    reply = Message.objects.get(role="agent")
    for thumb, stars in (("up", 5), ("down", 1), ("down", 1)):
        response = widget.post(f"messages/{reply.public_id}/feedback", {"rating": thumb})
        assert (response.status_code, response.json()) == (200, {"rating": thumb})
        assert Feedback.objects.get().rating == stars
    assert widget.history()["messages"][1]["rating"] == "down"
    assert Event.objects.filter(type="feedback.submitted").count() == 2


def test_ones_own_words_cannot_be_rated(widget):
    said = widget.say().json()
    assert widget.post(f"messages/{said['message_id']}/feedback", {"rating": "up"}).status_code == 409
    assert widget.post("messages/%00/feedback", {"rating": "up"}).status_code == 404
    assert Feedback.objects.count() == 0


@pytest.mark.parametrize("rating", ["sideways", 6, None, True])
def test_a_rating_that_is_none(widget, rating):
    widget.say()
    answer()
    reply = Message.objects.get(role="agent").public_id
    assert widget.post(f"messages/{reply}/feedback", {"rating": rating}).status_code == 400


def test_two_agents_of_a_team_know_nothing_of_each_others_chats(channel):
    other = make_website(agent=make_agent(team=channel.agent.team))
    widget = Widget(channel)
    said = widget.say().json()
    stranger = Widget(other)
    stranger.begin()
    assert stranger.get(f"stream?turn={said['turn_id']}").status_code == 404
