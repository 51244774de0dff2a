"""Calls that wait for approval: who decides, what becomes of them, and who is told."""

from typing import Any

import pytest

from agents import ledger
from agents.models import ActionRun, ToolCall
from tests.agents.admin.pages import logged_in, page, text
from tests.factories import install, make_action, make_agent, make_conversation, make_team, make_user

pytestmark = pytest.mark.django_db


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
