"""Trying custom actions over the API, and the log of their runs."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents import running, sandbox
from agents.api.runs import origin_of
from agents.models import ActionRun, CustomAction
from tests.agents.fake_pool import FakePool, run_at_once
from tests.factories import make_action, make_agent, make_api_key, make_credential, make_team

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = {"name": "email", "type": "string", "description": "The address.", "required": True, "format": "email"}


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
    ("result", "outcome", "message"),
    [
        ({"success": True, "data": "x" * 9000}, "returned", None),
        ({"success": False, "error": "no such list"}, "reported_failure", "no such list"),
        ({"success": False, "error": {"deep": 1}}, "reported_failure", "The action gave no reason."),
        ({"success": 0}, "returned", None),
        ({}, "returned", None),
        (None, "returned", None),
        ([1, 2], "returned", None),
        ("success", "returned", None),
        (False, "returned", None),
    ],
)
def test_the_list_tells_an_outcome_as_the_run_does_and_leaves_the_result(api, team, result, outcome, message):
    run = make_run(team=team, result=result)
    with CaptureQueriesContext(connection) as asked:
        [line] = api.get("/api/v1/runs").json()["runs"]
    detail = api.get(f"/api/v1/runs/{run.public_id}").json()
    assert (line["outcome"], line["error"] and line["error"]["message"]) == (outcome, message)
    assert line == {name: detail[name] for name in line}
    assert not any('"agents_actionrun"."result",' in query["sql"] for query in asked)


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


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.stripe.com/v1/customers?email=asha%40example.com", "https://api.stripe.com"),
        ("https://hooks.slack.com••••••••", "https://hooks.slack.com"),
        ("https://hooks.slack.com••••••••/more", "https://hooks.slack.com"),
        ("http://127.0.0.1:8000?a=/b", "http://127.0.0.1:8000"),
        ("http://[no/address", "http://[no"),
        ("", ""),
    ],
)
def test_where_a_fetch_went_is_shown_without_its_path(url, origin):
    assert origin_of(url) == origin


# --- for real --------------------------------------------------------------------------------------------------------

CODE = """\
console.log('secret is', credentials.secret);
const first = await fetch(credentials.webhook_url, { method: 'POST', body: JSON.stringify(params) });
if (!first.ok) throw new Error(`CRM ${first.status}: ${credentials.secret}`);
const gone = await fetch('http://10.0.0.1/').catch((error) => error.message);
return { success: true, said: await first.json(), gone };
"""
SECRET = "a-long-random-shared-secret"


def try_it(api: Client, team: Any, receiver: Any, **body: Any) -> dict[str, Any]:
    credential = make_credential(team=team, values={"webhook_url": receiver.url, "secret": SECRET})
    response = send(api, "post", "actions/test", {"code": CODE, "credential": credential.public_id, **body})
    assert (response.status_code, SECRET in response.content.decode()) == (200, False)
    run: dict[str, Any] = response.json()
    return run


def test_a_draft_is_really_run_and_shows_what_it_sent(api, team, receiver, worker):
    run = try_it(api, team, receiver, parameters=[EMAIL], params={"email": "asha@example.com"})
    [got] = receiver.wait_for(1)
    sent, blocked = run["fetches"]
    assert json.loads(got.body) == {"email": "asha@example.com"}
    assert (run["state"], run["outcome"], run["error"]) == ("succeeded", "returned", None)
    assert run["result"]["said"] == {"ok": True}
    assert run["result"]["gone"].startswith("fetch failed: ")
    assert run["console"] == [{"level": "log", "text": "secret is ••••••••"}]
    assert (sent["method"], sent["origin"], sent["outcome"]) == ("POST", receiver.origin, "delivered")
    assert (sent["status_code"], sent["seen_by_receiver"]) == (200, "yes")
    assert sent["milliseconds"] > 0
    assert (blocked["method"], blocked["outcome"], blocked["status_code"]) == ("GET", "blocked", None)
    assert got.headers["X-Chatzuri-Delivery"] == sent["delivery_id"]


def test_what_it_threw_comes_with_its_line_and_without_the_secret(api, team, receiver, worker):
    receiver.answer(503)
    run = try_it(api, team, receiver)
    assert (run["state"], run["outcome"]) == ("failed", "thrown")
    assert run["error"] == {"kind": "thrown", "message": "CRM 503: ••••••••", "line": 3}
    assert [fetch["outcome"] for fetch in run["fetches"]] == ["rejected"]
    assert len(receiver.requests) == 1


def test_each_fetch_is_a_delivery_that_can_be_read(api, team, receiver, worker):
    sent, _ = try_it(api, team, receiver)["fetches"]
    response = api.get(f"/api/v1/deliveries/{sent['delivery_id']}")
    assert response.status_code == 200
    assert response.json()["request"]["method"] == "POST"
    assert SECRET not in response.content.decode()


def test_syntax_is_judged_by_a_worker_before_anything_is_saved(api, team, worker):
    body = {"name": "broken", "title": "Broken", "description": "Never saved.", "code": "return 1;\nreturn }"}
    response = send(api, "post", "actions", body)
    assert (response.status_code, pointers(response), response.json()["line"]) == (422, ["/code"], 2)
    assert not CustomAction.objects.exists()
    assert send(api, "post", "actions", body | {"code": "return 1;"}).json()["warning"] is None
