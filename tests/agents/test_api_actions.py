"""Custom actions over the API: making them, their versions, and how agents have them."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from agents import running, sandbox
from agents.models import ActionRun, CustomAction, Tool
from tests.agents.fake_pool import FakePool, run_at_once
from tests.factories import make_action, make_agent, make_api_key, make_credential, make_team, make_tool, make_user

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = {"name": "email", "type": "string", "description": "The address.", "required": True, "format": "email"}
NEW = {
    "name": "send_lead",
    "title": "Send the lead",
    "description": "When a customer left an address.",
    "code": "return { success: true };",
    "parameters": [EMAIL],
}


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> FakePool:
    return run_at_once(monkeypatch)


@pytest.fixture
def team() -> Any:
    return make_team()


@pytest.fixture
def api(team: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


def send(api: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(api, method)(f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json")


def pointers(response: Any) -> list[str]:
    assert response["Content-Type"] == "application/problem+json"
    return [fault["pointer"] for fault in response.json()["errors"]]


# --- making and changing ---------------------------------------------------------------------------------------------


def test_an_action_is_made_read_and_listed(api, pool):
    made = send(api, "post", "actions", {**NEW, "note": "First"})
    body = made.json()
    assert made.status_code == 201
    assert made["Location"].endswith(f"/api/v1/actions/{body['id']}")
    assert (body["name"], body["version"], body["is_new_version"], body["warning"]) == ("send_lead", 1, True, None)
    assert (body["parameters"], body["code"], body["agents"]) == ([EMAIL], NEW["code"], [])
    known = {name: body[name] for name in body if name not in ("is_new_version", "warning")}
    assert api.get(made["Location"]).json() == known
    [line] = api.get("/api/v1/actions").json()["actions"]
    assert line == {name: known[name] for name in known if name != "code"}


def test_the_code_is_kept_as_it_stands(api, pool):
    code = "\n  return 1; // a blank line before, blanks after  \n"
    made = send(api, "post", "actions", NEW | {"code": code}).json()
    assert made["code"] == code
    assert CustomAction.objects.get().current.code == code


def test_every_fault_is_pointed_at(api, pool):
    twice = [EMAIL, EMAIL, {"name": "9", "type": "text"}]
    response = send(api, "post", "actions", NEW | {"code": " ", "parameters": twice})
    assert response.status_code == 422
    assert response.json()["title"] == "Not saved"
    assert pointers(response) == ["/code", "/parameters/1/name", "/parameters/2/name", "/parameters/2/type"]
    assert not CustomAction.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("name", "Send Lead", 422),
        ("name", "x" * 65, 422),
        ("name", 7.5, 422),
        ("title", "t" * 101, 422),
        ("description", "d" * 1001, 400),
        ("description", "", 400),
        ("code", "x" * (64 * 1024 + 1), 422),
        ("code", None, 400),
        ("parameters", {"email": "string"}, 422),
        ("parameters", [EMAIL | {"name": f"p{n}"} for n in range(51)], 422),
    ],
)
def test_a_field_that_is_not_right_is_named(api, pool, field, value, status):
    response = send(api, "post", "actions", NEW | {field: value})
    assert response.status_code == status
    assert set(pointers(response)) == {f"/{field}"}
    assert not CustomAction.objects.exists()


def test_code_that_cannot_be_read_says_where(api, pool):
    pool.result = sandbox.Result(kind="syntax", error="Unexpected token '}'", line=2)
    response = send(api, "post", "actions", NEW)
    assert (response.status_code, pointers(response), response.json()["line"]) == (422, ["/code"], 2)
    assert "line 2" in response.json()["errors"][0]["detail"]
    assert not CustomAction.objects.exists()
    assert not ActionRun.objects.exists()


def test_without_a_worker_it_is_saved_with_a_warning(api, monkeypatch):
    monkeypatch.setattr(running, "CHECK_PATIENCE", 0.01)
    made = send(api, "post", "actions", NEW)
    assert made.status_code == 201
    assert made.json()["warning"] == "No worker looked at the syntax in time, so it was saved as it stands."


def test_names_are_unique_in_a_team_and_free_in_another(api, pool, team):
    make_action(team=make_team(), name="send_lead")
    assert send(api, "post", "actions", NEW).status_code == 201
    response = send(api, "post", "actions", NEW)
    assert (response.status_code, pointers(response)) == (422, ["/name"])


def test_a_change_of_words_is_no_new_version(api, pool):
    made = send(api, "post", "actions", NEW).json()
    changed = send(api, "patch", f"actions/{made['id']}", {"title": "Tell sales"})
    body = changed.json()
    assert (changed.status_code, body["title"], body["version"], body["is_new_version"]) == (
        200,
        "Tell sales",
        1,
        False,
    )
    assert (body["code"], body["parameters"], body["name"]) == (NEW["code"], [EMAIL], "send_lead")


def test_versions_are_kept_and_can_be_restored(api, pool, team):
    action = send(api, "post", "actions", NEW).json()["id"]
    second = send(api, "patch", f"actions/{action}", {"code": "return 2;", "parameters": [], "note": "Shorter"}).json()
    assert (second["version"], second["is_new_version"]) == (2, True)
    row = CustomAction.objects.get().versions.get(number=1)
    row.author = make_user(team=team, email="asha@example.com")
    row.save()
    lines = api.get(f"/api/v1/actions/{action}/versions").json()["versions"]
    assert [(line["number"], line["is_current"], line["note"], line["author"]) for line in lines] == [
        (2, True, "Shorter", None),
        (1, False, "", "asha@example.com"),
    ]
    first = api.get(f"/api/v1/actions/{action}/versions/1").json()
    assert (first["code"], first["parameters"], first["is_current"]) == (NEW["code"], [EMAIL], False)
    restored = send(api, "post", f"actions/{action}/versions/1/restore")
    assert restored.status_code == 200
    assert (restored.json()["version"], restored.json()["code"]) == (3, NEW["code"])
    assert api.get(f"/api/v1/actions/{action}/versions/3").json()["note"] == "Restored from version 1"


@pytest.mark.parametrize("number", ["2", "0", "99999999999999999999"])
def test_a_version_that_does_not_exist_is_not_found(api, team, number):
    action = make_action(team=team).public_id
    assert api.get(f"/api/v1/actions/{action}/versions/{number}").status_code == 404
    assert send(api, "post", f"actions/{action}/versions/{number}/restore").status_code == 404


def test_an_action_that_is_installed_is_not_deleted(api, team):
    action, agent = make_action(team=team), make_agent(team=team, name="Sales")
    send(api, "put", f"agents/{agent.public_id}/actions/{action.public_id}")
    response = api.delete(f"/api/v1/actions/{action.public_id}")
    assert response.status_code == 409
    assert response.json()["detail"] == "This action is installed on Sales. Uninstall it there first."
    assert response.json()["agents"] == [{"id": agent.public_id, "name": "Sales"}]
    assert api.delete(f"/api/v1/agents/{agent.public_id}/actions/{action.public_id}").status_code == 204
    assert api.delete(f"/api/v1/actions/{action.public_id}").status_code == 204
    assert not CustomAction.objects.exists()


# --- on an agent -----------------------------------------------------------------------------------------------------


def test_installing_twice_is_installing_once(api, team):
    action, agent, credential = make_action(team=team), make_agent(team=team), make_credential(team=team)
    path = f"agents/{agent.public_id}/actions/{action.public_id}"
    body = {
        "credential": credential.public_id,
        "config": {"list": "leads"},
        "title": "Ask for an offer",
        "when_to_use": "After consent.",
        "example_phrases": ["Call me", "A demo, please"],
        "repeats": "once",
        "needs_approval": True,
        "calls_per_conversation": 1,
        "calls_per_day": 50,
    }
    first, second = send(api, "put", path, body), send(api, "put", path, body)
    shown = body | {
        "action": {"id": action.public_id, "name": action.name, "title": action.title},
        "agent_id": agent.public_id,
        "is_active": True,
        "repeat_minutes": 10,
    }
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == api.get(f"/api/v1/{path}").json() == shown
    assert api.get(f"/api/v1/agents/{agent.public_id}/actions").json() == {"actions": [shown]}
    assert Tool.objects.count() == 1
    tool = Tool.objects.get()
    assert (tool.credential, tool.config, tool.phrases) == (
        credential,
        {"list": "leads"},
        ["Call me", "A demo, please"],
    )


def test_what_is_left_out_goes_back_to_its_default(api, team):
    action, agent = make_action(team=team), make_agent(team=team)
    path = f"agents/{agent.public_id}/actions/{action.public_id}"
    send(api, "put", path, {"calls_per_day": 5, "needs_approval": True, "is_active": False})
    after = send(api, "put", path).json()
    assert (after["calls_per_day"], after["needs_approval"], after["is_active"]) == (None, False, True)


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"config": []}, 400, "/config"),
        ({"calls_per_day": 0}, 400, "/calls_per_day"),
        ({"repeats": "never"}, 400, "/repeats"),
        ({"repeat_minutes": 1441}, 400, "/repeat_minutes"),
        ({"example_phrases": ["two\nlines"]}, 400, "/example_phrases/0"),
        ({"example_phrases": ["x" * 500] * 8}, 400, "/example_phrases"),
        ({"when_to_use": "w" * 1001}, 400, "/when_to_use"),
    ],
)
def test_an_install_that_is_not_right_is_named(api, team, body, status, pointer):
    action, agent = make_action(team=team), make_agent(team=team)
    response = send(api, "put", f"agents/{agent.public_id}/actions/{action.public_id}", body)
    assert (response.status_code, pointers(response)) == (status, [pointer])
    assert not Tool.objects.exists()


def test_two_tools_of_one_agent_have_two_names(api, team):
    agent = make_agent(team=team)
    make_tool(agent=agent)
    action = make_action(team=team, name="webhook_trigger")
    response = send(api, "put", f"agents/{agent.public_id}/actions/{action.public_id}")
    assert (response.status_code, pointers(response)) == (422, ["/name"])


def test_an_action_that_is_not_installed_is_not_found(api, team):
    action, agent = make_action(team=team), make_agent(team=team)
    for method in ("get", "delete"):
        response = getattr(api, method)(f"/api/v1/agents/{agent.public_id}/actions/{action.public_id}")
        assert response.status_code == 404


def test_another_teams_ids_are_not_found_in_bodies_either(api, team):
    action, agent = make_action(team=team), make_agent(team=team)
    foreign = make_credential(team=make_team()).public_id
    for method, path in (
        ("put", f"agents/{agent.public_id}/actions/{action.public_id}"),
        ("post", f"actions/{action.public_id}/test"),
        ("post", "actions/test"),
    ):
        response = send(api, method, path, {"code": "return 1;", "credential": foreign})
        assert response.status_code == 404
        assert response.json()["detail"] == "There is no credential with this id."
    foreign_action, foreign_agent = make_action().public_id, make_agent().public_id
    for path in (
        f"agents/{agent.public_id}/actions/{foreign_action}",
        f"agents/{foreign_agent}/actions/{action.public_id}",
    ):
        assert send(api, "put", path).status_code == 404
    for query in (f"action={foreign_action}", f"agent={foreign_agent}"):
        assert api.get(f"/api/v1/runs?{query}").status_code == 404
    assert not Tool.objects.exists()
    assert not ActionRun.objects.exists()


# --- credentials -----------------------------------------------------------------------------------------------------


def test_credentials_are_named_and_never_shown(api, team):
    make_credential(team=make_team())
    hook = make_credential(
        team=team, values={"webhook_url": "https://crm.example/hook/t0ken-in-path", "secret": "shared-secret"}
    )
    stripe = make_credential(team=team, kind="stripe", values={"secret_key": "sk_live_123456789"})
    response = api.get("/api/v1/credentials")
    assert response.json()["credentials"] == [
        {
            "id": hook.public_id,
            "name": hook.name,
            "kind": "webhook",
            "fields": ["secret", "webhook_url"],
            "hosts": ["crm.example"],
            "is_readable": True,
        },
        {
            "id": stripe.public_id,
            "name": stripe.name,
            "kind": "stripe",
            "fields": ["secret_key"],
            "hosts": ["api.stripe.com"],
            "is_readable": True,
        },
    ]
    for value in ("t0ken", "shared-secret", "sk_live", "6789", "•"):
        assert value not in response.content.decode()


def test_a_credential_that_cannot_be_read_is_listed_as_such(api, team):
    broken = make_credential(team=team)
    other = make_credential(team=team)
    with connection.cursor() as cursor:  # a value that was moved from another row
        cursor.execute(
            "UPDATE chatzuri_credential SET values = (SELECT values FROM chatzuri_credential WHERE id = %s) "
            "WHERE id = %s",
            [other.pk, broken.pk],
        )
    [line, _] = api.get("/api/v1/credentials").json()["credentials"]
    assert (line["id"], line["fields"], line["hosts"], line["is_readable"]) == (broken.public_id, [], [], False)
