"""The inspector: catches anything, judges signatures, answers as told, and gives nothing away."""

import threading
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_bin, make_credential, make_endpoint, make_team, make_user
from webhooks import signatures, views
from webhooks.models import Bin, CaughtRequest, Endpoint

pytestmark = pytest.mark.django_db
BODY = b'{"hello":"world"}'


def path_of(bin: Bin) -> str:
    return f"/inspector/{bin.key}"


def signed(secret: str, *, body: bytes = BODY, at: float | None = None) -> dict[str, str]:
    return signatures.headers(secret, delivery_id="dlv_test", timestamp=int(at or time.time()), body=body)


def post(bin: Bin, *, body: bytes = BODY, headers: dict[str, str] | None = None) -> CaughtRequest:
    Client().post(path_of(bin), body, content_type="application/json", headers=headers or {})
    return bin.requests.latest("pk")


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user(team=make_team()), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def own_bin(client: Client) -> Bin:
    from chatzuri.models import Team

    return make_bin(team=Team.objects.get(), name="mine")


class TestCatching:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_any_method_is_kept_as_it_came(self, method):
        bin = make_bin()
        response = Client(enforce_csrf_checks=True).generic(method, path_of(bin) + "/orders?x=1", BODY)
        assert response.status_code == 200
        caught = bin.requests.get()
        assert (caught.method, caught.path) == (method, path_of(bin) + "/orders?x=1")
        assert bytes(caught.body) == BODY

    def test_bytes_that_are_no_text_are_kept(self):
        caught = post(make_bin(), body=b"\x00\xff\xfe")
        assert bytes(caught.body) == b"\x00\xff\xfe"

    def test_a_long_body_is_cut(self):
        caught = post(make_bin(), body=b"x" * (256 * 1024 + 1))
        assert (len(caught.body), caught.body_cut) == (256 * 1024, True)

    @pytest.mark.parametrize("key", ["0" * 32, "short", "0" * 31 + "G"])
    def test_an_unknown_address_is_not_found(self, key):
        make_bin()
        assert Client().post(f"/inspector/{key}", BODY, content_type="text/plain").status_code == 404
        assert not CaughtRequest.objects.exists()

    def test_an_expired_one_is_not_found(self):
        bin = make_bin(expires_at=timezone.now() - timedelta(seconds=1))
        assert Client().get(path_of(bin)).status_code == 404
        assert not CaughtRequest.objects.exists()

    def test_the_oldest_go_beyond_the_cap(self, monkeypatch):
        monkeypatch.setattr(Bin, "CAP", 3)
        bin = make_bin()
        for number in range(5):
            post(bin, body=str(number).encode())
        assert [bytes(each.body) for each in bin.requests.order_by("pk")] == [b"2", b"3", b"4"]

    def test_secrets_in_headers_are_kept_masked(self):
        caught = post(make_bin(), headers={"X-Webhook-Secret": "planted-secret-1234", "Authorization": "Bearer abc"})
        assert "planted" not in str(caught.headers)
        assert ["X-Webhook-Secret", "••••••••1234"] in caught.headers
        assert ["Authorization", "••••••••"] in caught.headers


class TestAnswering:
    def test_as_told(self):
        bin = make_bin(answer_status=503, answer_body="closed")
        response = Client().post(path_of(bin))
        assert (response.status_code, response.content) == (503, b"closed")
        assert bin.requests.get().answered == 503

    @pytest.mark.parametrize("body", ["<script>alert(1)</script>", '{"a": "<script>"}'])
    def test_never_as_a_page(self, body):
        response = Client().get(path_of(make_bin(answer_body=body)))
        assert response["Content-Type"].split(";")[0] in ("text/plain", "application/json")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]

    def test_no_body_where_http_has_none(self):
        assert Client().get(path_of(make_bin(answer_status=204))).content == b""

    def test_after_the_delay(self):
        began = time.monotonic()
        Client().get(path_of(make_bin(answer_delay=1)))
        assert 1 <= time.monotonic() - began < 3

    def test_at_once_when_too_many_wait(self, monkeypatch):
        monkeypatch.setattr(views, "_waiting", threading.BoundedSemaphore(1))
        views._waiting.acquire()
        began = time.monotonic()
        response = Client().get(path_of(make_bin(answer_delay=5)))
        assert time.monotonic() - began < 2
        assert "delay skipped" in response["X-Chatzuri-Inspector"]


class TestVerdicts:
    def test_valid_with_the_secret_of_the_endpoint_that_leads_here(self):
        bin = make_bin()
        endpoint = make_endpoint(team=bin.team, url=bin.address)
        assert post(bin, headers=signed(endpoint.signing_secret)).verdict == "valid"

    def test_the_address_may_come_from_a_credential(self):
        bin = make_bin()
        credential = make_credential(team=bin.team, values={"webhook_url": bin.address})
        endpoint = make_endpoint(team=bin.team, url="", credential=credential)
        assert post(bin, headers=signed(endpoint.signing_secret)).verdict == "valid"

    def test_an_altered_body_and_an_old_one_are_invalid_and_say_why(self):
        bin = make_bin()
        secret = make_endpoint(team=bin.team, url=bin.address).signing_secret
        altered = post(bin, body=BODY + b" ", headers=signed(secret))
        assert (altered.verdict, "does not fit" in altered.reason) == ("invalid", True)
        old = post(bin, headers=signed(secret, at=time.time() - 3600))
        assert (old.verdict, "timestamp" in old.reason) == ("invalid", True)

    def test_another_teams_endpoint_with_this_address_does_not_count(self):
        bin = make_bin()
        foreign = make_endpoint(url=bin.address)
        caught = post(bin, headers=signed(foreign.signing_secret))
        assert (caught.verdict, "No endpoint" in caught.reason) == ("unknown", True)

    def test_without_a_signature(self):
        assert post(make_bin()).verdict == "unsigned"


class TestPage:
    def test_new_requests_appear_and_old_ones_are_not_sent_again(self, client, own_bin):
        page = client.get(reverse("admin:webhooks_bin_change", args=[own_bin.pk])).content.decode()
        assert own_bin.address in page
        assert "Nothing has arrived yet" in page
        first = post(own_bin, body=b'{"n":"first"}')
        path = reverse("admin:webhooks_bin_requests", args=[own_bin.pk])
        assert "first" in client.get(path + "?after=0").content.decode()
        post(own_bin, body=b'{"n":"second"}')
        news = client.get(f"{path}?after={first.pk}").content.decode()
        assert "second" in news
        assert "first" not in news
        for odd in ("x", "-1", "9" * 40):
            assert client.get(f"{path}?after={odd}").status_code == 200

    def test_hostile_text_is_inert(self, client, own_bin):
        post(own_bin, body="<img src=x onerror=alert(1)>\u202etxt.exe".encode(), headers={"X-Evil": "<b>bold</b>"})
        page = client.get(reverse("admin:webhooks_bin_change", args=[own_bin.pk])).content.decode()
        assert "<img src=x" not in page
        assert "<b>bold</b>" not in page
        assert "\u202e" not in page
        assert "\\u202etxt.exe" in page

    def test_one_click_makes_one_endpoint(self, client, own_bin):
        for _ in range(2):
            client.post(reverse("admin:webhooks_bin_use", args=[own_bin.pk]))
        endpoint = Endpoint.objects.get()
        assert (endpoint.url, endpoint.team) == (own_bin.address, own_bin.team)

    def test_clear_and_keep(self, client, own_bin):
        post(own_bin)
        Bin.objects.update(expires_at=timezone.now() - timedelta(days=1))
        client.post(reverse("admin:webhooks_bin_clear", args=[own_bin.pk]))
        client.post(reverse("admin:webhooks_bin_keep", args=[own_bin.pk]))
        own_bin.refresh_from_db()
        assert not own_bin.requests.exists()
        assert own_bin.expires_at > timezone.now() + timedelta(days=6)

    def test_answers_outside_the_limits_are_refused(self, client, own_bin):
        data = {"name": "x", "answer_status": "199", "answer_delay": "13", "answer_body": ""}
        response = client.post(reverse("admin:webhooks_bin_change", args=[own_bin.pk]), data)
        assert response.status_code == 200
        own_bin.refresh_from_db()
        assert (own_bin.answer_status, own_bin.answer_delay) == (200, 0)
