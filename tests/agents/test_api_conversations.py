"""Ending conversations and opening them again over the API; asking for a person and what becomes of it."""

import json
from typing import Any

import pytest
from django.test import Client

from tests.agents.facts import told, types
from tests.factories import make_agent, make_api_key, make_conversation

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation() -> Any:
    conversation = make_conversation(agent=make_agent(), channel="website")
    conversation.say(role="customer", text="Where is my order?")
    return conversation


@pytest.fixture
def api(conversation: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=conversation.agent.team)}"})


def post(api: Client, row: Any, what: str, body: Any = None, agent: Any = None) -> Any:
    kind = "escalations" if row.public_id.startswith("esc") else "conversations"
    agent = agent or getattr(row, "agent", None) or row.conversation.agent
    path = f"/api/v1/agents/{agent.public_id}/{kind}/{row.public_id}/{what}"
    return api.post(path, json.dumps(body or {}), content_type="application/json")


def test_a_conversation_is_ended_and_opened_again(api, conversation):
    for _ in range(2):
        ended = post(api, conversation, "end")
        assert ended.status_code == 200
        assert (ended.json()["state"], ended.json()["ended_by"]) == ("ended", "api")
    opened = post(api, conversation, "reopen")
    assert (opened.status_code, opened.json()["state"], opened.json()["ended_at"]) == (200, "open", None)
    again = post(api, conversation, "reopen")
    assert (again.status_code, again.json()["title"]) == (409, "Not opened again")
    assert types() == ["conversation.ended", "conversation.reopened"]


def test_a_conversation_that_was_ended_takes_no_message(api, conversation):
    post(api, conversation, "end")
    body = {"message": "hi", "conversation_id": conversation.public_id}
    path = f"/api/v1/agents/{conversation.agent.public_id}/chat"
    assert api.post(path, json.dumps(body), content_type="application/json").status_code == 409


def test_a_person_is_asked_for_takes_it_and_resolves_it(api, conversation):
    asked = post(api, conversation, "escalate", {"reason": "Angry."})
    body = asked.json()
    assert (asked.status_code, body["state"], body["trigger"], body["reason"]) == (201, "requested", "api", "Angry.")
    assert body["summary"] == "Customer: Where is my order?"
    again = post(api, conversation, "escalate", {"reason": "Still."})
    assert (again.status_code, again.json()) == (200, body)
    escalation = conversation.escalations.get()
    taken = post(api, escalation, "accept")
    assert (taken.status_code, taken.json()["state"]) == (200, "accepted")
    assert post(api, escalation, "accept").status_code == 409
    done = post(api, escalation, "resolve")
    assert (done.status_code, done.json()["state"], done.json()["accepted_at"]) == (
        200,
        "resolved",
        taken.json()["accepted_at"],
    )
    assert post(api, escalation, "resolve").status_code == 409
    assert types() == ["escalation.triggered", "escalation.accepted", "escalation.resolved"]


def test_texts_that_are_too_long_are_refused(api, conversation):
    response = post(api, conversation, "escalate", {"reason": "x" * 501, "summary": "x" * 4001})
    assert response.status_code == 400
    assert {fault["pointer"] for fault in response.json()["errors"]} == {"/reason", "/summary"}
    assert told() == []


@pytest.mark.parametrize(
    ("what", "path", "body"),
    [
        ("post", "leads", {"email": "asha@example.com"}),
        ("put", "customers", {"user_id": "user-42"}),
        ("patch", "customers/{customer}", {"plan": "pro"}),
        ("post", "leads/{lead}/qualify", {}),
        ("post", "messages/{reply}/feedback", {"rating": 1}),
        ("post", "conversations/{conversation}/end", {}),
        ("post", "conversations/{conversation}/escalate", {}),
        ("post", "escalations/{escalation}/accept", {}),
        ("post", "escalations/{escalation}/resolve", {}),
    ],
)
def test_what_a_rule_led_to_says_so(api, conversation, what, path, body):
    """So that a circle through a customer's own system is seen, by whatever request it comes back."""
    rows = {
        "conversation": conversation,
        "customer": conversation.customer,
        "lead": conversation.agent.leads.create(customer=conversation.customer),
        "reply": conversation.say(role="agent", text="Hello!"),
    }
    if "escalation}" in path:
        rows["escalation"] = conversation.escalations.create(trigger="api")
    ids = {name: row.public_id for name, row in rows.items()}
    getattr(api, what)(
        f"/api/v1/agents/{conversation.agent.public_id}/{path.format(**ids)}",
        json.dumps(body),
        content_type="application/json",
        headers={"X-Chatzuri-Rule": "rul_1", "X-Chatzuri-Hops": "2"},
    )
    assert told()
    assert {(event.caused_by, event.depth) for event in told()} == {("rul_1", 2)}


def test_rows_of_another_agent_are_unknown(api, conversation):
    other = make_agent(team=conversation.agent.team)
    escalation = conversation.escalations.create(trigger="api")
    for row, what in [(conversation, w) for w in ("end", "reopen", "escalate")] + [
        (escalation, w) for w in ("accept", "resolve")
    ]:
        assert post(api, row, what, agent=other).status_code == 404
    assert told() == []
