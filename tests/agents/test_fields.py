"""How the brain without a model fills in what an action declares."""

import json

import pytest

from agents import turns
from agents.brains import fields
from agents.models import ToolCall
from tests.factories import install, make_action, make_agent

EMAIL = {"type": "string", "format": "email"}
PLAN = {"type": "string", "enum": ["free", "pro", "pro plus"]}


@pytest.mark.parametrize(
    ("name", "field", "text", "value"),
    [
        ("address", EMAIL, "it is ada@example.com, thanks", "ada@example.com"),
        ("address", EMAIL, "I have none", fields.NOTHING),
        ("phone", {"type": "string"}, "+254712345678", "+254712345678"),
        ("full_name", {"type": "string"}, "My name is Ada Lovelace", "Ada Lovelace"),
        ("full_name", {"type": "string"}, "ada", "ada"),
        ("city", {"type": "string"}, " Nairobi ", "Nairobi"),
        ("city", {"type": "string"}, "  ", fields.NOTHING),
        ("plan", PLAN, "the Free one", "free"),
        ("plan", PLAN, "free or pro?", fields.NOTHING),
        ("plan", PLAN, "gold", fields.NOTHING),
        ("seats", {"type": "integer"}, "about 12 people", 12),
        ("seats", {"type": "integer"}, "2.5", fields.NOTHING),
        ("seats", {"type": "integer"}, "10 or 20", fields.NOTHING),
        ("budget", {"type": "number"}, "99,5 euros", 99.5),
        ("agreed", {"type": "boolean"}, "Yes, please", True),
        ("agreed", {"type": "boolean"}, "no", False),
        ("agreed", {"type": "boolean"}, "what do you mean by that exactly", fields.NOTHING),
        ("list", {"type": "array"}, "a, b", fields.NOTHING),
    ],
)
def test_reading_an_answer(name, field, text, value):
    assert fields.read(name, field, text) == value


def test_what_the_conversation_says_is_not_asked_for():
    schema = {
        "properties": {"email": EMAIL, "plan": PLAN, "message": {"type": "string"}, "city": {"type": "string"}},
        "required": ["email", "plan", "message", "city"],
    }
    given = fields.known(schema, {"email": "a@b.co"}, "I want the pro version")
    assert given == {"email": "a@b.co", "plan": "pro", "message": "I want the pro version"}
    assert fields.missing(schema, given) == "city"


@pytest.fixture
def agent(db):
    parameters = [
        {"name": "email", "type": "string", "format": "email", "required": True, "description": "Your e-mail address."},
        {"name": "plan", "type": "string", "required": True, "description": "Which plan?", "enum": ["free", "pro"]},
        {"name": "seats", "type": "integer", "required": False, "description": "How many."},
    ]
    agent = make_agent(greeting="")
    action = make_action(team=agent.team, title="Sign up", parameters=parameters)
    install(action=action, agent=agent, example_phrases="I want to sign up")
    return agent


def say(agent, text):
    turn = turns.receive(agent=agent, text=text, external_id="visitor")
    turns.take_turn(turn_id=turn.pk)
    turn.refresh_from_db()
    return turn.reply.text


@pytest.fixture
def calls(monkeypatch):
    """What the ledger was asked for; nothing runs."""
    asked = []

    def call(**wish):
        asked.append(json.loads(wish["arguments"]))
        return ToolCall(tool_name=wish["tool_name"], status="fired", result={"text": "Done.", "structured": {}})

    monkeypatch.setattr("agents.ledger.call", call)
    return asked


pytestmark = pytest.mark.django_db(transaction=True)


def test_missing_fields_are_asked_for_one_at_a_time_and_then_the_action_is_called(agent, calls):
    assert say(agent, "Sign up") == "Please tell me: Your e-mail address."
    assert say(agent, "ada@example.com") == "Which plan? One of: free, pro."
    assert calls == []
    assert say(agent, "Pro, please") == "Sign up: Done."
    assert calls == [{"email": "ada@example.com", "plan": "pro"}]


def test_an_answer_that_does_not_fit_is_asked_for_once_more_and_then_dropped(agent, calls):
    say(agent, "Sign up")
    assert say(agent, "no idea") == "I could not find that in your answer. Please tell me: Your e-mail address."
    assert say(agent, "really none") == "Alright, nothing was sent."
    assert calls == []


def test_cancel_ends_it(agent, calls):
    say(agent, "Sign up")
    assert say(agent, "never mind") == "Alright, nothing was sent."
    assert calls == []


def test_an_action_that_needs_a_list_is_not_offered(db, calls):
    agent = make_agent(greeting="")
    install(
        action=make_action(team=agent.team, parameters=[{"name": "items", "type": "array", "required": True}]),
        agent=agent,
    )
    assert say(agent, "hello") == "There is nothing I can do for you here yet."
