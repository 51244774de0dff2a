"""Rehearsals: a draft against what has happened."""

from typing import Any

import pytest
from django.test import Client

from agents import rehearsing
from agents.models import Rehearsal, TriggerRule
from tests.agents.admin.pages import page
from tests.agents.admin.rules import OVER_70, make_rule, posted, row, tell
from tests.factories import make_conversation
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db


def rehearse(client: Client, agent: Any, *rows: dict[str, str], **fields: Any) -> Rehearsal:
    response = client.post(page("agent_rehearse_rule", agent.pk), posted(*rows, **fields))
    rehearsal = Rehearsal.objects.latest("pk")
    assert response["Location"] == page("rehearsal_change", rehearsal.pk)
    rehearsing.run(rehearsal_id=rehearsal.pk)
    return rehearsal


def shown(client: Client, rehearsal: Rehearsal) -> str:
    return " ".join(client.get(page("rehearsal_live", rehearsal.pk)).content.decode().split())


def test_a_draft_is_rehearsed_as_it_stands_and_gives_reasons(client: Client, agent: Any) -> None:
    conversations = [make_conversation(agent=agent) for _ in range(3)]
    for conversation, score in zip(conversations, (82, 60, None), strict=True):
        tell(conversation, score=score)
    rehearsal = rehearse(client, agent, row("lead.score", "more_than", "70"), name="", days="7")
    html = shown(client, rehearsal)
    assert "<strong>1</strong> would fire" in html and "3 events looked at, 1 matched" in html
    assert "Lead’s score is more than 70 (was 82)" in html
    assert page("conversation_change", conversations[0].pk) in html
    assert page("conversation_change", conversations[1].pk) not in html
    assert "hx-get" not in html
    assert Delivery.objects.count() == TriggerRule.objects.count() == 0


def test_against_a_saved_rule_it_says_what_would_change(client: Client, agent: Any) -> None:
    rule = make_rule(agent, condition={"all": [OVER_70]})
    for score in (82, 72, 66):
        tell(make_conversation(agent=agent), score=score)
    rehearsal = rehearse(client, agent, row("lead.score", "between", "60", second="75"), rule=rule.pk)
    html = shown(client, rehearsal)
    for words in (
        "<strong>1</strong> would newly fire",
        "<strong>1</strong> would no longer",
        "<strong>1</strong> unch",
    ):
        assert words in html, words
    unchanged = shown(client, rehearse(client, agent, row("lead.score", "more_than", "70"), rule=rule.pk))
    assert "<strong>0</strong> would newly fire" in unchanged and "<strong>2</strong> unchanged" in unchanged


def test_nothing_found_says_what_to_do_and_shows_the_nearest(client: Client, agent: Any) -> None:
    html = shown(client, rehearse(client, agent, row("lead.score", "more_than", "70")))
    assert "Nothing of this kind happened" in html and page("agent_playground", agent.pk) in html
    tell(make_conversation(agent=agent), score=None)
    html = shown(client, rehearse(client, agent, row("lead.score", "more_than", "70")))
    assert "Nothing matched." in html and "Lead’s score is more than 70 (was missing)" in html


def test_a_running_rehearsal_asks_for_itself_and_can_be_cancelled(client: Client, agent: Any) -> None:
    client.post(page("agent_rehearse_rule", agent.pk), posted(), headers={"HX-Request": "true"})
    rehearsal = Rehearsal.objects.get()
    assert f'hx-get="{page("rehearsal_live", rehearsal.pk)}"' in shown(client, rehearsal)
    client.post(page("rehearsal_cancel", rehearsal.pk))
    rehearsal.refresh_from_db()
    assert rehearsal.state == "cancelled"
    assert "hx-get" not in shown(client, rehearsal)


def test_pressing_again_ends_the_one_before(client: Client, agent: Any) -> None:
    for _ in range(2):
        client.post(page("agent_rehearse_rule", agent.pk), posted())
    assert list(Rehearsal.objects.order_by("pk").values_list("state", flat=True)) == ["cancelled", "running"]


@pytest.mark.parametrize("days", ["0", "366", "-1", "many", ""])
def test_days_are_between_one_and_a_year(client: Client, agent: Any, days: str) -> None:
    html = client.post(page("agent_rehearse_rule", agent.pk), posted(days=days)).content.decode()
    assert "Choose between 1 and 365 days." in html
    assert Rehearsal.objects.count() == 0


def test_a_faulty_draft_is_not_rehearsed(client: Client, agent: Any) -> None:
    rows = [row("text", value="a"), row("lead.score", "more_than", "x")]
    html = client.post(page("agent_rehearse_rule", agent.pk), posted(*rows)).content.decode()
    assert "Row 2: Give a number, for example 70." in html
    assert Rehearsal.objects.count() == 0
