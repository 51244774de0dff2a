"""Where a message belongs and whose it is: groups, threads, and one person under several addresses."""

from typing import Any

import pytest

from agents.models import Agent, Conversation, Customer, Turn
from channels_inbound.models import Channel, Contact, InboundMessage
from tests.channels_inbound.arriving import person, replies_to, said
from tests.channels_inbound.providers import make_channel
from tests.factories import make_conversation
from webhooks.models import Event

pytestmark = pytest.mark.django_db


class TestGroups:
    @pytest.mark.parametrize(("kind", "thread"), [("telegram", "-100:7"), ("slack", "T1:C1:1700000000.000100")])
    def test_two_people_in_one_thread(self, agent: Agent, kind: str, thread: str) -> None:
        channel = make_channel(agent=agent, kind=kind)
        rows = [
            said(channel, f"I am {name}", sender=person(who, name=name), thread=thread)
            for who, name in (("11", "Asha"), ("22", "Ben"), ("11", "Asha"))
        ]
        conversation = Conversation.objects.get()
        assert {row.conversation for row in rows} == {conversation}
        assert (conversation.channel, conversation.thread) == (kind, thread)
        assert sorted(Customer.objects.values_list("name", flat=True)) == ["Asha", "Ben"]
        told = Event.objects.filter(type="message.received").order_by("pk")
        assert [event.data["customer"]["name"] for event in told] == ["Asha", "Ben", "Asha"]
        assert {event.data["conversation_id"] for event in told} == {conversation.public_id}

    def test_two_threads_of_one_person_are_two_conversations(self, agent: Agent) -> None:
        channel = make_channel(agent=agent, kind="slack")
        for thread in ("T1:C1:1", "T1:C1:2", ""):
            said(channel, sender=person("U1"), thread=thread)
        assert Conversation.objects.count() == 3 and Customer.objects.count() == 1


class TestIdentity:
    def test_number_and_scoped_id_are_one_customer(self, whatsapp: Channel) -> None:
        said(whatsapp, sender=person("254712345678", "KE.1", phone="+254712345678"))
        said(whatsapp, sender=person("KE.1", id_type="bsuid"))
        assert Customer.objects.get().phone == "+254712345678"
        assert Conversation.objects.count() == 1

    def test_two_who_turn_out_to_be_one_are_made_one(self, whatsapp: Channel) -> None:
        said(whatsapp, sender=person("254712345678", phone="+254712345678", name="Asha"))
        said(whatsapp, sender=person("KE.1", id_type="bsuid"))
        assert Customer.objects.filter(merged_into=None).count() == 2
        said(whatsapp, sender=person("254712345678", "KE.1", phone="+254712345678"))
        kept = Customer.objects.get(merged_into=None)
        assert (kept.phone, kept.name) == ("+254712345678", "Asha")
        assert set(Contact.objects.values_list("customer", flat=True)) == {kept.pk}
        assert Conversation.objects.filter(state="open").count() == 1

    def test_one_number_on_two_channels_is_one_customer(self, whatsapp: Channel) -> None:
        sms = make_channel(agent=whatsapp.agent, kind="twilio")
        said(whatsapp, sender=person("254712345678", phone="+254712345678"))
        said(sms, sender=person("+254712345678", phone="+254712345678"))
        customer = Customer.objects.get()
        assert sorted(customer.conversations.values_list("channel", flat=True)) == ["sms", "whatsapp"]

    def test_the_same_address_with_another_team_is_somebody_else(self, whatsapp: Channel) -> None:
        other = make_channel(kind="whatsapp")
        for channel in (whatsapp, other):
            said(channel, sender=person("254712345678", phone="+254712345678"))
        assert len(set(Customer.objects.values_list("team", flat=True))) == 2


class TestMailThreads:
    """Where a mail belongs; the whole road of one is in test_walk_mail."""

    @pytest.fixture
    def mail(self, agent: Agent) -> Channel:
        return make_channel(agent=agent, kind="mailgun")

    def asha(self, channel: Channel, text: str = "Hello", **fields: Any) -> InboundMessage:
        return said(channel, text, **({"sender": person("asha@example.org"), "thread": "mail:1"} | fields))

    def test_somebody_else_who_knows_the_tag_joins_as_themselves(self, mail: Channel) -> None:
        row = self.asha(mail)
        tag = {"tag": row.conversation.public_id}
        joined = self.asha(mail, sender=person("ben@example.org"), thread="mail:2", facts=tag)
        assert joined.conversation == row.conversation
        told = Event.objects.get(type="email.replied")
        assert told.data["customer"]["id"] != row.conversation.customer.public_id
        assert Customer.objects.get(public_id=told.customer_ref) == Contact.objects.latest("pk").customer

    def test_a_sender_nobody_vouches_for_is_not_the_customer_of_that_address(self, mail: Channel) -> None:
        """Anybody can write any address above a mail."""
        proved = person("asha@example.org", email="asha@example.org")
        real = self.asha(mail, sender=proved).conversation.customer
        forged = self.asha(mail, thread="mail:2").conversation.customer
        assert (real.email, forged.email, forged == real) == ("asha@example.org", "", False)
        assert self.asha(mail, thread="mail:3").conversation.customer == forged
        assert self.asha(mail, sender=proved, thread="mail:4").conversation.customer == real

    @pytest.mark.parametrize("whose", ["agent", "team"])
    def test_the_tag_of_another_agent_leads_nowhere(self, mail: Channel, whose: str) -> None:
        foreign = make_conversation(channel="email", thread="mail:9")
        if whose == "agent":
            Agent.objects.filter(pk=foreign.agent_id).update(team=mail.agent.team)
        row = self.asha(mail, facts={"tag": foreign.public_id})
        assert row.conversation != foreign and not foreign.messages.exists()
        assert not Event.objects.filter(type="email.replied").exists()

    def test_a_bounce_finds_its_thread_by_the_mail_that_did_not_arrive(self, mail: Channel) -> None:
        row = self.asha(mail)
        replies_to(row, state="sent", provider_id="<rpl@mg.example.com>")
        bounce = said(
            mail,
            kind="bounce",
            sender=None,
            subject="Undelivered mail",
            thread="mail:3",
            target_id="<rpl@mg.example.com>",
        )
        assert (bounce.conversation, bounce.message.role) == (row.conversation, "system")
        assert bounce.message.text == "A mail could not be delivered: Undelivered mail"
        assert Turn.objects.count() == 1
