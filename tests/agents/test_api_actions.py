"""Custom actions over the API: making, versions, installing, trying, and the log of runs."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents import fetches, running, sandbox
from agents.models import ActionRun, CustomAction, Tool
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


class FakePool:
    """Stands in for the sandbox, which has tests of its own: answers `result`, and remembers the jobs."""

    def __init__(self) -> None:
        self.result = sandbox.Result(value={"success": True}, milliseconds=1.5)
        self.jobs: list[sandbox.Job] = []

    def run(self, job: sandbox.Job, fetcher: Any, *, seconds: float) -> sandbox.Result:
        self.jobs.append(job)
        return sandbox.Result() if job.only_check and not self.result.kind else self.result


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> FakePool:
    """What is queued runs at once, in this very process."""
    fake = FakePool()
    monkeypatch.setattr(running, "pool", lambda: fake)
    monkeypatch.setattr(fetches, "RunFetcher", lambda run, **_: None)  # nobody fetches here
    monkeypatch.setattr(running, "wake", lambda task: running.run_queued())
    return fake


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


# --- trying ----------------------------------------------------------------------------------------------------------


def test_a_draft_is_run_and_shown(api, pool, team):
    credential = make_credential(team=team, kind="http_api_key", values={"api_key": "a-very-secret-key"})
    pool.result = sandbox.Result(
        value={"success": True, "echo": "a-very-secret-key"},
        console=[("log", "sending a-very-secret-key")],
        milliseconds=12.5,
    )
    body = {
        "code": "return params;",
        "parameters": [EMAIL, {"name": "channel", "type": "string"}, {"name": "score", "type": "number", "default": 7}],
        "params": {"email": "asha@example.com", "channel": "whatsapp"},
        "credential": credential.public_id,
        "config": {"list": "leads"},
    }
    response = send(api, "post", "actions/test", body)
    run = response.json()
    [job] = pool.jobs
    assert response.status_code == 200
    assert (job.code, job.config) == ("return params;", {"list": "leads"})
    assert job.params == {"email": "asha@example.com", "channel": "whatsapp", "score": 7}
    assert job.credentials == {"api_key": "a-very-secret-key"}
    assert (run["purpose"], run["state"], run["outcome"], run["error"]) == ("test", "succeeded", "returned", None)
    assert (run["action"], run["version"], run["agent_id"]) == (None, None, None)
    assert (run["credential_id"], run["milliseconds"], run["fetches"]) == (credential.public_id, 12.5, [])
    assert (run["params"], run["console"][0]["level"]) == (job.params, "log")
    assert "a-very-secret-key" not in response.content.decode()
    assert api.get(f"/api/v1/runs/{run['id']}").json() == run


def test_a_saved_action_is_run_in_its_current_version(api, pool, team):
    action = make_action(team=team, code="return 'saved';", parameters=[EMAIL])
    run = send(api, "post", f"actions/{action.public_id}/test", {"params": {"email": "asha@example.com"}}).json()
    draft = send(
        api, "post", f"actions/{action.public_id}/test", {"code": "return 'draft';", "parameters": [], "params": {}}
    ).json()
    assert [job.code for job in pool.jobs] == ["return 'saved';", "return 'draft';"]
    assert (run["action"], run["version"]) == ({"id": action.public_id, "name": action.name}, 1)
    assert (draft["action"], draft["version"]) == (run["action"], None)
    assert api.get(f"/api/v1/runs/{run['id']}").json() == run
    assert CustomAction.objects.get().versions.count() == 1


@pytest.mark.parametrize(
    ("result", "state", "outcome", "message", "line"),
    [
        (sandbox.Result(kind="thrown", error="CRM 503", line=3), "failed", "thrown", "CRM 503", 3),
        (
            sandbox.Result(kind="timeout", error="Action timed out after 10 s"),
            "failed",
            "timeout",
            "Action timed out after 10 s",
            None,
        ),
        (
            sandbox.Result(value={"success": False, "error": "no such list"}),
            "succeeded",
            "reported_failure",
            "no such list",
            None,
        ),
        (
            sandbox.Result(value={"success": False}),
            "succeeded",
            "reported_failure",
            "The action gave no reason.",
            None,
        ),
    ],
)
def test_a_run_that_failed_is_a_result_and_says_how(api, pool, result, state, outcome, message, line):
    pool.result = result
    response = send(api, "post", "actions/test", {"code": "…"})
    run = response.json()
    assert (response.status_code, run["state"], run["outcome"]) == (200, state, outcome)
    assert run["error"] == {"kind": outcome, "message": message, "line": line}


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["/params"]),
        ({"email": 7}, ["/params/email"]),
        ({"email": "asha@example.com", "channel": 7, "other": 1}, ["/params/channel", "/params"]),
    ],
)
def test_params_that_do_not_fit_run_nothing(api, pool, params, found):
    declared = [EMAIL, {"name": "channel", "type": "string"}]
    body = {"code": "return 1;", "parameters": declared, "params": params}
    response = send(api, "post", "actions/test", body)
    assert (response.status_code, pointers(response)) == (422, found)
    assert response.json()["title"] == "Parameters do not fit"
    assert not ActionRun.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        ({}, 400, ["/code"]),
        ({"code": ""}, 400, ["/code"]),
        ({"code": "   "}, 422, ["/code"]),
        ({"code": "x" * 65537}, 422, ["/code"]),
        ({"code": "1", "params": []}, 400, ["/params"]),
        ({"code": "1", "config": "x"}, 400, ["/config"]),
        ({"code": "1", "parameters": [{"name": "a", "type": "text"}]}, 422, ["/parameters/0/type"]),
    ],
)
def test_a_test_that_is_not_right_is_named(api, pool, body, status, found):
    response = send(api, "post", "actions/test", body)
    assert (response.status_code, pointers(response)) == (status, found)
    assert not ActionRun.objects.exists()


def test_a_run_that_takes_longer_can_be_asked_for(api, monkeypatch):
    monkeypatch.setattr("agents.api.action_tests.TEST_WAIT", 0.05)

    def begin(task: str) -> None:
        running._claim()

    monkeypatch.setattr(running, "wake", begin)
    response = send(api, "post", "actions/test", {"code": "return 1;"})
    run = response.json()
    assert (response.status_code, response["Retry-After"]) == (202, "2")
    assert (run["state"], run["outcome"], run["error"], run["finished_at"]) == ("running", None, None, None)
    assert api.get(response["Location"]).json() == run


def test_a_run_nobody_begins_is_not_run_behind_ones_back(api, monkeypatch):
    monkeypatch.setattr("agents.api.action_tests.TEST_WAIT", 0.05)
    run = send(api, "post", "actions/test", {"code": "return 1;"}).json()
    assert (run["state"], run["outcome"]) == ("cancelled", "unavailable")
    assert run["error"]["message"] == running.NO_WORKER
    assert running._claim() is None


def test_too_many_waiting_runs_are_refused(api, monkeypatch):
    monkeypatch.setattr(running, "MOST_WAITING", 0)
    response = send(api, "post", "actions/test", {"code": "return 1;"})
    assert (response.status_code, response["Retry-After"]) == (429, "2")
    assert response.json()["detail"] == running.TOO_MANY
    assert not ActionRun.objects.exists()


def test_a_test_asks_the_database_little(api, pool, team):
    """It is on the way of whoever presses *Run*."""
    credential, action = make_credential(team=team), make_action(team=team)
    body = {"credential": credential.public_id}
    send(api, "post", f"actions/{action.public_id}/test", body)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert send(api, "post", f"actions/{action.public_id}/test", body).status_code == 200
    ours = [query["sql"] for query in asked if "advisory" not in query["sql"]]
    assert len(ours) <= 20, "\n".join(ours)


# --- the log of runs -------------------------------------------------------------------------------------------------


def make_run(**fields: Any) -> ActionRun:
    fields.setdefault("state", "succeeded")
    return ActionRun.objects.create(**fields)


def ids(response: Any) -> list[str]:
    assert response.status_code == 200
    return [run["id"] for run in response.json()["runs"]]


def test_runs_are_listed_newest_first_and_page_by_page(api, team):
    made = [make_run(team=team).public_id for _ in range(5)]
    make_run(team=make_team())
    first = api.get("/api/v1/runs?limit=2")
    second = api.get(f"/api/v1/runs?limit=2&cursor={first.json()['next_cursor']}")
    third = api.get(f"/api/v1/runs?limit=2&cursor={second.json()['next_cursor']}")
    assert ids(first) + ids(second) + ids(third) == made[::-1]
    assert third.json()["next_cursor"] is None


def test_runs_are_chosen_by_action_agent_state_and_purpose(api, team):
    action, agent = make_action(team=team), make_agent(team=team)
    one = make_run(team=team, action=action, agent=agent, purpose="call", state="failed", kind="thrown").public_id
    two = make_run(team=team, purpose="test").public_id
    for query, found in (
        (f"action={action.public_id}", [one]),
        (f"agent={agent.public_id}", [one]),
        ("state=failed", [one]),
        ("purpose=test", [two]),
        (f"purpose=call&agent={agent.public_id}&state=succeeded", []),
    ):
        assert ids(api.get(f"/api/v1/runs?{query}")) == found, query


@pytest.mark.parametrize(
    "query", ["state=done", "purpose=check", "limit=0", "limit=101", "limit=x", "cursor=run_0", "cursor=%00"]
)
def test_a_parameter_that_is_not_right_is_named(api, query):
    response = api.get(f"/api/v1/runs?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_look_at_the_syntax_is_no_run(api, team):
    check = make_run(team=team, purpose="check").public_id
    assert ids(api.get("/api/v1/runs")) == []
    assert api.get(f"/api/v1/runs/{check}").status_code == 404
    assert api.get(f"/api/v1/runs?cursor={check}").status_code == 400


def test_listing_runs_costs_the_same_however_many_there_are(api, team):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            ids(api.get("/api/v1/runs"))
        return len(asked)

    action = make_action(team=team)
    make_run(team=team, action=action, version=action.current)
    queries()  # the first use of a key is written down
    before = queries()
    for _ in range(5):
        make_run(team=team, action=action, version=action.current, agent=make_agent(team=team))
    assert queries() == before


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
