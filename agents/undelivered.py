"""Deliveries that did not arrive become events, so that a rule can tell somebody. Once each, come what may."""

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from agents.events import Cause, emit
from agents.models import Agent, Conversation, Customer, ToldFailure
from webhooks import outcomes
from webhooks.models import Delivery

State = Delivery.State
AT_ONCE = 200


def sweep() -> int:
    """Tell what ended since the last look; how many. Two sweepers at once tell each delivery once."""
    told = ToldFailure.objects.filter(delivery=OuterRef("pk"))
    rows = (
        Delivery.objects.failed_lately()
        .filter(~Exists(told), endpoint__isnull=False, event__is_test=False)
        .exclude(event__agent_ref="")
        .select_related("event", "endpoint", "attempt")
        .order_by("pk")[:AT_ONCE]
    )
    return sum(tell(delivery) for delivery in rows)


def tell(delivery: Delivery) -> bool:
    """False where somebody else told it, or where the agent is gone."""
    event = delivery.event
    agent = Agent.objects.filter(public_id=event.agent_ref, team=delivery.team_id).first()
    with transaction.atomic():
        mark = ToldFailure(delivery=delivery, told_at=Now())
        ToldFailure.objects.bulk_create([mark], ignore_conflicts=True)
        if agent is None or not ToldFailure.objects.filter(pk=delivery.pk, mark=mark.mark).exists():
            return False
        conversation = Conversation.objects.filter(agent=agent, public_id=event.conversation_ref).first()
        customer = Customer.objects.filter(team=agent.team_id, public_id=event.customer_ref).first()
        # What follows from a failure is one step further from what a person did: a rule that fails ends by itself.
        cause = Cause(delivery.caused_by or event.caused_by, event.depth + 1)
        facts = _facts(delivery)
        emit(agent=agent, type="delivery.failed", data=facts, conversation=conversation, customer=customer, cause=cause)
    return True


def _facts(delivery: Delivery) -> dict[str, object]:
    attempt = getattr(delivery, "attempt", None)
    described = outcomes.describe(delivery)
    return {
        "delivery_id": delivery.public_id,
        "endpoint": delivery.endpoint.name if delivery.endpoint else "",
        "endpoint_id": delivery.endpoint.public_id if delivery.endpoint else "",
        "outcome": delivery.state,
        "status_code": attempt.status_code if attempt else None,
        "reason": described.sentence,
        "seen": delivery.SEEN.get(State(delivery.state), "no"),
        "event_type": delivery.event.type,
    }
