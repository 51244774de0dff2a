"""Every recipe makes a rule that may be saved; what the one for payments sends."""

import json

import pytest
from django.db import transaction

from agents import catalogue, events, judging, rules
from agents.models import Evaluation, TriggerRule
from agents.recipes import RECIPES, cook
from tests.factories import make_agent, make_conversation, make_customer, make_endpoint
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db

PAID = {
    "amount": 49.5,
    "currency": "KES",
    "reference": "order-1042",
    "provider": "stripe",
    "provider_event": "checkout.session.completed",
    "object_id": "pi_1",
    "live": True,
    "metadata": {"order": "1042"},
}


@pytest.mark.parametrize("slug", RECIPES)
def test_a_recipe_makes_a_rule_that_watches(slug: str) -> None:
    rule = cook(RECIPES[slug], agent=make_agent())
    assert (rule.state, rule.name, rule.event_type in catalogue.EVENTS) == ("watching", RECIPES[slug].title, True)
    assert rules.check(rule) == []
    json.loads(rules.preview(rule, None))


class TestPaymentToFulfilment:
    @pytest.fixture
    def rule(self) -> TriggerRule:
        agent = make_agent()
        rule = cook(RECIPES["payment-to-fulfilment"], agent=agent, endpoint=make_endpoint(team=agent.team))
        rules.set_state(rule, TriggerRule.State.LIVE)
        return rule

    def pay(self, rule: TriggerRule, **changes: object) -> Event:
        customer = make_customer(team=rule.agent.team, name="Asha", email="asha@example.com")
        conversation = make_conversation(agent=rule.agent, customer=customer)
        with transaction.atomic():
            event = events.emit(
                agent=rule.agent, type="payment.succeeded", data=PAID | changes, conversation=conversation
            )
        judging.judge_pending()
        return event

    def test_every_payment_is_sent_once_with_what_a_shop_needs(self, rule: TriggerRule) -> None:
        event = self.pay(rule)
        self.pay(rule, object_id="pi_2", reference=None)
        first, second = Delivery.objects.order_by("pk")
        body = json.loads(bytes(first.body))
        assert body == {
            "payment": "pi_1",
            "provider": "stripe",
            "amount": 49.5,
            "currency": "KES",
            "reference": "order-1042",
            "metadata": {"order": "1042"},
            "customer": event.data["customer"],
            "conversation_id": event.conversation_ref,
        }
        assert json.loads(bytes(second.body))["payment"] == "pi_2"

    def test_a_test_is_not_sent(self, rule: TriggerRule) -> None:
        self.pay(rule, live=False)
        assert Evaluation.objects.get().outcome == "no_match" and not Delivery.objects.exists()
