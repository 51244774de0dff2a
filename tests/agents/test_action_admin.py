"""The admin of custom actions: the list, the editor, tests, versions, the library, installs, runs and approvals."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents import ledger, library, running
from agents.admin import run_words
from agents.admin.drafts import Row, Unreadable, allowed_values, as_text, row_of, typed
from agents.models import ActionRun, CustomAction, Tool, ToolCall
from tests.agents.rows import finished
from tests.factories import (
    install,
    make_action,
    make_agent,
    make_conversation,
    make_credential,
    make_delivery,
    make_endpoint,
    make_team,
    make_tool,
    make_user,
)
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
SECRET = "planted-secret-of-a-credential-55"
STARTER = "return { success: true };"


@pytest.fixture(autouse=True)
def nobody_looks_at_the_syntax(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is running for most of these tests: do not wait for one."""
    monkeypatch.setattr(running, "CHECK_PATIENCE", 0.05)


@pytest.fixture
def team() -> Any:
    return make_team(name="Alpha")


@pytest.fixture
def owner(team: Any) -> Client:
    return logged_in(make_user(team=team, name="Olga"))


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:agents_{name}", args=args)


def posted(*rows: dict[str, str], **changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"title": "Send the lead", "name": "send_lead", "description": "Sends it.", "code": STARTER}
    for cell in ("name", "type", "required", "description", "enum", "default", "format"):
        data[f"parameter-{cell}"] = [({"type": "string"} | row).get(cell, "") for row in rows]
    return data | changes


def text(response: Any) -> str:
    return str(response.content.decode())


class TestList:
    def test_an_empty_list_offers_two_ways_on(self, owner):
        html = text(owner.get(page("customaction_changelist")))
        assert page("customaction_library") in html
        assert page("customaction_add") in html
        assert "No custom actions yet" in html

    def test_a_row_says_version_agents_and_last_run(self, owner, team):
        action = make_action(team=team, title="Send the lead")
        install(action=action, agent=make_agent(team=team, name="Front desk"))
        make_run(team=team, action=action, state="failed", kind="thrown")
        make_run(team=team, action=action, purpose="check", state="failed", kind="syntax")
        html = text(owner.get(page("customaction_changelist")))
        for words in ("Send the lead", "Front desk", "threw an error", action.name):
            assert words in html
        assert "syntax error" not in html
        assert page("customaction_library") in html

    def test_it_costs_the_same_with_many_actions(self, owner, team, django_assert_max_num_queries: Any):
        for _ in range(8):
            action = make_action(team=team)
            install(action=action, agent=make_agent(team=team))
            make_run(team=team, action=action)
        with django_assert_max_num_queries(16):
            assert owner.get(page("customaction_changelist")).status_code == 200

    def test_an_installed_action_is_not_deleted_and_the_agent_is_named(self, owner, team):
        action = make_action(team=team)
        install(action=action, agent=make_agent(team=team), title="Tell the CRM")
        response = owner.post(page("customaction_delete", action.pk), {"post": "yes"}, follow=True)
        assert "Tell the CRM" in text(response)
        assert CustomAction.objects.filter(pk=action.pk).exists()


class TestEditor:
    def test_a_new_action_is_saved_with_its_parameters(self, owner, team):
        rows = [
            {"name": "email", "required": "1", "description": "Their address", "format": "email"},
            {"name": "size", "enum": "small, large", "default": "small"},
            {"name": "count", "type": "integer", "enum": "1, 2", "default": "2"},
            {"name": "tags", "type": "array", "default": '["a"]'},
            {"name": "conversation_id", "type": "integer", "required": "1"},
            {},
        ]
        response = owner.post(page("customaction_add"), posted(*rows))
        action = CustomAction.objects.get(team=team)
        assert response["Location"] == page("customaction_change", action.pk)
        stored = {one["name"]: one for one in action.current.parameters}
        assert stored["email"]["format"] == "email"
        assert stored["email"]["required"] is True
        assert stored["size"]["enum"] == ["small", "large"]
        assert (stored["count"]["enum"], stored["count"]["default"]) == ([1, 2], 2)
        assert stored["tags"]["default"] == ["a"]
        assert (stored["conversation_id"]["type"], stored["conversation_id"]["required"]) == ("string", False)
        assert len(stored) == 5
        assert action.current.author.name == "Olga"

    def test_what_was_saved_is_shown_as_it_would_be_typed(self, owner, team):
        parameters = [
            {"name": "size", "type": "string", "description": "", "required": False, "enum": ["a, b", "c"]},
            {"name": "rate", "type": "number", "description": "", "required": True, "default": 2.5},
        ]
        action = make_action(team=team, parameters=parameters)
        html = text(owner.get(page("customaction_change", action.pk)))
        assert "[&quot;a, b&quot;, &quot;c&quot;]" in html
        assert 'value="2.5"' in html
        again = [row_of(one).declaration() | {"format": ""} for one in parameters]
        assert [one.get("enum") for one in again] == [["a, b", "c"], None]
        assert again[1]["default"] == 2.5

    def test_a_form_with_many_errors_shows_each_beside_its_field_and_loses_nothing(self, owner, team):
        rows = [
            {"name": "1st"},
            {"name": "count", "type": "integer", "default": "many"},
            {"name": "size", "enum": "a, b", "default": "c"},
            {"name": "twice"},
            {"name": "twice"},
        ]
        data = posted(*rows, title="", name="Send Lead", code="return 'kept <b>';", note="a kept note")
        html = text(response := owner.post(page("customaction_add"), data))
        assert not CustomAction.objects.filter(team=team).exists()
        draft = response.context["draft"]
        assert set(draft.errors) == {"title", "name"}
        assert [bool(row.errors) for row in draft.rows] == [True, True, True, False, True]
        assert draft.rows[1].errors == ["Default: Write a whole number, for example 3."]
        for kept in ('value="1st"', 'value="many"', "return &#x27;kept &lt;b&gt;&#x27;;", "a kept note", "Send Lead"):
            assert kept in html
        assert "nothing you typed is lost" in html

    def test_a_name_that_is_taken_is_refused_beside_its_field(self, owner, team):
        make_action(team=team, name="send_lead")
        response = owner.post(page("customaction_add"), posted())
        assert response.context["draft"].errors == {
            "name": ["Your team has an action with this name. Choose another one."]
        }
        assert CustomAction.objects.filter(team=team).count() == 1

    def test_another_teams_name_is_free(self, owner, team):
        make_action(name="send_lead")
        owner.post(page("customaction_add"), posted())
        assert CustomAction.objects.get(team=team).name == "send_lead"

    def test_a_change_of_the_code_is_a_new_version_and_of_the_title_is_none(self, owner, team):
        action = make_action(team=team, code=STARTER)
        for code, title in ((STARTER, "Renamed"), ("return 2;", "Renamed")):
            owner.post(page("customaction_change", action.pk), posted(code=code, title=title))
        action.refresh_from_db()
        assert (action.title, action.current.number, action.current.code) == ("Renamed", 2, "return 2;")

    def test_whoever_wrote_on_an_older_version_is_told(self, owner, team):
        action = make_action(team=team)
        change = page("customaction_change", action.pk)
        owner.post(change, posted(code="return 'theirs';", based_on="1"))
        html = text(owner.post(change, posted(code="return 'mine';", based_on="1"), follow=True))
        assert "Somebody saved version 2 while you were writing" in html
        action.refresh_from_db()
        assert action.current.number == 3

    def test_written_for_an_agent_it_is_installed_there(self, owner, team):
        agent = make_agent(team=team)
        response = owner.post(page("customaction_add"), posted(agent=agent.pk))
        tool = Tool.objects.get(agent=agent)
        assert (tool.name, tool.is_active) == ("send_lead", True)
        assert response["Location"] == page("agent_tools", agent.pk) + "#tool-send_lead"

    def test_what_reads_a_credential_waits_for_it_switched_off(self, owner, team):
        agent = make_agent(team=team)
        code = "return credentials.secret.length;"
        html = text(owner.post(page("customaction_add"), posted(agent=agent.pk, code=code), follow=True))
        assert Tool.objects.get(agent=agent).is_active is False
        assert "choose its credential" in html

    def test_hostile_code_is_inert_on_the_page(self, owner, team):
        action = make_action(team=team, code="</textarea><script>alert(1)</script>")
        assert "<script>alert(1)" not in text(owner.get(page("customaction_change", action.pk)))

    def test_the_pages_have_no_script_inside(self, owner, team):
        action = make_action(team=team)
        run = make_run(team=team, action=action, result={"a": 1})
        for address in (
            page("customaction_change", action.pk),
            page("customaction_versions", action.pk),
            page("customaction_ready", "post-json"),
            page("actionrun_change", run.pk),
        ):
            html = text(owner.get(address))
            ours = html[html.index('class="ag-page"') :]
            assert not re.findall(r"<script(?![^>]* src=)", ours)
            assert " onclick=" not in ours
            assert " onsubmit=" not in ours


@pytest.mark.django_db(transaction=True)
def test_a_syntax_error_is_shown_at_its_line_and_nothing_is_saved(worker: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(running, "CHECK_PATIENCE", 20)
    team = make_team()
    client = logged_in(make_user(team=team))
    response = client.post(page("customaction_add"), posted(code="const a = 1;\nreturn a b;\n"))
    assert not CustomAction.objects.filter(team=team).exists()
    assert response.context["draft"].failed_line == 2
    assert 'data-failed-line="2"' in text(response)
    assert "The code cannot be read (line 2)" in text(response)


class TestCells:
    @pytest.mark.parametrize(
        ("kind", "typed_text", "value"),
        [
            ("string", "a, b", "a, b"),
            ("integer", " 3 ", 3),
            ("number", "2.5", 2.5),
            ("boolean", "Yes", True),
            ("boolean", "false", False),
            ("array", "[1]", [1]),
            ("object", '{"a": 1}', {"a": 1}),
        ],
    )
    def test_text_becomes_the_value_of_its_type(self, kind, typed_text, value):
        assert typed(typed_text, kind) == value

    @pytest.mark.parametrize(
        ("kind", "typed_text"),
        [
            ("integer", "3.5"),
            ("number", "NaN"),
            ("number", "true"),
            ("boolean", "perhaps"),
            ("array", "{}"),
            ("object", "[]"),
            ("object", "{"),
        ],
    )
    def test_what_is_no_such_value_is_refused(self, kind, typed_text):
        with pytest.raises(Unreadable):
            typed(typed_text, kind)

    def test_allowed_values_have_commas_between_them_or_are_json(self):
        assert allowed_values("a, b ,,c", "string") == ["a", "b", "c"]
        assert allowed_values('["a, b"]', "string") == ["a, b"]
        assert allowed_values("1, 2", "integer") == [1, 2]

    def test_as_text_and_back(self):
        for kind, value in (("string", "x"), ("integer", 3), ("boolean", True), ("object", {"a": [1]})):
            assert typed(as_text(value, kind), kind) == value

    def test_a_row_that_is_filled_in_asks_for_nothing(self):
        assert Row(name="channel", type="integer", required="1", default="x").declaration()["type"] == "string"


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


class TestVersions:
    def test_differences_and_a_restore_that_can_be_undone(self, owner, team):
        action = make_action(team=team, code="return 1;\n")
        change = page("customaction_change", action.pk)
        owner.post(change, posted({"name": "email"}, code="return 2;\n", note="Two is better"))
        html = text(owner.get(page("customaction_versions", action.pk)))
        for words in ("Two is better", "Olga", "-return 1;", "+return 2;", "&quot;name&quot;: &quot;email&quot;"):
            assert words in html
        html = text(owner.post(page("customaction_restore", action.pk, 1), follow=True))
        assert "Version 1 is back, as version 3. To undo this, restore version 2 below." in html
        action.refresh_from_db()
        assert (action.current.number, action.current.code) == (3, "return 1;\n")
        owner.post(page("customaction_restore", action.pk, 2))
        action.refresh_from_db()
        assert (action.current.number, action.current.code) == (4, "return 2;\n")

    def test_with_the_current_one(self, owner, team):
        action = make_action(team=team, code="return 1;")
        for code in ("return 2;", "return 3;"):
            owner.post(page("customaction_change", action.pk), posted(code=code))
        html = text(owner.get(page("customaction_versions", action.pk) + "?version=3&against=1"))
        assert "-return 1;" in html
        assert "+return 3;" in html

    @pytest.mark.parametrize("query", ["?version=99", "?version=x&against=-1", "?version=" + "9" * 40])
    def test_odd_numbers_do_no_harm(self, owner, team, query):
        assert owner.get(page("customaction_versions", make_action(team=team).pk) + query).status_code == 200

    def test_a_look_restores_nothing(self, owner, team):
        action = make_action(team=team)
        assert owner.get(page("customaction_restore", action.pk, 1)).status_code == 405
        assert owner.post(page("customaction_restore", action.pk, 7)).status_code == 404
        assert action.versions.count() == 1


class TestLibrary:
    def test_every_ready_action_has_a_card_and_a_page(self, owner):
        html = text(owner.get(page("customaction_library")))
        for ready in library.READY.values():
            assert page("customaction_ready", ready.slug) in html
            assert ready.title in text(owner.get(page("customaction_ready", ready.slug)))

    def test_two_clicks_from_the_tab_to_installed(self, owner, team):
        agent = make_agent(team=team)
        first = page("customaction_library") + f"?agent={agent.pk}"
        assert first in text(owner.get(page("agent_tools", agent.pk)))
        assert f'name="agent" value="{agent.pk}"' in text(owner.get(first))
        response = owner.post(page("customaction_ready", "post-json"), {"agent": agent.pk})
        tool = Tool.objects.get(agent=agent)
        assert tool.action.current.code == library.READY["post-json"].code
        assert tool.is_active is False
        assert response["Location"] == f"{page('agent_tools', agent.pk)}#tool-{tool.name}"

    def test_with_a_credential_it_is_switched_on(self, owner, team):
        agent, credential = make_agent(team=team), make_credential(team=team)
        owner.post(page("customaction_ready", "post-json"), {"agent": agent.pk, "credential": credential.pk})
        tool = Tool.objects.get(agent=agent)
        assert (tool.is_active, tool.credential) == (True, credential)

    def test_only_the_one_credential_of_a_provider_is_obvious(self, owner, team):
        make_credential(team=team)
        assert "Uses your credential" not in text(owner.get(page("customaction_library")))
        only = make_credential(team=team, kind="stripe", values={"secret_key": "sk_test_1234567890"})
        assert f"Uses your credential {only.name}" in text(owner.get(page("customaction_library")))
        make_credential(team=team, kind="stripe", values={"secret_key": "sk_test_1234567890"})
        assert "Uses your credential" not in text(owner.get(page("customaction_library")))

    def test_without_an_agent_it_goes_on_in_the_editor(self, owner, team):
        response = owner.post(page("customaction_ready", "post-json"))
        assert response["Location"] == page("customaction_change", CustomAction.objects.get(team=team).pk)

    @pytest.mark.parametrize("field", ["agent", "credential"])
    def test_another_teams_rows_are_not_found_and_nothing_is_added(self, owner, team, field):
        theirs = make_agent() if field == "agent" else make_credential(team=make_team())
        assert owner.post(page("customaction_ready", "post-json"), {field: theirs.pk}).status_code == 404
        assert not CustomAction.objects.exists()
        assert not Tool.objects.exists()


class TestInstalls:
    def saved(self, client: Client, tool: Tool, **changes: Any) -> Any:
        data = {"is_active": "on", "repeats": "window", "repeat_minutes": 10, "example_phrases": "Go"}
        return client.post(page("agent_save_install", tool.agent.pk, tool.action.pk), data | changes)

    def test_a_row_saves_everything_about_the_install(self, owner, team):
        tool, credential = install(action=make_action(team=team)), make_credential(team=team)
        self.saved(
            owner,
            tool,
            credential=credential.pk,
            config='{"list": "leads"}',
            when_to_use="When asked",
            needs_approval="on",
            calls_per_conversation=2,
            calls_per_day=50,
        )
        tool.refresh_from_db()
        assert (tool.credential, tool.config, tool.when_to_use) == (credential, {"list": "leads"}, "When asked")
        assert (tool.needs_approval, tool.calls_per_conversation, tool.calls_per_day) == (True, 2, 50)

    def test_errors_stay_in_their_row_with_what_was_typed(self, owner, team):
        agent = make_agent(team=team)
        tools = [install(action=make_action(team=team), agent=agent) for _ in range(2)]
        html = text(response := self.saved(owner, tools[0], config="{nonsense", calls_per_day=0))
        forms = {form.instance.pk: form for form in response.context["installs"]}
        assert set(forms[tools[0].pk].errors) == {"config", "calls_per_day"}
        assert not forms[tools[1].pk].errors
        assert "{nonsense" in html
        tools[0].refresh_from_db()
        assert tools[0].calls_per_day is None

    @pytest.mark.parametrize("config", ["[1]", '"text"', '{"a": NaN}', '{"a": "\\u0000"}'])
    def test_a_configuration_is_a_json_object_that_can_be_kept(self, owner, team, config):
        tool = install(action=make_action(team=team))
        assert self.saved(owner, tool, config=config).status_code == 200
        tool.refresh_from_db()
        assert tool.config == {}

    def test_another_teams_credential_cannot_be_chosen(self, owner, team):
        tool, theirs = install(action=make_action(team=team)), make_credential(team=make_team())
        response = self.saved(owner, tool, credential=theirs.pk)
        assert "Select a valid choice" in text(response)
        tool.refresh_from_db()
        assert tool.credential is None

    def test_a_member_installs_and_a_strangers_action_is_not_found(self, team):
        client, agent = logged_in(make_user(team=team, role="member")), make_agent(team=team)
        action, theirs = make_action(team=team), make_action()
        client.post(page("agent_install", agent.pk, action.pk))
        assert client.post(page("agent_install", agent.pk, theirs.pk)).status_code == 404
        assert [tool.action for tool in agent.tools.filter(kind="custom_action")] == [action]

    def test_existing_actions_are_offered_until_they_are_installed(self, owner, team):
        agent, action = make_agent(team=team), make_action(team=team)
        library_page = page("customaction_library") + f"?agent={agent.pk}"
        assert page("agent_install", agent.pk, action.pk) in text(owner.get(library_page))
        owner.post(page("agent_install", agent.pk, action.pk))
        assert page("agent_install", agent.pk, action.pk) not in text(owner.get(library_page))

    def test_a_name_that_the_agent_has_already_is_refused_in_a_sentence(self, owner, team):
        agent = make_agent(team=team)
        make_tool(agent=agent)
        action = make_action(team=team, name="webhook_trigger")
        html = text(owner.post(page("agent_install", agent.pk, action.pk), follow=True))
        assert "was not installed" in html
        assert agent.tools.count() == 1

    def test_uninstall_keeps_the_action_and_its_runs(self, owner, team):
        tool = install(action=make_action(team=team))
        run = make_run(team=team, action=tool.action, tool=tool)
        assert "data-ask" in text(owner.get(page("agent_tools", tool.agent.pk)))
        assert owner.get(page("agent_uninstall", tool.agent.pk, tool.action.pk)).status_code == 405
        owner.post(page("agent_uninstall", tool.agent.pk, tool.action.pk))
        run.refresh_from_db()
        assert (run.tool, run.action) == (None, tool.action)
        assert not Tool.objects.filter(pk=tool.pk).exists()

    def test_switched_on_without_phrases_the_offline_matcher_is_mentioned(self, owner, team):
        tool = install(action=make_action(team=team))
        assert "offline matcher never uses it" in text(
            owner.get(self.saved(owner, tool, example_phrases="")["Location"].partition("#")[0])
        )


class TestWebhookTriggerRow:
    def test_budgets_and_approval_are_on_its_row_too(self, owner, team):
        tool = make_tool(agent=make_agent(team=team))
        data = {"is_active": "on", "endpoint": tool.endpoint.pk, "title": "T", "repeats": "window", "repeat_minutes": 5}
        data |= {"needs_approval": "on", "calls_per_conversation": 1, "calls_per_day": 9}
        owner.post(page("agent_save_tool", tool.agent.pk, tool.name), data)
        tool.refresh_from_db()
        assert (tool.needs_approval, tool.calls_per_conversation, tool.calls_per_day) == (True, 1, 9)


def make_run(**fields: Any) -> ActionRun:
    fields.setdefault("state", "succeeded")
    return ActionRun.objects.create(**fields)


class TestRuns:
    def outcomes(self, client: Client, query: str = "") -> list[str]:
        rows = client.get(page("actionrun_changelist") + query).context["cl"].result_list
        return [run_words.describe(run).label for run in rows]

    def test_outcomes_are_told_apart_and_syntax_checks_never_listed(self, owner, team):
        make_run(team=team, result={"success": True})
        make_run(team=team, result={"success": False, "error": "sold out"})
        make_run(team=team, state="failed", kind="thrown", error="x")
        make_run(team=team, state="failed", kind="timeout")
        make_run(team=team, state="interrupted", kind="interrupted")
        make_run(team=team, state="cancelled", kind="unavailable")
        make_run(team=team, purpose="check", state="failed", kind="syntax")
        make_run(team=make_team(), state="failed", kind="memory")
        told = ["not run", "interrupted", "timed out", "threw an error", "reported failure", "succeeded"]
        assert self.outcomes(owner) == told
        for chosen, labels in (
            ("succeeded", ["succeeded"]),
            ("reported", ["reported failure"]),
            ("failed", told[1:5]),
            ("thrown", ["threw an error"]),
            ("timeout", ["timed out"]),
            ("interrupted", ["interrupted"]),
            ("not_run", ["not run"]),
            ("open", []),
        ):
            assert self.outcomes(owner, f"?outcome={chosen}") == labels, chosen

    @pytest.mark.parametrize("result", [None, 7, "text", [1], {"success": "no"}, {}])
    def test_whatever_else_was_returned_succeeded(self, owner, team, result):
        make_run(team=team, result=result)
        assert self.outcomes(owner) == ["succeeded"]
        assert self.outcomes(owner, "?outcome=succeeded") == ["succeeded"]

    def test_filters_and_search(self, owner, team):
        action, agent = make_action(team=team), make_agent(team=team)
        one = make_run(team=team, action=action, agent=agent)
        make_run(team=team, purpose="test")
        for query in (f"?action__id__exact={action.pk}", f"?agent__id__exact={agent.pk}", "?purpose=call"):
            assert len(self.outcomes(owner, query)) == 1, query
        assert len(self.outcomes(owner, f"?q={one.public_id}")) == 1
        assert self.outcomes(owner, f"?q={one.public_id[:-1]}") == []
        assert len(self.outcomes(owner, "?queued=hour")) == 2

    def test_the_page_says_what_happened_and_what_left(self, owner, team):
        action = make_action(team=team, title="Send the lead")
        delivery = finished(make_delivery(endpoint=make_endpoint(team=team)), state="rejected", status=503)
        run = make_run(
            team=team,
            action=action,
            version=action.current,
            state="failed",
            kind="thrown",
            error="Webhook 503",
            line=3,
            params={"email": "a@b.co"},
            config={"list": "leads"},
            console=[["log", "before"], ["error", "<b>after</b>"]],
            event=delivery.event,
            milliseconds=12.4,
        )
        html = text(owner.get(page("actionrun_change", run.pk)))
        for words in (
            "The code threw an error in line 3: Webhook 503.",
            "rejected 503",
            page_of(delivery),
            "a@b.co",
            "leads",
            "&lt;b&gt;after&lt;/b&gt;",
            "12 ms",
            f"{page('customaction_versions', action.pk)}?version=1",
        ):
            assert words in html
        assert "hx-get" not in html[html.index('id="run-') : html.index("</div>", html.index('id="run-'))]

    def test_a_run_of_a_call_links_to_it_and_back(self, owner, team):
        call = make_action_call(team=team)
        html = text(owner.get(page("actionrun_change", call.run.pk)))
        assert page("toolcall_change", call.pk) in html
        assert page("conversation_change", call.conversation.pk) in html
        run_page = page("actionrun_change", call.run.pk)
        assert run_page in text(owner.get(page("toolcall_change", call.pk)))
        assert run_page in text(owner.get(page("conversation_change", call.conversation.pk)))
        assert run_page in text(owner.get(page("toolcall_changelist")))

    def test_while_it_runs_the_panel_asks_again_and_then_stops(self, owner, team):
        run = make_run(team=team, state="queued")
        panel = page("actionrun_panel", run.pk)
        assert "hx-get" in text(owner.get(panel))
        ActionRun.objects.filter(pk=run.pk).update(queued_at="2020-01-01T00:00:00Z")
        assert "No worker has come yet" in text(owner.get(panel))
        run.finish(state="succeeded", result=1)
        assert "hx-get" not in text(owner.get(panel))

    def test_nobody_writes_or_deletes_a_run(self, owner, team):
        run = make_run(team=team)
        assert owner.post(page("actionrun_change", run.pk), {"state": "failed"}).status_code == 405
        assert owner.post(page("actionrun_delete", run.pk), {"post": "yes"}).status_code == 403
        assert owner.get(page("actionrun_add")).status_code == 403

    def test_a_long_result_is_cut(self):
        shown = run_words.pretty("x" * 100_000)
        assert len(shown) < 70_000
        assert shown.endswith("(the rest is not shown)")

    def test_every_kind_has_words(self, team):
        for kind in (
            "thrown",
            "syntax",
            "timeout",
            "memory",
            "result",
            "exit",
            "crashed",
            "protocol",
            "busy",
            "unknown",
        ):
            told = run_words.describe(make_run(team=team, state="failed", kind=kind, error="it broke"))
            assert told.tone == "bad"
            assert told.label
            assert "{" not in told.sentence + told.advice


def page_of(delivery: Delivery) -> str:
    return reverse("admin:webhooks_delivery_change", args=[delivery.pk])


def make_action_call(*, team: Any) -> ToolCall:
    """A call that ran and reported a failure."""
    tool = install(action=make_action(team=team), agent=make_agent(team=team))
    conversation = make_conversation(agent=tool.agent)
    message = conversation.say(role="customer", text="Book it")
    reply = conversation.say(role="agent", text="It did not work.")
    turn = conversation.turns.create(message=message, reply=reply, state="done")
    run = make_run(
        team=team, action=tool.action, agent=tool.agent, conversation=conversation, result={"success": False}
    )
    return ToolCall.objects.create(
        agent=tool.agent,
        conversation=conversation,
        turn=turn,
        tool=tool,
        tool_name=tool.name,
        key=turn.public_id,
        arguments={"email": "a@b.co"},
        status="failed",
        result={"text": "Action failed: sold out", "structured": {"outcome": "reported_failure"}, "is_error": True},
        run=run,
    )


@pytest.fixture
def held(team: Any) -> ToolCall:
    tool = install(action=make_action(team=team), agent=make_agent(team=team), needs_approval=True)
    conversation = make_conversation(agent=tool.agent, channel="playground")
    turn = conversation.turns.create(message=conversation.say(role="customer", text="Go"), state="done")
    call = ledger.begin(agent=tool.agent, tool_name=tool.name, arguments={}, conversation=conversation, turn=turn)
    assert call.status == "held"
    return call


class TestApprovals:
    def test_the_page_shows_what_would_run_and_both_buttons(self, owner, held):
        html = text(owner.get(page("toolcall_change", held.pk)))
        for words in ("waits for your approval", page("toolcall_approve", held.pk), page("toolcall_refuse", held.pk)):
            assert words in html
        assert held.tool.action.title in html
        assert text(owner.get(page("toolcall_changelist") + "?status__exact=held")).count("Waits for approval") >= 1

    def test_approve_queues_the_run_once_and_says_who(self, owner, held):
        for _ in range(2):
            owner.post(page("toolcall_approve", held.pk))
        held.refresh_from_db()
        assert (held.status, held.judged_by.name) == ("running", "Olga")
        assert ActionRun.objects.filter(purpose="call").count() == 1
        assert "waits for your approval" not in text(owner.get(page("toolcall_change", held.pk)))

    def test_refuse_runs_nothing_and_the_conversation_is_told(self, owner, held):
        owner.post(page("toolcall_refuse", held.pk))
        held.refresh_from_db()
        assert held.status == "refused"
        assert not ActionRun.objects.exists()
        assert "did not approve" in held.conversation.messages.get(role="system").text

    def test_a_look_decides_nothing(self, owner, held):
        for name in ("toolcall_approve", "toolcall_refuse"):
            assert owner.get(page(name, held.pk)).status_code == 405
        held.refresh_from_db()
        assert held.status == "held"

    def test_another_team_finds_nothing(self, held):
        stranger = logged_in(make_user(team=make_team()))
        for name in ("toolcall_approve", "toolcall_refuse"):
            assert stranger.post(page(name, held.pk)).status_code == 404
        held.refresh_from_db()
        assert held.status == "held"

    def test_the_playground_has_the_buttons_and_shows_what_became_of_it(self, owner, held):
        agent, turn = held.agent, held.turn
        decision = page("agent_turn_decision", agent.pk, turn.pk)
        html = text(owner.get(decision))
        assert page("toolcall_approve", held.pk) in html
        assert "every 3s" in html
        html = text(owner.post(page("toolcall_refuse", held.pk), headers={"HX-Request": "true"}))
        assert 'hx-swap-oob="beforeend:#chat"' in html
        assert "did not approve" in html
        assert "hx-get" not in html

    def test_the_start_page_says_that_somebody_waits(self, owner, held):
        assert "A call waits for your approval." in text(owner.get("/admin/"))


class TestStartPage:
    def test_actions_that_fail_need_attention(self, owner, team):
        action, fine = make_action(team=team, title="Shaky"), make_action(team=team, title="Solid")
        make_run(team=team, action=action, result={"success": True})
        make_run(team=team, action=action, result={"success": False})
        make_run(team=team, action=action, state="failed", kind="thrown")
        make_run(team=team, action=fine, result=1)
        make_run(team=team, action=fine, purpose="test", state="failed", kind="thrown")
        html = text(owner.get("/admin/"))
        assert "Shaky: 2 of the last 3 runs failed." in html
        assert f"action__id__exact={action.pk}&amp;outcome=failed" in html
        assert "Solid" not in html

    def test_fetches_without_an_endpoint_do_no_harm(self, owner, team):
        delivery = finished(make_delivery(endpoint=make_endpoint(team=team)), state="rejected", status=500)
        Delivery.objects.filter(pk=delivery.pk).update(endpoint=None, caused_by="run_x", method="GET")
        assert owner.get("/admin/").status_code == 200


def test_the_bundle_of_the_editor_names_its_licences_and_no_server():
    from django.contrib.staticfiles import finders

    found = finders.find("agents/vendor/codemirror.js")
    assert isinstance(found, str)
    with open(found, encoding="utf-8") as bundle:
        source = bundle.read()
    assert source.startswith("/*! CodeMirror 6")
    assert "MIT" in source[:500]
    assert "sourceMappingURL" not in source
    assert "importScripts" not in source
    assert json.dumps("cdn") not in source
