"""The list of an agent's trigger rules: their numbers, recipes, order and state."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Firing, TriggerRule
from tests.agents.admin.pages import page
from tests.agents.admin.rules import make_rule, tell
from tests.factories import make_conversation, make_endpoint

pytestmark = pytest.mark.django_db


def test_the_tab_lists_rules_in_order_with_their_numbers(client: Client, agent: Any) -> None:
    live = make_rule(agent, name="Second", state="live", endpoint=make_endpoint(team=agent.team), position=2)
    watching = make_rule(agent, name="First", fault="The body is too large.")
    conversation = make_conversation(agent=agent)
    for rule in (live, watching):
        for number, at in enumerate((timezone.now(), timezone.now() - timedelta(days=3))):
            event = tell(conversation)
            Firing.objects.create(
                rule=rule, event=event, subject="x", transition=number, was_live=rule == live, fired_at=at
            )
    html = client.get(page("agent_rules", agent.pk)).content.decode()
    assert html.index("First") < html.index("Second")
    assert "Something is wrong: The body is too large." in html
    assert "Would have fired 1 today, 2 in 7 days" in " ".join(html.split())
    assert "> Fired 1 today, 2 in 7 days" in " ".join(html.split()).replace(">Fired", "> Fired")


def test_an_empty_tab_offers_recipes_and_one_click_makes_one(client: Client, agent: Any) -> None:
    html = client.get(page("agent_rules", agent.pk)).content.decode()
    assert "No trigger rules yet" in html and "Escalation to Slack" in html
    response = client.post(page("agent_cook", agent.pk, "escalation-to-slack"))
    rule = TriggerRule.objects.get()
    assert response["Location"] == page("triggerrule_change", rule.pk)
    assert (rule.state, rule.agent) == ("watching", agent)
    assert "incoming webhook of Slack" in client.get(response["Location"]).content.decode()


def test_rules_move_and_change_their_state_with_one_click(client: Client, agent: Any) -> None:
    first = make_rule(agent, name="First", endpoint=make_endpoint(team=agent.team))
    second = make_rule(agent, name="Second", position=2)
    client.post(page("triggerrule_move", second.pk), {"direction": "up", "from": "list"})
    assert list(agent.trigger_rules.order_by("position").values_list("name", flat=True)) == ["Second", "First"]
    response = client.post(page("triggerrule_state", first.pk), {"state": "live", "from": "list"})
    assert response["Location"] == f"{page('agent_rules', agent.pk)}#rule-{first.pk}"
    first.refresh_from_db()
    assert first.state == "live"
    assert client.post(page("triggerrule_state", first.pk), {"state": "flying"}).status_code == 404


def test_a_rule_without_an_endpoint_does_not_go_live(client: Client, agent: Any) -> None:
    rule = make_rule(agent)
    response = client.post(page("triggerrule_state", rule.pk), {"state": "live"}, follow=True)
    assert "Choose an endpoint before the rule goes live." in response.content.decode()
    rule.refresh_from_db()
    assert rule.state == "watching"


def test_a_delivery_finds_its_rule_by_the_public_id(client: Client, agent: Any) -> None:
    rule, other = make_rule(agent, name="Mine"), make_rule(agent, name="Another")
    html = client.get(page("triggerrule_changelist"), {"q": rule.public_id}).content.decode()
    assert page("triggerrule_change", rule.pk) in html
    assert page("triggerrule_change", other.pk) not in html
