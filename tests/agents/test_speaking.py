"""One message, and everything that follows from it, told in the transaction that stores it."""

import pytest
from django.db import transaction

from agents import turns
from agents.models import Customer, Message, PendingEvent, Turn, WordList
from tests.agents.facts import own, told, types
from tests.agents.scripted_model import calls, says
from tests.factories import make_agent, make_endpoint, make_team, make_tool
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent():
    return make_agent(greeting="Welcome.")


def receive(agent, text="hello", **rest) -> Turn:
    return turns.receive(agent=agent, text=text, external_id=rest.pop("external_id", "visitor-1"), **rest)


def take(turn) -> Turn:
    turns.take_turn(turn_id=turn.pk)
    turn.refresh_from_db()
    return turn


# --- messages and conversations --------------------------------------------------------------------------------------


def test_a_first_message_and_its_reply_are_told(agent):
    turn = take(receive(agent, "hello", channel="website"))
    assert types() == ["customer.created", "conversation.started", "message.received", "message.sent"]
    created, started, received, sent = told()
    assert own(created) == {}
    assert list(own(started)) == ["started_at"]
    assert own(received) == {"message_id": turn.message.public_id, "text": "hello"}
    assert own(sent) == {"message_id": turn.reply.public_id, "text": turn.reply.text}
    for event in told():
        assert event.data["conversation_id"] == event.conversation_ref == turn.conversation.public_id
        assert event.data["channel"] == "website"
        assert event.data["customer"]["id"] == event.customer_ref == turn.conversation.customer.public_id
        assert event.agent_ref == agent.public_id


def test_a_second_message_begins_nothing(agent):
    receive(agent)
    receive(agent, "again")
    assert types()[3:] == ["message.received"]


def test_what_is_not_stored_is_not_told(agent, monkeypatch):
    def break_down(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(Turn.objects, "create", break_down)
    with pytest.raises(ZeroDivisionError):
        receive(agent, "mail me: asha@example.com")
    assert (Event.objects.count(), Message.objects.count(), Customer.objects.count()) == (0, 0, 0)


def test_a_reply_that_lost_its_lease_is_not_told(agent):
    turn = receive(agent)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        turns.send_out(turn, text="never", brain={}, tokens={})
        raise KeyboardInterrupt
    assert told(type="message.sent") == []


def test_a_message_that_a_rule_listens_to_waits_with_its_message(agent):
    agent.trigger_rules.create(name="all", event_type="message.received", state="watching")
    turn = receive(agent)
    assert PendingEvent.objects.get().event.data["message_id"] == turn.message.public_id


def test_a_message_costs_a_known_number_of_statements(agent, django_assert_max_num_queries):
    receive(agent)
    with django_assert_max_num_queries(20):
        receive(agent, "again")


# --- contact details -------------------------------------------------------------------------------------------------


def test_contact_details_in_a_message_are_told_and_kept(agent):
    turn = receive(agent, "My name is Asha Otieno, asha@Example.com or +254 711 000 111")
    shared = [own(event) for event in told(type="contact.shared")]
    message = turn.message.public_id
    assert shared == [
        {"kind": "email", "value": "asha@example.com", "message_id": message},
        {"kind": "phone", "value": "+254711000111", "message_id": message},
    ]
    customer = Customer.objects.get()
    assert (customer.name, customer.email, customer.phone) == ("Asha Otieno", "asha@example.com", "+254711000111")
    # The snapshot of all of them holds what this very message said.
    assert told(type="message.received")[0].data["customer"]["email"] == "asha@example.com"


def test_an_address_in_a_message_replaces_nothing_that_is_known(agent):
    receive(agent, "I am Asha, asha@example.com")
    receive(agent, "My name is Bob. My colleague is bob@example.com")
    customer = Customer.objects.get()
    assert (customer.name, customer.email) == ("Asha", "asha@example.com")
    assert [event.data["value"] for event in told(type="contact.shared")] == ["asha@example.com", "bob@example.com"]


def test_learning_something_of_a_known_customer_is_an_update(agent):
    receive(agent)
    receive(agent, "asha@example.com")
    [updated] = told(type="customer.updated")
    assert own(updated) == {"changed": ["email"], "merged": None}
    assert updated.data["customer"]["email"] == "asha@example.com"


# --- word lists ------------------------------------------------------------------------------------------------------


def test_each_list_is_told_once_a_message(agent):
    WordList.objects.create(team=agent.team, name="Money back", words="refund\n\nmoney back\n退款")
    WordList.objects.create(team=agent.team, name="Angry", words="never again\nlawyer")
    WordList.objects.create(team=agent.team, name="Praise", words="thank you")
    WordList.objects.create(team=make_team(), name="Theirs", words="refund")
    turn = receive(agent, "A refund! My money back, or I call my LAWYER.")
    about = {"message_id": turn.message.public_id, "text": turn.message.text}
    assert [own(event) for event in told(type="keyword.matched")] == [
        about | {"list": "Angry", "word": "lawyer"},
        about | {"list": "Money back", "word": "refund"},
    ]


def test_an_agents_own_words_are_not_listened_to(agent, model):
    WordList.objects.create(team=agent.team, name="Money back", words="refund")
    agent.brain, agent.llm_base_url, agent.llm_model = "llm", model.url, "scripted-1"
    agent.save()
    model.plays(says("Do you want a refund?"))
    take(receive(agent))
    assert told(type="keyword.matched") == []


# --- claims without a deed -------------------------------------------------------------------------------------------


@pytest.fixture
def clever(model, receiver):
    agent = make_agent(brain="llm", llm_base_url=model.url, llm_model="scripted-1", llm_api_key="sk-test")
    make_tool(agent=agent, endpoint=make_endpoint(team=agent.team, url=receiver.url))
    return agent


def test_a_claim_that_nothing_backs_is_flagged_and_left_as_it_is(clever, model):
    model.plays(says("I have sent your details to the team."))
    turn = take(receive(clever))
    [flag] = told(type="reply.unbacked")
    text = "I have sent your details to the team."
    assert own(flag) == {"message_id": turn.reply.public_id, "text": text, "phrase": "i have sent"}
    assert (turn.reply.text, turn.reply.brain["unbacked"]) == (text, "i have sent")
    assert turns.summary(turn)["brain"]["unbacked"] == "i have sent"


def test_a_claim_that_the_ledger_backs_is_none(clever, model):
    model.plays(calls({"payload": {"email": "a@b.co"}}), says("I have sent your details to the team."))
    turn = take(receive(clever))
    assert told(type="reply.unbacked") == []
    assert "unbacked" not in turn.reply.brain


def test_a_failed_call_backs_no_claim(clever, model, receiver):
    receiver.answer(status=503)
    model.plays(calls({"payload": {"email": "a@b.co"}}), says("I have sent your details to the team."))
    take(receive(clever))
    assert len(told(type="reply.unbacked")) == 1


def test_a_person_that_was_asked_for_backs_the_claim(clever, model):
    model.plays(says("I have informed the team."))
    take(receive(clever, "Can I talk to a human?"))
    assert told(type="reply.unbacked") == []


def test_replies_without_a_claim_are_not_flagged(clever, model):
    model.plays(says("Hello! How can I help?"))
    take(receive(clever))
    assert told(type="reply.unbacked") == []
