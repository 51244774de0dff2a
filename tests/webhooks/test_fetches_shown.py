"""A fetch of a custom action in everything that reads deliveries: pages, API, replays, a restored backup."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from chatzuri.models import Team
from tests.factories import make_api_key, make_delivery, make_endpoint, make_team, make_user
from tests.webhooks.fetches import RUN, fetch, make_source, row
from webhooks import auditing, fetching, replaying, sending
from webhooks.admin import deliveries, showing
from webhooks.models import Attempt, Delivery
from webhooks.outcomes import describe, receiver_of
from webhooks.restoring import hold_after_restore

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
SECRET = "planted-secret-4711"


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def api(team: Team) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


def fetched(receiver: Any, team: Team, **asked: Any) -> Delivery:
    source = make_source(team=team, secrets=[SECRET], hosts=["127.0.0.1"])
    return fetch(source, f"{receiver.url}?key=k3y-value&city=Paris", **asked).delivery


def blocked(team: Team, url: str = "http://[") -> Delivery:
    return fetch(make_source(team=team, secrets=[SECRET]), url).delivery


def unfinished(receiver: Any, team: Team) -> Delivery:
    begun = fetching.begin(make_source(team=team), method="GET", url=receiver.url, headers=[])
    assert isinstance(begun, fetching.Begun)
    return row(begun.public_id)


def page_of(client: Client, delivery: Delivery, page: str = "change") -> str:
    return str(client.get(reverse(f"admin:webhooks_delivery_{page}", args=[delivery.pk])).content.decode())


# --- pages -----------------------------------------------------------------------------------------------------------


def test_the_list_shows_the_host_and_can_be_cut_to_fetches(client, team, receiver):
    ours = fetched(receiver, team)
    broken = blocked(team, "javascript:<script>alert(1)</script>\u202e")
    other = make_delivery(endpoint=make_endpoint(team=team, name="Our CRM"))
    page = client.get("/admin/webhooks/delivery/").content.decode()
    assert f'<span class="cz-weak">fetch</span> {receiver.origin.removeprefix("http://")}' in page
    assert '<span class="cz-weak">fetch</span> no address' in page
    assert "Our CRM" in page
    assert "<script>alert" not in page
    assert "k3y-value" not in page
    page = client.get("/admin/webhooks/delivery/", {"sent_by": "fetch"}).content.decode()
    assert [each.public_id in page for each in (ours, broken, other)] == [True, True, False]
    page = client.get("/admin/webhooks/delivery/", {"sent_by": "endpoint"}).content.decode()
    assert [each.public_id in page for each in (ours, broken, other)] == [False, False, True]
    assert client.get("/admin/webhooks/delivery/", {"sent_by": "nonsense"}).status_code == 200


def test_the_page_shows_method_run_and_why_it_is_not_sent_again(client, team, receiver):
    delivery = fetched(receiver, team, method="PUT", headers=[("X-Key", SECRET)], body=b'{"a": 1}')
    page = page_of(client, delivery)
    assert "<h3>PUT to</h3>" in page
    assert "None: a custom action fetched it" in page
    assert "cannot be sent again from here" in page
    assert "Resend" not in page
    assert SECRET not in page
    assert f'<a class="cz-link" href="/admin/agents/actionrun/?q={RUN}">{RUN}</a>' in page
    assert "curl -X PUT" in page
    assert "The receiver answered 200." in page
    assert "<dt>Sent</dt>" in page


def test_an_unfinished_one_asks_again_and_a_refused_one_says_what_to_mend(client, team, receiver):
    assert "hx-get" in page_of(client, unfinished(receiver, team), "live")
    page = page_of(client, blocked(team, "https://10.0.0.1/<b>"))
    assert "blocked: private address" in page
    assert "Mend this in the action&#x27;s code." in page
    assert "https://10.0.0.1/&lt;b&gt;" in page
    assert "<dt>Tried</dt>" in page
    assert "<dt>Sent</dt>" not in page


def test_without_a_page_of_runs_there_is_no_link(client, team, receiver, monkeypatch):
    real = deliveries.reverse

    def without(name: str, *args: Any, **kwargs: Any) -> str:
        if "actionrun" in name:
            raise NoReverseMatch
        return str(real(name, *args, **kwargs))

    monkeypatch.setattr(deliveries, "reverse", without)
    page = page_of(client, fetched(receiver, team))
    assert RUN in page
    assert f"?q={RUN}" not in page


def test_a_hop_names_the_delivery_that_led_to_it(client, team, receiver):
    source = make_source(team=team)
    first = fetching.begin(source, method="GET", url=receiver.url, headers=[])
    redirect = fetching.Performed(
        fetching.Outcome("rejected", status_code=302, headers=[("Location", receiver.url + "/next")])
    )
    assert isinstance(first, fetching.Begun)
    then = fetching.hop(source, first, redirect, followed=0)
    assert isinstance(then, fetching.Begun)
    page = page_of(client, row(then.public_id))
    link = reverse("admin:webhooks_delivery_change", args=[first.pk])
    assert f'Follows the redirect of</dt><dd><a class="cz-link" href="{link}">{first.public_id}</a>' in page


def test_a_cut_body_says_so(client, team, receiver):
    page = page_of(client, fetched(receiver, team, method="POST", body=b"a" * (fetching.KEPT + 1)))
    assert "cut: the rest was not kept" in page
    assert "Content-Length" in page


def test_it_is_not_sent_again_whatever_is_posted(client, team, receiver):
    delivery = fetched(receiver, team)
    path = reverse("admin:webhooks_delivery_resend", args=[delivery.pk])
    for response in (client.get(path), client.post(path, {"form_token": str(uuid.uuid4())})):
        assert response.status_code == 302
    assert (Delivery.objects.count(), len(receiver.requests)) == (1, 1)
    assert "cannot be sent again" in client.get("/admin/webhooks/delivery/").content.decode()


def test_curl_for_every_method(team, receiver):
    delivery = fetched(receiver, team, method="HEAD")
    command = showing.curl(delivery, delivery.headers)
    assert command.startswith("curl --head ")
    assert "--data-raw" not in command
    delivery = fetched(receiver, team, method="PATCH", body=b"it's", headers=[("Authorization", f"Bearer {SECRET}")])
    command = showing.curl(delivery, delivery.headers)
    assert command.startswith("curl -X PATCH ")
    assert command.endswith("--data-raw 'it'\"'\"'s'")
    assert "Authorization: YOUR_AUTHORIZATION" in command
    assert "Content-Length" not in command
    assert showing.curl(Delivery(method="A;B", url="x"), {}) == "curl -X 'A;B' x"


def test_events_and_the_start_page_live_with_it(client, team, receiver):
    delivery = fetched(receiver, team)
    blocked(team)
    assert delivery.public_id in client.get(f"/admin/webhooks/event/{delivery.event_id}/change/").content.decode()
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "fetch by an action" in page.content.decode()


# --- words -----------------------------------------------------------------------------------------------------------

ADVICE = {
    ("rejected", 302, ""): 'Redirects are followed only where the action\'s code asks for it with redirect: "follow".',
    ("rejected", 401, ""): "Check the credential that the action runs with, and how its code sends it.",
    ("rejected", 404, ""): "Check the address in the action's code.",
    ("rejected", 503, ""): "The receiver was busy or broken. What to do then is up to the action's code.",
    ("rejected", 422, ""): "The receiver refused this request. Its answer below may say why.",
    ("rejected", None, "not_http"): "The receiver answered, but not in HTTP.",
    ("blocked", None, "header"): "Mend this in the action's code.",
    ("blocked", None, "credential_host"): "Or leave the secret out in the action's code.",
    ("not_sent", None, "dns"): "Nothing of this request left this server.",
    ("no_answer", None, "deadline"): (
        "Run the action again only if its receiver does not mind a request that it has already seen."
    ),
    ("interrupted", None, "worker_vanished"): (
        "Run the action again only if its receiver does not mind a request that it has already seen."
    ),
    ("delivered", 200, ""): "",
    ("sending", None, ""): "",
}


@pytest.mark.parametrize(("state", "status", "code"), ADVICE)
def test_advice_speaks_of_the_code_and_never_of_an_endpoint(state, status, code):
    delivery = Delivery(state=state, url="https://a.example/")
    delivery.attempt = Attempt(delivery=delivery, status_code=status, code=code, detail="", response_cut=False)
    described = describe(delivery)
    assert described.advice == ADVICE[state, status, code]
    assert "endpoint" not in described.sentence + described.advice


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://a.example/x?y", "a.example"),
        ("http://a.example:8000", "a.example:8000"),
        ("https://[2606:4700::1]/", "[2606:4700::1]"),
        ("javascript:x", "no address"),
        ("http://me@a.example/", "no address"),
        ("", "no address"),
    ],
)
def test_whom_it_went_to_in_a_word(url, receiver):
    assert receiver_of(Delivery(url=url)) == receiver


# --- API -------------------------------------------------------------------------------------------------------------


def test_the_api_has_no_endpoint_for_it(api, team, receiver):
    receiver.answer(body=f"echo {SECRET}".encode())
    delivery = fetched(receiver, team, method="PUT", headers=[("X-Key", SECRET)])
    body = api.get(f"/api/v1/deliveries/{delivery.public_id}").json()
    assert (body["endpoint"], body["safe_to_resend"], body["caused_by"]) == (None, "not_offered", RUN)
    assert (body["request"]["method"], body["request"]["is_cut"]) == ("PUT", False)
    assert body["request"]["url"] == f"{receiver.url}?key=…&city=…"
    assert {"name": "X-Key", "value": "••••••••"} in body["request"]["headers"]
    assert body["response"]["body"] == "echo ••••••••"
    assert body["event"]["type"] == "action.ran"


def test_the_api_lists_them_and_whatever_was_refused(api, team, receiver):
    wanted = [
        fetched(receiver, team, method="POST", body=b"a" * (fetching.KEPT + 1)),
        blocked(team),
        blocked(team, "javascript:alert(1)?a=b#c"),
        unfinished(receiver, team),
    ]
    listed = api.get("/api/v1/deliveries").json()["deliveries"]
    assert [line["id"] for line in listed] == [each.public_id for each in reversed(wanted)]
    assert {line["safe_to_resend"] for line in listed} == {"not_offered"}
    urls = {}
    for each in wanted:
        request = api.get(f"/api/v1/deliveries/{each.public_id}").json()["request"]
        urls[request["url"]] = request["is_cut"]
    assert list(urls.items())[:3] == [
        (f"{receiver.url}?key=…&city=…", True),
        ("http://[", False),
        ("javascript:alert(1)?a=…", False),
    ]


# --- what must leave them alone --------------------------------------------------------------------------------------


def test_a_replay_never_includes_them(team, receiver):
    endpoint = make_endpoint(team=team, url=receiver.url)
    missed = make_delivery(endpoint=endpoint)
    Delivery.objects.filter(pk=missed.pk).update(state="not_sent")
    blocked(team)
    hour = timedelta(hours=1)
    chosen = replaying.Range(endpoint, timezone.now() - hour, timezone.now() + hour, replaying.CHOICES)
    assert list(chosen.deliveries()) == [missed]
    assert replaying.preview(chosen).total == 1


def test_workers_and_sweepers_find_nothing_to_send(team, receiver):
    unfinished(receiver, team)
    fetched(receiver, team)
    assert sending.drain() == 0
    assert not sending.sweep()
    assert len(receiver.requests) == 1


def test_after_a_restore_a_fetch_is_interrupted_and_not_held(team, receiver):
    fetches = [unfinished(receiver, team), unfinished(receiver, team)]
    past = timezone.now() - timedelta(hours=1)
    Delivery.objects.update(deadline_at=past)
    queued = make_delivery(endpoint=make_endpoint(team=team))
    held = hold_after_restore(older_than=timezone.now() + timedelta(minutes=1))
    assert (held.queued, held.sending, held.interrupted) == (1, 0, 2)
    assert Delivery.objects.get(pk=queued.pk).state == State.HELD
    for each in fetches:
        after = row(each.public_id)
        assert (after.state, after.attempt.outcome, after.attempt.code) == (
            "interrupted",
            "interrupted",
            "worker_vanished",
        )
        assert after.finished_at is not None
    assert auditing.audit(whole=True).findings == []
