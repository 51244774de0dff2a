"""Segments, word lists, and what the settings of an agent say of its leads."""

from typing import Any

import pytest
from django.test import Client

from agents import catalogue
from agents.admin.rule_drafts import Draft
from agents.models import Segment, WordList
from tests.agents.admin.pages import page
from tests.agents.admin.rules import FROM_KENYA, posted, row
from tests.factories import make_customer

pytestmark = pytest.mark.django_db


def test_a_segment_is_built_of_rows_and_filled_when_it_is_saved(client: Client, team: Any) -> None:
    kenyan = make_customer(team=team, country="KE", name="Asha")
    make_customer(team=team, country="UG")
    make_customer(country="KE")
    html = client.post(page("segment_add"), posted(name="Kenya")).content.decode()
    assert "Add a row: it says who belongs to the segment." in html
    client.post(page("segment_add"), posted(row("customer.country", value="KE"), name="Kenya"))
    segment = Segment.objects.get()
    assert segment.condition == {"all": [FROM_KENYA]}
    assert [member.customer for member in segment.members.all()] == [kenyan]
    html = client.get(page("segment_change", segment.pk)).content.decode()
    assert "1 member" in html and "Asha" in html
    html = client.post(page("segment_change", segment.pk), posted(row("text", value="x"), name="")).content.decode()
    assert "Choose a field of this event." in html and "This field cannot be blank." in html
    again = client.post(page("segment_add"), posted(row("customer.country", value="UG"), name="Kenya"))
    assert "Your team has a segment with this name." in again.content.decode()
    listed = client.get(page("segment_changelist")).content.decode()
    assert "customer’s country is &#x27;KE&#x27;" in listed


def test_a_word_list_keeps_each_word_once(client: Client, team: Any) -> None:
    client.post(page("wordlist_add"), {"name": "Money back", "words": "refund\n\n  money back \nrefund"})
    assert WordList.objects.get(team=team).words == "refund\nmoney back"
    html = client.post(page("wordlist_add"), {"name": "Empty", "words": " \n "}).content.decode()
    assert "This field is required" in html or "Write at least one word or phrase." in html


def test_settings_say_what_a_lead_needs(client: Client, agent: Any) -> None:
    agent.lead_fields = ["budget"]
    agent.save()
    data = {"name": "Front desk", "greeting": "Hi", "is_active": "on", "brain": "offline", "max_steps": 6}
    data |= {
        "lead_fields": ["email", "budget"],
        "qualifying_score": 70,
        "escalation_phrases": "a human",
        "idle_minutes": 60,
    }
    assert client.post(page("agent_change", agent.pk), data).status_code == 302
    agent.refresh_from_db()
    assert (agent.lead_fields, agent.qualifying_score) == (["email", "budget"], 70)
    assert (agent.escalation_phrases, agent.idle_minutes) == ("a human", 60)
    client.post(page("agent_change", agent.pk), data | {"idle_minutes": ""})
    agent.refresh_from_db()
    assert agent.idle_minutes == 60
    assert Draft().event_type in catalogue.EVENTS


def test_a_word_list_says_what_it_does_and_begins_a_rule(client: Client, agent: Any) -> None:
    assert "keyword.matched" in client.get(page("wordlist_add")).content.decode()
    words = WordList.objects.create(team=agent.team, name="Money & more", words="refund")
    html = client.get(page("wordlist_change", words.pk)).content.decode()
    start = f"{page('triggerrule_add')}?event=keyword.matched&amp;list=Money+%26+more"
    assert start in html
    begun = {"event": "keyword.matched", "list": words.name}
    assert "event=keyword.matched&amp;list=Money" in client.get(page("triggerrule_add"), begun).content.decode()
    html = client.get(page("triggerrule_add"), begun | {"agent": agent.pk}).content.decode()
    assert '<option value="keyword.matched" selected>' in html and 'value="Money &amp; more"' in html
