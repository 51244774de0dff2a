import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chatzuri.models import Team
from tests.factories import make_credential, make_delivery, make_endpoint, make_team, make_tool, make_user
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def press(client: Client, page: str, endpoint: Endpoint, **data: Any) -> Any:
    return client.post(reverse(f"admin:webhooks_endpoint_{page}", args=[endpoint.pk]), data)


def test_a_new_endpoint_shows_its_signing_secret_once(client):
    response = client.post("/admin/webhooks/endpoint/add/", {"name": "CRM", "url": "https://crm.example.com/in"})
    endpoint = Endpoint.objects.get()
    assert endpoint.signing_secret in response.content.decode()
    for path in ("/admin/webhooks/endpoint/", f"/admin/webhooks/endpoint/{endpoint.pk}/change/"):
        assert endpoint.signing_secret not in client.get(path).content.decode()


def test_the_guard_explains_a_refusal_on_the_form_and_before(client):
    url = "http://169.254.169.254/latest"
    response = client.post("/admin/webhooks/endpoint/add/", {"name": "X", "url": url})
    sentence = client.get(reverse("admin:webhooks_endpoint_check"), {"url": url}).content.decode()
    assert "The address starts with http://" in sentence
    assert "The address starts with http://" in response.content.decode()
    assert not Endpoint.objects.exists()


def test_an_address_that_may_be_used(client):
    response = client.get(reverse("admin:webhooks_endpoint_check"), {"url": "https://crm.example.com/in"})
    assert "This address may be used." in response.content.decode()


def test_a_member_cannot_send_a_credentials_secret_to_an_address_of_their_choice(client, team):
    credential = make_credential(team=team)
    data = {"name": "X", "url": "https://mine.example/", "credential": credential.pk}
    response = client.post("/admin/webhooks/endpoint/add/", data)
    assert "Owners and admins may enter another." in response.content.decode()
    assert not Endpoint.objects.exists()
    client.post("/admin/webhooks/endpoint/add/", data | {"url": ""})
    assert Endpoint.objects.get().credential == credential
    manager = Client()
    manager.force_login(make_user(team=team, role="admin"), backend="django.contrib.auth.backends.ModelBackend")
    manager.post("/admin/webhooks/endpoint/add/", data | {"name": "Y"})
    assert Endpoint.objects.get(name="Y").url == "https://mine.example/"


def test_a_replaced_secret_is_shown_once_and_used_from_then_on(client, team):
    endpoint = make_endpoint(team=team)
    before = endpoint.signing_secret
    page = press(client, "secret", endpoint).content.decode()
    endpoint.refresh_from_db()
    assert endpoint.signing_secret != before
    assert re.search(r'id="shown-once">([^<]+)<', page)[1] == endpoint.signing_secret


def test_pause_holds_and_release_sends(client, team):
    endpoint = make_endpoint(team=team)
    press(client, "pause", endpoint)
    endpoint.refresh_from_db()
    delivery = make_delivery(endpoint=endpoint)
    assert delivery.state == "held"
    page = client.get(f"/admin/webhooks/endpoint/{endpoint.pk}/change/").content.decode()
    assert "Held: <b>1</b>" in page
    press(client, "resume", endpoint)
    delivery.refresh_from_db()
    assert delivery.state == "held"
    press(client, "release", endpoint)
    delivery.refresh_from_db()
    assert delivery.state == "queued"


def test_discard_cancels_what_is_held_here_and_nothing_else(client, team):
    endpoint, other = make_endpoint(team=team, state="paused"), make_endpoint(team=team, state="paused")
    delivery, elsewhere = make_delivery(endpoint=endpoint), make_delivery(endpoint=other)
    press(client, "discard", endpoint)
    delivery.refresh_from_db(), elsewhere.refresh_from_db()
    assert (delivery.state, elsewhere.state) == ("cancelled", "held")


def test_a_test_to_a_paused_endpoint_waits_and_a_double_click_sends_one(client, team):
    endpoint, token = make_endpoint(team=team, state="paused"), str(uuid.uuid4())
    first = press(client, "test", endpoint, form_token=token)
    second = press(client, "test", endpoint, form_token=token)
    delivery = Delivery.objects.get()
    assert (delivery.event.type, delivery.caused_by, delivery.state) == ("test.ping", "test", "held")
    assert first.url == second.url == f"/admin/webhooks/delivery/{delivery.pk}/change/"


def test_a_token_of_another_team_opens_nothing(client, team):
    token = uuid.uuid4()
    make_delivery(form_token=token)
    assert press(client, "test", make_endpoint(team=team), form_token=str(token)).status_code == 404
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_test_event_arrives_and_leads_to_its_page(worker, receiver, client, team):
    endpoint = make_endpoint(team=team, url=receiver.url)
    response = press(client, "test", endpoint, form_token=str(uuid.uuid4()))
    delivery = Delivery.objects.get()
    assert delivery.state == "delivered"
    page = client.get(response.url).content.decode()
    assert "The receiver answered 200." in page
    assert "hx-get" not in page.split('id="delivery"')[1].split(">")[0]


def test_pressing_needs_a_post(client, team):
    endpoint = make_endpoint(team=team)
    for page in ("test", "pause", "resume", "release", "discard", "secret"):
        assert client.get(reverse(f"admin:webhooks_endpoint_{page}", args=[endpoint.pk])).status_code == 405
    endpoint.refresh_from_db()
    assert endpoint.is_active


def test_an_endpoint_in_use_is_not_deleted(client, team):
    tool = make_tool(endpoint=make_endpoint(team=team, name="CRM"), title="Ask for a call back")
    response = press_delete(client, tool.endpoint)
    assert "is still used by tool “Ask for a call back”" in response.content.decode()
    assert Endpoint.objects.filter(pk=tool.endpoint_id).exists()


def test_deleting_says_how_much_history_goes_with_it(client, team):
    endpoint = make_endpoint(team=team)
    make_delivery(endpoint=endpoint), make_delivery(endpoint=endpoint)
    page = client.get(f"/admin/webhooks/endpoint/{endpoint.pk}/delete/").content.decode()
    assert re.search(r"Deliveries:\s*2", re.sub(r"<[^>]+>", " ", page))
    press_delete(client, endpoint)
    assert not Endpoint.objects.exists()


def press_delete(client: Client, endpoint: Endpoint) -> Any:
    return client.post(f"/admin/webhooks/endpoint/{endpoint.pk}/delete/", {"post": "yes"}, follow=True)
