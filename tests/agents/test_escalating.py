"""A person is asked for once, by whatever comes first, until it is resolved."""

import pytest

from agents import escalating, ledger, turns
from agents.brains import offline
from agents.models import Escalation, Tool, ToolCall, Turn
from tests.agents.facts import at_once, own, told, types
from tests.agents.scripted_model import calls, says
from tests.factories import make_agent, make_conversation, make_endpoint, make_tool, make_user

pytestmark = pytest.mark.django_db(transaction=True)

TRIGGERED = "escalation.triggered"


@pytest.fixture
def agent():
    return make_agent(greeting="")


@pytest.fixture
def conversation(agent):
    conversation = make_conversation(agent=agent)
    conversation.say(role="customer", text="Where is my order?")
    conversation.say(role="agent", text="I cannot say.")
    return conversation


@pytest.fixture
def tool(agent) -> Tool:
    return Tool.objects.create(
        agent=agent, kind="escalate_to_human", name="escalate_to_human", title="Get a person", is_active=True
    )


def receive(agent, text) -> Turn:
    return turns.receive(agent=agent, text=text, external_id="visitor-1")


def reply(agent, text) -> str:
    turn = receive(agent, text)
    turns.take_turn(turn_id=turn.pk)
    turn.refresh_from_db()
    return turn.reply.text


def ask(conversation, **how):
    return escalating.ask(conversation=conversation, **({"trigger": "button"} | how))


# --- once ------------------------------------------------------------------------------------------------------------


def test_asking_is_told_with_a_reason_and_the_last_lines(conversation):
    requested = ask(conversation, reason=" Angry. ")
    summary = "Customer: Where is my order?\nAgent: I cannot say."
    [event] = told()
    assert event.type == TRIGGERED
    assert own(event) == {
        "escalation_id": requested.escalation.public_id,
        "reason": "Angry.",
        "summary": summary,
        "trigger": "button",
    }
    assert requested.is_new
    assert requested.escalation.state == "requested"


def test_asking_again_is_no_news_until_it_is_resolved(conversation):
    first = ask(conversation).escalation
    again = ask(conversation, trigger="api")
    assert (again.escalation, again.is_new) == (first, False)
    escalating.accept(escalation=first)
    assert not ask(conversation).is_new
    escalating.resolve(escalation=first)
    assert ask(conversation, summary="Again.").escalation.summary == "Again."
    assert types() == [TRIGGERED, "escalation.accepted", "escalation.resolved", TRIGGERED]


def test_many_who_ask_at_once_ask_once(conversation):
    asked = at_once(lambda _: ask(conversation))
    assert sum(one.is_new for one in asked) == 1
    assert len({one.escalation.pk for one in asked}) == 1
    assert types() == [TRIGGERED]


def test_taking_and_resolving_say_who_and_how_long_it_took(conversation):
    person = make_user(team=conversation.agent.team, name="Joseph Mwangi")
    escalation = ask(conversation).escalation
    taken = escalating.accept(escalation=escalation, by=person)
    assert (taken.state, taken.accepted_by) == ("accepted", person)
    with pytest.raises(escalating.NotOpen, match="taken"):
        escalating.accept(escalation=escalation)
    done = escalating.resolve(escalation=escalation)
    assert done.resolved_at >= taken.accepted_at
    with pytest.raises(escalating.NotOpen):
        escalating.resolve(escalation=escalation)
    with pytest.raises(escalating.NotOpen):
        escalating.accept(escalation=escalation)
    _, accepted, resolved = told()
    assert (accepted.data["by"], resolved.data["by"]) == ("Joseph Mwangi", None)
    assert 0 <= accepted.data["waited_seconds"] <= resolved.data["waited_seconds"] < 60


def test_many_who_take_it_at_once_take_it_once(conversation):
    escalation = ask(conversation).escalation
    taken = at_once(lambda _: escalating.accept(escalation=escalation))
    assert sum(isinstance(one, escalating.NotOpen) for one in taken) == 19
    assert types() == [TRIGGERED, "escalation.accepted"]


# --- by what customers write -----------------------------------------------------------------------------------------


def test_a_phrase_asks_for_a_person_and_the_agent_says_so(agent):
    assert reply(agent, "Can I talk to a human please?") == offline.PASSED_ON
    [event] = told(type=TRIGGERED)
    assert event.data["trigger"] == "phrase"
    assert event.data["reason"] == "The customer asked for a person: “talk to a human”."
    assert event.data["summary"] == "Customer: Can I talk to a human please?"


def test_an_agents_own_phrase_does_too(agent):
    agent.escalation_phrases = "Call Mama Njeri\n"
    agent.save()
    assert reply(agent, "please call mama njeri") == offline.PASSED_ON
    assert len(told(type=TRIGGERED)) == 1


def test_the_same_question_asked_a_third_time_does(agent):
    for text in ("Where is my order?", "where is  my ORDER", "When does it come?"):
        receive(agent, text)
    assert told(type=TRIGGERED) == []
    receive(agent, "WHERE IS MY ORDER!!")
    receive(agent, "where is my order")
    [event] = told(type=TRIGGERED)
    assert event.data["trigger"] == "repeated"
    assert "WHERE IS MY ORDER!!" in event.data["reason"]


def test_short_answers_may_come_as_often_as_they_like(agent):
    for _ in range(5):
        receive(agent, "yes")
    assert told(type=TRIGGERED) == []


def test_questions_of_somebody_else_do_not_count(agent):
    for person in range(5):
        turns.receive(agent=agent, text="Where is my order?", external_id=f"visitor-{person}")
    assert told(type=TRIGGERED) == []


def test_messages_at_once_ask_once(agent):
    receive(agent, "hello")
    at_once(lambda _: receive(agent, "I want to talk to a human"))
    assert len(told(type=TRIGGERED)) == Escalation.objects.count() == 1
    assert len(told(type="message.received")) == 21


# --- by the agent ----------------------------------------------------------------------------------------------------


def test_a_language_model_asks_for_a_person(agent, tool, model):
    agent.brain, agent.llm_base_url, agent.llm_model = "llm", model.url, "scripted-1"
    agent.save()
    given = {"reason": "Wants a refund of 500.", "summary": "Order 7 broke."}
    model.plays(calls(given, name=tool.name), says("A colleague will take over. I have informed the team."))
    assert reply(agent, "It broke.") == "A colleague will take over. I have informed the team."
    [event] = told(type=TRIGGERED)
    assert (event.data["trigger"], event.data["reason"], event.data["summary"]) == ("tool", *given.values())
    call = ToolCall.objects.get()
    assert (call.status, call.delivery, call.run) == ("fired", None, None)
    assert call.result["structured"]["escalation"] == Escalation.objects.get().public_id
    assert "A person of the team was asked" in model.told[0]
    offered = model.requests[0]["tools"][0]["function"]
    assert (offered["name"], offered["parameters"]["required"]) == ("escalate_to_human", ["reason"])
    assert told(type="reply.unbacked") == []


def test_the_offline_agent_asks_for_a_person_and_reports_it(agent, tool):
    text = reply(agent, "I need to speak to a manager")
    assert text == "Get a person: Done. A person of the team was asked to take over this conversation before, and " + (
        "has not closed that yet."
    )
    assert (ToolCall.objects.get().arguments, len(told(type=TRIGGERED))) == (
        {"reason": "I need to speak to a manager", "summary": "I need to speak to a manager"},
        1,
    )


def test_it_is_on_the_offline_agents_menu(agent, tool):
    make_tool(agent=agent, endpoint=make_endpoint(team=agent.team), title="Ask for a call back")
    assert "1. Get a person" in reply(agent, "xyzzy")
    assert reply(agent, "1").startswith("Get a person: Done. A person of the team was asked to take over")
    assert len(told(type=TRIGGERED)) == 1


def test_what_the_tool_did_is_there_although_its_worker_died_next(agent, tool, conversation):
    """The escalation, its event and the finished call are one transaction."""
    call = ledger.begin(agent=agent, tool_name=tool.name, arguments={"reason": "x"}, key="k", conversation=conversation)
    assert (call.status, types()) == ("fired", [TRIGGERED, "tool.fired"])
    again = ledger.call(agent=agent, tool_name=tool.name, arguments={"reason": "x"}, key="k", conversation=conversation)
    assert (again.pk, types()) == (call.pk, [TRIGGERED, "tool.fired"])


def test_the_tool_needs_a_conversation(agent, tool):
    call = ledger.call(agent=agent, tool_name=tool.name, arguments={"reason": "x"}, key="k")
    assert (call.status, types()) == ("refused", ["tool.refused"])
    assert "no conversation" in call.result["text"]


def test_arguments_that_do_not_fit_are_refused(agent, tool, conversation):
    call = ledger.call(agent=agent, tool_name=tool.name, arguments={}, key="k", conversation=conversation)
    assert (call.status, Escalation.objects.count()) == ("refused", 0)


def test_a_call_that_needs_approval_asks_for_a_person_when_it_is_approved(agent, tool, conversation):
    tool.needs_approval = True
    tool.save()
    held = ledger.call(agent=agent, tool_name=tool.name, arguments={"reason": "x"}, key="k", conversation=conversation)
    assert (held.status, types()) == ("held", ["tool.held"])
    assert ledger.approve(held).status == "fired"
    assert types() == ["tool.held", TRIGGERED, "tool.fired"]
    assert "A person of the team was asked" in conversation.messages.last().text
