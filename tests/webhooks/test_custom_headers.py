"""Custom headers: judged when they are saved and again when they are sent, sent as they are, shown to nobody."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chatzuri.models import Team
from tests.factories import make_api_key, make_delivery, make_endpoint, make_team, make_user
from webhooks import sending
from webhooks.failures import Blocked
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db
SECRET = "Bearer planted-authorization-value"

CASES: list[tuple[str, dict[str, str]]] = [
    *[(f"G01 line break {n}", {"X-A": value}) for n, value in enumerate(("a\r\nX-Evil: 1", "a\nX", "a\rX"))],
    *[(f"G02 U+{ord(sign):04X}", {"X-A": f"a{sign}b"}) for sign in "\x00\x0b\x7f\x80\xe9\xff\u2028"],
    *[
        (f"G04 {name}", {name: "1"})
        for name in (
            "Host content-length TRANSFER-ENCODING TE Trailer Connection Upgrade Expect Keep-Alive Proxy-Authorization "
            "Proxy-Connection Content-Encoding Cookie Forwarded X-Forwarded-For X-Forwarded-Host hOsT"
        ).split()
    ],
    *[
        (f"G05 {name}", {name: "1"})
        for name in ("webhook-id", "Webhook_Timestamp", "WEBHOOK-SIGNATURE", "X-Chatzuri-Signature", "x_chatzuri_agent")
    ],
    ("G07 51 headers", {f"X-{n}": "1" for n in range(51)}),
    ("G07 one of 9 KB", {"X-A": "x" * 9 * 1024}),
    ("G07 over 16 KB", {f"X-{n}": "x" * 6000 for n in range(3)}),
    *[(f"G11 {name}", {name: "127.0.0.1"}) for name in ("X-Forwarded-For", "X-Original-URL", "X-HTTP-Method-Override")],
    ("name with a blank", {"X A": "1"}),
    ("name with a colon", {"X:A": "1"}),
]
each_case = pytest.mark.parametrize("headers", [headers for _, headers in CASES], ids=[name for name, _ in CASES])


@pytest.fixture
def team() -> Team:
    return make_team()


def client_of(team: Team, *, role: str = "owner") -> Client:
    client = Client()
    client.force_login(make_user(team=team, role=role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def save(client: Client, endpoint: Endpoint, rows: list[tuple[str, str, str]], **data: Any) -> str:
    """Post the endpoint's form; a row is (name, value, stored name)."""
    table = {
        "custom_headers_name": [row[0] for row in rows],
        "custom_headers_value": [row[1] for row in rows],
        "custom_headers_was": [row[2] for row in rows],
    }
    form = {"name": endpoint.name, "url": endpoint.url, "concurrency": 4, **table, **data}
    path = reverse("admin:webhooks_endpoint_change", args=[endpoint.pk])
    return str(client.post(path, form, follow=True).content.decode())


def stored(endpoint: Endpoint) -> dict[str, str]:
    return Endpoint.objects.get(pk=endpoint.pk).custom_headers()


@each_case
def test_refused_on_the_form(team, headers):
    endpoint = make_endpoint(team=team)
    page = save(client_of(team), endpoint, [(name, value, "") for name, value in headers.items()])
    assert stored(endpoint) == {}
    assert "errornote" in page or "Please correct" in page


@each_case
def test_refused_by_the_model(headers):
    endpoint = make_endpoint()
    with pytest.raises(Blocked) as refused:
        endpoint.replace_headers(headers)
    assert refused.value.code == "header"
    assert stored(endpoint) == {}


@pytest.mark.django_db(transaction=True)
@each_case
def test_refused_again_when_sent(receiver, headers):
    """However it got into the row: a restored backup, an older release, a filled-in template."""
    endpoint = make_endpoint(url=receiver.url, headers=json.dumps(headers))
    delivery = sending.send(make_delivery(endpoint=endpoint))
    assert (delivery.state, delivery.attempt.code) == ("blocked", "header")
    assert receiver.requests == []


def test_a_header_is_saved_and_its_value_never_comes_back(team):
    client, endpoint = client_of(team), make_endpoint(team=team)
    page = save(client, endpoint, [("Authorization", SECRET, ""), ("", "", "")])
    assert stored(endpoint) == {"Authorization": SECRET}
    row = Endpoint.objects.filter(pk=endpoint.pk).values_list("headers", flat=True).get()
    assert "planted" not in str.__str__(row)
    for text in (page, client.get(reverse("admin:webhooks_endpoint_change", args=[endpoint.pk])).content.decode()):
        assert "planted" not in text
    assert "Authorization" in text
    assert "••••••••alue, leave empty to keep" in text


def test_an_empty_value_keeps_a_new_name_renames_and_removing_removes(team):
    client, endpoint = client_of(team), make_endpoint(team=team)
    endpoint.replace_headers({"Authorization": SECRET, "X-Plain": "1"})
    save(client, endpoint, [("Authorization", "", "Authorization"), ("X-Plain", "2", "X-Plain")])
    assert stored(endpoint) == {"Authorization": SECRET, "X-Plain": "2"}
    save(client, endpoint, [("X-Auth", "", "Authorization"), ("X-Plain", "", "X-Plain")])
    assert stored(endpoint) == {"X-Auth": SECRET, "X-Plain": "2"}
    rows = [("X-Auth", "", "X-Auth"), ("X-Plain", "", "X-Plain")]
    save(client, endpoint, rows, custom_headers_removed=["X-Auth"])
    assert stored(endpoint) == {"X-Plain": "2"}


def test_a_form_without_the_table_leaves_them_alone(team):
    endpoint = make_endpoint(team=team)
    endpoint.replace_headers({"Authorization": SECRET})
    path = reverse("admin:webhooks_endpoint_change", args=[endpoint.pk])
    client_of(team).post(path, {"name": "Renamed", "url": endpoint.url})
    endpoint.refresh_from_db()
    assert (endpoint.name, stored(endpoint)) == ("Renamed", {"Authorization": SECRET})


def test_a_mistake_elsewhere_does_not_send_the_typed_value_back(team):
    endpoint = make_endpoint(team=team)
    page = save(client_of(team), endpoint, [("Authorization", SECRET, "")], url="ftp://nowhere.example/")
    assert "planted" not in page
    assert stored(endpoint) == {}


@pytest.mark.parametrize("rows", [[("X-A", "1", ""), ("x-a", "2", "")], [("X-A", "", "")], [("", "1", "")]])
def test_twice_without_a_value_or_without_a_name(team, rows):
    endpoint = make_endpoint(team=team)
    save(client_of(team), endpoint, rows)
    assert stored(endpoint) == {}


def test_a_member_cannot_read_a_value_by_sending_it_elsewhere(team):
    endpoint = make_endpoint(team=team)
    endpoint.replace_headers({"Authorization": SECRET})
    kept = [("Authorization", "", "Authorization")]
    page = save(client_of(team, role="member"), endpoint, kept, url="https://mine.example/")
    endpoint.refresh_from_db()
    assert "type the values again" in page
    assert endpoint.url == "https://receiver.example/hook"
    save(
        client_of(team, role="member"),
        endpoint,
        [("Authorization", "another", "Authorization")],
        url="https://b.example/",
    )
    endpoint.refresh_from_db()
    assert (endpoint.url, stored(endpoint)) == ("https://b.example/", {"Authorization": "another"})
    save(client_of(team), endpoint, kept, url="https://owner.example/")
    endpoint.refresh_from_db()
    assert endpoint.url == "https://owner.example/"


def test_the_limits_of_an_endpoint(team):
    client, endpoint = client_of(team), make_endpoint(team=team)
    save(client, endpoint, [], concurrency=2, rate_per_minute=30, is_ordered="on")
    endpoint.refresh_from_db()
    assert (endpoint.concurrency, endpoint.rate_per_minute, endpoint.is_ordered) == (2, 30, True)
    for wrong in ({"concurrency": 0}, {"concurrency": 33}, {"rate_per_minute": 0}):
        save(client, endpoint, [], **wrong)
    endpoint.refresh_from_db()
    assert (endpoint.concurrency, endpoint.rate_per_minute) == (2, 30)


@pytest.mark.django_db(transaction=True)
def test_it_is_sent_as_it_is_and_masked_wherever_it_could_be_read(receiver, team, caplog):
    caplog.set_level("DEBUG")
    endpoint = make_endpoint(team=team, url=receiver.url)
    endpoint.replace_headers({"Authorization": SECRET, "X-Plain": "planted-plain-value"})
    receiver.answer(status=401, body=f'{{"you sent": "{SECRET}"}}'.encode())
    delivery = sending.send(make_delivery(endpoint=endpoint))
    (request,) = receiver.requests
    assert (request.headers["Authorization"], request.headers["X-Plain"]) == (SECRET, "planted-plain-value")

    reader = Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})
    pages = [reader.get(f"/api/v1/deliveries/{delivery.public_id}").content.decode(), caplog.text]
    for name in ("change", "live", "resend"):
        path = reverse(f"admin:webhooks_delivery_{name}", args=[delivery.pk])
        pages.append(client_of(team).get(path).content.decode())
    for page in pages:
        assert "planted" not in page
    assert "Authorization: YOUR_AUTHORIZATION" in pages[2]
    assert "X-Plain: YOUR_X_PLAIN" in pages[2]


@pytest.mark.django_db(transaction=True)
def test_ours_win_over_a_customers(receiver):
    """A customer's Content-Type changes how the body is read, so it is ours."""
    endpoint = make_endpoint(url=receiver.url)
    endpoint.replace_headers({"User-Agent": "theirs", "content-type": "text/plain"})
    sending.send(make_delivery(endpoint=endpoint))
    sent = receiver.requests[0].headers
    assert sent["Content-Type"] == "application/json"
    assert [name.lower() for name in sent].count("content-type") == 1
