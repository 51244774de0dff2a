"""The list of custom actions, the library, and what an agent has installed."""

from typing import Any

import pytest
from django.test import Client

from agents import library, parameters
from agents.models import CustomAction, Tool
from tests.agents.admin.actions import STARTER, make_run, posted
from tests.agents.admin.pages import logged_in, page, text
from tests.factories import install, make_action, make_agent, make_credential, make_team, make_tool, make_user

pytestmark = pytest.mark.django_db


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
        assert response["Location"] == page("agent_tools", agent.pk)

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

    def test_it_is_offered_to_customers_in_their_words_not_ours(self, owner, team):
        agent = make_agent(team=team)
        owner.post(page("customaction_ready", "post-json"), {"agent": agent.pk})
        assert Tool.objects.get(agent=agent).title == "Ask for an offer"

    @pytest.mark.parametrize("slug", library.READY)
    def test_whatever_an_agent_has_to_ask_for_is_a_question_to_the_customer(self, slug):
        ready = library.READY[slug]
        asked = [one["description"] for one in ready.parameters if one["name"] not in parameters.FILLED]
        assert asked
        assert all(words.endswith("?") and "customer" not in words for words in asked)
        assert not {"JSON", "HubSpot", "Slack", "Airtable", "Google", "Notion", "Stripe"} & set(ready.offer.split())

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

    def test_what_customers_read_is_this_agents_and_outlives_a_save_of_the_action(self, owner, team):
        action = make_action(team=team, title="Send JSON", code=STARTER)
        own, following = (install(action=action, agent=make_agent(team=team)) for _ in range(2))
        assert "What customers see" in text(owner.get(page("agent_tools", own.agent.pk)))
        self.saved(owner, own, title="Ask for an offer")
        owner.post(page("customaction_change", action.pk), posted(title="Send the lead", name="send_it"))
        titles = {tool.pk: (tool.title, tool.name) for tool in Tool.objects.all()}
        assert titles == {own.pk: ("Ask for an offer", "send_it"), following.pk: ("Send the lead", "send_it")}
        self.saved(owner, own, title=" ")
        own.refresh_from_db()
        assert own.title == "Send the lead"

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

    def test_code_that_reads_credentials_is_not_switched_on_without_one(self, owner, team):
        code = "return credentials.bearer_token;"
        tool, credential = (
            install(action=make_action(team=team, code=code), is_active=False),
            make_credential(team=team),
        )
        [form] = self.saved(owner, tool).context["installs"]
        assert form.errors == {"credential": ["The code reads credentials. Choose one before you switch it on."]}
        tool.refresh_from_db()
        assert tool.is_active is False
        assert self.saved(owner, tool, is_active="").status_code == 302
        assert self.saved(owner, tool, credential=credential.pk).status_code == 302

    @pytest.mark.parametrize(
        "code",
        [
            "return 1; // needs no credentials",
            "/* credentials\n */ return fetch('https://a.example');",
            "return fetch(config.url, { credentials: 'omit' });",
            "throw new Error('Wrong credentials');",
        ],
    )
    def test_a_word_that_only_looks_like_it_keeps_nothing_switched_off(self, owner, team, code):
        assert self.saved(owner, install(action=make_action(team=team, code=code))).status_code == 302

    @pytest.mark.parametrize(
        "code",
        [
            "return credentials.bearer_token;",
            "return fetch('https://a.example', { headers: { Authorization: `Bearer ${credentials?.bearer_token}` } });",
            'return credentials["bearer_token"];',
            "const { bearer_token: token } = credentials; return token;",
        ],
    )
    def test_a_credential_without_the_field_that_the_code_reads_is_warned_of(self, owner, team, code):
        wrong = make_credential(team=team, name="A hook")
        right = make_credential(team=team, name="The key", kind="http_bearer_token", values={"bearer_token": "t"})
        tool = install(action=make_action(team=team, code=code))
        page_of_tools = page("agent_tools", tool.agent.pk)
        self.saved(owner, tool, credential=wrong.pk)
        assert "reads credentials.bearer_token, which A hook (Webhook) does not have" in text(owner.get(page_of_tools))
        self.saved(owner, tool, credential=right.pk)
        assert "does not seem to fit" not in text(owner.get(page_of_tools))

    def test_fitting_credentials_come_first_and_a_new_one_is_a_click_away(self, owner, team):
        make_credential(team=team, name="A hook")
        for name, kind in (("B notion", "notion"), ("C hubspot", "hubspot")):
            make_credential(team=team, name=name, kind=kind, values={"access_token": "t"})
        tool = install(action=library.add(team=team, slug="hubspot-contact").action)
        response = owner.get(page("agent_tools", tool.agent.pk))
        [form] = response.context["installs"]
        assert [one.name for one in form.fields["credential"].queryset] == ["C hubspot", "A hook", "B notion"]
        assert "/credential/add/?kind=hubspot" in text(response)

    def test_an_action_of_the_library_says_which_kind_it_was_made_for(self, owner, team):
        agent, notion = make_agent(team=team), make_credential(team=team, kind="notion", values={"access_token": "t"})
        data = {"agent": agent.pk, "credential": notion.pk}
        told = text(owner.post(page("customaction_ready", "hubspot-contact"), data, follow=True))
        assert "made for a credential of the kind HubSpot" in told

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
