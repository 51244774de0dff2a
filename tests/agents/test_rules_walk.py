"""The three occasions that the guide names, whole: chat in, event, rule, one signed POST out, in a real worker."""

import json

import pytest
from django.test import Client

from agents import rules, turns
from agents.models import Evaluation, Segment, Tool, TriggerRule
from tests.factories import make_agent, make_api_key, make_customer, make_endpoint
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent():
    return make_agent(qualifying_score=70)


@pytest.fixture
def make_live(agent, receiver):
    """A live rule of the agent that sends to the receiver, saved as the admin saves it."""

    def make(event_type, condition=None, **fields) -> TriggerRule:
        endpoint = make_endpoint(team=agent.team, url=receiver.url)
        rule = TriggerRule(
            agent=agent, name=event_type, event_type=event_type, condition=condition or {}, endpoint=endpoint, **fields
        )
        rules.save(rule)
        rules.set_state(rule, TriggerRule.State.LIVE)
        return rule

    return make


@pytest.fixture
def api(agent):
    client, headers = Client(), {"HTTP_AUTHORIZATION": f"Bearer {make_api_key(team=agent.team)}"}

    def post(path, body, **more):
        url = f"/api/v1/agents/{agent.public_id}/{path}"
        return client.post(url, json.dumps(body), content_type="application/json", **headers, **more)

    return post


def arrived(receiver, count=1) -> list[dict]:
    """The bodies, once there are so many; each came with both proofs."""
    requests = receiver.wait_for(count)
    for request in requests:
        names = {name.lower() for name in request.headers}
        assert {"webhook-id", "webhook-timestamp", "webhook-signature", "x-chatzuri-signature"} <= names
    assert len(requests) == count
    return [json.loads(request.body) for request in requests]


def test_a_qualified_lead(agent, make_live, api, worker, receiver):
    rule = make_live("lead.qualified", {"all": [{"field": "lead.answers.country", "operator": "is", "value": "KE"}]})
    lead = {"name": "Asha", "email": "asha@example.com", "score": 40, "answers": {"country": "KE"}, "user_id": "asha"}
    assert api("leads", lead).status_code == 201
    assert api("leads", lead | {"score": 82}).status_code == 200
    [body] = arrived(receiver)
    assert list(body) == ["id", "event", "timestamp", "agent_id", "data"]
    assert (body["event"], body["agent_id"]) == ("lead.qualified", agent.public_id)
    assert (body["data"]["lead"]["score"], body["data"]["customer"]["email"]) == (82, "asha@example.com")
    [evaluation] = Evaluation.objects.filter(rule=rule)
    assert (evaluation.outcome, evaluation.explanation[0]["found"]) == ("fired", "KE")


def test_an_escalation_that_a_customer_asks_for(agent, make_live, api, worker, receiver):
    make_live("escalation.triggered")
    turn = api("chat", {"message": "I want to talk to a human please", "user_id": "bob"})
    assert turn.status_code == 200
    [body] = arrived(receiver)
    assert (body["event"], body["data"]["trigger"]) == ("escalation.triggered", "phrase")
    assert body["data"]["conversation_id"] == turn.json()["conversation_id"]
    assert body["data"]["channel"] == "api"


def test_an_escalation_that_the_agent_decides(agent, make_live, worker, receiver):
    make_live("escalation.triggered")
    Tool.objects.create(
        agent=agent, kind="escalate_to_human", name="escalate_to_human", title="Ask a person", is_active=True
    )
    for text in ("Ask a person", "My parcel is lost"):
        turns.wait(turns.receive(agent=agent, text=text, external_id="carol"), timeout=30)
    [body] = arrived(receiver)
    assert (body["event"], body["data"]["trigger"]) == ("escalation.triggered", "tool")


def test_a_customer_who_matches_a_segment(agent, make_live, api, worker, receiver):
    make_customer(team=agent.team, external_id="dave", plan="vip")
    vip = {"all": [{"field": "customer.plan", "operator": "is", "value": "vip", "not": False}]}
    Segment.objects.create(team=agent.team, name="VIP", condition=vip)
    make_live("customer.matched", {"all": [{"field": "segment", "operator": "is", "value": "VIP"}]}, scope="customer")
    for text in ("Hello, I am dave@example.com", "Anybody there?"):
        api("chat", {"message": text, "user_id": "dave"})
    [body] = arrived(receiver)
    assert (body["event"], body["data"]["segment"]) == ("customer.matched", "VIP")
    assert body["data"]["customer"]["plan"] == "vip"


def test_a_circle_through_the_customer_s_own_system_ends(agent, make_live, api, worker, receiver):
    """The receiver writes to the agent for each delivery, as a careless system would, and hands our headers back."""
    make_live("message.received", fires="every")
    heard = 0
    answers = {}
    while heard < 10:
        if api("chat", {"message": f"echo {heard}", "user_id": "loop"}, **answers).status_code != 200:
            break
        try:
            request = receiver.wait_for(heard + 1, seconds=4)[heard]
        except AssertionError:
            break
        heard += 1
        sent = {name.lower(): value for name, value in request.headers.items()}
        answers = {
            "HTTP_X_CHATZURI_HOPS": sent["x-chatzuri-hops"],
            "HTTP_X_CHATZURI_RULE": "rul_of_another_installation",
        }
    assert heard == 3
    assert list(Evaluation.objects.order_by("pk").values_list("outcome", flat=True)) == ["fired"] * 3 + ["loop"]
    assert Delivery.objects.count() == 3
