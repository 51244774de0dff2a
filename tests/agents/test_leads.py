"""Leads from forms and from the chat: complete once, qualified once."""

import pytest

from agents import leads, turns
from agents.identity import Identifiers, Told
from agents.leads import Form
from agents.models import Customer, Lead, Turn
from tests.agents.facts import at_once, own, told, types
from tests.factories import make_agent, make_conversation, make_customer

pytestmark = pytest.mark.django_db(transaction=True)

ASHA = Form(name="Asha", email="asha@example.com", phone="+254711000111")


@pytest.fixture
def agent():
    return make_agent()


def receive(agent, text, **rest) -> Turn:
    return turns.receive(agent=agent, text=text, **({"external_id": "visitor-1"} | rest))


def submit(agent, form=ASHA, external_id="visitor-1", **rest) -> Lead:
    given = Identifiers.read(external_id=external_id, phone=form.phone, email=form.email)
    return leads.submit(agent=agent, told=Told(given), form=form, **rest)[0]


def told_of_leads() -> list[str]:
    return [name for name in types() if name.startswith("lead.")]


# --- from the chat ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contact", ["asha@example.com", "+254711000111"])
def test_an_address_or_a_number_makes_a_lead_of_a_customer(agent, contact):
    turn = receive(agent, f"My name is Asha, {contact}", channel="website")
    lead = Lead.objects.get()
    assert contact in (lead.email, lead.phone)
    assert (lead.name, lead.source, lead.channel, lead.conversation) == ("Asha", "chat", "website", turn.conversation)
    [event] = told(type="lead.submit")
    assert own(event) == {"name": "Asha", "email": lead.email or None, "phone": lead.phone or None}
    assert (event.data["channel"], event.data["lead"]["id"]) == ("website", lead.public_id)
    assert lead.submitted_at is not None


def test_other_messages_make_no_lead(agent):
    receive(agent, "My name is Asha")
    receive(agent, "What does order 12345 cost?")
    assert (Lead.objects.count(), told_of_leads()) == (0, [])


def test_a_lead_is_submitted_when_all_that_is_needed_is_known(agent):
    agent.lead_fields = ["name", "email", "phone"]
    agent.save()
    receive(agent, "asha@example.com")
    receive(agent, "+254711000111")
    assert told_of_leads() == []
    receive(agent, "I'm Asha")
    receive(agent, "asha@example.com again")
    assert told_of_leads() == ["lead.submit"]
    assert leads.missing(agent, Lead.objects.get()) == []


def test_a_name_alone_is_a_lead_where_that_is_all_that_is_needed(agent):
    agent.lead_fields = ["name"]
    agent.save()
    receive(agent, "hello, my name is Asha")
    assert told_of_leads() == ["lead.submit"]


def test_a_new_lead_knows_what_is_known_of_the_customer(agent):
    agent.lead_fields = ["name", "phone"]
    agent.save()
    make_customer(team=agent.team, external_id="visitor-1", name="Asha")
    receive(agent, "+254711000111")
    assert told(type="lead.submit")[0].data["name"] == "Asha"


def test_messages_at_once_submit_once(agent):
    receive(agent, "hello")
    at_once(lambda number: receive(agent, f"{number}: asha@example.com"))
    assert (Lead.objects.count(), told_of_leads()) == (1, ["lead.submit"])
    assert len(told(type="contact.shared")) == 20


def test_each_agent_has_a_lead_of_its_own(agent):
    other = make_agent(team=agent.team)
    for each in (agent, other):
        receive(each, "asha@example.com")
    assert [event.agent_ref for event in told(type="lead.submit")] == [agent.public_id, other.public_id]


# --- from a form -----------------------------------------------------------------------------------------------------


def test_a_form_makes_a_customer_and_a_lead(agent):
    lead = submit(agent, Form(email="asha@example.com", answers={"budget": "5000"}, score=40), channel="landing-page")
    assert (lead.source, lead.channel, lead.score, lead.answers) == ("form", "landing-page", 40, {"budget": "5000"})
    customer = Customer.objects.get()
    assert (customer.external_id, customer.email) == ("visitor-1", "asha@example.com")
    assert types() == ["customer.created", "lead.submit"]
    event = told()[1]
    assert (event.data["channel"], event.data["conversation_id"]) == ("landing-page", None)
    assert event.data["lead"]["answers"] == {"budget": "5000"}


def test_a_form_that_lacks_something_is_kept_and_submitted_later(agent):
    agent.lead_fields = ["email", "company", "consent"]
    agent.save()
    lead = submit(agent, Form(email="asha@example.com", answers={"company": " "}))
    assert leads.missing(agent, lead) == ["company", "consent"]
    assert told_of_leads() == []
    lead = submit(agent, Form(answers={"company": "Otieno", "consent": False}))
    assert (leads.missing(agent, lead), lead.email) == ([], "asha@example.com")
    assert told_of_leads() == ["lead.submit"]


def test_a_later_form_adds_and_corrects_but_is_no_second_lead(agent):
    submit(agent, Form(email="typo@example.com", answers={"a": 1}))
    lead = submit(agent, Form(email="asha@example.com", answers={"b": 2}, score=1))
    assert (lead.email, lead.answers, lead.score) == ("asha@example.com", {"a": 1, "b": 2}, 1)
    assert (Lead.objects.count(), told_of_leads()) == (1, ["lead.submit"])


def test_a_form_in_a_conversation_is_its_customers(agent):
    conversation = make_conversation(agent=agent, channel="website")
    lead = submit(agent, external_id="", conversation=conversation)
    assert (lead.customer, lead.conversation, lead.channel) == (conversation.customer, conversation, "website")
    assert told(type="lead.submit")[0].conversation_ref == conversation.public_id
    conversation.customer.refresh_from_db()
    assert conversation.customer.email == "asha@example.com"


def test_a_form_and_the_chat_are_one_lead(agent):
    agent.lead_fields = ["email", "budget"]
    agent.save()
    receive(agent, "asha@example.com")
    lead = submit(agent, Form(answers={"budget": "5000"}))
    assert (lead.source, lead.email, told_of_leads()) == ("chat", "asha@example.com", ["lead.submit"])


def test_a_form_that_tells_who_a_visitor_is_merges_them(agent):
    known = make_customer(team=agent.team, external_id="user-42", email="asha@example.com")
    conversation = receive(agent, "hello", external_id="", session_id="s-1").conversation
    lead = submit(agent, external_id="", conversation=conversation)
    assert lead.customer == known
    conversation.refresh_from_db()
    assert conversation.customer == known


def test_forms_at_once_submit_and_qualify_once(agent):
    agent.qualifying_score = 50
    agent.save()
    done = at_once(lambda number: submit(agent, Form(email="asha@example.com", score=50 + number)))
    assert not [one for one in done if isinstance(one, Exception)]
    assert (Customer.objects.count(), Lead.objects.count()) == (1, 1)
    assert sorted(told_of_leads()) == ["lead.qualified", "lead.submit"]


# --- qualifying ------------------------------------------------------------------------------------------------------


def test_a_score_that_is_high_enough_qualifies_once(agent):
    agent.qualifying_score = 70
    agent.save()
    for score in (69, 70, 100, 10, 90):
        lead = submit(agent, Form(email="asha@example.com", score=score))
    [event] = told(type="lead.qualified")
    about = {"name": None, "email": "asha@example.com", "phone": None}
    assert own(event) == about | {"score": 70, "by": "score"}
    assert event.data["lead"]["qualified"] is True
    assert lead.qualified_at is not None


def test_without_a_threshold_no_score_qualifies(agent):
    submit(agent, Form(email="asha@example.com", score=100))
    assert told(type="lead.qualified") == []


def test_a_threshold_of_nought_needs_a_score(agent):
    agent.qualifying_score = 0
    agent.save()
    submit(agent, Form(email="asha@example.com"))
    assert told(type="lead.qualified") == []
    submit(agent, Form(score=0))
    assert len(told(type="lead.qualified")) == 1


def test_somebody_says_so_once(agent):
    lead = submit(agent)
    done = at_once(lambda _: leads.qualify(lead=Lead.objects.select_related("agent").get(pk=lead.pk), by="person"))
    assert sorted(is_news for _, is_news in done) == [False] * 19 + [True]
    [event] = told(type="lead.qualified")
    assert (event.data["by"], event.data["score"]) == ("person", None)


def test_a_lead_whose_customer_was_merged_meanwhile_is_the_kept_one(agent):
    lead = submit(agent, Form(phone="+254711000111"), external_id="")
    kept = make_customer(team=agent.team, external_id="user-42")
    submit(agent, Form(phone="+254711000111", email="asha@example.com"), external_id="user-42")
    stale = Lead(pk=lead.pk, agent=agent, customer=lead.customer)
    found, is_news = leads.qualify(lead=stale, by="api")
    assert (found.customer, is_news) == (kept, True)
