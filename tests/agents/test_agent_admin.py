"""The agent's pages: settings, Tools & Actions, conversations, the start page."""

from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import server_error

from agents import dashboard
from agents.admin.brain_test import NO_WORKER, ask_worker
from agents.models import Agent, Tool, ToolCall
from tests.agents.rows import finished, make_call
from tests.factories import (
    make_agent,
    make_conversation,
    make_delivery,
    make_endpoint,
    make_team,
    make_tool,
    make_user,
)
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db
KEY = "sk-planted-model-key-8271"


@pytest.fixture
def team() -> Any:
    return make_team(name="Alpha")


@pytest.fixture
def owner(team: Any) -> Client:
    return logged_in(make_user(team=team))


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:agents_{name}", args=args)


def agent_data(**changes: Any) -> dict[str, Any]:
    data = {"name": "Front desk", "greeting": "Hi", "is_active": "on", "brain": "offline", "max_steps": 6}
    return data | changes


def tool_data(**changes: Any) -> dict[str, Any]:
    data = {"title": "Ask for a call back", "example_phrases": "Call me", "repeats": "window", "repeat_minutes": 10}
    return data | changes


def brain_data(**changes: Any) -> dict[str, Any]:
    model = {"brain": "llm", "llm_base_url": "https://models.example.com/v1", "llm_model": "small-1"}
    return agent_data(**(model | changes))


def save_tool(client: Client, agent: Agent, **changes: Any) -> Any:
    return client.post(page("agent_save_tool", agent.pk, "webhook_trigger"), tool_data(**changes))


class TestSettings:
    def test_a_new_agent_gets_its_tool_switched_off_and_leads_to_it(self, owner, team):
        response = owner.post(page("agent_add"), agent_data())
        agent = Agent.objects.get(team=team)
        assert response["Location"] == page("agent_tools", agent.pk)
        assert [(tool.name, tool.is_active) for tool in agent.tools.all()] == [("webhook_trigger", False)]

    def test_the_brain_is_named_for_what_it_is(self, owner, team):
        html = owner.get(page("agent_change", make_agent(team=team).pk)).content.decode()
        assert "nothing leaves this server" in html
        assert " AI " not in html

    def test_a_model_key_is_kept_masked_and_never_shown(self, owner, team):
        owner.post(page("agent_add"), brain_data(new_api_key=KEY))
        agent = Agent.objects.get(team=team)
        assert agent.llm_api_key == KEY
        html = owner.get(page("agent_change", agent.pk)).content.decode()
        assert KEY not in html
        assert "••••••••8271" in html
        owner.post(page("agent_change", agent.pk), brain_data(name="Renamed"))
        agent.refresh_from_db()
        assert (agent.name, agent.llm_api_key) == ("Renamed", KEY)

    def test_a_stored_key_does_not_follow_a_changed_address(self, owner, team):
        owner.post(page("agent_add"), brain_data(new_api_key=KEY))
        agent = Agent.objects.get(team=team)
        moved = brain_data(llm_base_url="https://elsewhere.example.com/v1")
        response = owner.post(page("agent_change", agent.pk), moved)
        assert response.status_code == 200
        assert "a stored key never goes anywhere else" in response.content.decode()
        agent.refresh_from_db()
        assert agent.llm_base_url == "https://models.example.com/v1"
        owner.post(page("agent_change", agent.pk), moved | {"forget_api_key": "on"})
        agent.refresh_from_db()
        assert (agent.llm_base_url, agent.llm_api_key) == ("https://elsewhere.example.com/v1", "")

    def test_a_language_model_at_a_private_address_is_refused_with_a_sentence(self, owner, team):
        response = owner.post(page("agent_add"), brain_data(llm_base_url="http://169.254.169.254/v1"))
        assert response.status_code == 200
        assert not Agent.objects.filter(team=team).exists()


class TestTools:
    def test_one_switch_and_a_url_make_an_endpoint_and_show_its_secret_once(self, owner, team):
        agent = make_agent(team=team, name="Front desk")
        response = save_tool(owner, agent, is_active="on", new_url="https://receiver.example.com/hook")
        tool, endpoint = Tool.objects.get(agent=agent), Endpoint.objects.get(team=team)
        assert (tool.is_active, tool.endpoint, endpoint.name) == (True, endpoint, "Front desk")
        assert response.status_code == 200
        assert endpoint.signing_secret in response.content.decode()
        assert "no-store" in response["Cache-Control"]
        assert endpoint.signing_secret not in owner.get(page("agent_tools", agent.pk)).content.decode()

    def test_the_same_url_again_is_the_same_endpoint(self, owner, team):
        agent = make_agent(team=team)
        for _ in range(2):
            response = save_tool(owner, agent, is_active="on", new_url="https://receiver.example.com/hook")
        assert Endpoint.objects.filter(team=team).count() == 1
        assert response.status_code == 302

    def test_another_teams_endpoint_with_that_url_is_not_used(self, owner, team):
        theirs = make_endpoint(url="https://receiver.example.com/hook", name="theirs")
        agent = make_agent(team=team)
        save_tool(owner, agent, is_active="on", new_url=theirs.url)
        assert Tool.objects.get(agent=agent).endpoint.team == team

    def test_another_teams_endpoint_cannot_be_chosen(self, owner, team):
        agent, theirs = make_agent(team=team), make_endpoint(name="theirs")
        response = save_tool(owner, agent, is_active="on", endpoint=theirs.pk)
        assert "Select a valid choice" in response.content.decode()
        assert "theirs" not in response.content.decode()
        assert not Tool.objects.filter(agent=agent, is_active=True).exists()

    @pytest.mark.parametrize("url", ["http://127.0.0.1/hook", "https://10.0.0.1/", "ftp://example.com/", "nonsense"])
    def test_an_address_that_must_not_be_reached_is_refused_beside_its_field(self, owner, team, url):
        agent = make_agent(team=team)
        response = save_tool(owner, agent, is_active="on", new_url=url)
        assert "Nothing was saved" in response.content.decode()
        assert response.context["rows"][0].errors["new_url"]
        assert not Endpoint.objects.filter(team=team).exists()
        assert not Tool.objects.filter(agent=agent, is_active=True).exists()

    def test_switching_on_without_a_destination_is_refused(self, owner, team):
        agent = make_agent(team=team)
        response = save_tool(owner, agent, is_active="on")
        assert response.context["rows"][0].errors["endpoint"] == [
            "Choose an endpoint or type a URL before you switch it on."
        ]

    def test_switching_off_keeps_everything_else(self, owner, team):
        tool = make_tool(agent=make_agent(team=team))
        assert save_tool(owner, tool.agent, endpoint=tool.endpoint.pk).status_code == 302
        tool.refresh_from_db()
        assert (tool.is_active, tool.title) == (False, "Ask for a call back")

    @pytest.mark.parametrize("name", ["make_coffee", "custom"])
    def test_a_tool_that_is_not_offered_is_not_found(self, owner, team, name):
        agent = make_agent(team=team)
        assert owner.post(page("agent_save_tool", agent.pk, name), tool_data()).status_code == 404

    def test_send_test_needs_a_destination(self, owner, team):
        agent = make_agent(team=team)
        owner.post(page("agent_send_test", agent.pk, "webhook_trigger"))
        assert not Delivery.objects.filter(team=team).exists()


@pytest.mark.django_db(transaction=True)
def test_send_test_sends_one_marked_event_through_a_worker(worker, receiver):
    team = make_team()
    endpoint = make_endpoint(team=team, url=receiver.url)
    tool = make_tool(agent=make_agent(team=team), endpoint=endpoint)
    client = logged_in(make_user(team=team))
    form = {"form_token": "0b7d8f6e-2f0c-4f6d-9c3e-1f1f1f1f1f1f"}
    answers = [client.post(page("agent_send_test", tool.agent.pk, tool.name), form) for _ in range(2)]
    delivery = Delivery.objects.get(team=team)
    assert [answer["Location"] for answer in answers] == [f"/admin/webhooks/delivery/{delivery.pk}/change/"] * 2
    assert (delivery.state, delivery.event.type, delivery.caused_by) == ("delivered", "test.ping", "test")
    assert len(receiver.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_the_test_button_shows_what_a_worker_found_out(worker):
    agent = make_agent(
        brain="llm", llm_base_url="https://models.example.invalid/v1", llm_model="small-1", llm_api_key=KEY
    )
    html = logged_in(make_user(team=agent.team)).post(page("agent_test_brain", agent.pk)).content.decode()
    assert "ag-bad" in html
    assert "worker" not in html
    assert KEY not in html + worker.log.read_text()


def test_the_test_button_says_when_no_worker_answers(team):
    assert ask_worker(make_agent(team=team), timeout=0.2) == (False, NO_WORKER)


class TestHistory:
    def test_a_transcript_has_receipts_with_links(self, owner, team):
        call = make_call(team=team, text="It is on its way.")
        html = owner.get(page("conversation_change", call.conversation.pk)).content.decode()
        assert "It is on its way." in html
        assert "sent to CRM, 200, 12:03" in html
        assert f"/admin/webhooks/delivery/{call.delivery.pk}/change/" in html

    def test_a_repeat_reads_asked_twice_sent_once(self, owner, team):
        first = make_call(team=team, text="Done.")
        ToolCall.objects.create(
            agent=first.agent,
            conversation=first.conversation,
            tool=first.tool,
            tool_name=first.tool_name,
            key="again",
            arguments={},
            status="repeated",
            duplicate_of=first,
        )
        html = owner.get(page("conversation_change", first.conversation.pk)).content.decode()
        assert html.count("asked twice, sent once") == 1

    def test_what_customers_write_is_inert(self, owner, team):
        conversation = make_conversation(agent=make_agent(team=team))
        conversation.say(role="customer", text="<script>alert(1)</script>")
        html = owner.get(page("conversation_change", conversation.pk)).content.decode()
        assert "<script>alert(1)" not in html
        assert "&lt;script&gt;alert(1)" in html

    def test_a_tool_call_says_what_why_and_where_it_went(self, owner, team):
        call = make_call(team=team, text="Done.")
        html = owner.get(page("toolcall_change", call.pk)).content.decode()
        for words in ("sent to CRM, 200, 12:03", "score 0.91", "Call me", "&quot;email&quot;: &quot;a@b.co&quot;"):
            assert words in html

    @pytest.mark.parametrize("model", ["conversation", "toolcall", "customer", "agent"])
    def test_lists_open_with_a_constant_number_of_queries(self, owner, team, model, django_assert_max_num_queries: Any):
        for _ in range(8):
            make_call(team=team, text="Done.")
        with django_assert_max_num_queries(20):
            assert owner.get(page(f"{model}_changelist")).status_code == 200

    @pytest.mark.parametrize("model", ["conversation", "toolcall"])
    def test_history_cannot_be_written(self, owner, team, model):
        call = make_call(team=team, text="Done.")
        row = call if model == "toolcall" else call.conversation
        assert owner.post(page(f"{model}_change", row.pk), {"state": "ended"}).status_code == 403
        assert owner.get(page(f"{model}_add")).status_code == 403


class TestStartPage:
    def done(self, team: Any) -> list[bool]:
        return [step.done for step in dashboard.get_started(team)]

    def test_ticks_come_from_what_is_really_there(self, team):
        assert self.done(team) == [False] * 5
        agent = make_agent(team=team)
        endpoint = make_endpoint(team=team)
        assert self.done(team) == [True, True, False, False, False]
        finished(make_delivery(endpoint=endpoint, caused_by="test"), state="rejected", status=503)
        assert self.done(team)[2] is False
        finished(make_delivery(endpoint=endpoint, caused_by="test"))
        assert self.done(team) == [True, True, True, False, False]
        make_tool(agent=agent, endpoint=endpoint)
        finished(make_delivery(endpoint=endpoint, caused_by="call_1"))
        assert self.done(team) == [True] * 5

    @pytest.mark.parametrize(
        ("cause", "ticks"), [("rul_1", [True, True]), ("test", [True, False]), ("signature test", [True, False])]
    )
    def test_a_rules_delivery_is_real_and_only_tests_are_tests(self, team, cause, ticks):
        finished(make_delivery(endpoint=make_endpoint(team=team), caused_by=cause))
        steps = self.done(team)
        assert [steps[2], steps[4]] == ticks
        assert dashboard.arrived(team) == (ticks[1], not ticks[1])

    def test_the_card_goes_when_all_is_done(self, owner, team):
        assert "Get started" in owner.get("/admin/").content.decode()
        make_call(team=team, text="Done.")
        assert "Get started" not in owner.get("/admin/").content.decode()

    def test_numbers_and_what_needs_attention(self, owner, team):
        endpoint = make_endpoint(team=team, name="Shaky CRM")
        for state, status in [("delivered", 200), ("rejected", 503), ("rejected", 503)]:
            finished(make_delivery(endpoint=endpoint), state=state, status=status)
        make_delivery()
        html = owner.get("/admin/").content.decode()
        assert "Shaky CRM: 2 of the last 3 deliveries did not arrive." in html
        assert "33.3 %" in html
        assert html.count("rejected 503") == 2

    def test_a_failure_is_never_rounded_away(self):
        assert dashboard.success_rate(dashboard.Counter({"delivered": 9999, "rejected": 1})) == "99.9 %"
        assert dashboard.success_rate(dashboard.Counter({"delivered": 3})) == "100 %"
        assert dashboard.success_rate(dashboard.Counter({"queued": 3})) == ""


def test_error_pages_say_what_to_do(owner, settings):
    settings.DEBUG = False
    response = owner.get("/admin/agents/agent/999999/change/")
    assert response.status_code == 404
    assert "belongs to a team you are not working in" in response.content.decode()


def test_a_crash_shows_a_page_of_ours():
    html = server_error(RequestFactory().get("/")).content.decode()
    assert "Something broke on our side" in html


def test_a_form_without_its_token_says_what_to_do(team):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(team=team), backend="django.contrib.auth.backends.ModelBackend")
    response = client.post(page("agent_add"), agent_data())
    assert (response.status_code, Agent.objects.count()) == (403, 0)
    assert "Nothing was saved" in response.content.decode()
