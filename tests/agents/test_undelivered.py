"""A delivery that failed is told as an event: once, with what is known, and never in a circle."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from agents import undelivered
from agents.judging import judge_pending
from agents.models import ToldFailure
from tests.agents.test_judging import make_rule
from tests.factories import make_agent, make_conversation, make_delivery, make_endpoint
from webhooks.models import Attempt, Delivery, Event

pytestmark = pytest.mark.django_db


def failed(agent, *, outcome="rejected", status=503, **options):
    """A delivery of this agent, tried and ended."""
    endpoint = options.pop("endpoint", None) or make_endpoint(team=agent.team, name="CRM")
    delivery = make_delivery(endpoint=endpoint, agent_ref=agent.public_id, **options)
    Delivery.objects.filter(pk=delivery.pk).update(state=outcome, finished_at=timezone.now())
    Attempt.objects.create(delivery=delivery, outcome=outcome, status_code=status, finished_at=timezone.now())
    return delivery


def told():
    return Event.objects.filter(type="delivery.failed").order_by("pk")


def test_a_failure_is_told_once_with_what_is_known():
    agent = make_agent()
    conversation = make_conversation(agent=agent)
    delivery = failed(agent, conversation_ref=conversation.public_id, event_type="lead.qualified")
    assert [undelivered.sweep(), undelivered.sweep()] == [1, 0]
    [event] = told()
    facts = {name: event.data[name] for name in ("delivery_id", "endpoint", "outcome", "status_code", "reason", "seen")}
    assert facts == {
        "delivery_id": delivery.public_id,
        "endpoint": "CRM",
        "outcome": "rejected",
        "status_code": 503,
        "reason": "The receiver answered 503.",
        "seen": "yes",
    }
    assert (event.data["event_type"], event.data["conversation_id"]) == ("lead.qualified", conversation.public_id)


@pytest.mark.parametrize(("outcome", "seen"), [("not_sent", "no"), ("no_answer", "maybe"), ("interrupted", "maybe")])
def test_how_much_is_known_is_told(outcome, seen):
    failed(make_agent(), outcome=outcome, status=None)
    undelivered.sweep()
    assert told().get().data["seen"] == seen


def test_what_arrived_what_waits_and_tests_are_not_told():
    agent = make_agent()
    failed(agent, outcome="delivered", status=200, endpoint=make_endpoint(team=agent.team))
    make_delivery(endpoint=make_endpoint(team=agent.team), agent_ref=agent.public_id)
    probe = failed(agent)
    Event.objects.filter(pk=probe.event_id).update(is_test=True)
    make_delivery(endpoint=make_endpoint(team=agent.team))
    assert undelivered.sweep() == 0
    assert not told().exists()


def test_another_teams_agent_is_told_nothing():
    agent, stranger = make_agent(), make_agent()
    failed(stranger, endpoint=make_endpoint(team=agent.team))
    assert undelivered.sweep() == 0
    assert not told().exists()


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_at_once_tell_it_once():
    failed(make_agent())

    def sweep():
        undelivered.sweep()
        connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (told().count(), ToldFailure.objects.count()) == (1, 1)


def test_a_rule_about_failures_that_fails_itself_ends():
    agent = make_agent()
    endpoint = make_endpoint(team=agent.team)
    make_rule(agent, endpoint=endpoint, event_type="delivery.failed", condition={})
    failed(agent, endpoint=endpoint)
    for _ in range(8):
        undelivered.sweep()
        judge_pending()
        for delivery in Delivery.objects.filter(state="queued"):
            Delivery.objects.filter(pk=delivery.pk).update(state="rejected", finished_at=timezone.now())
            Attempt.objects.create(delivery=delivery, outcome="rejected", status_code=500, finished_at=timezone.now())
    assert 1 < told().count() <= 4
