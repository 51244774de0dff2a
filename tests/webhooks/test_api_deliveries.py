"""Deliveries over the API: what the developer of a receiver reads."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import make_api_key, make_credential, make_delivery, make_endpoint, make_team
from webhooks import sending
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
LIST = "/api/v1/deliveries"


@pytest.fixture
def team() -> Any:
    return make_team()


@pytest.fixture
def api(team: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


def test_a_delivery_as_it_left_and_as_it_was_answered(api, team, receiver, worker):
    secret = "spanish-inquisition"
    credential = make_credential(team=team, values={"webhook_url": receiver.url, "secret": secret})
    endpoint = make_endpoint(team=team, url=f"{receiver.url}?key=k3y-value&flag", credential=credential)
    receiver.answer(503, f"echo: {secret}".encode())
    sent = sending.send_and_wait(make_delivery(endpoint=endpoint, event_type="lead.captured", data={"name": "Zoë"}))

    response = api.get(f"{LIST}/{sent.public_id}")

    assert response.status_code == 200
    body = response.json()
    got = receiver.wait_for(1)[0]
    assert body["request"]["body"].encode() == got.body
    assert body["request"]["size"] == len(got.body)
    assert body["request"]["url"] == f"{receiver.url}?key=…&flag"
    sent_headers = {header["name"]: header["value"] for header in body["request"]["headers"]}
    assert sent_headers["webhook-signature"] == got.headers["webhook-signature"]
    assert sent_headers["X-Webhook-Secret"] == "••••••••"
    assert body["response"]["status_code"] == body["status_code"] == 503
    assert body["response"]["body"] == "echo: ••••••••"
    assert (body["response"]["is_cut"], body["outcome"], body["label"]) == (False, "rejected", "rejected 503")
    assert (body["seen_by_receiver"], body["safe_to_resend"]) == ("yes", "receiver_decides")
    assert body["event"] == {"id": sent.event.public_id, "type": "lead.captured"}
    assert body["endpoint"] == {"id": endpoint.public_id, "name": endpoint.name}
    assert body["timings"]["total"] > 0
    for moment in ("occurred_at", "accepted_at", "queued_at", "began_at", "finished_at"):
        assert body[moment].endswith("Z"), moment
    text = response.content.decode()
    for planted in (secret, "k3y-value", endpoint.signing_secret):
        assert planted not in text


def test_a_delivery_that_waits_has_no_outcome_yet(api, team):
    delivery = make_delivery(endpoint=make_endpoint(team=team))
    body = api.get(f"{LIST}/{delivery.public_id}").json()
    assert (body["state"], body["outcome"], body["label"]) == ("queued", None, "queued")
    assert (body["seen_by_receiver"], body["safe_to_resend"], body["response"]) == (None, None, None)
    assert (body["began_at"], body["finished_at"], body["status_code"], body["replays"]) == (None, None, None, [])
    assert json.loads(body["request"]["body"])["data"] == delivery.event.data


def test_a_resend_and_its_origin_point_at_each_other(api, team):
    first = make_delivery(endpoint=make_endpoint(team=team))
    again = sending.resend(first, wake=False)
    assert api.get(f"{LIST}/{first.public_id}").json()["replays"] == [again.public_id]
    body = api.get(f"{LIST}/{again.public_id}").json()
    assert (body["replay_of"], body["event"]["id"]) == (first.public_id, first.event.public_id)


def test_an_address_out_of_a_credential_is_not_readable_again(api, team):
    address = "https://hooks.example/services/T0K3N?x=1"
    credential = make_credential(team=team, values={"webhook_url": address})
    delivery = make_delivery(endpoint=make_endpoint(team=team, url="", credential=credential))
    response = api.get(f"{LIST}/{delivery.public_id}")
    assert response.json()["request"]["url"] == "https://hooks.example/…"
    assert "T0K3N" not in response.content.decode()


@pytest.mark.parametrize("wrong", ["dlv_00000000000000000000000000", "x", "%00", "dlv_%F0%9F%92%A3"])
def test_an_unknown_delivery_is_not_found(api, wrong):
    response = api.get(f"{LIST}/{wrong}")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no delivery with this id."


def test_another_teams_delivery_is_as_unknown_as_none(api):
    theirs = make_delivery()
    response = api.get(f"{LIST}/{theirs.public_id}")
    unknown = api.get(f"{LIST}/dlv_00000000000000000000000000")
    assert (response.status_code, response.content) == (404, unknown.content)


# --- the list --------------------------------------------------------------------------------------------------------


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["deliveries"]]


def test_the_list_is_paged_newest_first_and_stops_at_the_wall(api, team):
    endpoint = make_endpoint(team=team)
    ours = [make_delivery(endpoint=endpoint).public_id for _ in range(5)]
    make_delivery()
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        response = api.get(LIST, {"limit": 2, "cursor": cursor})
        seen += ids(response)
        cursor = response.json()["next_cursor"]
        late = make_delivery(endpoint=endpoint)  # what arrives meanwhile shifts nothing
    assert seen == ours[::-1]
    assert ids(api.get(LIST, {"limit": 1})) == [late.public_id]


def test_a_full_last_page_says_that_it_is_the_last(api, team):
    endpoint = make_endpoint(team=team)
    for _ in range(2):
        make_delivery(endpoint=endpoint)
    assert api.get(LIST, {"limit": 2}).json()["next_cursor"] is None
    assert api.get(LIST, {"limit": 1}).json()["next_cursor"] is not None


def test_the_list_can_be_cut_to_an_endpoint_and_a_state(api, team):
    one, other = make_endpoint(team=team), make_endpoint(team=team)
    queued, held = make_delivery(endpoint=one), make_delivery(endpoint=other)
    Delivery.objects.filter(pk=held.pk).update(state="held")
    assert ids(api.get(LIST, {"endpoint": one.public_id})) == [queued.public_id]
    assert ids(api.get(LIST, {"state": "held"})) == [held.public_id]
    assert ids(api.get(LIST, {"state": "held", "endpoint": one.public_id})) == []


def test_another_teams_endpoint_is_not_found(api):
    assert api.get(LIST, {"endpoint": make_endpoint().public_id}).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "nope"),
        ("cursor", "dlv_0"),
        ("cursor", "\x00"),
        *(("limit", text) for text in ("0", "101", "-1", "ten", "²", "9" * 5000)),
    ],
)
def test_a_wrong_parameter_is_named(api, name, value):
    response = api.get(LIST, {name: value})
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == name


def test_another_teams_delivery_is_no_cursor(api):
    assert api.get(LIST, {"cursor": make_delivery().public_id}).status_code == 400


def test_a_page_costs_the_same_however_many_rows_it_has(api, team):
    endpoint = make_endpoint(team=team)
    sending.resend(make_delivery(endpoint=endpoint), wake=False)
    api.get(LIST)  # marks the key as used
    with CaptureQueriesContext(
        connection,
    ) as few:
        api.get(LIST)
    for _ in range(6):
        sending.resend(make_delivery(endpoint=endpoint), wake=False)
    with CaptureQueriesContext(connection) as many:
        assert len(ids(api.get(LIST))) == 14
    assert len(many) == len(few) == 2
    assert not any("COUNT(" in query["sql"].upper() for query in many)
    assert not any('"body"' in query["sql"] for query in many)
