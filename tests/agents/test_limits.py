"""Budgets that no brain can raise, and calls that a person has to approve."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents import history, ledger, turns
from agents.models import Intent, Message, ToolCall
from tests.agents.scripted_model import calls, says
from tests.factories import make_agent, make_conversation, make_endpoint, make_tool, make_user
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def make(receiver):
    def make(**fields):
        agent = make_agent()
        return make_tool(agent=agent, endpoint=make_endpoint(team=agent.team, url=receiver.url), **fields)

    return make


def call(tool, number, **rest) -> ToolCall:
    wish = {"payload": {"n": number}}
    return ledger.call(agent=tool.agent, tool_name=tool.name, arguments=wish, key=f"k{number}", **rest)


class TestBudgets:
    def test_so_often_in_a_conversation_and_no_more(self, make, receiver):
        tool = make(calls_per_conversation=2)
        conversation = make_conversation(agent=tool.agent)
        done = [call(tool, number, conversation=conversation) for number in range(3)]
        assert [one.status for one in done] == ["fired", "fired", "refused"]
        assert done[2].result["text"] == "This tool may be used 2 times in one conversation. Nothing was sent."
        assert done[2].result["structured"] == {"success": False, "outcome": "over_budget", "retry_after": None}
        assert len(receiver.requests) == 2
        other = make_conversation(agent=tool.agent)
        assert call(tool, 9, conversation=other).status == "fired"

    def test_so_often_a_day_and_again_when_a_day_has_passed(self, make, receiver):
        tool = make(calls_per_day=2)
        assert [call(tool, number).status for number in range(2)] == ["fired", "fired"]
        first = ToolCall.objects.order_by("pk").first()
        ToolCall.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(hours=23))
        refused = call(tool, 2)
        assert refused.status == "refused"
        assert 3500 < refused.result["structured"]["retry_after"] <= 3600
        ToolCall.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(hours=25))
        assert call(tool, 3).status == "fired"

    def test_a_repeat_and_a_refusal_use_nothing_up(self, make, receiver):
        tool = make(calls_per_day=2)
        wish = {"payload": {"n": 1}}
        for key in ("a", "b", "c"):
            ledger.call(agent=tool.agent, tool_name=tool.name, arguments=wish, key=key)
        ledger.call(agent=tool.agent, tool_name=tool.name, arguments={"payload": 7}, key="d")
        assert call(tool, 2).status == "fired"

    def test_racing_calls_are_counted_one_after_the_other(self, make, receiver):
        tool = make(calls_per_day=3)

        def one(number):
            try:
                return call(tool, number).status
            finally:
                connection.close()

        with ThreadPoolExecutor(12) as pool:
            statuses = list(pool.map(one, range(12)))
        assert sorted(statuses) == ["fired"] * 3 + ["refused"] * 9
        assert len(receiver.requests) == 3


class TestApproval:
    def test_nothing_leaves_before_a_person_says_yes_and_then_once(self, make, receiver):
        tool = make(needs_approval=True)
        held = call(tool, 1)
        assert (held.status, held.result["text"]) == ("held", ledger.HELD)
        assert not Delivery.objects.exists()
        person = make_user(team=tool.agent.team)
        approved = ledger.approve(held, by=person)
        assert (approved.status, approved.judged_by) == ("running", person)
        ledger.run(tool_call_id=approved.pk)
        ledger.run(tool_call_id=approved.pk)
        assert ToolCall.objects.get().result["text"] == "Delivered, HTTP 200."
        assert len(receiver.requests) == 1

    def test_two_people_at_once_decide_once(self, make, receiver):
        held = call(make(needs_approval=True), 1)

        def decide(yes):
            try:
                (ledger.approve if yes else ledger.refuse)(held)
                return 1
            except ledger.NotWaiting:
                return 0
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(decide, [True, False] * 4)) == 1
        assert Delivery.objects.count() <= 1

    def test_no_is_a_refusal_with_a_reason_and_the_same_wish_may_come_again(self, make, receiver):
        tool = make(needs_approval=True)
        refused = ledger.refuse(call(tool, 1), reason="Wrong customer.")
        assert refused.status == "refused"
        text = "A person of the team did not approve this. Wrong customer. Nothing was sent."
        assert refused.result["text"] == text
        again = ledger.call(agent=tool.agent, tool_name=tool.name, arguments={"payload": {"n": 1}}, key="again")
        assert again.status == "held"

    def test_the_same_wish_while_it_waits_is_a_repeat(self, make, receiver):
        tool = make(needs_approval=True)
        first = call(tool, 1)
        again = ledger.call(agent=tool.agent, tool_name=tool.name, arguments={"payload": {"n": 1}}, key="again")
        assert (again.status, again.duplicate_of) == ("repeated", first)
        assert Intent.objects.count() == 1

    def test_a_tool_that_was_switched_off_meanwhile_does_not_run(self, make, receiver):
        tool = make(needs_approval=True)
        held = call(tool, 1)
        tool.is_active = False
        tool.save()
        assert ledger.approve(held).status == "refused"
        assert receiver.requests == []

    def test_the_turn_ends_with_a_promise_and_the_conversation_hears_what_became_of_it(self, make, model, receiver):
        tool = make(needs_approval=True)
        agent = tool.agent
        agent.brain, agent.llm_base_url, agent.llm_model = "llm", model.url, "scripted"
        agent.save()
        model.plays(calls({"payload": {"n": 1}}), says("It is done."))
        turn = turns.receive(agent=agent, text="Do it", external_id="v")
        turns.take_turn(turn_id=turn.pk)
        turn.refresh_from_db()
        assert (turn.ending, turn.reply.text) == ("held", turns.HELD)
        held = ToolCall.objects.get()
        ledger.run(tool_call_id=ledger.approve(held).pk)
        said = Message.objects.order_by("pk").last()
        assert (said.role, said.text) == ("system", f"{tool.title}: Delivered, HTTP 200.")
        later = turns.receive(agent=agent, text="And?", external_id="v")
        results = [entry for entry in history.so_far(later) if entry["kind"] == "results"]
        assert results[0]["results"][0]["status"] == "fired"
        assert results[0]["results"][0]["text"] == "Delivered, HTTP 200."

    def test_what_changed_meanwhile_is_not_sent_by_an_old_approval(self, make, receiver):
        tool = make(needs_approval=True)
        held = call(tool, 1)
        tool.agent.is_active = False
        tool.agent.save()
        refused = ledger.approve(held)
        assert (refused.status, "agent is switched off" in refused.result["text"]) == ("refused", True)
        assert receiver.requests == []

    def test_a_lost_wake_up_after_an_approval_is_made_good(self, make, receiver, monkeypatch):
        woken = []
        monkeypatch.setattr(ledger, "wake", lambda task, **ids: woken.append(ids))
        tool = make(needs_approval=True)
        conversation = make_conversation(agent=tool.agent)
        turn = conversation.turns.create(message=conversation.say(role="customer", text="Do it"), state="done")
        approved = ledger.approve(call(tool, 1, conversation=conversation, turn=turn))
        ToolCall.objects.update(judged_at=timezone.now() - timedelta(minutes=1))
        woken.clear()
        assert ledger.sweep() == 1
        assert woken == [{"tool_call_id": approved.pk}]
