"""The tools of an agent as an outside agent back end uses them."""

import json
import threading
from typing import Any

import pytest
from django.test import Client

from agents.api.dialects import DIALECTS
from agents.models import ToolCall
from tests.factories import make_agent, make_api_key, make_conversation, make_endpoint, make_team, make_tool
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
PAYLOAD = {"email": "asha@example.com", "score": 7}


@pytest.fixture
def team() -> Any:
    return make_team()


@pytest.fixture
def api(team: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


@pytest.fixture
def tool(team: Any) -> Any:
    return make_tool(agent=make_agent(team=team), when_to_use="When a lead leaves an address.")


@pytest.fixture
def live_tool(team: Any, receiver: Any, worker: Any) -> Any:
    """A tool whose calls reach `receiver`."""
    return make_tool(agent=make_agent(team=team), endpoint=make_endpoint(team=team, url=receiver.url))


def path_of(tool: Any, name: str = "webhook_trigger") -> str:
    return f"/api/v1/agents/{tool.agent.public_id}/tools/{name}/calls"


def call(api: Client, tool: Any, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
    body.setdefault("arguments", {"payload": PAYLOAD})
    return api.post(path_of(tool), json.dumps(body), content_type="application/json", headers=headers or {})


# --- the catalogue ---------------------------------------------------------------------------------------------------


def catalogue(api: Client, tool: Any, dialect: str = "") -> Any:
    return api.get(f"/api/v1/agents/{tool.agent.public_id}/tools", {"dialect": dialect} if dialect else {})


def test_the_catalogue_speaks_mcp_unless_told(api, tool):
    body = catalogue(api, tool).json()
    [one] = body["tools"]
    assert body["dialect"] == "mcp"
    assert set(one) == {"name", "title", "description", "inputSchema", "annotations"}
    assert one["name"] == "webhook_trigger"
    assert "When a lead leaves an address." in one["description"]
    assert one["inputSchema"] == tool.schema()
    assert (one["annotations"]["readOnlyHint"], one["annotations"]["idempotentHint"]) == (False, False)


def test_every_dialect_holds_the_same_tool(api, tool):
    said, schema = tool.description(), tool.schema()
    found = {name: catalogue(api, tool, name).json()["tools"] for name in DIALECTS}
    function = {"name": "webhook_trigger", "description": said, "parameters": schema}
    assert found["openai"] == [{"type": "function", "function": function}]
    assert found["openai-responses"] == [{"type": "function", "strict": False, **function}]
    assert found["anthropic"] == [{"name": "webhook_trigger", "description": said, "input_schema": schema}]
    declaration = {"name": "webhook_trigger", "description": said, "parametersJsonSchema": schema}
    assert found["gemini"] == [{"functionDeclarations": [declaration]}]
    assert len({catalogue(api, tool, name).json()["version"] for name in DIALECTS}) == 1


def test_the_openai_dialects_fit_the_vendors_own_types(api, tool):
    from openai.types.chat import ChatCompletionFunctionToolParam
    from openai.types.responses import FunctionToolParam
    from pydantic import TypeAdapter

    [chat], [responses] = (catalogue(api, tool, name).json()["tools"] for name in ("openai", "openai-responses"))
    assert TypeAdapter(ChatCompletionFunctionToolParam).validate_python(chat) == chat
    assert TypeAdapter(FunctionToolParam).validate_python(responses) == responses


def test_an_unknown_dialect_is_named(api, tool):
    response = catalogue(api, tool, "latin")
    assert response.status_code == 400
    assert "mcp, openai, openai-responses, anthropic, gemini" in response.json()["detail"]


def test_an_unchanged_catalogue_is_not_sent_again(api, tool):
    path = f"/api/v1/agents/{tool.agent.public_id}/tools"
    etag = api.get(path)["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = api.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", etag)
    for unknown in ('"other"', "nonsense", etag.strip('"')):
        assert api.get(path, headers={"If-None-Match": unknown}).status_code == 200
    tool.when_to_use = "Never."
    tool.save()
    response = api.get(path, headers={"If-None-Match": etag})
    assert response.status_code == 200
    assert response["ETag"] != etag


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tool_that_is_switched_off_is_gone(api, tool, dialect):
    tool.is_active = False
    tool.save()
    assert catalogue(api, tool, dialect).json()["tools"] == []
    response = call(api, tool)
    assert response.status_code == 404
    assert response.json()["detail"] == "This agent has no tool with this name that is switched on."


def test_an_agent_that_is_switched_off_offers_and_does_nothing(api, tool):
    tool.agent.is_active = False
    tool.agent.save()
    assert catalogue(api, tool).json()["tools"] == []
    response = call(api, tool)
    assert response.status_code == 409
    assert response.json()["detail"] == f"{tool.agent.name} is switched off. Switch it on in the admin first."
    assert not Delivery.objects.exists()


# --- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_is_delivered_once_and_answers_with_its_receipt(api, live_tool, receiver):
    conversation = make_conversation(agent=live_tool.agent)
    response = call(
        api,
        live_tool,
        arguments={"payload": PAYLOAD, "event": "lead.captured"},
        conversation_id=conversation.public_id,
        reason="They left an address.",
    )
    body = response.json()
    [got] = receiver.wait_for(1)
    row, delivery = ToolCall.objects.get(), Delivery.objects.get()
    assert response.status_code == 200
    assert json.loads(got.body) == PAYLOAD
    assert got.headers["X-Chatzuri-Conversation-Id"] == conversation.public_id
    assert (body["id"], body["tool"], body["status"]) == (row.public_id, "webhook_trigger", "fired")
    assert (body["is_error"], body["duplicate_of"], body["dry_run"]) == (False, None, False)
    assert body["content"] == [{"type": "text", "text": "Delivered, HTTP 200."}]
    assert (body["structured"]["delivery"], body["structured"]["status_code"]) == (delivery.public_id, 200)
    assert (row.reason, row.conversation) == ("They left an address.", conversation)
    again = api.get(f"{path_of(live_tool)}/{row.public_id}")
    assert (again.status_code, again.json()) == (200, body)


def test_a_receiver_that_fails_is_a_result_for_the_model(api, live_tool, receiver):
    receiver.answer(503, b"busy")
    response = call(api, live_tool)
    body = response.json()
    assert (response.status_code, body["status"], body["is_error"]) == (200, "failed", True)
    assert body["content"][0]["text"] == "Webhook failed: rejected, HTTP 503."
    assert body["structured"]["status_code"] == 503
    assert len(receiver.requests) == 1


def test_the_same_key_gives_the_first_receipt(api, live_tool, receiver):
    headers = {"Idempotency-Key": "order-17"}
    first, second = (call(api, live_tool, headers=headers).json() for _ in range(2))
    assert second == first
    assert len(receiver.requests) == 1


def test_the_same_key_for_other_arguments_is_a_conflict(api, live_tool, receiver):
    headers = {"Idempotency-Key": "order-17"}
    call(api, live_tool, headers=headers)
    response = call(api, live_tool, headers=headers, arguments={"payload": {"other": 1}})
    assert response.status_code == 409
    assert response.json()["title"] == "Key used before"
    assert len(receiver.requests) == 1


def test_a_tool_call_id_holds_within_its_conversation(api, live_tool, receiver):
    one, two = (make_conversation(agent=live_tool.agent).public_id for _ in range(2))
    first = call(api, live_tool, tool_call_id="call_1", conversation_id=one).json()
    again = call(api, live_tool, tool_call_id="call_1", conversation_id=one).json()
    other = call(api, live_tool, tool_call_id="call_1", conversation_id=two, arguments={"payload": {"n": 2}})
    assert again["id"] == first["id"]
    assert other.status_code == 200
    assert other.json()["status"] == "fired"
    assert len(receiver.requests) == 2


def test_the_same_wish_under_a_new_id_is_sent_once(api, live_tool, receiver):
    conversation = make_conversation(agent=live_tool.agent).public_id
    first = call(api, live_tool, tool_call_id="a", conversation_id=conversation).json()
    response = call(api, live_tool, tool_call_id="b", conversation_id=conversation)
    assert response.status_code == 200
    assert response.json()["status"] == "repeated"
    assert response.json()["duplicate_of"] == first["id"]
    assert len(receiver.requests) == 1


def test_racing_calls_with_one_key_send_once(api, live_tool, receiver):
    receiver.answer(delay=0.3)
    answers: list[Any] = []

    def race() -> None:
        from django.db import connection

        answers.append(call(api, live_tool, headers={"Idempotency-Key": "race"}))
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [response.status_code for response in answers] == [200] * 6
    assert len({response.json()["id"] for response in answers}) == 1
    assert len(receiver.requests) == 1


def test_a_dry_run_checks_and_sends_nothing(api, tool):
    response = call(api, tool, dry_run=True)
    body = response.json()
    assert (response.status_code, body["status"], body["dry_run"], body["id"]) == (200, "fired", True, None)
    assert body["structured"]["would_send"] == {"payload": PAYLOAD}
    assert call(api, tool, dry_run=True, arguments={}).status_code == 422
    assert not Delivery.objects.exists()
    assert not ToolCall.objects.exists()


def test_a_call_nobody_runs_in_time_can_be_asked_for(api, tool, monkeypatch):
    monkeypatch.setattr("agents.api.tools.CALL_WAIT", 0.05)
    response = call(api, tool)
    assert response.status_code == 202
    assert response.json()["status"] == "running"
    assert response["Retry-After"] == "2"
    later = api.get(response["Location"])
    assert (later.status_code, later.json()) == (200, response.json())
    assert Delivery.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("arguments", "pointers"),
    [
        ({}, ["/arguments"]),
        ({"payload": 7, "event": 8}, ["/arguments/event", "/arguments/payload"]),
        ({"payload": {}, "url": "https://evil.example"}, ["/arguments"]),
        ({"payload": {}, "event": "x" * 101}, ["/arguments/event"]),
    ],
)
def test_arguments_that_do_not_fit_are_all_pointed_at(api, tool, arguments, pointers):
    response = call(api, tool, arguments=arguments)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert [fault["pointer"] for fault in response.json()["errors"]] == pointers
    assert not ToolCall.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("arguments", [None, [], "text", 7])
def test_arguments_that_are_no_object_are_malformed(api, tool, arguments):
    response = call(api, tool, arguments=arguments)
    assert response.status_code == 400
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/arguments"]


def test_a_key_has_a_length(api, tool):
    assert call(api, tool, headers={"Idempotency-Key": "k" * 201}).status_code == 400


@pytest.mark.parametrize("name", ["nothing", "Webhook_Trigger", "webhook_trigger%00", "😀"])
def test_an_unknown_tool_is_not_found(api, tool, name):
    body = json.dumps({"arguments": {"payload": {}}})
    assert api.post(path_of(tool, name), body, content_type="application/json").status_code == 404


def test_another_agents_conversation_is_not_found(api, tool, team):
    theirs = [make_conversation(agent=make_agent(team=team)), make_conversation()]
    for conversation in theirs:
        response = call(api, tool, conversation_id=conversation.public_id)
        assert response.status_code == 404
        assert response.json()["detail"] == "There is no conversation of this agent with this id."
    assert not Delivery.objects.exists()


def test_another_teams_agent_is_not_found(api):
    theirs = make_tool()
    assert call(api, theirs).status_code == 404
    assert catalogue(api, theirs).status_code == 404
    assert not Delivery.objects.exists()
