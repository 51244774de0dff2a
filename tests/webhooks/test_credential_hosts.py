"""Where a credential's secrets may go: typed by owners and admins, and heeded by every fetch."""

from typing import Any

import pytest
from django.test import Client

from chatzuri.models import Credential, Team
from tests.factories import make_credential, make_team, make_user
from tests.webhooks import receivers
from tests.webhooks.fetches import fetch, make_source
from tests.webhooks.receivers import OK, Receiver, answering

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def sign_in(team: Team) -> Any:
    def sign_in(role: str = "owner") -> Client:
        client = Client()
        user = make_user(team=team, role=role)
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def path_of(credential: Credential) -> str:
    return f"/admin/chatzuri/credential/{credential.pk}/change/"


def type_hosts(client: Client, credential: Credential, hosts: str) -> list[str]:
    """The errors of the field."""
    data = {"name": credential.name, "allowed_operations": "read_only", "hosts": hosts}
    response = client.post(path_of(credential), data)
    return [] if response.status_code == 302 else list(response.context["adminform"].form.errors["hosts"])


def test_hosts_are_kept_as_they_are_compared(team: Team, sign_in: Any) -> None:
    credential = make_credential(team=team, kind="http_api_key", values={"api_key": "planted-secret-1"})
    typed = " API.OpenWeatherMap.org \n\napi.openweathermap.org.\nbücher.example\r\n93.184.215.14\n"
    assert type_hosts(sign_in(), credential, typed) == []
    credential.refresh_from_db()
    assert credential.hosts == "api.openweathermap.org\nxn--bcher-kva.example\n93.184.215.14"
    assert credential.allowed_hosts() == {"api.openweathermap.org", "xn--bcher-kva.example", "93.184.215.14"}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("https://api.example.com", "without https://"),
        ("api.example.com/v1", "without a path"),
        ("api.example.com:8443", "without a port"),
        ("[2606:4700::1111]", "without a port"),
        ("me@api.example.com", "without a user name"),
        ("*.example.com", "A star is not understood."),
        ("good.example\nlocalhost", "“localhost” is not the full name of a host."),
        ("two words.example", "“two words.example” is not the full name"),
        ("a..example", "“a..example” is not the full name"),
        ("-a.example", "“-a.example” is not the full name"),
        ("a_b.example", "“a_b.example” is not the full name"),
        ("ß\u2028.example", "is not the full name of a host"),
        ("a" * 64 + ".example", "is not the full name of a host"),
        ("a.example\x00", "Null characters are not allowed."),
        ("a.example\n" * 400, "at most 2000 characters"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(team: Team, sign_in: Any, typed: str, sentence: str) -> None:
    credential = make_credential(team=team)
    [error] = type_hosts(sign_in(), credential, typed)
    assert sentence in error
    credential.refresh_from_db()
    assert credential.hosts == ""


def test_the_hosts_that_are_known_already_are_said(team: Team, sign_in: Any) -> None:
    hook = make_credential(team=team, values={"webhook_url": "https://hooks.example/T0K3N?k=1", "secret": "abc"})
    stripe = make_credential(team=team, kind="stripe", values={"secret_key": "planted-stripe"})
    key = make_credential(team=team, kind="http_api_key", values={"api_key": "planted-key"})
    broken = make_credential(team=team, values={"webhook_url": "https://[hooks.example/"})
    client = sign_in("admin")
    assert "Known already" not in client.get(path_of(broken)).content.decode()
    page = client.get(path_of(hook)).content.decode()
    assert "May be sent to" in page
    assert "Known already: hooks.example." in page
    assert "T0K3N" not in page
    assert "Known already: api.stripe.com." in client.get(path_of(stripe)).content.decode()
    assert "Known already" not in client.get(path_of(key)).content.decode()
    assert (
        "Known already: api.stripe.com." in client.get("/admin/chatzuri/credential/add/?kind=stripe").content.decode()
    )


def test_a_new_credential_takes_them_too(team: Team, sign_in: Any) -> None:
    data = {"name": "weather", "value_api_key": "planted-key-1", "hosts": "api.openweathermap.org"}
    sign_in().post("/admin/chatzuri/credential/add/?kind=http_api_key", data)
    assert Credential.objects.get().allowed_hosts() == {"api.openweathermap.org"}


def test_a_member_may_not_open_new_ways_for_a_secret(team: Team, sign_in: Any) -> None:
    credential = make_credential(team=team)
    client = sign_in("member")
    response = client.post(path_of(credential), {"name": credential.name, "hosts": "evil.example"})
    assert response.status_code == 403
    assert 'name="hosts"' not in client.get(path_of(credential)).content.decode()
    credential.refresh_from_db()
    assert credential.hosts == ""


def test_a_host_that_was_added_lets_the_next_fetch_through(
    team: Team, sign_in: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    receivers.let_in(monkeypatch, settings)
    credential = make_credential(team=team, kind="http_api_key", values={"api_key": "planted-secret-1"})
    with Receiver(answering(OK)) as receiver:

        def attempt() -> tuple[str, str]:
            credential.refresh_from_db()
            secrets, hosts = credential.secret_values(), credential.allowed_hosts()
            source = make_source(team=team, secrets=secrets, hosts=hosts)
            return fetch(source, receiver.url(), headers=[("X-Key", "planted-secret-1")]).outcome

        assert attempt() == ("blocked", "credential_host")
        assert receiver.connections == 0
        assert type_hosts(sign_in(), credential, "Receiver.example") == []
        assert attempt() == ("delivered", "")
