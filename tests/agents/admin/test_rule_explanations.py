"""Why a rule did not fire: what every rule said of an event, on the event's page and in the playground."""

from typing import Any

import pytest
from django.test import Client

from agents import judging
from agents.admin import rule_facts
from agents.models import Evaluation
from tests.agents.admin.pages import page
from tests.agents.admin.rules import FROM_KENYA, OVER_70, make_rule, tell
from tests.factories import make_agent, make_conversation

pytestmark = pytest.mark.django_db


def test_an_event_shows_what_every_rule_said_and_why_the_others_said_nothing(client: Client, agent: Any) -> None:
    judged = make_rule(agent, name="Judged", condition={"all": [OVER_70]})
    make_rule(agent, name="Switched off", state="off", condition={"all": [OVER_70]})
    make_rule(agent, name="Elsewhere", event_type="lead.submit")
    event = tell(make_conversation(agent=agent), score=60)
    address = page("agent_event", agent.pk, event.public_id)
    assert "It is being judged." in client.get(address).content.decode()
    judging.judge_pending()
    make_rule(agent, name="Too late")
    html = client.get(address).content.decode()
    assert "Did not match" in html and "Lead’s score is more than 70 (was 60)" in html
    assert "It is off." in html and "It listens to something else: “A lead is complete”." in html
    assert "It was made after this happened." in html
    assert Evaluation.objects.get().rule == judged
    history = client.get(page("evaluation_changelist"), {"rule__id__exact": judged.pk}).content.decode()
    assert "Lead’s score is more than 70 (was 60)" in history
    other = client.get(page("evaluation_changelist"), {"outcome__exact": "fired"}).content.decode()
    assert "(was 60)" not in other
    one = client.get(page("evaluation_change", Evaluation.objects.get().pk)).content.decode()
    assert "Not everything held, so nothing was sent." in one


def test_another_agents_event_is_not_found(client: Client, agent: Any) -> None:
    event = tell(make_conversation(agent=make_agent(team=agent.team)))
    assert client.get(page("agent_event", agent.pk, event.public_id)).status_code == 404
    assert client.get(page("agent_event", agent.pk, "evt_unknown")).status_code == 404


def test_the_events_of_an_agent_turn_pages_and_narrow_to_one_kind(client: Client, agent: Any) -> None:
    conversation = make_conversation(agent=agent)
    told = [tell(conversation) for _ in range(52)]
    other = tell(make_conversation(agent=make_agent(team=agent.team)))
    html = client.get(page("agent_events", agent.pk)).content.decode()
    assert told[51].public_id in html and told[2].public_id in html
    assert told[1].public_id not in html and other.public_id not in html
    older = client.get(page("agent_events", agent.pk), {"before": told[2].pk}).content.decode()
    assert told[1].public_id in older and told[2].public_id not in older
    assert (
        "Nothing of this kind" in client.get(page("agent_events", agent.pk), {"type": "lead.submit"}).content.decode()
    )
    assert rule_facts.latest(agent, types=["no.such"]) == []


def test_the_playground_shows_what_happened_and_what_rules_said(client: Client, agent: Any) -> None:
    make_rule(agent, name="Refunds", condition={"all": [FROM_KENYA | {"field": "text", "operator": "contains"}]})
    client.post(page("agent_say", agent.pk), {"text": "I come from KE"})
    conversation = agent.conversations.get()
    decision = page("agent_turn_decision", agent.pk, conversation.turns.get().pk)
    html = client.get(decision).content.decode()
    assert "being judged" in html and "A customer writes" in html
    judging.judge_pending()
    html = client.get(decision).content.decode()
    assert "Would have fired" in html and "Text of the message contains &#x27;KE&#x27;" in html
    client.post(page("agent_say", agent.pk), {"text": "And again"})
    second = page("agent_turn_decision", agent.pk, conversation.turns.latest("pk").pk)
    assert client.get(second).content.decode().count("A customer writes") == 1
