"""A payment comes in at Stripe: a line in the conversation that asked for it, an event, and one signed POST."""

import itertools
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from agents import rules
from agents.models import Agent, Conversation, Evaluation, Message, TriggerRule, Turn
from channels_inbound import payments, processing
from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.arriving import work
from tests.channels_inbound.providers import make_channel, path_of, stripe_headers
from tests.factories import make_agent, make_conversation, make_customer, make_endpoint
from tests.receiver import Receiver
from webhooks.models import Delivery, Event

CHECKOUT, INTENT = "checkout.session.completed", "payment_intent.succeeded"
_numbers = itertools.count(1)

pytestmark = pytest.mark.django_db


def about(type: str, **members: Any) -> dict[str, Any]:
    """The object that an event of this type speaks of: paid 49.50 dollars."""
    number = next(_numbers)
    if type.startswith("checkout."):
        known = {"object": "checkout.session", "id": f"cs_{number}", "amount_total": 4950, "payment_status": "paid"}
    elif type.startswith("charge."):
        known = {"object": "charge", "id": f"ch_{number}", "amount": 4950, "amount_refunded": 4950, "refunded": True}
    else:
        known = {"object": "payment_intent", "id": f"pi_{number}", "amount": 4950, "amount_received": 4950}
    return {"currency": "usd", "metadata": {}, **known, **members}


def post(
    channel: Channel, type: str = CHECKOUT, *, event: str = "", live: bool = True, before: Any = None, **members: Any
) -> Any:
    """The row of what came in."""
    envelope = {
        "id": event or f"evt_{next(_numbers)}",
        "object": "event",
        "type": type,
        "created": int(time.time()),
        "livemode": live,
        "data": {"object": about(type, **members), "previous_attributes": before or {}},
    }
    body = json.dumps(envelope).encode()
    headers = stripe_headers(body)
    answer = Client().generic("POST", path_of(channel), body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    return InboundMessage.objects.get(channel=channel, dedupe_key=envelope["id"])


def tell(channel: Channel, type: str = CHECKOUT, **fields: Any) -> InboundMessage:
    """It came, and whatever it might have waited for did not come in time."""
    row = post(channel, type, **fields)
    wait_over(row)
    work(channel)
    row.refresh_from_db()
    return row


def wait_over(row: InboundMessage) -> None:
    past = datetime.now(UTC) - timedelta(seconds=30)
    InboundMessage.objects.filter(pk=row.pk, state="received").update(received_at=past, worked_at=None)


def lines(conversation: Conversation) -> list[str]:
    return list(conversation.messages.filter(role=Message.Role.SYSTEM).order_by("pk").values_list("text", flat=True))


@pytest.fixture
def channel(agent: Agent) -> Channel:
    return make_channel(agent=agent, kind="stripe", settings={"livemode": "live"})


@pytest.fixture
def conversation(agent: Agent) -> Conversation:
    customer = make_customer(team=agent.team, name="Asha", email="asha@example.com", phone="+254711000111")
    return make_conversation(agent=agent, customer=customer, channel="whatsapp")


def named(conversation: Conversation, **more: str) -> dict[str, Any]:
    return {"metadata": {"conversation_id": conversation.public_id, **more}}


@pytest.mark.django_db(transaction=True)
def test_a_payment_is_told_and_a_rule_sends_it_once(receiver: Receiver, worker: None) -> None:
    agent = make_agent()
    channel = make_channel(agent=agent, kind="stripe")
    conversation = make_conversation(agent=agent, customer=make_customer(team=agent.team, name="Asha"))
    rule = TriggerRule(
        agent=agent,
        name="Paid",
        event_type="payment.succeeded",
        fires="every",
        endpoint=make_endpoint(team=agent.team, url=receiver.url),
    )
    rules.save(rule)
    rules.set_state(rule, TriggerRule.State.LIVE)
    paid = {"payment_intent": "pi_1", "client_reference_id": "order-1042", "event": "evt_1"}
    post(channel, **paid, **named(conversation, order="1042"))
    [request] = receiver.wait_for(1, seconds=20)

    names = {name.lower() for name in request.headers}
    assert {"webhook-id", "webhook-timestamp", "webhook-signature", "x-chatzuri-signature"} <= names
    told = json.loads(request.body)
    assert (told["event"], told["agent_id"]) == ("payment.succeeded", agent.public_id)
    data = told["data"]
    assert (data["amount"], data["currency"], data["reference"]) == (49.5, "USD", "order-1042")
    assert (data["provider"], data["provider_event"], data["live"]) == ("stripe", CHECKOUT, True)
    assert data["metadata"]["order"] == "1042" and data["conversation_id"] == conversation.public_id
    assert data["customer"]["name"] == "Asha"
    assert lines(conversation) == ["Payment received: 49.50 USD (order-1042)."]

    post(channel, **paid, **named(conversation, order="1042"))
    twin = post(channel, INTENT, id="pi_1")
    until = time.monotonic() + 15
    while twin.state == "received" and time.monotonic() < until:
        time.sleep(0.05)
        twin.refresh_from_db()
    assert (twin.state, twin.reason) == ("ignored", "Another event told of this payment already.")
    assert (Evaluation.objects.count(), Delivery.objects.count(), len(receiver.requests)) == (1, 1, 1)
    assert not Turn.objects.exists()


class TestOnce:
    @pytest.mark.parametrize("order", [(CHECKOUT, INTENT), (INTENT, CHECKOUT)])
    def test_a_checkout_and_its_payment_are_told_once(
        self, channel: Channel, conversation: Conversation, order: tuple[str, str]
    ) -> None:
        """Also where only the one that comes second names the conversation."""
        fields = {CHECKOUT: {"payment_intent": "pi_1", **named(conversation)}, INTENT: {"id": "pi_1"}}
        rows = []
        for type in order:
            rows.append(post(channel, type, **fields[type]))
            work(channel)
        for row in rows:
            wait_over(row)
        work(channel)
        assert Event.objects.get(type="payment.succeeded").data["conversation_id"] == conversation.public_id
        assert lines(conversation) == ["Payment received: 49.50 USD."]
        assert sorted(InboundMessage.objects.values_list("state", flat=True)) == ["done", "ignored"]

    def test_the_payment_s_own_customer_does_not_win_over_the_named_conversation(
        self, channel: Channel, conversation: Conversation
    ) -> None:
        make_conversation(agent=channel.agent, customer=conversation.customer, channel="email", thread="mail:1")
        post(channel, INTENT, id="pi_1", receipt_email="asha@example.com")
        work(channel)
        tell(channel, payment_intent="pi_1", **named(conversation))
        assert Event.objects.get(type="payment.succeeded").conversation_ref == conversation.public_id

    def test_two_payments_are_two(self, channel: Channel, conversation: Conversation) -> None:
        for number in (1, 2):
            tell(channel, payment_intent=f"pi_{number}", **named(conversation))
        assert Event.objects.filter(type="payment.succeeded").count() == 2

    def test_the_same_event_twice_is_one(self, channel: Channel, conversation: Conversation) -> None:
        for _ in range(2):
            tell(channel, event="evt_1", **named(conversation))
        assert Event.objects.filter(type="payment.succeeded").count() == 1


class TestWhose:
    @pytest.mark.parametrize(
        "who",
        [
            {"customer_details": {"email": "Asha@Example.com"}},
            {"customer_details": {"phone": "+254 711 000111"}},
            {"metadata": {"customer_id": "shop-7"}},
        ],
    )
    def test_without_a_name_by_the_customer(
        self, channel: Channel, conversation: Conversation, who: dict[str, Any]
    ) -> None:
        conversation.customer.external_id = "shop-7"
        conversation.customer.save()
        row = tell(channel, **who)
        assert (row.state, row.conversation) == ("done", conversation)
        assert Event.objects.get(type="payment.succeeded").data["customer"]["name"] == "Asha"

    def test_of_nobody_the_event_is_told_all_the_same(self, channel: Channel, conversation: Conversation) -> None:
        row = tell(channel, customer_details={"email": "stranger@example.com"})
        event = Event.objects.get(type="payment.succeeded")
        assert (event.conversation_ref, event.customer_ref, event.data["customer"]) == ("", "", None)
        assert (row.state, row.reason) == ("done", "It names no conversation of this agent.")
        assert lines(conversation) == []

    def test_a_customer_who_never_wrote_to_this_agent_is_named_without_a_conversation(self, channel: Channel) -> None:
        customer = make_customer(team=channel.agent.team, email="asha@example.com")
        tell(channel, customer_details={"email": "asha@example.com"})
        event = Event.objects.get(type="payment.succeeded")
        assert (event.conversation_ref, event.customer_ref) == ("", customer.public_id)

    @pytest.mark.parametrize("is_same_team", [True, False])
    def test_another_agent_s_conversation_is_never_reached(self, channel: Channel, is_same_team: bool) -> None:
        agent = make_agent(team=channel.agent.team) if is_same_team else make_agent()
        foreign = make_conversation(agent=agent, customer=make_customer(team=agent.team, email="asha@example.com"))
        tell(channel, **named(foreign), customer_details={"email": "asha@example.com"})
        event = Event.objects.get(type="payment.succeeded")
        assert (event.agent_ref, event.conversation_ref) == (channel.agent.public_id, "")
        assert bool(event.customer_ref) is is_same_team
        assert not foreign.messages.exists()


class TestOutcomes:
    def test_a_failed_payment_says_why(self, channel: Channel, conversation: Conversation) -> None:
        declined = {"last_payment_error": {"message": "Your card was declined.", "charge": "ch_1"}}
        tell(channel, "payment_intent.payment_failed", **declined, **named(conversation))
        assert lines(conversation) == ["Payment failed: 49.50 USD. Your card was declined."]
        assert Event.objects.get(type="payment.failed").data["amount"] == 49.5

    def test_each_failed_try_is_told(self, channel: Channel, conversation: Conversation) -> None:
        for charge in ("ch_1", "ch_2"):
            declined = {"id": "pi_1", "last_payment_error": {"message": "No.", "charge": charge}}
            tell(channel, "payment_intent.payment_failed", **declined, **named(conversation))
        assert Event.objects.filter(type="payment.failed").count() == 2

    def test_refunds_bit_by_bit_are_told_with_what_each_was(self, channel: Channel, conversation: Conversation) -> None:
        charge = {"id": "ch_1", **named(conversation)}
        tell(channel, "charge.refunded", amount_refunded=1000, refunded=False, before={"amount_refunded": 0}, **charge)
        tell(channel, "charge.refunded", amount_refunded=4950, before={"amount_refunded": 1000}, **charge)
        assert lines(conversation) == ["Payment refunded: 10.00 USD.", "Payment refunded: 39.50 USD."]
        told = Event.objects.filter(type="payment.refunded").order_by("pk")
        assert [event.data["amount"] for event in told] == [10, 39.5]

    @pytest.mark.parametrize(
        ("currency", "counted", "amount", "line"),
        [
            ("jpy", 5000, 5000, "Payment received: 5,000 JPY."),
            ("kwd", 1234, 1.234, "Payment received: 1.234 KWD."),
            ("kes", 120050, 1200.5, "Payment received: 1,200.50 KES."),
        ],
    )
    def test_amounts_are_in_the_currency_s_own_unit(
        self, channel: Channel, conversation: Conversation, currency: str, counted: int, amount: float, line: str
    ) -> None:
        tell(channel, currency=currency, amount_total=counted, **named(conversation))
        assert lines(conversation) == [line]
        told = Event.objects.get(type="payment.succeeded").data
        assert (told["amount"], told["currency"]) == (amount, currency.upper())

    def test_an_order_that_is_not_paid_yet_is_no_payment(self, channel: Channel, conversation: Conversation) -> None:
        row = tell(channel, payment_status="unpaid", **named(conversation))
        assert row.state == "ignored" and "not paid yet" in row.reason
        assert not Event.objects.exists() and lines(conversation) == []

    def test_a_test_does_not_reach_a_live_channel(self, channel: Channel, conversation: Conversation) -> None:
        row = tell(channel, live=False, **named(conversation))
        assert row.state == "ignored" and "a test event" in row.reason
        assert not Event.objects.exists() and lines(conversation) == []

    def test_where_both_modes_count_a_test_says_so(self, agent: Agent, conversation: Conversation) -> None:
        tell(make_channel(agent=agent, kind="stripe"), live=False, **named(conversation))
        assert lines(conversation) == ["Payment received: 49.50 USD. This was a test, no real money."]
        assert Event.objects.get(type="payment.succeeded").data["live"] is False


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_two_events_of_one_payment_tell_it_once(
    channel: Channel, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        post(channel, payment_intent="pi_1", **named(conversation)),
        post(channel, INTENT, id="pi_1", **named(conversation)),
    ]
    emit = payments.emit

    def slowly(**fields: Any) -> Any:
        time.sleep(0.3)
        return emit(**fields)

    monkeypatch.setattr(payments, "emit", slowly)

    def work_on(row: InboundMessage) -> None:
        processing.work_on(channel.pk, row.thread_key)
        connection.close()

    threads = [threading.Thread(target=work_on, args=[row]) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Event.objects.filter(type="payment.succeeded").count() == 1
    assert lines(conversation) == ["Payment received: 49.50 USD."]
