"""Rules that many teams begin with: one click makes one, watching, to be edited and set live."""

from dataclasses import dataclass, field
from typing import Any

from agents import rules
from agents.models import Agent, TriggerRule
from webhooks.models import Endpoint

Fires = TriggerRule.Fires
Scope = TriggerRule.Scope


@dataclass(frozen=True)
class Recipe:
    """A rule without its endpoint. `advice` says what to look at before it goes live."""

    slug: str
    title: str
    summary: str
    event_type: str
    advice: str
    condition: dict[str, Any] = field(default_factory=dict)
    fires: str = Fires.BECOMES_TRUE
    scope: str = Scope.CONVERSATION
    cooldown_minutes: int | None = None
    payload: Any = None


RECIPES: dict[str, Recipe] = {
    recipe.slug: recipe
    for recipe in (
        Recipe(
            slug="qualified-lead",
            title="Qualified lead to CRM",
            summary="A lead that is good enough goes to your CRM the moment it is.",
            event_type="lead.qualified",
            advice="Set the score from which a lead is qualified on the agent's Settings tab.",
            fires=Fires.FIRST,
            scope=Scope.CUSTOMER,
            payload={
                "name": "{{ lead.name }}",
                "email": "{{ lead.email }}",
                "phone": "{{ lead.phone }}",
                "score": "{{ lead.score }}",
                "answers": "{{ lead.answers }}",
                "source": "chat",
                "conversation_id": "{{ conversation_id }}",
            },
        ),
        Recipe(
            slug="escalation-to-slack",
            title="Escalation to Slack",
            summary="Somebody asks for a person: your team reads it in a channel.",
            event_type="escalation.triggered",
            advice="The endpoint is the address of an incoming webhook of Slack.",
            fires=Fires.EVERY,
            payload={
                "text": '{{ customer.name | default:"A customer" }} needs a person ({{ channel }}): {{ reason }}\n'
                "{{ summary }}"
            },
        ),
        Recipe(
            slug="vip-to-pager",
            title="VIP customer to pager",
            summary="A customer on your best plan writes: whoever is on call hears of it, once an hour at most.",
            event_type="message.received",
            advice="Put the name of your own plan into the condition.",
            condition={"all": [{"field": "customer.plan", "operator": "is_one_of", "value": ["vip", "enterprise"]}]},
            fires=Fires.EVERY,
            scope=Scope.CUSTOMER,
            cooldown_minutes=60,
            payload={
                "summary": '{{ customer.name | default:"A VIP" }} wrote: {{ text }}',
                "severity": "info",
                "source": "chat",
                "customer": "{{ customer }}",
            },
        ),
        Recipe(
            slug="bad-feedback",
            title="Bad feedback to the support lead",
            summary="A reply is rated 1 or 2: somebody looks at it while the customer is still there.",
            event_type="feedback.submitted",
            advice="Ratings go from 1 (bad) to 5 (good).",
            condition={"all": [{"field": "rating", "operator": "at_most", "value": 2}]},
            fires=Fires.EVERY,
        ),
        Recipe(
            slug="payment-to-fulfilment",
            title="Payment to fulfilment",
            summary="A customer has paid: your shop or your warehouse hears of it once, and can send the order.",
            event_type="payment.succeeded",
            advice="Connect Stripe on the agent’s Channels tab. What you put into a payment’s metadata comes along.",
            condition={"all": [{"field": "live", "operator": "is", "value": True}]},
            fires=Fires.EVERY,
            payload={
                "payment": "{{ object_id }}",
                "provider": "{{ provider }}",
                "amount": "{{ amount }}",
                "currency": "{{ currency }}",
                "reference": "{{ reference }}",
                "metadata": "{{ metadata }}",
                "customer": "{{ customer }}",
                "conversation_id": "{{ conversation_id }}",
            },
        ),
    )
}


def cook(recipe: Recipe, *, agent: Agent, endpoint: Endpoint | None = None) -> TriggerRule:
    """A new rule of this recipe, watching. Raises `rules.RuleRefused`."""
    rule = TriggerRule(
        agent=agent,
        name=_free_name(agent, recipe.title),
        event_type=recipe.event_type,
        condition=recipe.condition,
        fires=recipe.fires,
        scope=recipe.scope,
        cooldown_minutes=recipe.cooldown_minutes,
        payload=recipe.payload,
        endpoint=endpoint,
    )
    rules.save(rule)
    return rule


def _free_name(agent: Agent, title: str) -> str:
    taken = set(agent.trigger_rules.values_list("name", flat=True))
    numbered = (title if number == 1 else f"{title} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)
