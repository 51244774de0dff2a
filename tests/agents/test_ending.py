"""Conversations end, fall silent and are opened again, each told once."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from agents import ending, turns
from agents.models import Conversation
from tests.agents.facts import at_once, own, told, types
from tests.factories import make_agent, make_conversation
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation():
    conversation = make_conversation(agent=make_agent(idle_minutes=60), channel="website")
    conversation.say(role="customer", text="hello")
    conversation.say(role="agent", text="Hello!")
    return conversation


def silent_for(conversation, minutes: float) -> None:
    """As if the clock had gone on since the last message."""
    moved = timezone.now() - timedelta(minutes=minutes)
    Conversation.objects.filter(pk=conversation.pk).update(last_message_at=moved, started_at=moved)


def later(minutes: float) -> None:
    """As if everything so far had happened earlier."""
    gone = timedelta(minutes=minutes)
    Conversation.objects.update(last_message_at=F("last_message_at") - gone, started_at=F("started_at") - gone)
    Event.objects.update(occurred_at=F("occurred_at") - gone)


# --- by somebody -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["operator", "api"])
def test_a_conversation_is_ended_once(conversation, by):
    assert ending.end(conversation=conversation, by=by) is True
    assert ending.end(conversation=conversation, by="operator") is False
    [event] = told()
    started = conversation.started_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert event.type == "conversation.ended"
    assert own(event) == {"reason": by, "message_count": 2, "started_at": started}
    assert (conversation.state, conversation.ended_by) == ("ended", by)
    assert conversation.ended_at is not None


def test_many_who_end_it_at_once_end_it_once(conversation):
    ended = at_once(lambda _: ending.end(conversation=Conversation.objects.get(), by="operator"))
    assert sorted(ended) == [False] * 19 + [True]
    assert types() == ["conversation.ended"]


def test_the_next_message_begins_a_new_conversation(conversation):
    ending.end(conversation=conversation, by="operator")
    agent, customer = conversation.agent, conversation.customer
    turn = turns.receive(agent=agent, text="again", external_id="", channel="website", customer=customer)
    assert turn.conversation != conversation
    assert types()[1:] == ["conversation.started", "message.received"]


def test_messages_that_arrive_while_it_ends_go_to_a_conversation_that_is_open(conversation):
    agent, customer = conversation.agent, conversation.customer

    def act(number):
        if number % 2:
            return ending.end(conversation=Conversation.objects.order_by("-pk")[0], by="api")
        return turns.receive(agent=agent, text="hi", external_id="", channel="website", customer=customer)

    assert not [one for one in at_once(act) if isinstance(one, Exception)]
    for row in Conversation.objects.filter(state="ended"):
        after = row.messages.filter(created_at__gt=row.ended_at + timedelta(seconds=5))
        assert not after.exists()
    assert len(told(type="conversation.started")) == Conversation.objects.count() - 1
    assert len(told(type="conversation.ended")) == Conversation.objects.filter(state="ended").count()


# --- again -----------------------------------------------------------------------------------------------------------


def test_a_conversation_is_opened_again_and_gone_on_with(conversation):
    ending.end(conversation=conversation, by="operator")
    silent_for(conversation, minutes=500)
    ending.reopen(conversation=conversation, by="api")
    assert types() == ["conversation.ended", "conversation.reopened"]
    assert own(told()[1]) == {"by": "api"}
    assert (conversation.state, conversation.ended_by, conversation.ended_at) == ("open", "", None)
    assert ending.end_silent() == 0
    agent, customer = conversation.agent, conversation.customer
    turn = turns.receive(agent=agent, text="again", external_id="", channel="website", customer=customer)
    assert turn.conversation == conversation


def test_what_is_open_or_has_a_successor_is_not_opened(conversation):
    with pytest.raises(ending.NotReopened, match="is open"):
        ending.reopen(conversation=conversation, by="operator")
    ending.end(conversation=conversation, by="operator")
    make_conversation(agent=conversation.agent, customer=conversation.customer, channel="website")
    with pytest.raises(ending.NotReopened, match="another conversation"):
        ending.reopen(conversation=conversation, by="operator")
    conversation.refresh_from_db()
    assert (conversation.state, types()) == ("ended", ["conversation.ended"])


# --- by silence ------------------------------------------------------------------------------------------------------


def test_silence_ends_a_conversation_after_its_agents_time(conversation):
    silent_for(conversation, minutes=59)
    patient = make_conversation(agent=make_agent(idle_minutes=1440))
    silent_for(patient, minutes=61)
    assert ending.end_silent() == 0
    silent_for(conversation, minutes=61)
    assert ending.end_silent() == 1
    assert ending.end_silent() == 0
    conversation.refresh_from_db()
    assert (conversation.state, conversation.ended_by) == ("ended", "idle")
    [event] = told()
    assert (event.type, event.data["reason"]) == ("conversation.ended", "idle")


def test_a_reply_on_its_way_keeps_it_open(conversation):
    turn = conversation.turns.create(message=conversation.messages.first())
    silent_for(conversation, minutes=500)
    assert ending.end_silent() == 0
    turn.state = "failed"
    turn.save()
    assert ending.end_silent() == 1


def test_many_sweepers_end_it_once(conversation):
    silent_for(conversation, minutes=61)
    assert sum(at_once(lambda _: ending.end_silent())) == 1
    assert types() == ["conversation.ended"]


def test_falling_silent_is_told_once_for_each_silence(conversation):
    assert ending.tell_of_silence() == 0
    later(minutes=16)
    assert ending.tell_of_silence() == 1
    later(minutes=1)
    assert ending.tell_of_silence() == 0
    conversation.say(role="customer", text="still there?")
    later(minutes=10)
    assert ending.tell_of_silence() == 0
    later(minutes=6)
    assert ending.tell_of_silence() == 1
    assert [own(event) for event in told()] == [
        {"minutes": 15, "last_message_by": "agent"},
        {"minutes": 15, "last_message_by": "customer"},
    ]


def test_many_sweepers_tell_of_it_once(conversation):
    silent_for(conversation, minutes=20)
    assert sum(at_once(lambda _: ending.tell_of_silence())) == 1
    assert types() == ["conversation.idle"]


def test_where_silence_ends_it_at_once_only_the_end_is_told(conversation):
    conversation.agent.idle_minutes = 10
    conversation.agent.save()
    silent_for(conversation, minutes=20)
    ending.sweep()
    assert types() == ["conversation.ended"]


def test_silence_is_told_for_each_agent(conversation):
    other = make_conversation(agent=make_agent(team=conversation.agent.team))
    for each in (conversation, other):
        silent_for(each, minutes=20)
    assert ending.tell_of_silence() == 2
    assert {event.agent_ref for event in told()} == {conversation.agent.public_id, other.agent.public_id}
