"""The catalogue, and telling events: with the change they report or not at all, and with what was true then."""

import json
import re
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client
from jsonschema import Draft202012Validator

from agents import catalogue, events
from agents.catalogue import EVENTS
from agents.events import Happening
from agents.models import Lead, PendingEvent, Segment, SegmentMember, TriggerRule
from chatzuri import celery_app
from tests.factories import make_agent, make_api_key, make_conversation, make_customer, make_endpoint
from webhooks import auditing
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

SAID = {"message_id": "msg_1", "text": "hello"}
NAMES = {
    "lead.submit",
    "message.received",
    "message.sent",
    "conversation.started",
    "conversation.ended",
    "feedback.submitted",
    "escalation.triggered",
    "conversation.idle",
    "conversation.reopened",
    "contact.shared",
    "keyword.matched",
    "lead.qualified",
    "escalation.accepted",
    "escalation.resolved",
    "customer.created",
    "customer.updated",
    "customer.matched",
    "tool.fired",
    "tool.failed",
    "tool.refused",
    "tool.held",
    "reply.unbacked",
    "budget.reached",
    "delivery.failed",
    "payment.succeeded",
    "payment.failed",
    "payment.refunded",
    "email.replied",
    "channel.connected",
    "channel.disconnected",
}


@pytest.fixture
def conversation():
    return make_conversation(agent=make_agent())


def tell(conversation, type="message.received", data=None, **rest) -> Event:
    with transaction.atomic():
        data = SAID if data is None else data
        return events.emit(agent=conversation.agent, type=type, data=data, conversation=conversation, **rest)


def listen(agent, type="message.received", state="watching", **fields) -> TriggerRule:
    return TriggerRule.objects.create(agent=agent, name=f"{type} {state}", event_type=type, state=state, **fields)


# --- the catalogue ---------------------------------------------------------------------------------------------------


def test_the_names_are_those_of_the_contract():
    assert set(EVENTS) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_event_has_a_schema_an_example_that_fits_and_words(name):
    event = EVENTS[name]
    Draft202012Validator.check_schema(event.schema)
    assert catalogue.faults(name, event.example) == []
    assert event.schema["required"] == list(event.example)
    assert event.version >= 1
    assert event.title and event.description.endswith(".")
    assert {"conversation_id", "channel", "customer", "lead"} < {*event.example, "more"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_field_that_rules_can_ask_about_is_in_the_example(name):
    event = EVENTS[name]
    assert len({field.path for field in event.fields}) == len(event.fields)
    for field in event.fields:
        found = event.example
        for part in field.path.removesuffix(".*").split("."):
            assert part in found, field
            found = found[part]
        assert field.type in {"text", "number", "boolean", "moment", "list", "choice"}
        assert field.label
        if field.type == "choice" and found is not None:
            assert found in field.suggestions


def test_what_is_missing_too_much_or_of_another_kind_does_not_fit():
    good = EVENTS["feedback.submitted"].example
    assert catalogue.faults("feedback.submitted", good | {"rating": 6})
    assert catalogue.faults("feedback.submitted", good | {"rating": "5"})
    assert catalogue.faults("feedback.submitted", good | {"stars": 5})
    assert catalogue.faults("feedback.submitted", {k: v for k, v in good.items() if k != "comment"})
    assert catalogue.faults("feedback.given", good) == ["there is no event 'feedback.given'"]


def test_the_api_lists_every_event(conversation):
    api = Client(headers={"Authorization": f"Bearer {make_api_key(team=conversation.agent.team)}"})
    listed = {event["type"]: event for event in api.get("/api/v1/events").json()["events"]}
    assert set(listed) == NAMES
    one = listed["feedback.submitted"]
    assert (one["version"], one["example"]["rating"]) == (1, 2)
    assert one["schema"]["properties"]["rating"]["maximum"] == 5
    rating = {"path": "rating", "label": "Rating", "type": "number", "suggestions": []}
    assert rating in one["fields"]


def test_the_guide_names_every_event_with_its_keys():
    """And no other: a name in there is a promise."""
    guide = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    rows = [line.split("|") for line in guide.splitlines() if line.startswith("| `")]
    named = {name: re.findall(r"`(\w+)`", row[3]) for row in rows for name in re.findall(r"`([a-z.]+)`", row[1])}
    assert named == {name: list(event.example)[4:] for name, event in EVENTS.items()}


# --- with the change, or not at all ----------------------------------------------------------------------------------


def test_an_event_outside_of_a_transaction_is_refused(conversation):
    with pytest.raises(events.OutsideTransaction):
        events.emit(agent=conversation.agent, type="message.received", data=SAID, conversation=conversation)
    assert Event.objects.count() == 0


def test_a_change_that_is_rolled_back_told_nothing(conversation):
    listen(conversation.agent)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.emit(agent=conversation.agent, type="message.received", data=SAID, conversation=conversation)
        raise ZeroDivisionError
    assert (Event.objects.count(), PendingEvent.objects.count()) == (0, 0)


def test_an_event_is_there_and_waits_although_the_broker_is_away(conversation, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no broker")

    monkeypatch.setattr(celery_app, "send_task", refuse)
    listen(conversation.agent)
    event = tell(conversation)
    assert PendingEvent.objects.get().event == event


def test_only_what_a_rule_listens_to_waits_and_wakes_a_worker_once(conversation, monkeypatch):
    sent = []
    monkeypatch.setattr(celery_app, "send_task", lambda name, **_: sent.append(name))
    listen(conversation.agent, "message.received")
    listen(conversation.agent, "message.sent", state="live", endpoint=make_endpoint(team=conversation.agent.team))
    listen(conversation.agent, "conversation.started", state="off")
    listen(make_agent(team=conversation.agent.team), "contact.shared")
    shared = {"kind": "email", "value": "a@b.co", "message_id": "msg_1"}
    happenings = [
        Happening("conversation.started", {"started_at": "2026-01-01T00:00:00Z"}, conversation),
        Happening("message.received", SAID, conversation),
        Happening("contact.shared", shared, conversation),
        Happening("message.sent", SAID, conversation),
    ]
    with transaction.atomic():
        told = events.emit_all(conversation.agent, happenings)
        assert sent == []
    waiting = PendingEvent.objects.order_by("pk").values_list("event__type", flat=True)
    assert [event.type for event in told] == [one.type for one in happenings]
    assert list(waiting) == ["message.received", "message.sent"]
    assert sent == ["agents.tasks.judge_events"]


def test_several_events_cost_no_more_statements_than_one(conversation, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(3):  # the snapshot, the insert, the rules
        events.emit_all(conversation.agent, [Happening("message.received", SAID, conversation)] * 5)


def test_no_events_cost_nothing(conversation, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert events.emit_all(conversation.agent, []) == []


def test_a_fault_of_ours_is_logged_and_the_change_is_kept(conversation, unfit_events):
    event = tell(conversation, data={"message_id": 7})
    assert Event.objects.get() == event
    assert "does not fit the catalogue" in unfit_events[0]
    assert "'text' is a required property" in unfit_events[0]
    unfit_events.clear()


def test_facts_owe_nothing_so_the_auditor_misses_no_delivery(conversation):
    tell(conversation)
    assert auditing.audit(whole=True).findings == []
    Event.objects.update(is_owed=True)
    assert len(auditing.audit(whole=True).findings) == 1


# --- the snapshot ----------------------------------------------------------------------------------------------------


def test_an_event_tells_whom_it_is_about_as_they_were_then(conversation):
    agent, customer = conversation.agent, conversation.customer
    customer.name, customer.email, customer.attributes = "Asha", "asha@example.com", {"company": "Otieno"}
    customer.save()
    for name in ("VIP", "Big"):
        segment = Segment.objects.create(team=agent.team, name=name)
        SegmentMember.objects.create(segment=segment, customer=customer)
    Lead.objects.create(agent=make_agent(team=agent.team), customer=customer, score=1)
    lead = Lead.objects.create(agent=agent, customer=customer, email="a@b.co", score=82, answers={"budget": "5000"})
    event = tell(conversation)
    Lead.objects.update(score=10)
    customer.email = "other@example.com"
    customer.save()
    event.refresh_from_db()
    assert event.data == SAID | {
        "conversation_id": conversation.public_id,
        "channel": "api",
        "customer": {
            "id": customer.public_id,
            "name": "Asha",
            "email": "asha@example.com",
            "phone": None,
            "country": None,
            "plan": None,
            "attributes": {"company": "Otieno"},
            "segments": ["Big", "VIP"],
        },
        "lead": {
            "id": lead.public_id,
            "name": None,
            "email": "a@b.co",
            "phone": None,
            "score": 82,
            "answers": {"budget": "5000"},
            "qualified": False,
        },
    }
    refs = (event.agent_ref, event.conversation_ref, event.customer_ref)
    assert refs == (agent.public_id, conversation.public_id, customer.public_id)
    assert (event.team, event.version, event.is_owed, event.is_test) == (agent.team, 1, False, False)


def test_an_event_without_a_conversation_or_a_customer_says_null(conversation):
    agent = conversation.agent
    with transaction.atomic():
        known = events.emit(agent=agent, type="customer.created", data={}, customer=make_customer(team=agent.team))
        keys = ("tool", "title", "call_id", "reason")
        nobody = events.emit(agent=agent, type="budget.reached", data=dict.fromkeys(keys, "x"))
    assert (known.data["conversation_id"], known.data["channel"], known.data["lead"]) == (None, None, None)
    assert known.conversation_ref == ""
    assert (nobody.data["customer"], nobody.data["lead"], nobody.customer_ref) == (None, None, "")


def test_where_it_comes_from_is_kept(conversation):
    event = tell(conversation, cause=events.Cause("rul_1", 2), is_test=True)
    event.refresh_from_db()
    assert (event.caused_by, event.depth, event.is_test) == ("rul_1", 2, True)


def test_the_envelope_is_json(conversation):
    envelope = tell(conversation).envelope()
    assert set(envelope) == {"id", "event", "timestamp", "agent_id", "data"}
    assert json.loads(json.dumps(envelope)) == envelope
