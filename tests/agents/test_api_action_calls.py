"""A custom action among an agent's tools: the catalogue, calls that wait for a person, and limits."""

import json
from typing import Any

import pytest
from django.test import Client

from agents.api.dialects import DIALECTS
from agents.models import ToolCall
from tests.factories import (
    install,
    make_action,
    make_agent,
    make_api_key,
    make_conversation,
    make_credential,
    make_team,
)

pytestmark = pytest.mark.django_db

LEAD = [
    {"name": "email", "type": "string", "description": "The address.", "required": True, "format": "email"},
    {"name": "conversation_id", "type": "string", "description": "", "required": False},
]


@pytest.fixture
def team() -> Any:
    return make_team()


@pytest.fixture
def api(team: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


@pytest.fixture
def acting(team: Any) -> Any:
    """A custom action that is installed on an agent."""
    action = make_action(team=team, name="send_lead", description="When a lead leaves an address.", parameters=LEAD)
    return install(action=action, when_to_use="After consent.")


def catalogue(api: Client, tool: Any, dialect: str = "mcp") -> Any:
    return api.get(f"/api/v1/agents/{tool.agent.public_id}/tools", {"dialect": dialect}).json()


def path_of(tool: Any) -> str:
    return f"/api/v1/agents/{tool.agent.public_id}/tools/send_lead/calls"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_custom_action_is_a_tool_like_the_others(api, acting, dialect):
    [one] = catalogue(api, acting, dialect)["tools"]
    text = json.dumps(one)
    said = f"{acting.title}. When a lead leaves an address. After consent."
    assert json.dumps(said) in text
    assert '"send_lead"' in text
    assert '"required": ["email"]' in text
    assert "conversation_id" not in text, "what the conversation says is not asked of a model"


def test_what_a_teams_own_code_does_nobody_knows(api, acting):
    [one] = catalogue(api, acting)["tools"]
    assert one["annotations"]["destructiveHint"] is True


@pytest.mark.parametrize("change", ["parameters", "description", "title", "name"])
def test_the_catalogue_changes_with_the_action(api, acting, monkeypatch, change):
    monkeypatch.setattr("agents.running.CHECK_PATIENCE", 0.01)
    path = f"/api/v1/agents/{acting.agent.public_id}/tools"
    before = api.get(path)
    body: dict[str, Any] = {"parameters": [*LEAD[:1], {"name": "score", "type": "number"}]}
    body = body if change == "parameters" else {change: "something_else"}
    changed = api.patch(f"/api/v1/actions/{acting.action.public_id}", json.dumps(body), content_type="application/json")
    after = api.get(path, headers={"If-None-Match": before["ETag"]})
    assert (changed.status_code, after.status_code) == (200, 200)
    assert after.json()["version"] != before.json()["version"]


def test_a_change_of_code_alone_is_nothing_a_model_sees(api, acting):
    path = f"/api/v1/agents/{acting.agent.public_id}/tools"
    before = api.get(path)
    acting.action.current = acting.action.versions.create(number=2, code="return 2;", parameters=LEAD)
    acting.action.save()
    assert api.get(path, headers={"If-None-Match": before["ETag"]}).status_code == 304


def call(api: Client, tool: Any, **body: Any) -> Any:
    body.setdefault("arguments", {"email": "asha@example.com"})
    return api.post(path_of(tool), json.dumps(body), content_type="application/json")


def judge(api: Client, tool: Any, call_id: str, verdict: str, **body: Any) -> Any:
    path = f"{path_of(tool)}/{call_id}/{verdict}"
    return api.post(path, json.dumps(body), content_type="application/json")


def test_arguments_are_checked_against_the_actions_parameters(api, acting):
    response = call(api, acting, arguments={"email": "asha", "other": 1})
    assert response.status_code == 422
    assert sorted(fault["pointer"] for fault in response.json()["errors"]) == ["/arguments", "/arguments/email"]
    assert not ToolCall.objects.exists()


def test_what_the_conversation_fills_in_is_left_aside(api, acting):
    arguments = {"email": "asha@example.com", "conversation_id": "cnv_of_somebody_else"}
    body = call(api, acting, arguments=arguments, dry_run=True).json()
    assert body["structured"]["would_send"] == {"email": "asha@example.com"}


def test_a_call_that_waits_for_a_person_says_so(api, acting):
    acting.needs_approval = True
    acting.save()
    response = call(api, acting)
    body = response.json()
    assert (response.status_code, body["status"], body["is_error"]) == (202, "held", False)
    assert "Retry-After" not in response
    assert api.get(response["Location"]).json() == body
    assert ToolCall.objects.get().run is None


def test_a_refused_call_tells_the_agent_why(api, acting):
    acting.needs_approval = True
    acting.save()
    held = call(api, acting).json()["id"]
    response = judge(api, acting, held, "refuse", reason="They are a customer already.")
    assert (response.status_code, response.json()["status"], response.json()["is_error"]) == (200, "refused", True)
    assert "They are a customer already." in response.json()["content"][0]["text"]
    assert response.json()["structured"]["outcome"] == "not_approved"
    for verdict in ("approve", "refuse"):
        again = judge(api, acting, held, verdict)
        assert (again.status_code, again.json()["title"]) == (409, "Not waiting")
    assert judge(api, acting, held, "refuse", reason="x" * 301).status_code == 400
    assert ToolCall.objects.get().run is None


def test_an_approved_call_is_run(api, acting, monkeypatch):
    monkeypatch.setattr("agents.api.approvals.CALL_WAIT", 0.05)
    acting.needs_approval = True
    acting.save()
    held = call(api, acting).json()["id"]
    response = judge(api, acting, held, "approve")
    assert (response.status_code, response.json()["status"], response["Retry-After"]) == (202, "running", "2")
    run = ToolCall.objects.get().run
    assert (run.state, run.params["email"]) == ("queued", "asha@example.com")
    assert judge(api, acting, held, "approve").status_code == 409


@pytest.mark.parametrize("verdict", ["approve", "refuse"])
def test_a_call_of_another_tool_or_agent_is_not_found(api, acting, team, verdict):
    acting.needs_approval = True
    acting.save()
    held = call(api, acting).json()["id"]
    other = install(action=acting.action, agent=make_agent(team=team))
    assert judge(api, other, held, verdict).status_code == 404
    assert judge(api, acting, "call_00000000000000000000000000", verdict).status_code == 404
    assert ToolCall.objects.get().status == "held"


def test_a_tool_that_was_used_as_often_as_it_may_be_answers_429(api, acting, monkeypatch):
    monkeypatch.setattr("agents.api.tools.CALL_WAIT", 0.05)
    acting.calls_per_day = 1
    acting.save()
    assert call(api, acting).status_code == 202
    response = call(api, acting, arguments={"email": "juma@example.com"})
    assert response.status_code == 429
    assert 86_000 < int(response["Retry-After"]) <= 86_400
    assert response.json()["detail"] == "This tool may be used once in 24 hours. Nothing was sent."
    assert response.json()["call"] == ToolCall.objects.latest("pk").public_id


def test_where_waiting_does_not_help_it_is_not_advised(api, acting, monkeypatch):
    monkeypatch.setattr("agents.api.tools.CALL_WAIT", 0.05)
    acting.calls_per_conversation = 1
    acting.save()
    conversation = make_conversation(agent=acting.agent).public_id
    call(api, acting, conversation_id=conversation)
    response = call(api, acting, conversation_id=conversation, arguments={"email": "juma@example.com"})
    assert response.status_code == 429
    assert "Retry-After" not in response


@pytest.mark.django_db(transaction=True)
def test_a_call_is_run_by_a_worker_once_it_is_approved(api, team, receiver, worker):
    credential = make_credential(team=team, values={"webhook_url": receiver.url})
    code = "const r = await fetch(credentials.webhook_url, { method: 'POST', body: JSON.stringify(params) });\n"
    code += "return { success: r.ok, data: { status: r.status } };"
    action = make_action(team=team, name="send_lead", parameters=LEAD, code=code)
    tool = install(action=action, credential=credential, needs_approval=True)
    conversation = make_conversation(agent=tool.agent).public_id
    held = call(api, tool, conversation_id=conversation)
    assert (held.status_code, receiver.requests) == (202, [])
    response = judge(api, tool, held.json()["id"], "approve")
    body = response.json()
    [got] = receiver.wait_for(1)
    assert (response.status_code, body["status"], body["is_error"]) == (200, "fired", False)
    assert body["structured"]["result"] == {"success": True, "data": {"status": 200}}
    assert json.loads(got.body) == {"email": "asha@example.com", "conversation_id": conversation}
    assert api.get(held["Location"]).json() == body
    run = api.get(f"/api/v1/runs/{body['structured']['run']}").json()
    assert (run["purpose"], run["conversation_id"], run["agent_id"]) == ("call", conversation, tool.agent.public_id)
