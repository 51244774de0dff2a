"""The editor of custom actions: what is typed, what is said beside its field, and the versions it makes."""

import json
import re
from typing import Any

import pytest

from agents import running
from agents.admin.drafts import Row, Unreadable, allowed_values, as_text, row_of, typed
from agents.models import CustomAction, Tool
from tests.agents.admin.actions import STARTER, make_run, posted
from tests.agents.admin.pages import logged_in, page, text
from tests.factories import make_action, make_agent, make_team, make_user

pytestmark = pytest.mark.django_db


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
        assert response["Location"] == page("agent_tools", agent.pk)

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
