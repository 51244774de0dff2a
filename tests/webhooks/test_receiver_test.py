"""The button “Test my receiver”, against receivers that check, that do not, and that have another secret."""

import time
import uuid
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chatzuri.models import Team
from tests.factories import make_delivery, make_endpoint, make_team, make_user
from tests.receiver import Receiver
from webhooks import publishing, replaying, sending, signatures
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db


class CheckingReceiver(Receiver):
    """Answers 401 unless the signature is right for `secret`."""

    secret = ""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        plain: Any = super()._handler()
        receiver = self

        class Handler(plain):  # type: ignore[misc]
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                verdict = signatures.verify(receiver.secret, dict(self.headers), body, now=time.time())
                self.send_response(200 if verdict.valid else 401)
                self.send_header("Content-Length", "0")
                self.end_headers()

        return Handler


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def press(client: Client, endpoint: Endpoint, token: uuid.UUID | None = None) -> Any:
    path = reverse("admin:webhooks_endpoint_receiver", args=[endpoint.pk])
    return client.post(path, {"form_token": str(token or uuid.uuid4())}, follow=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("secret", "label"), [("own", "it checks signatures"), ("another", "it refuses both"), ("", "it does not check")]
)
def test_the_verdict(start_worker, client, team, settings, secret, label):
    receiver: Receiver = CheckingReceiver() if secret else Receiver()
    settings.INSPECTOR_ORIGIN = receiver.origin
    start_worker(inspector_origin=receiver.origin)
    endpoint = make_endpoint(team=team, url=receiver.url)
    if isinstance(receiver, CheckingReceiver):
        receiver.secret = endpoint.signing_secret if secret == "own" else signatures.new_secret()
    page = press(client, endpoint).content.decode()
    receiver.stop()
    assert label in page
    assert "hx-get" not in page.split('id="receiver"')[1].split(">")[0]
    endpoint.refresh_from_db()
    assert Delivery.objects.filter(endpoint=endpoint, event__type="test.signature").count() == 2
    assert endpoint.consecutive_failures == (2 if secret == "another" else 0)


@pytest.mark.django_db(transaction=True)
def test_only_the_marked_one_is_altered(receiver):
    endpoint = make_endpoint(url=receiver.url)
    for delivery in (
        *publishing.test_signature(endpoint=endpoint, form_token=uuid.uuid4()),
        make_delivery(endpoint=endpoint),
    ):
        sending.send(delivery)
    secret = endpoint.signing_secret
    words = [signatures.verify(secret, r.headers, r.body, now=time.time()).reason for r in receiver.requests]
    assert words == ["valid", "wrong_signature", "valid"]
    assert [r.headers.get("X-Chatzuri-Test") for r in receiver.requests] == ["genuine", "tampered", None]


def test_a_double_click_sends_two_requests_not_four_and_a_paused_endpoint_waits(client, team):
    endpoint, token = make_endpoint(team=team, state="paused"), uuid.uuid4()
    for _ in range(2):
        page = press(client, endpoint, token).content.decode()
    assert Delivery.objects.count() == 2
    assert "The endpoint is paused" in page


def test_anothers_token_opens_nothing(client, team):
    token, theirs, mine = uuid.uuid4(), make_endpoint(state="paused"), make_endpoint(team=team)
    publishing.test_signature(endpoint=theirs, form_token=token)
    assert press(client, mine, token).status_code == 404
    path = reverse("admin:webhooks_endpoint_receiver", args=[mine.pk])
    for query in (str(token), "nonsense", ""):
        assert client.get(path, {"test": query}).url == reverse("admin:webhooks_endpoint_change", args=[mine.pk])


def test_a_test_is_not_something_the_endpoint_missed(team):
    endpoint = make_endpoint(team=team)
    made = publishing.test_signature(endpoint=endpoint, form_token=uuid.uuid4())
    Delivery.objects.update(state="rejected")
    chosen = replaying.Range(endpoint, made[0].accepted_at, made[0].accepted_at.replace(year=9999), ["rejected"])
    assert not chosen.deliveries().exists()
