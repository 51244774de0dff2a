"""The panel of the editor in which an action, saved or not, is tested."""

from typing import Any

import pytest
from django.test import Client

from agents import running
from agents.models import ActionRun
from tests.agents.admin.actions import STARTER, posted
from tests.agents.admin.pages import logged_in, page, text
from tests.factories import make_action, make_credential, make_team, make_user

pytestmark = pytest.mark.django_db
SECRET = "planted-secret-of-a-credential-55"


class TestPanel:
    def run(self, client: Client, address: str, **data: Any) -> Any:
        return client.post(address, posted({"name": "email", "required": "1", "format": "email"}) | data)

    def test_a_draft_is_queued_with_what_was_typed(self, owner, team):
        credential = make_credential(team=team, values={"webhook_url": "https://a.example/", "secret": SECRET})
        response = self.run(
            owner,
            page("customaction_test_draft"),
            **{"value-email": "a@b.co", "credential": credential.pk, "config": '{"list": 1}', "code": "return 7;"},
        )
        run = ActionRun.objects.get(team=team)
        assert (run.purpose, run.state, run.code, run.version) == ("test", "queued", "return 7;", None)
        assert (run.params, run.config, run.credential) == ({"email": "a@b.co"}, {"list": 1}, credential)
        assert run.started_by.name == "Olga"
        assert page("actionrun_panel", run.pk) in text(response)
        assert SECRET not in text(response)

    def test_a_test_of_what_is_saved_points_at_its_version(self, owner, team):
        action = make_action(team=team, code=STARTER)
        self.run(owner, page("customaction_test", action.pk), **{"value-email": "a@b.co"})
        run = ActionRun.objects.get(team=team)
        assert (run.action, run.version, run.draft) == (action, action.current, "")

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({}, "email: Fill it in"),
            ({"value-email": "nonsense"}, "email: "),
            ({"value-email": "a@b.co", "config": "{"}, "Configuration: Write a JSON object"),
            ({"value-email": "a@b.co", "code": "  "}, "There is no code to run."),
            ({"value-email": "a@b.co", "parameter-default": ["x"], "parameter-type": ["integer"]}, "whole number"),
        ],
    )
    def test_what_does_not_fit_is_said_and_nothing_runs(self, owner, team, data, words):
        response = self.run(owner, page("customaction_test_draft"), **data)
        assert words in text(response)
        assert not ActionRun.objects.filter(team=team).exists()

    def test_another_teams_credential_is_not_found_and_nothing_runs(self, owner, team):
        theirs = make_credential(team=make_team())
        data = {"value-email": "a@b.co", "credential": theirs.pk}
        assert self.run(owner, page("customaction_test_draft"), **data).status_code == 404
        assert not ActionRun.objects.exists()

    def test_a_member_uses_credentials_by_name_and_sees_no_value(self, team):
        make_credential(team=team, values={"webhook_url": "https://a.example/path-token-9", "secret": SECRET})
        html = text(logged_in(make_user(team=team, role="member")).get(page("customaction_add")))
        assert "(Webhook)" in html
        assert SECRET not in html
        assert "path-token-9" not in html

    def test_too_many_at_once_are_told_to_wait(self, owner, team, monkeypatch):
        monkeypatch.setattr(running, "MOST_WAITING", 1)
        for _ in range(2):
            response = self.run(owner, page("customaction_test_draft"), **{"value-email": "a@b.co"})
        assert "Too many actions" in text(response)
        assert ActionRun.objects.count() == 1
