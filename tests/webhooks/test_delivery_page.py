import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chatzuri.models import Team
from tests.factories import make_credential, make_delivery, make_endpoint, make_team, make_user
from webhooks.admin import showing
from webhooks.models import Attempt, Delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def finished(*, team: Team, state: str = "delivered", **fields: Any) -> Delivery:
    """A delivery with the outcome a worker would have written."""
    delivery = make_delivery(endpoint=make_endpoint(team=team, name=f"endpoint {uuid.uuid4()}"))
    Delivery.objects.filter(pk=delivery.pk).update(state=state, finished_at=timezone.now())
    fields.setdefault("status_code", 200)
    Attempt.objects.create(delivery=delivery, outcome=state, finished_at=timezone.now(), **fields)
    return Delivery.objects.get(pk=delivery.pk)


def page_of(client: Client, delivery: Delivery, page: str = "change") -> str:
    return str(client.get(reverse(f"admin:webhooks_delivery_{page}", args=[delivery.pk])).content.decode())


def test_it_says_what_happened_and_what_to_do(client, team):
    page = page_of(client, finished(team=team, state="rejected", status_code=503))
    assert "rejected 503" in page
    assert "Send it again when it works." in page


def test_an_open_delivery_asks_again_until_it_is_finished(client, team):
    delivery = make_delivery(endpoint=make_endpoint(team=team))
    live = reverse("admin:webhooks_delivery_live", args=[delivery.pk])
    assert f'hx-get="{live}"' in page_of(client, delivery)
    Delivery.objects.update(state="cancelled", finished_at=timezone.now())
    assert "hx-get" not in page_of(client, delivery, "live")


def test_hostile_answers_are_inert(client, team):
    delivery = finished(
        team=team,
        response_headers=[["X-Evil", "<svg onload=alert(1)>"]],
        response_body="</pre><script>alert(1)</script>\u202e".encode() + b"\x00\xff",
    )
    page = page_of(client, delivery)
    assert "<svg onload" not in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("body", [b"[" * 5000, b"9" * 5000, b'"\\ud800"', b"\xff\xfe", b"", b"null", b"x" * 100_000])
def test_any_bytes_can_be_shown(client, team, body):
    assert "delivered" in page_of(client, finished(team=team, response_body=body))


def test_json_is_pretty_and_the_raw_bytes_stay(client, team):
    page = page_of(client, finished(team=team, response_body='{"a":"é","a":1}'.encode()))
    assert "{\n  &quot;a&quot;: 1\n}" in page
    assert "{&quot;a&quot;:&quot;é&quot;,&quot;a&quot;:1}" in page


def test_the_time_bar_adds_up(team):
    delivery = finished(
        team=team, timings={"dns": 10, "connect": 20, "tls": 30, "first_byte": 40, "body": 0, "total": 100}
    )
    pieces = showing.phases(delivery, delivery.attempt)
    assert [piece.name for piece in pieces] == ["waiting", "DNS", "connect", "TLS", "first byte", "body"]
    assert sum(piece.width for piece in pieces) == pytest.approx(1000, abs=1)


def test_the_curl_command_keeps_secrets_and_quotes(team):
    delivery = make_delivery(endpoint=make_endpoint(team=team), data={"name": "O'Brien $(reboot)"})
    command = showing.curl(delivery, {"Content-Type": "application/json", "X-Webhook-Secret": "planted-secret"})
    assert "planted-secret" not in command
    assert "X-Webhook-Secret: YOUR_SECRET" in command
    assert "'\"'\"'" in command


def test_a_resend_asks_first_and_warns_when_it_may_have_been_seen(client, team):
    page = page_of(client, finished(team=team, state="no_answer", status_code=None), "resend")
    assert "The receiver may have seen it already." in page
    assert Delivery.objects.count() == 1
    assert "sending it again is safe" in page_of(client, finished(team=team, state="not_sent"), "resend")


def test_a_double_click_resends_once_and_the_two_are_linked(client, team):
    delivery = finished(team=team, state="not_sent", status_code=None, code="dns")
    delivery.endpoint.pause()
    path, token = reverse("admin:webhooks_delivery_resend", args=[delivery.pk]), str(uuid.uuid4())
    first, second = (client.post(path, {"form_token": token}) for _ in range(2))
    made = delivery.replays.get()
    assert first.url == second.url == f"/admin/webhooks/delivery/{made.pk}/change/"
    assert (made.event_id, bytes(made.body)) == (delivery.event_id, bytes(delivery.body))
    assert made.public_id in page_of(client, delivery)
    assert delivery.public_id in page_of(client, made)


def test_what_is_not_finished_is_not_sent_again(client, team):
    delivery = make_delivery(endpoint=make_endpoint(team=team))
    client.post(reverse("admin:webhooks_delivery_resend", args=[delivery.pk]), {"form_token": str(uuid.uuid4())})
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_resend_reaches_the_receiver_with_the_same_event(worker, receiver, client, team):
    delivery = finished(team=team, state="not_sent", status_code=None, code="dns")
    delivery.endpoint.url = receiver.url
    delivery.endpoint.save()
    client.post(reverse("admin:webhooks_delivery_resend", args=[delivery.pk]), {"form_token": str(uuid.uuid4())})
    made = delivery.replays.get()
    assert made.state == "delivered"
    assert len(receiver.requests) == 1


def test_the_shared_secret_is_on_no_page(client, team):
    credential = make_credential(team=team, values={"webhook_url": "https://a.example/", "secret": "planted-secret-9"})
    delivery = make_delivery(endpoint=make_endpoint(team=team, credential=credential))
    for page in ("change", "live"):
        text = page_of(client, delivery, page)
        assert "planted-secret-9" not in text
        assert delivery.endpoint.signing_secret not in text


class TestList:
    def test_outcomes_in_words_newest_first(self, client, team):
        finished(team=team, state="rejected", status_code=503)
        finished(team=team, state="blocked", status_code=None, code="private_address")
        page = client.get("/admin/webhooks/delivery/").content.decode()
        assert page.index("blocked: private address") < page.index("rejected 503")

    def test_search_by_id_event_id_and_type(self, client, team):
        wanted, other = make_delivery(endpoint=make_endpoint(team=team), event_type="a.b"), finished(team=team)
        for term in (wanted.public_id, wanted.event.public_id, "a.b", f" {wanted.public_id} "):
            page = client.get("/admin/webhooks/delivery/", {"q": term}).content.decode()
            assert wanted.public_id in page
            assert other.public_id not in page

    def test_the_number_of_queries_does_not_grow_and_no_body_is_read(self, client, team, django_assert_max_num_queries):
        for _ in range(12):
            finished(team=team)
        with django_assert_max_num_queries(25) as queries:
            client.get("/admin/webhooks/delivery/")
        assert not any('"webhooks_delivery"."body"' in query["sql"] for query in queries.captured_queries)

    def test_history_is_not_typed_into(self, client, team):
        delivery = finished(team=team)
        assert client.get("/admin/webhooks/delivery/add/").status_code == 403
        assert client.post(f"/admin/webhooks/delivery/{delivery.pk}/change/", {"url": "x"}).status_code == 405
        assert client.post(f"/admin/webhooks/delivery/{delivery.pk}/delete/", {"post": "yes"}).status_code == 403
        assert client.get(f"/admin/webhooks/event/{delivery.event_id}/change/").status_code == 200
