"""The page of a credential: what its kind cannot do is not said, and what cannot work is not saved."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from chatzuri.credentials import check_address, hosts_of, tail_of
from chatzuri.models import Credential, Team
from tests.factories import make_credential, make_team, make_user

pytestmark = pytest.mark.django_db

LIST = "/admin/chatzuri/credential/"
SLACK = "https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/XXXXXXXXXXXX7731"


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def owner(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="owner"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def errors_of(owner: Client, kind: str, **data: str) -> dict[str, list[str]]:
    """Of adding one; empty where it was saved."""
    response = owner.post(f"{LIST}add/?kind={kind}", {"name": "new", "allowed_operations": "read_only"} | data)
    return {} if response.status_code == 302 else dict(response.context["adminform"].form.errors)


def page_of(owner: Client, credential: Credential) -> str:
    return owner.get(f"{LIST}{credential.pk}/change/").content.decode()


MALFORMED = [
    "",
    "not an address",
    "https://[hooks.example/a-long-enough-path",
    "http://[::1",
    "https://a\u2100b.example/x",
]


@pytest.mark.parametrize("address", MALFORMED)
def test_an_address_that_was_stored_malformed_breaks_nothing(team: Team, owner: Client, address: str) -> None:
    assert hosts_of("webhook", {"webhook_url": address}) == frozenset()
    assert isinstance(tail_of(address), str)
    credential = make_credential(team=team, values={"webhook_url": address, "secret": "planted-secret-1"})
    assert "planted-secret-1" in credential.secret_values()
    assert credential.allowed_hosts() == frozenset()
    assert "May be sent to" in page_of(owner, credential)


@pytest.mark.parametrize(
    "address",
    [
        *MALFORMED[1:],
        "hooks.slack.com/services/T0",
        "ftp://a.example/",
        "https://",
        "https:///x",
        "https://a.example:x/",
    ],
)
def test_what_is_no_address_is_not_saved(owner: Client, address: str) -> None:
    [error] = errors_of(owner, "webhook", value_webhook_url=address)["value_webhook_url"]
    assert error == "Write a whole address with its host, like https://example.com/hook."
    assert "value_api_url" in errors_of(
        owner, "http_basic_auth", value_username="u", value_password="p", value_api_url=address
    )
    assert "lines" in errors_of(owner, "generic", lines=f"api_url={address}", hosts="a.example")
    assert not Credential.objects.exists()


def test_user_names_do_not_belong_into_an_address() -> None:
    with pytest.raises(ValidationError, match="without user name and password"):
        check_address("https://me:pass@a.example/")
    check_address("https://a.example/?who=me@example.com")


def test_the_host_of_an_address_is_said_and_its_path_is_not(owner: Client) -> None:
    assert errors_of(owner, "webhook", value_webhook_url=SLACK) == {}
    page = page_of(owner, Credential.objects.get())
    assert "Stored: ••••••••7731 at hooks.slack.com. Leave empty to keep it." in page
    assert "T0AAAAAAA" not in page


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("http_api_key", {"value_api_key": "k"}),
        ("http_bearer_token", {"value_bearer_token": "t"}),
        ("generic", {"lines": "token=t"}),
    ],
)
def test_a_new_secret_must_be_able_to_go_somewhere(owner: Client, kind: str, values: dict[str, str]) -> None:
    [error] = errors_of(owner, kind, **values)["hosts"]
    assert error.startswith("Name at least one host")
    assert errors_of(owner, kind, **values, hosts="api.example.com") == {}


def test_where_the_host_is_known_none_has_to_be_typed(team: Team, owner: Client) -> None:
    assert errors_of(owner, "stripe", value_secret_key="k") == {}
    assert errors_of(owner, "generic", name="other", lines="api_url=https://a.example/\ntoken=t") == {}
    older = make_credential(team=team, kind="http_api_key", values={"api_key": "k"})
    assert owner.post(f"{LIST}{older.pk}/change/", {"name": "renamed", "hosts": ""}).status_code == 302


def test_the_help_names_only_the_ways_a_kind_has(owner: Client) -> None:
    def help_of(kind: str) -> str:
        return str(owner.get(f"{LIST}add/?kind={kind}").context["adminform"].form.fields["hosts"].help_text)

    assert "only there and to the address above." in help_of("webhook")
    assert "only there and to the provider. Known already: api.stripe.com." in help_of("stripe")
    assert help_of("http_api_key").endswith("only there.")


def test_keeping_and_having_none_are_not_offered_together(team: Team, owner: Client) -> None:
    page = owner.get(f"{LIST}add/?kind=webhook").content.decode()
    assert "a custom action only where its code does so. Leave empty for none." in page
    assert "Leave empty to keep it." not in page
    values = {"webhook_url": "https://a.example/", "secret": "planted-secret-1"}
    page = page_of(owner, make_credential(team=team, values=values))
    assert "Leave empty to keep it." in page
    assert "Leave empty for none." not in page


def test_only_a_kind_with_a_profile_has_allowed_operations(team: Team, owner: Client) -> None:
    make_credential(team=team, allowed_operations="read_only")
    page = owner.get(LIST).content.decode()
    assert "Read only" not in page
    assert "–" in page
    stripe = make_credential(team=team, kind="stripe", values={"secret_key": "k"}, allowed_operations="read_only")
    assert "Read only" in owner.get(LIST).content.decode()
    assert "Read only: GET, HEAD. Read and write: also POST, PUT, PATCH." in page_of(owner, stripe)
