"""Rules meet events: once, in order, with a reason, and never because of themselves."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from django.db import connection, transaction
from django.utils import timezone

from agents import deciding, events, judging, rules
from agents.models import Evaluation, Firing, PendingEvent, TriggerRule
from tests.factories import make_agent, make_conversation, make_endpoint
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)

OVER_70 = {"all": [{"field": "lead.score", "operator": "more_than", "value": 70}]}
TYPE = "message.received"
LEAD = {"id": "lead_1", "name": None, "email": None, "phone": None, "answers": {}, "qualified": False}


@pytest.fixture
def agent():
    return make_agent()


@pytest.fixture
def conversation(agent):
    return make_conversation(agent=agent)


def make_rule(agent, **fields) -> TriggerRule:
    fields = {
        "name": f"rule {TriggerRule.objects.count()}",
        "event_type": TYPE,
        "condition": OVER_70,
        "state": "live",
        "endpoint": make_endpoint(team=agent.team),
    } | fields
    rule = TriggerRule(agent=agent, **fields)
    assert rules.check(rule) == []
    rule.save()
    return rule


def tell(conversation, *, score=None, at=None, **rest) -> Event:
    """A message of a customer whose lead has this score."""
    data = {"message_id": "msg_1", "text": "hello", "lead": None if score is None else LEAD | {"score": score}}
    with transaction.atomic():
        event = events.emit(agent=conversation.agent, type=TYPE, data=data, conversation=conversation, **rest)
        if at is not None:
            Event.objects.filter(pk=event.pk).update(occurred_at=at)
    return event


def outcomes(rule) -> list[str]:
    return list(Evaluation.objects.filter(rule=rule).order_by("event").values_list("outcome", flat=True))


def fired_at(rule, told) -> list[int]:
    """Which of the told events, by number, the rule fired at."""
    fired = set(Firing.objects.filter(rule=rule).values_list("event", flat=True))
    return [number for number, event in enumerate(told) if event.pk in fired]


def test_a_match_becomes_one_delivery_with_the_documented_envelope(agent, conversation):
    rule = make_rule(agent)
    event = tell(conversation, score=82)
    assert judging.judge_pending() == 1
    delivery = Delivery.objects.get()
    body = json.loads(bytes(delivery.body))
    assert list(body) == ["id", "event", "timestamp", "agent_id", "data"]
    assert (body["id"], body["event"], body["agent_id"]) == (event.public_id, TYPE, agent.public_id)
    assert (delivery.endpoint, delivery.caused_by, delivery.event) == (rule.endpoint, rule.public_id, event)
    assert delivery.headers == {
        "X-Chatzuri-Agent-Id": agent.public_id,
        "X-Chatzuri-Conversation-Id": conversation.public_id,
        "X-Chatzuri-Hops": "1",
        "X-Chatzuri-Rule": rule.public_id,
    }
    assert (Firing.objects.get().delivery, PendingEvent.objects.count()) == (delivery, 0)


def test_every_judgement_keeps_a_reason_for_each_row(agent, conversation):
    rule = make_rule(agent)
    tell(conversation)
    judging.judge_pending()
    [evaluation] = Evaluation.objects.filter(rule=rule)
    assert (evaluation.matched, evaluation.outcome, evaluation.subject) == (False, "no_match", conversation.public_id)
    [line] = evaluation.explanation
    assert (line["field"], line["held"], line["missing"]) == ("lead.score", False, True)


@pytest.mark.parametrize(("fires", "expected"), [("becomes_true", [1, 4]), ("first", [1]), ("every", [1, 2, 4, 5])])
def test_the_table_of_when_a_match_fires(agent, conversation, fires, expected):
    rule = make_rule(agent, fires=fires)
    told = [tell(conversation, score=score) for score in (10, 80, 85, 60, 90, 95)]
    judging.judge_pending()
    assert fired_at(rule, told) == expected


def test_it_is_the_same_when_each_event_is_judged_alone(agent, conversation):
    rule = make_rule(agent)
    told = []
    for score in (10, 80, 85, 60, 90, 95):
        told.append(tell(conversation, score=score))
        judging.judge_pending()
    assert fired_at(rule, told) == [1, 4]


def test_scope_says_whose_memory_it_is(agent):
    first = make_conversation(agent=agent)
    same_customer = make_conversation(agent=agent, customer=first.customer, channel="whatsapp")
    other = make_conversation(agent=agent)
    made = {scope: make_rule(agent, scope=scope, fires="first") for scope in ("conversation", "customer", "agent")}
    told = [tell(conversation, score=90) for conversation in (first, same_customer, other)]
    judging.judge_pending()
    assert {scope: fired_at(rule, told) for scope, rule in made.items()} == {
        "conversation": [0, 1, 2],
        "customer": [0, 2],
        "agent": [0],
    }


def test_not_again_within_the_pause(agent, conversation):
    rule = make_rule(agent, fires="every", cooldown_minutes=60)
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC)
    told = [tell(conversation, score=90, at=noon + timedelta(minutes=minutes)) for minutes in (0, 59, 60, 119)]
    judging.judge_pending()
    assert fired_at(rule, told) == [0, 2]
    assert outcomes(rule) == ["fired", "cooling", "fired", "cooling"]


def test_no_more_than_so_often_a_day(agent):
    rule = make_rule(agent, fires="every", most_a_day=2)
    late = datetime(2026, 11, 2, 23, 50, tzinfo=UTC)
    told = []
    for minutes in (0, 1, 2, 20):
        told.append(tell(make_conversation(agent=agent), score=90, at=late + timedelta(minutes=minutes)))
        judging.judge_pending()
    assert outcomes(rule) == ["fired", "fired", "capped", "fired"]


def test_a_new_rule_watches_and_sends_nothing(agent, conversation):
    rule = TriggerRule(agent=agent, name="new", event_type=TYPE)
    rules.save(rule)
    assert rule.state == "watching"
    tell(conversation)
    judging.judge_pending()
    assert (outcomes(rule), Delivery.objects.count()) == (["watched"], 0)
    assert Firing.objects.get().was_live is False


def test_a_rule_that_is_off_is_not_asked(agent, conversation):
    rule = make_rule(agent, state="off")
    tell(conversation, score=90)
    judging.judge_pending()
    assert (outcomes(rule), PendingEvent.objects.count()) == ([], 0)


def test_order_hides_no_match(agent, conversation):
    made = [make_rule(agent, position=position) for position in (3, 1, 2)]
    tell(conversation, score=90)
    judging.judge_pending()
    assert [outcomes(rule) for rule in made] == [["fired"]] * 3


def test_twenty_threads_and_the_task_twice_fire_once(agent, conversation):
    make_rule(agent)
    tell(conversation, score=90)

    def judge(_):
        try:
            return judging.judge_pending()
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(judge, range(20))) == 1
    judging.judge_pending()
    assert (Firing.objects.count(), Delivery.objects.count(), Evaluation.objects.count()) == (1, 1, 1)


def test_an_event_that_waits_again_fires_no_second_time(agent, conversation):
    """As after a restored backup: the keys hold, not the outbox."""
    make_rule(agent, fires="every")
    event = tell(conversation, score=90)
    judging.judge_pending()
    PendingEvent.objects.create(event=event, agent=agent)
    assert judging.judge_pending() == 1
    assert (Delivery.objects.count(), Firing.objects.count(), PendingEvent.objects.count()) == (1, 1, 0)
    assert outcomes(TriggerRule.objects.get()) == ["fired"]


def test_a_rolled_back_change_tells_nothing(agent, conversation):
    make_rule(agent)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.emit(agent=agent, type=TYPE, data={"message_id": "msg_1", "text": "x"}, conversation=conversation)
        raise ZeroDivisionError
    assert (judging.judge_pending(), Event.objects.count(), PendingEvent.objects.count()) == (0, 0, 0)


def test_with_the_broker_away_at_the_commit_it_is_judged_later(agent, conversation, monkeypatch):
    woken = []
    monkeypatch.setattr("agents.events.wake", lambda task: None)
    monkeypatch.setattr(judging, "wake", woken.append)
    make_rule(agent)
    event = tell(conversation, score=90)
    PendingEvent.objects.filter(event=event).update(waiting_since=timezone.now() - timedelta(seconds=30))
    judging.sweep()
    assert woken == [judging.TASK]
    judging.judge_pending()
    assert Delivery.objects.count() == 1


def test_an_edited_rule_keeps_what_it_remembers_unless_it_is_told_to_start_anew(agent, conversation, monkeypatch):
    rule = make_rule(agent)
    tell(conversation, score=90)
    judging.judge_pending()
    rule.name = "renamed"
    rules.save(rule)
    told = [tell(conversation, score=91)]
    judging.judge_pending()
    assert fired_at(rule, told) == []
    rules.save(rule, starts_anew=True)
    told = [tell(conversation, score=92)]
    judging.judge_pending()
    assert fired_at(rule, told) == [0]


def test_what_is_sent_is_what_stood_in_the_rule_when_it_fired(agent, conversation):
    rule = make_rule(agent, payload={"score": "{{ lead.score }}", "from": "{{ customer.name }}"})
    tell(conversation, score=90)
    judging.judge_pending()
    rule.payload, rule.endpoint = None, make_endpoint(team=agent.team, url="https://other.example/")
    rule.save()
    delivery = Delivery.objects.get()
    assert json.loads(bytes(delivery.body)) == {"score": 90, "from": None}
    assert delivery.url != "https://other.example/"


def test_a_rule_never_sees_what_it_caused_and_a_chain_ends(agent, conversation):
    rule = make_rule(agent, fires="every")
    tell(conversation, score=90, cause=events.Cause(rule.public_id, 1))
    tell(conversation, score=90, cause=events.Cause("rul_of_another", deciding.MOST_HOPS))
    tell(conversation, score=90, cause=events.Cause("rul_of_another", deciding.MOST_HOPS - 1))
    judging.judge_pending()
    assert outcomes(rule) == ["loop", "loop", "fired"]


def test_a_body_that_is_too_large_is_a_fault_that_is_shown_and_the_next_match_tries_again(agent, conversation):
    rule = make_rule(agent, payload={"text": "{{ text }}", "again": ["{{ text }}"] * 40})
    with transaction.atomic():
        events.emit(
            agent=agent,
            type=TYPE,
            data={"message_id": "m", "text": "x" * 8000, "lead": LEAD | {"score": 90}},
            conversation=conversation,
        )
    judging.judge_pending()
    rule.refresh_from_db()
    assert (outcomes(rule), Delivery.objects.count()) == (["faulty"], 0)
    assert "larger than 256 KB" in rule.fault
    tell(conversation, score=91)
    judging.judge_pending()
    rule.refresh_from_db()
    assert (outcomes(rule), rule.fault) == (["faulty", "fired"], "")


def test_a_paused_endpoint_holds_what_a_rule_sends(agent, conversation):
    rule = make_rule(agent)
    rule.endpoint.pause()
    tell(conversation, score=90)
    judging.judge_pending()
    assert Delivery.objects.get().state == "held"


class TestJavaScript:
    def test_it_is_asked_where_the_rows_match(self, agent, conversation):
        rule = make_rule(agent, fires="every", predicate="return event.data.lead.score % 2 === 0;")
        told = [tell(conversation, score=score) for score in (50, 80, 81)]
        judging.judge_pending()
        assert fired_at(rule, told) == [1]

    def test_what_breaks_marks_the_rule_and_fires_nothing(self, agent, conversation):
        rule = make_rule(agent, predicate="\nthrow new Error('no such plan');")
        tell(conversation, score=90)
        judging.judge_pending()
        rule.refresh_from_db()
        assert (outcomes(rule), rule.fault) == (["faulty"], "no such plan (line 2)")

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("return 'yes';", 'It returned "yes" instead of true or false.'),
            ("await fetch('https://example.com/'); return true;", "fetch failed: a rule cannot fetch"),
            ("for (;;) {}", "Action timed out after 2 s"),
        ],
    )
    def test_only_true_and_false_are_answers_and_nothing_leaves(self, agent, conversation, code, said):
        rule = make_rule(agent, predicate=code)
        tell(conversation, score=90)
        judging.judge_pending()
        rule.refresh_from_db()
        assert said in rule.fault
        assert Delivery.objects.count() == 0


def test_a_worker_sends_it_to_a_real_receiver_once(agent, conversation, worker, receiver):
    make_rule(agent, endpoint=make_endpoint(team=agent.team, url=receiver.url))
    tell(conversation, score=90)
    for _ in range(10):
        current_app.send_task(judging.TASK)
    [request] = receiver.wait_for(1)
    assert json.loads(request.body)["event"] == TYPE
    assert {"webhook-signature", "x-chatzuri-signature"} <= {name.lower() for name in request.headers}
    assert len(receiver.requests) == 1
