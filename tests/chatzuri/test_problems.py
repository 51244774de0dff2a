"""Errors of the API: always problem details, never a page, never a secret of ours."""

import json
import logging
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIRequestFactory

from chatzuri.api import MAX_BODY, ApiView
from chatzuri.models import ApiKey
from tests.factories import make_agent, make_api_key, make_team, make_tool

pytestmark = pytest.mark.django_db

UNKNOWN_AGENT = "/api/v1/agents/agt_00000000000000000000000000"


@pytest.fixture
def team() -> Any:
    return make_team()


@pytest.fixture
def api(team: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


def problem_of(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert {"type", "title", "detail"} < set(body)
    return body


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/agents", "/api/", "/api/v2/deliveries", "/api/v1/%00"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_is_a_404_problem_with_or_without_a_key(api, path, method):
    for client in (api, Client()):
        assert problem_of(getattr(client, method)(path))["detail"] == "There is nothing at this address."
        assert getattr(client, method)(path).status_code == 404


def test_without_a_key_the_answer_says_how_to_send_one():
    response = Client().get("/api/v1/deliveries")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="chatzuri"'
    assert "Authorization: Bearer czk_" in problem_of(response)["detail"]


@pytest.mark.parametrize("header", ["Bearer czk_wrong", "Bearer \x80\xff", "bearer " + "x" * 5000])
def test_an_unknown_key_is_a_401(header):
    response = Client(headers={"Authorization": header}).get("/api/v1/deliveries")
    assert response.status_code == 401
    assert problem_of(response)["detail"] == "This API key does not exist or was revoked."


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer  ", "Basic dXNlcjpwYXNz", "Token czk_x"])
def test_another_kind_of_proof_is_no_proof(header):
    assert Client(headers={"Authorization": header}).get("/api/v1/deliveries").status_code == 401


def test_a_revoked_key_stops_at_once(team, api):
    assert api.get("/api/v1/deliveries").status_code == 200
    ApiKey.objects.get(team=team).revoke()
    assert api.get("/api/v1/deliveries").status_code == 401


def test_a_key_remembers_when_it_was_used(team, api):
    api.get("/api/v1/deliveries")
    assert ApiKey.objects.get(team=team).last_used_at is not None


def test_a_wrong_method_says_which_ones_are_right(api):
    response = api.get(f"{UNKNOWN_AGENT}/chat")
    assert response.status_code == 405
    assert "POST" in response["Allow"]
    assert problem_of(response)["title"] == "Method not allowed"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "text/event-stream"])
def test_an_unusual_accept_header_is_answered_in_json(api, accept):
    response = api.get("/api/v1/deliveries", headers={"Accept": accept})
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"message": ', "not acceptable JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"message": NaN}', "NaN is not JSON"),
        (b'{"message": -Infinity}', "Infinity is not JSON"),
        (b'{"message": 1e999}', "a number is too large"),
        (b'{"message": "a\\u0000b"}', "NUL"),
        (b'{"a\\u0000b": 1}', "NUL"),
        (b'{"message": "\\ud800"}', "half of a character"),
        (b'{"\\udfff": 1}', "half of a character"),
        (b"[" * 200 + b"]" * 200, "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
        (b"1" * 5000, "not acceptable JSON"),
    ],
)
def test_a_body_that_cannot_be_kept_is_refused_with_a_reason(team, api, body, says):
    agent = make_agent(team=team)
    response = api.post(f"/api/v1/agents/{agent.public_id}/chat", body, content_type="application/json")
    assert response.status_code == 400
    assert says in problem_of(response)["detail"]
    assert not agent.conversations.exists()


def test_a_huge_body_is_refused(team, api):
    body = b'{"message": "' + b"x" * MAX_BODY + b'"}'
    path = f"/api/v1/agents/{make_agent(team=team).public_id}/chat"
    response = api.post(path, body, content_type="application/json")
    assert response.status_code == 413
    assert problem_of(response)["detail"] == "Send at most 1024 KB."


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", "a/b;c"]
)
def test_another_media_type_is_a_415(team, api, kind):
    path = f"/api/v1/agents/{make_agent(team=team).public_id}/chat"
    response = api.post(path, b"message=hello", content_type=kind)
    assert response.status_code == 415
    assert problem_of(response)["title"] == "Unsupported media type"


def test_a_body_in_chunks_is_refused_with_the_reason(team, api):
    path = f"/api/v1/agents/{make_agent(team=team).public_id}/chat"
    response = api.post(path, b"", content_type="application/json", headers={"Transfer-Encoding": "chunked"})
    assert response.status_code == 411
    assert problem_of(response)["title"] == "Length required"


def test_every_wrong_field_is_named(team, api):
    path = f"/api/v1/agents/{make_agent(team=team).public_id}/chat"
    body = {"user_id": "x" * 201, "stream": "perhaps"}
    response = api.post(path, json.dumps(body), content_type="application/json; charset=utf-8")
    assert response.status_code == 400
    pointers = {fault["pointer"] for fault in problem_of(response)["errors"]}
    assert pointers == {"/message", "/user_id", "/stream"}


class Breaks(ApiView):
    authentication_classes = permission_classes = []

    def get(self, request: Any) -> Any:
        raise RuntimeError("the password is hunter2")


def test_the_unexpected_is_logged_and_not_shown(caplog):
    with caplog.at_level(logging.ERROR):
        response = Breaks.as_view()(APIRequestFactory().get("/api/v1/breaks")).render()
    assert response.status_code == 500
    assert problem_of_rendered(response)["title"] == "Something broke on our side"
    assert b"hunter2" not in response.content
    assert b"RuntimeError" not in response.content
    assert "hunter2" in caplog.text


def problem_of_rendered(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    return json.loads(response.content)


def test_a_foreign_host_is_refused_in_the_language_of_the_api(api):
    response = api.get("/api/v1/deliveries", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert problem_of(response)["title"] == "Malformed request"


# --- junk ------------------------------------------------------------------------------------------------------------

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["message", "user_id", "conversation_id", "stream", "arguments", "tool_call_id", "reason", "dry_run", "payload"]
)
BODIES = (
    st.binary() | JUNK.map(json.dumps).map(str.encode) | st.dictionaries(NAMES, JUNK).map(json.dumps).map(str.encode)
)
PATHS = st.sampled_from(["chat", "tools/webhook_trigger/calls"])
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(
    body=BODIES,
    path=PATHS,
    headers=st.dictionaries(
        st.sampled_from(["Accept", "Idempotency-Key"]),
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])),
    ),
)
def test_no_body_and_no_header_breaks_a_view(team, api, settings, body, path, headers):
    settings.CHAT_WAIT = 0.01
    agent = team.agents.first() or make_tool(agent=make_agent(team=team)).agent
    url = f"/api/v1/agents/{agent.public_id}/{path}"
    response = api.post(url, body, content_type="application/json", headers=headers)
    assert response.status_code in (200, 202, 400, 409, 422)


@MANY
@given(
    path=st.text(st.characters(exclude_characters="?#", exclude_categories=["Cs"])),
    query=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_no_address_and_no_query_breaks_a_view(api, path, query):
    for start in ("deliveries/", "agents/", "agents/agt_0/turns/", f"{UNKNOWN_AGENT[8:]}/tools/"):
        assert api.get(f"/api/v1/{start}{path}").status_code in (200, 301, 400, 404)
    for name in ("cursor", "state", "endpoint", "limit"):
        assert api.get("/api/v1/deliveries", {name: query}).status_code in (200, 400, 404)
