"""Channels over the API: kinds, connecting, changing, secrets that never come out, what arrived, reading it again."""

import json
from typing import Any

import pytest
from django.test import Client

from channels_inbound import connecting, processing, receiving, samples
from channels_inbound.adapters import ADAPTERS
from channels_inbound.models import Channel, InboundMessage, InboundRequest
from chatzuri.models import Team
from tests.channels_inbound.providers import make_channel
from tests.factories import make_agent, make_api_key, make_credential, make_team
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "an-app-secret-of-meta-1234"


@pytest.fixture(autouse=True)
def _at_once(settings: Any) -> None:
    settings.INBOUND_DEBOUNCE = 0


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def agent(team: Team) -> Any:
    return make_agent(team=team, name="Helper")


@pytest.fixture
def api(team: Team) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


def send(api: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(api, method)(path, json.dumps(body or {}), content_type="application/json")


def at(agent: Any, *parts: str) -> str:
    return "/".join([f"/api/v1/agents/{agent.public_id}/channels", *parts])


def pointers(response: Any) -> list[str]:
    assert response["Content-Type"] == "application/problem+json"
    return sorted(fault["pointer"] for fault in response.json()["errors"])


def whatsapp(**more: Any) -> dict[str, Any]:
    settings = {"phone_number_id": "106540352242922"}
    return {"kind": "whatsapp", "settings": settings, "secrets": {"app_secret": SECRET}, **more}


# --- kinds -----------------------------------------------------------------------------------------------------------


def test_every_kind_says_what_it_asks_for(api, agent):
    kinds = api.get(f"/api/v1/agents/{agent.public_id}/channel-kinds").json()["kinds"]
    assert [one["kind"] for one in kinds] == list(ADAPTERS)
    [found] = [one for one in kinds if one["kind"] == "whatsapp"]
    assert found["inbound_url"].endswith(f"/api/v1/agents/{agent.public_id}/chat/whatsapp")
    assert [(one["name"], one["is_made_here"]) for one in found["secrets"]] == [
        ("app_secret", False),
        ("verify_token", True),
    ]
    assert (found["credential_kind"], found["reply_window_hours"]) == ("whatsapp", 24)


# --- connecting ------------------------------------------------------------------------------------------------------


def test_a_channel_is_connected_read_and_listed(api, agent, team):
    credential = make_credential(team=team, kind="whatsapp", values={"access_token": "EAAG"})
    response = send(api, "post", at(agent), whatsapp(credential=credential.public_id))
    made = response.json()
    assert response.status_code == 201
    assert response["Location"].endswith(at(agent, made["id"]))
    [token] = Channel.objects.get().connection().valid("verify_token")
    assert made.pop("made_secrets") == {"verify_token": token.value}
    assert (made["state"], made["missing"], made["credential"]) == ("ready", [], credential.public_id)
    assert {one["name"]: one["mask"] for one in made["secrets"]} == {
        "app_secret": "•" * 8 + "1234",
        "verify_token": "•" * 8 + token.value[-4:],
    }
    shown, listed = api.get(response["Location"]), api.get(at(agent))
    assert shown.json() == made
    assert listed.json() == {"channels": [made]}
    for answer in (shown, listed):
        assert SECRET not in answer.content.decode()
        assert token.value not in answer.content.decode()
    told = Event.objects.get(type="channel.connected")
    assert told.data["reason"] == "Set up by the API."


def test_what_is_missing_or_wrong_is_pointed_at(api, agent):
    body = {"kind": "whatsapp", "settings": {"colour": "red"}, "secrets": {"verify_token": 7}}
    response = send(api, "post", at(agent), body)
    assert response.status_code == 422
    assert pointers(response) == [
        "/secrets/app_secret",
        "/secrets/verify_token",
        "/settings/colour",
        "/settings/phone_number_id",
    ]
    assert not Channel.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 400, "/kind"),
        ({"kind": "fax"}, 422, "/kind"),
        ({"kind": "stripe", "secrets": ["x"]}, 400, "/secrets"),
        ({"kind": "stripe", "settings": "x"}, 400, "/settings"),
        ({"kind": "stripe", "secrets": {"signing_secret": {"a": 1}}}, 422, "/secrets/signing_secret"),
    ],
)
def test_a_body_that_is_not_right(api, agent, body, status, pointer):
    response = send(api, "post", at(agent), body)
    assert (response.status_code, pointers(response)) == (status, [pointer])
    assert not Channel.objects.exists()


def test_a_second_one_of_a_kind_is_refused(api, agent):
    send(api, "post", at(agent), whatsapp())
    again = send(api, "post", at(agent), whatsapp())
    assert (again.status_code, pointers(again)) == (422, ["/kind"])


def test_credentials_of_others_and_of_other_kinds_are_refused(api, agent, team):
    stranger = make_credential(team=make_team(), kind="whatsapp")
    assert send(api, "post", at(agent), whatsapp(credential=stranger.public_id)).status_code == 404
    slack = make_credential(team=team, kind="slack")
    assert pointers(send(api, "post", at(agent), whatsapp(credential=slack.public_id))) == ["/credential"]


# --- changing --------------------------------------------------------------------------------------------------------


def test_only_what_is_sent_changes(api, agent):
    channel = make_channel(agent=agent, kind="whatsapp")
    changed = send(api, "patch", at(agent, channel.public_id), {"settings": {"number": "+254 712 345 678"}}).json()
    assert changed["settings"] == {"phone_number_id": "1234567890", "number": "+254 712 345 678"}
    off = send(api, "patch", at(agent, channel.public_id), {"is_active": False}).json()
    assert (off["state"], off["is_active"], off["settings"]) == ("off", False, changed["settings"])
    secret = send(api, "patch", at(agent, channel.public_id), {"secrets": {"app_secret": "another-app-secret"}})
    assert [one["mask"][-4:] for one in secret.json()["secrets"] if one["name"] == "app_secret"] == ["cret", "ests"]
    assert "another-app-secret" not in secret.content.decode()


def test_all_of_a_change_or_nothing(api, agent):
    channel = make_channel(agent=agent, kind="whatsapp")
    response = send(api, "patch", at(agent, channel.public_id), {"is_active": False, "settings": {"colour": "red"}})
    assert pointers(response) == ["/settings/colour"]
    channel.refresh_from_db()
    assert channel.is_active


def test_states_have_words_for_programs(api, agent):
    channel, _ = connecting.begin(agent=agent, kind="whatsapp", by="Asha")
    address = at(agent, channel.public_id)
    assert (api.get(address).json()["state"], api.get(address).json()["missing"]) == (
        "refuses_everything",
        ["Phone number ID", "App secret"],
    )
    Channel.objects.filter(pk=channel.pk).update(secrets=make_channel().__dict__["secrets"])
    unreadable = api.get(address).json()
    assert (unreadable["state"], unreadable["secrets"]) == ("unreadable", [])


def test_a_channel_is_disconnected(api, agent):
    channel = make_channel(agent=agent)
    assert send(api, "delete", at(agent, channel.public_id)).status_code == 204
    assert api.get(at(agent, channel.public_id)).status_code == 404
    assert not Channel.objects.exists()


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_made_here_is_told_once(api, agent):
    channel = make_channel(agent=agent, kind="generic")
    response = send(api, "post", at(agent, channel.public_id, "secrets", "signing_secret"), {})
    body = response.json()
    channel.refresh_from_db()
    new, _ = channel.connection().valid("signing_secret")
    assert body["value"] == new.value
    assert [one["ends_at"] is None for one in body["secrets"]] == [True, False]
    assert new.value not in api.get(at(agent, channel.public_id)).content.decode()


def test_a_secret_that_is_given_is_not_told_back(api, agent):
    channel = make_channel(agent=agent, kind="stripe")
    body = {"value": "whsec_fedcba9876543210", "overlap_hours": 0}
    response = send(api, "post", at(agent, channel.public_id, "secrets", "signing_secret"), body)
    assert response.json()["value"] is None
    assert "whsec_fedcba9876543210" not in response.content.decode()
    channel.refresh_from_db()
    assert [one.value for one in channel.connection().valid("signing_secret")] == ["whsec_fedcba9876543210"]


@pytest.mark.parametrize(
    ("name", "body", "status", "pointer"),
    [
        ("signing_secret", {}, 422, "/secrets/signing_secret"),
        ("signing_secret", {"value": "sk_live_123456"}, 422, "/secrets/signing_secret"),
        ("signing_secret", {"value": "whsec_fedcba9876543210", "overlap_hours": 169}, 400, "/overlap_hours"),
        ("signing_secret", {"value": "whsec_fedcba9876543210", "overlap_hours": -1}, 400, "/overlap_hours"),
        ("password", {"value": "whsec_fedcba9876543210"}, 422, "/secrets/password"),
    ],
)
def test_a_secret_that_cannot_be_replaced(api, agent, name, body, status, pointer):
    channel = make_channel(agent=agent, kind="stripe")
    response = send(api, "post", at(agent, channel.public_id, "secrets", name), body)
    assert (response.status_code, pointers(response)) == (status, [pointer])
    assert [one.value for one in Channel.objects.get().connection().valid("signing_secret")] == [
        "whsec_a_secret_of_tests"
    ]


# --- what arrived ----------------------------------------------------------------------------------------------------


def arrive(channel: Channel, text: str = "Hello") -> InboundRequest:
    outcome = receiving.receive(adapter=channel.adapter, channel=channel, incoming=samples.sample(channel, text))
    processing.work_off()
    assert outcome.request is not None
    return outcome.request


def test_requests_are_listed_page_by_page(api, agent):
    channel = make_channel(agent=agent, kind="generic")
    made = [arrive(channel, f"Line {n}").public_id for n in range(3)][::-1]
    address = at(agent, channel.public_id, "requests")
    first = api.get(address, {"limit": 2}).json()
    rest = api.get(address, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in [*first["requests"], *rest["requests"]]] == made
    assert rest["next_cursor"] is None
    assert api.get(address, {"state": "quarantined"}).json()["requests"] == []
    assert api.get(address, {"state": "lost"}).status_code == 400


def test_a_request_says_what_was_in_it_and_is_read_again(api, agent):
    channel = make_channel(agent=agent, kind="generic")
    row = arrive(channel, "Do you ship?")
    message = InboundMessage.objects.get()
    shown = api.get(at(agent, channel.public_id, "requests", row.public_id)).json()
    [told] = shown["messages"]
    assert (told["kind"], told["text"], told["state"]) == ("message", "Do you ship?", "done")
    assert told["conversation_id"] == message.conversation.public_id
    assert "body" not in shown
    again = send(api, "post", at(agent, channel.public_id, "requests", row.public_id, "replay"))
    assert again.json() == shown | {"new": 0}
    assert InboundMessage.objects.count() == 1


def test_a_request_whose_body_is_gone_is_a_conflict(api, agent):
    channel = make_channel(agent=agent, kind="generic")
    row = arrive(channel)
    InboundRequest.objects.filter(pk=row.pk).update(body=b"", body_file="inbound/gone")
    response = send(api, "post", at(agent, channel.public_id, "requests", row.public_id, "replay"))
    assert (response.status_code, response.json()["title"]) == (409, "Nothing to read")
    row.refresh_from_db()
    assert row.state == "accepted"


def test_a_request_of_another_channel_is_not_found(api, agent):
    mine, other = make_channel(agent=agent, kind="generic"), make_channel(kind="generic")
    row = arrive(other)
    for path in (at(agent, mine.public_id, "requests", row.public_id), at(agent, other.public_id, "requests")):
        assert api.get(path).status_code == 404
    assert send(api, "post", at(agent, mine.public_id, "requests", row.public_id, "replay")).status_code == 404


def test_a_channel_of_another_team_is_not_found(api, agent):
    stranger = make_channel(kind="stripe")
    before = Channel.objects.values_list("secrets", flat=True).get()
    for path in (at(agent, stranger.public_id), at(stranger.agent, stranger.public_id)):
        assert api.get(path).status_code == 404
        assert send(api, "patch", path, {"is_active": False}).status_code == 404
        assert send(api, "delete", path).status_code == 404
        assert send(api, "post", f"{path}/secrets/signing_secret", {}).status_code == 404
    assert Channel.objects.get().is_active
    assert Channel.objects.values_list("secrets", flat=True).get() == before
