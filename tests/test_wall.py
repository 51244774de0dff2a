"""The wall between teams: every route of the URL resolver is asked for another team's rows, with every method.

Routes come from the resolver, so a new page cannot be forgotten: one that takes an argument this test does not know
fails it.
"""

import re
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from agents import models as agents
from channels_inbound import models as channels
from chatzuri import models as floor
from tests.channels_inbound.providers import make_channel
from tests.factories import (
    make_action,
    make_agent,
    make_api_key,
    make_bin,
    make_conversation,
    make_credential,
    make_customer,
    make_delivery,
    make_endpoint,
    make_team,
    make_tool,
    make_user,
)
from tests.routes import admin_pages, api_paths, routes
from webhooks import models as webhooks

pytestmark = pytest.mark.django_db
ALPHA_ROW = {"all": [{"field": "customer.plan", "operator": "is", "value": "alpha-plan", "not": False}]}
APPS = ("chatzuri", "webhooks", "agents", "channels_inbound")
ACTIONS = ("delete_selected", "release", "discard", "pause", "resume", "revoke", "resend", "replay_selected")
METHODS = ("get", "post", "put", "patch", "delete")
# Pages about nobody's rows: they answer anybody alike.
PUBLIC = {"admin/login/", "admin/logout/", "admin/jsi18n/", "api/v1/schema", "api/docs", ""}


@pytest.fixture
def theirs() -> dict[str, Any]:
    """One row of every kind, all of team A."""
    team = make_team(name="Secretive Alpha")
    make_user(team=team, email="alpha@example.com", name="Alpha Person")
    endpoint = make_endpoint(team=team, name="alpha-endpoint", url="https://alpha.example/hook")
    agent = make_agent(team=team, name="alpha-agent")
    tool = make_tool(agent=agent, endpoint=endpoint, title="alpha-tool")
    conversation = make_conversation(agent=agent, customer=make_customer(team=team, name="alpha-customer"))
    message = conversation.say(role="customer", text="alpha-words")
    turn = agents.Turn.objects.create(conversation=conversation, message=message)
    delivery = make_delivery(endpoint=endpoint, data={"secret": "alpha-data"})
    call = agents.ToolCall.objects.create(
        agent=agent, conversation=conversation, turn=turn, tool=tool, tool_name=tool.name, key="alpha", arguments={}
    )
    make_api_key(team=team)
    rows: dict[str, Any] = {
        "bin": make_bin(team=team, name="alpha-bin"),
        "credential": make_credential(team=team),
        "apikey": floor.ApiKey.objects.get(team=team),
        "team": team,
        "membership": floor.Membership.objects.get(team=team),
        "user": floor.User.objects.get(email="alpha@example.com"),
    }
    rows |= {"endpoint": endpoint, "agent": agent, "tool": tool, "conversation": conversation, "turn": turn}
    rows["replay"] = webhooks.Replay.objects.create(
        team=team, endpoint=endpoint, accepted_from=timezone.now(), accepted_to=timezone.now()
    )
    action = make_action(team=team, title="alpha-action", code="return 'alpha-code';")
    run = agents.ActionRun.objects.create(team=team, action=action, result={"words": "alpha-result"})
    lead = agents.Lead.objects.create(agent=agent, customer=conversation.customer, name="alpha-lead")
    escalation = agents.Escalation.objects.create(conversation=conversation, trigger="api", reason="alpha-reason")
    rows |= {"message": message, "lead": lead, "escalation": escalation}
    rows |= {"customaction": action, "actionversion": action.current, "actionrun": run}
    rows |= {"delivery": delivery, "event": delivery.event, "toolcall": call, "customer": conversation.customer}
    return rows | rule_rows(agent, delivery.event) | channel_rows(agent, message)


def rule_rows(agent: Any, event: Any) -> dict[str, Any]:
    facts = {"name": "alpha-rule", "event_type": "message.received", "condition": ALPHA_ROW}
    rule = agents.TriggerRule.objects.create(agent=agent, **facts)
    evaluation = agents.Evaluation.objects.create(
        rule=rule, event=event, subject="alpha-subject", matched=False, outcome="no_match"
    )
    rehearsal = agents.Rehearsal.objects.create(team=agent.team, agent=agent, rule=rule, draft={"condition": ALPHA_ROW})
    segment = agents.Segment.objects.create(team=agent.team, name="alpha-segment", condition=ALPHA_ROW)
    words = agents.WordList.objects.create(team=agent.team, name="alpha-list", words="alpha-word")
    rows = {"triggerrule": rule, "evaluation": evaluation, "rehearsal": rehearsal, "segment": segment}
    return rows | {"wordlist": words}


def channel_rows(agent: Any, message: Any) -> dict[str, Any]:
    channel = make_channel(agent=agent, kind="whatsapp", settings={"number": "alpha-number"})
    body = b'{"text": "alpha-body"}'
    request = channels.InboundRequest.objects.create(
        channel=channel, body=body, body_size=len(body), body_sha256="0" * 64, state="quarantined", reason="alpha-why"
    )
    arrived = channels.InboundMessage.objects.create(
        request=request, channel=channel, dedupe_key="alpha", kind="message", occurred_at=timezone.now(), state="failed"
    )
    file = {"position": 0, "kind": "image", "filename": "alpha-file", "state": "stored", "file": "inbound/alpha"}
    channels.Attachment.objects.create(inbound_message=arrived, **file)
    channels.Reply.objects.create(message=message, channel=channel, address="alpha-address", text="alpha-reply")
    channels.Refusal.objects.note(channel=channel, reason="stale")
    return {"channel": channel, "inboundrequest": request}


@pytest.fixture
def stranger() -> Client:
    """An owner of team B."""
    user = make_user(team=make_team(name="Beta"), email="beta@example.com")
    client = Client(raise_request_exception=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def snapshot() -> dict[str, Any]:
    ours = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    skipped = {"last_used_at", "last_login"}
    return {
        model._meta.label: [
            {name: value for name, value in row.items() if name not in skipped}
            for row in model._default_manager.order_by("pk").values()
        ]
        for model in ours
    }


def test_every_admin_page_of_another_teams_row_is_not_found(theirs, stranger):
    paths = list(admin_pages(theirs))
    before = snapshot()
    assert len(paths) > 20
    for path in paths:
        for method in METHODS:
            response = getattr(stranger, method)(path, follow=True)  # Django sends /<id>/ on to /<id>/change/
            assert response.status_code in (404, 405), f"{method} {path} answered {response.status_code}"
            assert_silent(path, response)
    assert snapshot() == before


def test_every_admin_list_is_silent_about_other_teams(theirs, stranger):
    lists = [r for r in routes() if re.fullmatch(r"admin/(chatzuri|webhooks|agents|channels_inbound)/\w+/(add/)?", r)]
    assert len(lists) > 10
    for route in ["admin/", *lists]:
        for query in ("", "?q=alpha"):
            response = stranger.get(f"/{route}{query}")
            assert response.status_code in (200, 302, 403), f"{route} answered {response.status_code}"
            assert_silent(route, response)


def test_lookups_in_the_query_string_do_not_reach_over_the_wall(theirs, stranger):
    for model in ("agents/tool", "webhooks/delivery", "agents/conversation", "webhooks/endpoint"):
        for lookup in ("team__name__startswith=S", "agent__team__name__startswith=S", "endpoint__team__name=S"):
            response = stranger.get(f"/admin/{model}/?{lookup}")
            assert response.status_code in (200, 302, 400, 404)
            assert_silent(model, response)


def test_autocomplete_never_offers_another_teams_rows(theirs, stranger):
    for app, model, name in [("agents", "tool", "endpoint"), ("webhooks", "endpoint", "credential")]:
        query = f"?app_label={app}&model_name={model}&field_name={name}&term=alpha"
        response = stranger.get(f"/admin/autocomplete/{query}")
        assert response.status_code in (200, 403, 404)
        assert_silent("autocomplete", response)


def test_actions_with_posted_ids_touch_nothing_of_another_team(theirs, stranger):
    before = snapshot()
    for route in [r for r in routes() if re.fullmatch(r"admin/(chatzuri|webhooks|agents|channels_inbound)/\w+/", r)]:
        row = theirs.get(route.split("/")[2])
        for action in ACTIONS:
            data = {"action": action, "_selected_action": [row.pk if row else 1], "post": "yes", "select_across": "1"}
            data["confirmed"] = "yes"
            assert_silent(route, stranger.post(f"/{route}", data))
    after = snapshot()
    for label in before:
        assert after[label] == before[label], label


def test_every_api_route_answers_404_for_another_teams_ids(theirs):
    key = make_api_key(team=make_team(name="Beta"))
    client = Client(headers={"Authorization": f"Bearer {key}"})
    paths, before = api_paths(theirs), snapshot()
    assert len(paths) >= 4
    for path in paths:
        for method in METHODS:
            body = {"message": "hello", "arguments": {"payload": {}}}
            extra = {} if method == "get" else {"data": body, "content_type": "application/json"}
            response = getattr(client, method)(path, **extra)
            assert response.status_code in (404, 405), f"{method} {path} answered {response.status_code}"
            assert response["Content-Type"].startswith("application/problem+json")
            assert_silent(path, response)
    assert snapshot() == before


def test_every_api_list_is_silent_about_other_teams(theirs):
    client = Client(headers={"Authorization": f"Bearer {make_api_key(team=make_team(name='Beta'))}"})
    lists = [route for route in routes() if route.startswith("api/v1/") and "<" not in route and route not in PUBLIC]
    ids = [row.public_id for row in theirs.values() if hasattr(row, "public_id")]
    assert len(lists) >= 4
    for route in lists:
        response = client.get(f"/{route}", {"agentId": theirs["agent"].public_id})
        assert response.status_code in (200, 404, 405), f"{route} answered {response.status_code}"
        assert_silent(route, response)
        assert not any(public_id in response.content.decode() for public_id in ids), route


def test_another_teams_id_reads_like_an_unknown_one(theirs):
    client = Client(headers={"Authorization": f"Bearer {make_api_key(team=make_team())}"})
    real = client.get(f"/api/v1/deliveries/{theirs['delivery'].public_id}")
    made_up = client.get("/api/v1/deliveries/dlv_00000000000000000000000000")
    assert (real.status_code, real.content) == (made_up.status_code, made_up.content)


def test_without_a_key_or_a_login_nothing_is_shown(theirs):
    client = Client()
    for path in api_paths(theirs):
        response = client.get(path)
        assert response.status_code in (401, 405)
        assert_silent(path, response)
    for path in admin_pages(theirs):
        response = client.get(path)
        assert response.status_code in (302, 404)
        assert_silent(path, response)


def assert_silent(path: str, response: Any) -> None:
    """Nothing of team A's words in the answer. The path itself may be repeated."""
    text = b"".join(response).decode() if response.streaming else response.content.decode()
    for word in ("Secretive", "alpha-", "alpha@", "alpha.example", "Alpha Person"):
        assert word not in text.replace("?q=alpha", ""), f"{path} says {word!r}"
