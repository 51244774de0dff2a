"""Leads, customers and feedback over the API, and the two lists."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from agents.models import Conversation, Customer, Feedback, Lead
from tests.agents.facts import told, types
from tests.factories import make_agent, make_api_key, make_conversation, make_customer, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Any:
    return make_agent(name="Desk")


@pytest.fixture
def api(agent: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=agent.team)}"})


def send(api: Client, method: str, agent: Any, path: str, body: Any = None) -> Any:
    url = f"/api/v1/agents/{agent.public_id}/{path}"
    return getattr(api, method)(url, json.dumps(body or {}), content_type="application/json")


def faults(response: Any) -> dict[str, str]:
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    return {fault["pointer"]: fault["detail"] for fault in response.json()["errors"]}


# --- leads -----------------------------------------------------------------------------------------------------------


def test_a_form_is_taken_in_and_shown(api, agent):
    agent.lead_fields, agent.qualifying_score = ["email", "company"], 70
    agent.save()
    body = {"user_id": "user-42", "email": "Asha@Example.com", "phone": "+254 711 000 111", "score": 82}
    response = send(api, "post", agent, "leads", body)
    lead = response.json()
    assert (response.status_code, lead["missing"], lead["submitted_at"]) == (201, ["company"], None)
    assert (lead["email"], lead["phone"], lead["name"]) == ("asha@example.com", "+254711000111", None)
    assert lead["qualified_at"] is not None
    response = send(api, "post", agent, "leads", {"user_id": "user-42", "answers": {"company": "Otieno"}})
    again = response.json()
    assert (response.status_code, again["id"], again["missing"]) == (200, lead["id"], [])
    assert again["submitted_at"] is not None
    assert again["customer_id"] == Customer.objects.get(external_id="user-42").public_id
    assert types() == ["customer.created", "lead.qualified", "lead.submit"]


def test_a_form_in_a_conversation(api, agent):
    conversation = make_conversation(agent=agent, channel="website")
    body = {"conversation_id": conversation.public_id, "name": "Asha", "email": "asha@example.com"}
    lead = send(api, "post", agent, "leads", body).json()
    assert (lead["conversation_id"], lead["customer_id"]) == (
        conversation.public_id,
        conversation.customer.public_id,
    )
    assert (lead["channel"], lead["source"]) == ("website", "form")


def test_what_is_wrong_with_a_form_is_said_field_by_field(api, agent):
    wrong = {"email": "at home", "phone": "call me", "score": 101, "answers": [], "channel": "my shop!"}
    assert set(faults(send(api, "post", agent, "leads", wrong))) == {f"/{name}" for name in wrong}
    assert "Say whose lead it is" in faults(send(api, "post", agent, "leads", {"name": "Asha"}))[""]
    large = {"email": "a@b.co", "answers": {"a": "x" * 20_000}}
    assert "16 KB" in faults(send(api, "post", agent, "leads", large))["/answers"]
    assert (Lead.objects.count(), Customer.objects.count(), types()) == (0, 0, [])


def test_a_form_for_somebody_elses_conversation_is_refused(api, agent):
    customer = make_customer(team=agent.team, external_id="user-1")
    mine = make_conversation(agent=agent, customer=customer)
    body = {"conversation_id": mine.public_id, "user_id": "user-2", "email": "a@b.co"}
    assert "/user_id" in faults(send(api, "post", agent, "leads", body))
    theirs = make_conversation(agent=make_agent())
    assert send(api, "post", agent, "leads", {"conversation_id": theirs.public_id}).status_code == 404
    assert Lead.objects.count() == 0


def test_an_agent_that_is_switched_off_takes_no_form(api, agent):
    agent.is_active = False
    agent.save()
    assert send(api, "post", agent, "leads", {"email": "a@b.co"}).status_code == 409


def test_a_lead_is_qualified_once(api, agent):
    lead = Lead.objects.create(agent=agent, customer=make_customer(team=agent.team), email="a@b.co")
    for _ in range(2):
        response = send(api, "post", agent, f"leads/{lead.public_id}/qualify")
        assert (response.status_code, response.json()["qualified_at"] is not None) == (200, True)
    [event] = told()
    assert (event.type, event.data["by"]) == ("lead.qualified", "api")
    other = Lead.objects.create(agent=make_agent(team=agent.team), customer=make_customer(team=agent.team))
    assert send(api, "post", agent, f"leads/{other.public_id}/qualify").status_code == 404


# --- customers -------------------------------------------------------------------------------------------------------


def test_the_application_says_who_somebody_is(api, agent):
    body = {"user_id": "user-42", "phone": "+254 711 000 111", "country": "ke", "attributes": {"company": "Otieno"}}
    made = send(api, "put", agent, "customers", body).json()
    assert (made["user_id"], made["phone"], made["country"]) == ("user-42", "+254711000111", "KE")
    changed = send(api, "put", agent, "customers", {"user_id": "user-42", "attributes": {"seats": 5}}).json()
    assert (changed["id"], changed["attributes"]) == (made["id"], {"company": "Otieno", "seats": 5})
    assert send(api, "put", agent, "customers", {"user_id": "user-42"}).json() == changed
    assert api.get(f"/api/v1/agents/{agent.public_id}/customers/{made['id']}").json() == changed
    assert types() == ["customer.created", "customer.updated"]


def test_a_login_makes_visitor_and_user_one(api, agent):
    visitor = make_customer(team=agent.team, session_id="s-1", name="Asha")
    conversation = make_conversation(agent=agent, customer=visitor)
    user = make_customer(team=agent.team, external_id="user-42")
    kept = send(api, "put", agent, "customers", {"user_id": "user-42", "session_id": "s-1"}).json()
    assert (kept["id"], kept["name"]) == (user.public_id, "Asha")
    conversation.refresh_from_db()
    assert (conversation.customer, conversation.state) == (user, "open")
    shown = api.get(f"/api/v1/agents/{agent.public_id}/customers/{visitor.public_id}").json()
    assert shown["id"] == user.public_id


def test_only_what_is_sent_is_changed(api, agent):
    customer = make_customer(team=agent.team, name="A", plan="free", email="old@example.com")
    path = f"customers/{customer.public_id}"
    changed = send(api, "patch", agent, path, {"plan": "pro", "email": "asha@example.com"}).json()
    assert (changed["name"], changed["plan"], changed["email"]) == ("A", "pro", "asha@example.com")
    assert send(api, "patch", agent, path, {"name": ""}).json()["name"] is None
    assert [sorted(event.data["changed"]) for event in told()] == [["email", "plan"], ["name"]]
    wrong = {"country": "Kenya", "email": "x", "phone": "y", "attributes": 7}
    assert set(faults(send(api, "patch", agent, path, wrong))) == {f"/{name}" for name in wrong}


def test_somebody_has_to_be_named(api, agent):
    assert "Say who it is" in faults(send(api, "put", agent, "customers", {"name": "Asha"}))[""]


def test_customers_of_another_team_are_unknown(api, agent):
    theirs = make_customer(team=make_team(), external_id="user-42", email="asha@example.com")
    path = f"customers/{theirs.public_id}"
    assert api.get(f"/api/v1/agents/{agent.public_id}/{path}").status_code == 404
    assert send(api, "patch", agent, path, {"name": "Mine"}).status_code == 404
    mine = send(api, "put", agent, "customers", {"user_id": "user-42", "email": "asha@example.com"}).json()
    assert mine["id"] != theirs.public_id
    theirs.refresh_from_db()
    assert (theirs.name, theirs.merged_into) == ("", None)


def test_what_is_kept_of_somebody_has_an_end(api, agent):
    def body(name: str, key: str) -> dict[str, Any]:
        return {"user_id": "user-42", name: {key: "x" * 9000}}

    assert send(api, "put", agent, "customers", body("attributes", "a")).status_code == 200
    assert "16 KB" in faults(send(api, "put", agent, "customers", body("attributes", "b")))["/attributes"]
    assert send(api, "post", agent, "leads", body("answers", "a")).status_code == 201
    assert "16 KB" in faults(send(api, "post", agent, "leads", body("answers", "b")))["/answers"]
    assert list(Customer.objects.get().attributes) == list(Lead.objects.get().answers) == ["a"]


# --- feedback --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reply(agent: Any) -> Any:
    return make_conversation(agent=agent).say(role="agent", text="Hello!")


@pytest.mark.parametrize(("given", "kept"), [(1, 1), (5, 5), ("up", 5), ("down", 1)])
def test_a_reply_is_rated(api, agent, reply, given, kept):
    path = f"messages/{reply.public_id}/feedback"
    response = send(api, "post", agent, path, {"rating": given, "comment": "Hm."})
    assert (response.status_code, response.json()["rating"], response.json()["comment"]) == (201, kept, "Hm.")
    assert send(api, "post", agent, path, {"rating": 3}).status_code == 200
    assert [event.data["rating"] for event in told()] == [kept, 3]


@pytest.mark.parametrize("rating", [0, 6, "5", "great", True, 2.5, None, [5]])
def test_other_ratings_are_refused(api, agent, reply, rating):
    assert "/rating" in faults(send(api, "post", agent, f"messages/{reply.public_id}/feedback", {"rating": rating}))
    assert Feedback.objects.count() == 0


def test_only_replies_of_this_agent_are_rated(api, agent, reply):
    question = reply.conversation.say(role="customer", text="?")
    theirs = make_conversation().say(role="agent", text="Theirs")
    for message, status in ((question, 409), (theirs, 404)):
        path = f"messages/{message.public_id}/feedback"
        assert send(api, "post", agent, path, {"rating": 5}).status_code == status
    assert types() == []


# --- lists -----------------------------------------------------------------------------------------------------------


def listed(api: Client, name: str, agent: Any, **asked: Any) -> list[dict[str, Any]]:
    response = api.get(f"/api/v1/{name}", {"agentId": agent.public_id, **asked})
    assert response.status_code == 200, response.content
    return response.json()["data"]


def make_lead(agent: Any, day: int, **fields: Any) -> Lead:
    at = datetime(2026, 1, day, 23, 59, tzinfo=UTC)
    lead = Lead.objects.create(agent=agent, customer=make_customer(team=agent.team), submitted_at=at, **fields)
    Lead.objects.filter(pk=lead.pk).update(created_at=at)
    return lead


def test_leads_are_listed_in_the_documented_shape(api, agent):
    Lead.objects.create(agent=agent, customer=make_customer(team=agent.team), name="Incomplete")
    make_lead(make_agent(team=agent.team), 1)
    lead = make_lead(agent, 31, name="Asha", email="asha@example.com")
    assert listed(api, "get-leads", agent) == [
        {
            "id": lead.pk,
            "created_at": "2026-01-31T23:59:00.000Z",
            "chatbot_owner_user_id": agent.team.public_id,
            "chatbot_id": agent.public_id,
            "phone": None,
            "email": "asha@example.com",
            "name": "Asha",
        }
    ]


def test_lists_are_cut_by_days_and_pages(api, agent):
    leads = [make_lead(agent, day).pk for day in range(1, 13)]

    def ids(**asked: Any) -> list[int]:
        return [one["id"] for one in listed(api, "get-leads", agent, **asked)]

    assert ids() == leads[:1:-1]
    assert ids(page=2) == [leads[1], leads[0]]
    assert ids(page=3, size=5) == [leads[1], leads[0]]
    assert ids(startDate="2026-01-03", endDate="2026-01-04") == [leads[3], leads[2]]
    assert ids(startDate="2026-02-01") == []


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"startDate": "2026-1-3"}, "startDate"),
        ({"endDate": "2026-02-30"}, "endDate"),
        ({"endDate": "tomorrow"}, "endDate"),
        ({"page": "0"}, "page"),
        ({"size": "101"}, "size"),
        ({"size": "٣"}, "size"),
        ({"agentId": ""}, "agentId"),
    ],
)
def test_wrong_dates_and_numbers_are_said(api, agent, asked, name):
    for route in ("get-leads", "get-conversations"):
        response = api.get(f"/api/v1/{route}", {"agentId": agent.public_id} | asked)
        assert response.status_code == 400
        assert response.json()["errors"][0]["parameter"] == name


def test_an_agent_of_another_team_is_unknown_to_lists(api):
    for route in ("get-leads", "get-conversations"):
        assert api.get(f"/api/v1/{route}", {"agentId": make_agent().public_id}).status_code == 404


def test_conversations_are_listed_by_source(api, agent):
    rows = [make_conversation(agent=agent, channel=channel) for channel in ("api", "website", "whatsapp", "kiosk")]
    rows[1].say(role="customer", text="Hi")
    rows[1].say(role="agent", text="Hello!")
    rows[1].say(role="system", text="Sent.")
    whatsapp, website = listed(api, "get-conversations", agent, filteredSources="Widget or Iframe, whatsapp")
    assert (whatsapp["id"], whatsapp["source"]) == (rows[2].public_id, "WhatsApp")
    assert website["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "system", "content": "Sent."},
    ]
    assert (website["chatbot_id"], website["customer"]) == (agent.public_id, rows[1].customer.public_id)
    assert [one["source"] for one in listed(api, "get-conversations", agent)] == [
        "kiosk",
        "WhatsApp",
        "Widget or Iframe",
        "API",
    ]
    assert Conversation.objects.count() == 4
