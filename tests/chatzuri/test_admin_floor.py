"""The base of every admin: roles, teams, secrets. The wall over all routes is in tests/test_wall.py."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chatzuri.models import ApiKey, Credential, Membership, Team, User
from tests.factories import PASSWORD, make_api_key, make_credential, make_delivery, make_endpoint, make_team, make_user
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return make_team(name="Acme")


@pytest.fixture
def sign_in(team: Team) -> Any:
    def sign_in(*, role: str = "owner", **fields: Any) -> Client:
        client = Client()
        user = make_user(team=team if role else None, role=role, **fields)
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def text_of(response: Any) -> str:
    return str(response.content.decode())


class TestSigningIn:
    def test_an_email_address_in_any_case_opens_the_home_page(self, team):
        make_user(team=team, email="ann@example.com")
        client = Client()
        response = client.post("/admin/login/", {"username": "Ann@Example.com", "password": PASSWORD}, follow=True)
        assert response.redirect_chain == [("/admin/", 302)]
        assert "E-mail address" in text_of(Client().get("/admin/login/"))

    def test_a_person_without_a_team_sees_nothing(self, team, sign_in):
        make_endpoint(team=team, name="secret-name")
        client = sign_in(role="")
        assert client.get("/admin/").status_code == 200
        assert client.get("/admin/webhooks/endpoint/").status_code == 403


class TestSwitchingTeams:
    def test_the_chosen_team_decides_what_is_listed(self, team, sign_in):
        other = make_team(name="Bakery")
        make_endpoint(team=team, name="acme-endpoint"), make_endpoint(team=other, name="bakery-endpoint")
        client = sign_in(email="two@example.com")
        Membership.objects.create(team=other, user=User.objects.get(email="two@example.com"))
        assert "acme-endpoint" in text_of(client.get("/admin/webhooks/endpoint/"))
        client.post(reverse("admin:chatzuri_team_switch"), {"team": other.public_id})
        page = text_of(client.get("/admin/webhooks/endpoint/"))
        assert "bakery-endpoint" in page
        assert "acme-endpoint" not in page

    def test_a_foreign_team_cannot_be_chosen(self, sign_in):
        client = sign_in()
        response = client.post(reverse("admin:chatzuri_team_switch"), {"team": make_team().public_id})
        assert response.status_code == 404
        assert "team" not in client.session

    def test_switching_needs_a_post_with_its_token(self, team, sign_in):
        assert sign_in().get(reverse("admin:chatzuri_team_switch")).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(make_user(team=team), backend="django.contrib.auth.backends.ModelBackend")
        assert strict.post(reverse("admin:chatzuri_team_switch"), {"team": team.public_id}).status_code == 403

    def test_an_operator_works_in_one_team_at_a_time(self, team):
        other = make_team()
        make_endpoint(team=team, name="first-endpoint"), make_endpoint(team=other, name="second-endpoint")
        client = Client()
        client.force_login(make_user(is_superuser=True), backend="django.contrib.auth.backends.ModelBackend")
        page = text_of(client.get("/admin/webhooks/endpoint/"))
        assert "first-endpoint" in page
        assert "second-endpoint" not in page


class TestForms:
    def test_choices_and_posted_ids_stay_inside_the_team(self, team, sign_in):
        foreign = make_credential(team=make_team())
        own = make_credential(team=team)
        client = sign_in()
        page = text_of(client.get(f"/admin/webhooks/endpoint/add/?credential={foreign.pk}"))
        assert str(own) in page
        assert str(foreign) not in page
        response = client.post("/admin/webhooks/endpoint/add/", {"name": "X", "url": "", "credential": foreign.pk})
        assert response.status_code == 200
        assert not Endpoint.objects.filter(name="X").exists()

    def test_a_posted_team_is_ignored(self, team, sign_in):
        other = make_team()
        sign_in().post("/admin/webhooks/endpoint/add/", {"name": "X", "url": "https://a.example/", "team": other.pk})
        assert Endpoint.objects.get(name="X").team == team

    def test_a_name_that_is_taken_is_said_on_the_form(self, team, sign_in):
        make_endpoint(team=team, name="CRM")
        response = sign_in().post("/admin/webhooks/endpoint/add/", {"name": "CRM", "url": "https://a.example/"})
        assert "Endpoint names are unique in a team." in text_of(response)
        assert Endpoint.objects.count() == 1

    def test_a_filter_lists_the_teams_own_values_only(self, team, sign_in):
        make_delivery(endpoint=make_endpoint(team=team, name="own-one"))
        make_endpoint(team=team, name="own-two"), make_endpoint(team=make_team(), name="foreign-one")
        page = text_of(sign_in().get("/admin/webhooks/delivery/"))
        assert "own-two" in page
        assert "foreign-one" not in page

    @pytest.mark.parametrize("lookup", ["user__memberships__team__name__startswith", "user__password__startswith"])
    def test_lookups_over_the_wall_are_refused(self, sign_in, lookup):
        assert sign_in().get(f"/admin/chatzuri/membership/?{lookup}=S").status_code == 400

    def test_a_key_cannot_be_guessed_by_its_digest(self, team, sign_in):
        make_api_key(team=team)
        assert sign_in().get("/admin/chatzuri/apikey/?digest__startswith=a").status_code == 400


class TestCredentials:
    SECRET = "planted-secret-value-7731"

    def add(self, client: Client, **data: str) -> Any:
        return client.post("/admin/chatzuri/credential/add/?kind=webhook", data)

    def test_the_kind_decides_the_fields(self, sign_in):
        client = sign_in()
        assert "Basic authentication" in text_of(client.get("/admin/chatzuri/credential/add/"))
        page = text_of(client.get("/admin/chatzuri/credential/add/?kind=http_basic_auth"))
        assert 'name="value_username"' in page
        assert 'name="value_secret_key"' not in page

    def test_a_secret_goes_in_and_never_comes_out(self, sign_in):
        client = sign_in()
        self.add(client, name="hook", value_webhook_url="https://a.example/hook", value_secret=self.SECRET)
        credential = Credential.objects.get()
        assert credential.reveal() == {"webhook_url": "https://a.example/hook", "secret": self.SECRET}
        for path in ("", f"{credential.pk}/change/", f"{credential.pk}/history/", f"{credential.pk}/delete/"):
            assert self.SECRET not in text_of(client.get(f"/admin/chatzuri/credential/{path}"))
        assert "••••••••7731" in text_of(client.get(f"/admin/chatzuri/credential/{credential.pk}/change/"))

    def test_a_mistake_elsewhere_does_not_send_the_secret_back(self, sign_in):
        response = self.add(sign_in(), name="", value_webhook_url="https://a.example/", value_secret=self.SECRET)
        assert response.status_code == 200
        assert self.SECRET not in text_of(response)

    def test_an_empty_field_keeps_and_a_tick_removes(self, team, sign_in):
        values = {"webhook_url": "https://a.example/", "secret": self.SECRET}
        credential, client = make_credential(team=team, values=values), sign_in()
        path = f"/admin/chatzuri/credential/{credential.pk}/change/"
        assert client.post(path, {"name": "renamed", "value_webhook_url": "", "value_secret": ""}).status_code == 302
        credential.refresh_from_db()
        assert (credential.name, credential.reveal()) == ("renamed", values)
        client.post(path, {"name": "renamed", "clear_secret": "on"})
        credential.refresh_from_db()
        assert credential.reveal() == {"webhook_url": "https://a.example/"}

    def test_the_generic_kind_takes_lines(self, sign_in):
        client = sign_in()
        path = "/admin/chatzuri/credential/add/?kind=generic"
        data = {"name": "g", "allowed_operations": "read_only", "hosts": "api.example.com", "lines": "a=1\nb = two=2"}
        client.post(path, data)
        credential = Credential.objects.get()
        assert credential.reveal() == {"a": "1", "b": "two=2"}
        change = f"/admin/chatzuri/credential/{credential.pk}/change/"
        client.post(change, {"name": "g", "allowed_operations": "read_only", "lines": "a=\nc=3"})
        credential.refresh_from_db()
        assert credential.reveal() == {"b": "two=2", "c": "3"}

    def test_a_credential_in_use_is_not_deleted_and_its_user_is_named(self, team, sign_in):
        credential, client = make_credential(team=team), sign_in()
        make_endpoint(team=team, name="CRM", credential=credential)
        response = client.post(f"/admin/chatzuri/credential/{credential.pk}/delete/", {"post": "yes"}, follow=True)
        assert "is still used by endpoint “CRM”" in text_of(response)
        data = {"action": "delete_selected", "_selected_action": [credential.pk], "post": "yes"}
        response = client.post("/admin/chatzuri/credential/", data, follow=True)
        assert "is still used by endpoint “CRM”" in text_of(response)
        assert Credential.objects.filter(pk=credential.pk).exists()

    def test_one_that_nobody_uses_is_deleted(self, team, sign_in):
        credential = make_credential(team=team)
        sign_in().post(f"/admin/chatzuri/credential/{credential.pk}/delete/", {"post": "yes"})
        assert not Credential.objects.exists()

    def test_a_member_sees_the_name_and_touches_nothing(self, team, sign_in):
        credential = make_credential(team=team, values={"webhook_url": "https://a.example/token-99887766"})
        client, path = sign_in(role="member"), f"/admin/chatzuri/credential/{credential.pk}/change/"
        page = text_of(client.get(path))
        assert credential.name in page
        assert "7766" not in page
        assert client.post(path, {"name": "mine"}).status_code == 403
        assert client.get("/admin/chatzuri/credential/add/?kind=webhook").status_code == 403
        assert client.post(f"/admin/chatzuri/credential/{credential.pk}/delete/", {"post": "yes"}).status_code == 403
        credential.refresh_from_db()
        assert credential.name != "mine"


class TestApiKeys:
    def test_a_key_is_shown_once_and_works_until_it_is_revoked(self, sign_in):
        client = sign_in()
        response = client.post("/admin/chatzuri/apikey/add/", {"name": "server"})
        secret = re.search(r"czk_[\w-]{40,}", text_of(response))[0]
        key = ApiKey.objects.for_secret(secret)
        assert key.name == "server"
        for path in ("/admin/chatzuri/apikey/", f"/admin/chatzuri/apikey/{key.pk}/change/"):
            assert secret not in text_of(client.get(path))
        client.post(reverse("admin:chatzuri_apikey_revoke", args=[key.pk]))
        assert ApiKey.objects.for_secret(secret) is None

    def test_a_member_has_none(self, team, sign_in):
        secret, client = make_api_key(team=team), sign_in(role="member")
        key = ApiKey.objects.get()
        assert client.get("/admin/chatzuri/apikey/").status_code == 403
        assert client.post("/admin/chatzuri/apikey/add/", {"name": "x"}).status_code == 403
        assert client.post(reverse("admin:chatzuri_apikey_revoke", args=[key.pk])).status_code == 403
        assert ApiKey.objects.for_secret(secret) == key


class TestMembers:
    ADD = "/admin/chatzuri/membership/add/"

    def test_a_new_person_gets_a_first_password_shown_once(self, team, sign_in):
        response = sign_in().post(self.ADD, {"email": "New@Example.com", "name": "New", "role": "member"})
        password = re.search(r'id="shown-once">([^<]+)<', text_of(response))[1]
        user = User.objects.get(email="new@example.com")
        assert user.check_password(password)
        assert Membership.objects.get(user=user).team == team

    def test_somebody_with_a_login_keeps_the_password(self, team, sign_in):
        user = make_user(email="known@example.com")
        response = sign_in().post(self.ADD, {"email": user.email, "role": "admin"})
        assert response.status_code == 302
        user.refresh_from_db()
        assert user.check_password(PASSWORD)
        assert Membership.objects.get(user=user, team=team).role == "admin"

    def test_a_team_keeps_an_owner(self, team, sign_in):
        client = sign_in()
        owner = Membership.objects.get()
        path = f"/admin/chatzuri/membership/{owner.pk}/"
        assert "needs an owner" in text_of(client.post(path + "change/", {"role": "member"}))
        assert "needs an owner" in text_of(client.post(path + "delete/", {"post": "yes"}, follow=True))
        data = {"action": "delete_selected", "_selected_action": [owner.pk], "post": "yes"}
        assert "needs an owner" in text_of(client.post("/admin/chatzuri/membership/", data, follow=True))
        owner.refresh_from_db()
        assert owner.role == "owner"

    def test_an_admin_neither_makes_nor_removes_owners(self, team, sign_in):
        make_user(team=team, role="owner"), make_user(team=team, role="owner")
        owner, client = Membership.objects.first(), sign_in(role="admin")
        client.post(self.ADD, {"email": "x@example.com", "role": "owner"})
        assert not User.objects.filter(email="x@example.com").exists()
        path = f"/admin/chatzuri/membership/{owner.pk}/"
        assert client.post(path + "change/", {"role": "member"}).status_code == 403
        assert client.post(path + "delete/", {"post": "yes"}).status_code == 403
        data = {"action": "delete_selected", "_selected_action": [owner.pk], "post": "yes"}
        client.post("/admin/chatzuri/membership/", data)
        assert Membership.objects.filter(role="owner").count() == 2

    def test_a_member_may_look_only(self, team, sign_in):
        client = sign_in(role="member")
        assert client.get("/admin/chatzuri/membership/").status_code == 200
        assert client.get(self.ADD).status_code == 403
        member = Membership.objects.get()
        assert client.post(f"/admin/chatzuri/membership/{member.pk}/change/", {"role": "owner"}).status_code == 403
        assert Membership.objects.get().role == "member"
