"""A rehearsal says what live would have done, and sends nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from agents import judging, rehearsing
from agents.deciding import Draft
from agents.models import Evaluation, Firing, PendingEvent, Rehearsal, RuleState, TriggerRule
from tests.agents.test_judging import OVER_70, TYPE, make_rule, tell
from tests.factories import make_agent, make_conversation
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent():
    return make_agent()


@pytest.fixture
def conversation(agent):
    return make_conversation(agent=agent)


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """Only the test rehearses."""
    monkeypatch.setattr(rehearsing, "wake", lambda task, **ids: None)


def rehearse(agent, draft, **rest) -> Rehearsal:
    rehearsal = rehearsing.begin(agent=agent, draft=draft, **rest)
    rehearsing.run(rehearsal_id=rehearsal.pk)
    rehearsal.refresh_from_db()
    return rehearsal


def test_a_draft_is_played_over_the_past_with_reasons_and_nothing_leaves(agent, conversation):
    told = [tell(conversation, score=score) for score in (10, 80, 85, 60, 90)]
    done = rehearse(agent, Draft(TYPE, OVER_70))
    assert (done.state, done.total, done.done) == ("finished", 5, 5)
    assert done.counts == {"matched": 3, "new": 2}
    assert [found["event"] for found in done.found] == [told[1].public_id, told[4].public_id]
    assert done.found[0]["lines"][0] | {"held": True, "found": 80} == done.found[0]["lines"][0]
    assert (Delivery.objects.count(), Firing.objects.count(), RuleState.objects.count()) == (0, 0, 0)


def test_a_changed_rule_is_told_from_the_saved_one(agent, conversation):
    rule = make_rule(agent, fires="every")
    for score in (60, 75, 95):
        tell(make_conversation(agent=agent), score=score)
    harder = {"all": [{"field": "lead.score", "operator": "more_than", "value": 90}]}
    assert rehearse(agent, Draft(TYPE, harder, fires="every"), rule=rule).counts == {"matched": 1, "same": 1, "gone": 1}
    easier = {"all": [{"field": "lead.score", "operator": "more_than", "value": 50}]}
    assert rehearse(agent, Draft(TYPE, easier, fires="every"), rule=rule).counts == {"matched": 3, "same": 2, "new": 1}


def test_only_the_days_that_were_asked_for_and_only_this_agent(agent, conversation):
    tell(conversation, score=90, at=timezone.now() - timedelta(days=9))
    tell(make_conversation(), score=90)
    assert rehearse(agent, Draft(TYPE, OVER_70), days=7).total == 0
    assert rehearse(agent, Draft(TYPE, OVER_70), days=10).counts == {"matched": 1, "new": 1}


def test_a_cancelled_one_stops_and_an_abandoned_one_is_woken_for(agent, conversation, monkeypatch):
    woken = []
    monkeypatch.setattr(rehearsing, "wake", lambda task, **ids: woken.append(ids))
    rehearsal = rehearsing.begin(agent=agent, draft=Draft(TYPE, OVER_70))
    Rehearsal.objects.update(moved_at=timezone.now() - timedelta(minutes=5))
    woken.clear()
    rehearsing.sweep()
    assert woken == [{"rehearsal_id": rehearsal.pk}]
    assert rehearsing.cancel(rehearsal) is True
    rehearsing.run(rehearsal_id=rehearsal.pk)
    rehearsal.refresh_from_db()
    assert (rehearsal.state, rehearsing.cancel(rehearsal)) == ("cancelled", False)


# Scores of three conversations of two customers, with minutes between them; and any rule.
MESSAGES = some.lists(
    some.tuples(some.integers(0, 2), some.none() | some.integers(0, 100), some.integers(0, 900)), max_size=12
)
RULES = some.fixed_dictionaries(
    {
        "fires": some.sampled_from(TriggerRule.Fires.values),
        "scope": some.sampled_from(TriggerRule.Scope.values),
        "cooldown_minutes": some.none() | some.integers(1, 600),
        "most_a_day": some.none() | some.integers(1, 3),
        "condition": some.sampled_from(
            [{}, OVER_70, {"all": [OVER_70["all"][0] | {"not": True}]}, {"any": [OVER_70["all"][0]]}]
        ),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=MESSAGES, fields=RULES, batch=some.integers(1, 5))
def test_a_rehearsal_says_exactly_what_live_does(messages, fields, batch):
    agent = make_agent()
    first = make_conversation(agent=agent)
    places = [
        first,
        make_conversation(agent=agent, customer=first.customer, channel="b"),
        make_conversation(agent=agent),
    ]
    rule = make_rule(agent, **fields)
    at = datetime.now(UTC) - timedelta(days=20)
    told = []
    for number, (place, score, minutes) in enumerate(messages, 1):
        at += timedelta(minutes=minutes)
        told.append(tell(places[place], score=score, at=at))
        if number % batch == 0:
            judging.judge_pending()
    judging.judge_pending()
    live = set(Firing.objects.filter(rule=rule).values_list("event__public_id", flat=True))
    rehearsal = rehearse(agent, Draft.of(rule))
    assert {found["event"] for found in rehearsal.found} == live
    assert rehearsal.counts.get("new", 0) == len(live)
    judged = Evaluation.objects.filter(rule=rule).values_list("matched", flat=True)
    assert rehearsal.counts.get("matched", 0) == sum(judged)
    assert (len(judged), PendingEvent.objects.count()) == (len(told), 0)
    assert Event.objects.filter(agent_ref=agent.public_id).count() == len(told)
