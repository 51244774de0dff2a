"""A customer who asks for a person is seen by the team, taken and resolved; conversations end and are reopened."""

from typing import Any

import pytest
from django.test import Client

from agents import ending, escalating
from agents.dashboard import notices
from agents.models import Escalation
from tests.agents.admin.pages import logged_in, page, text
from tests.factories import make_agent, make_conversation, make_team, make_user
from webhooks.models import Event

pytestmark = pytest.mark.django_db
BUTTONS = ("ask_person", "take", "resolve", "end", "reopen")


@pytest.fixture
def conversation(agent: Any) -> Any:
    return make_conversation(agent=agent)


def asked(conversation: Any) -> Escalation:
    words = {"reason": "The invoice is wrong", "summary": "Customer: where is my money"}
    return escalating.ask(conversation=conversation, trigger="tool", **words).escalation


def press(client: Client, name: str, conversation: Any, **data: Any) -> str:
    return text(client.post(page(f"conversation_{name}", conversation.pk), data, follow=True))


def told() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("type", flat=True))


class TestWhoWaitsIsSeen:
    def test_the_start_page_leads_to_whoever_waits(self, owner, team, conversation):
        assert notices(team) == []
        escalation = asked(conversation)
        asked(make_conversation(agent=make_agent(team=make_team())))
        html = text(owner.get("/admin/"))
        assert "A customer asks for a person." in html and page("conversation_change", conversation.pk) in html
        asked(make_conversation(agent=conversation.agent))
        [notice] = notices(team)
        assert (notice.text, "person=requested" in notice.link) == ("2 customers ask for a person.", True)
        escalating.accept(escalation=escalation)
        assert [notice.text for notice in notices(team)] == ["A customer asks for a person."]

    def test_the_list_has_a_badge_and_a_filter(self, owner, conversation):
        quiet = make_conversation(agent=conversation.agent)
        escalation = asked(conversation)
        waiting = page("conversation_changelist") + "?person=requested"
        html = text(owner.get(waiting))
        assert ">waits for a person</span>" in html
        assert page("conversation_change", conversation.pk) in html
        assert page("conversation_change", quiet.pk) not in html
        escalating.accept(escalation=escalation)
        assert page("conversation_change", conversation.pk) not in text(owner.get(waiting))
        assert ">taken by a person</span>" in text(owner.get(page("conversation_changelist")))
        escalating.resolve(escalation=escalation)
        assert "a person</span>" not in text(owner.get(page("conversation_changelist")))


class TestButtons:
    def test_it_is_taken_and_resolved_by_whoever_pressed(self, owner, conversation):
        escalation = asked(conversation)
        html = text(owner.get(page("conversation_change", conversation.pk)))
        for words in ("The invoice is wrong", "where is my money", "Take it", "Resolved"):
            assert words in html, words
        html = press(owner, "take", conversation, escalation=escalation.public_id)
        assert "Taken by Olga" in html and "Take it" not in html
        html = press(owner, "resolve", conversation, escalation=escalation.public_id)
        assert "The invoice is wrong" not in html and "Ask a person" in html
        escalation.refresh_from_db()
        assert (escalation.state, escalation.accepted_by.name) == ("resolved", "Olga")
        assert told() == ["escalation.triggered", "escalation.accepted", "escalation.resolved"]

    def test_a_person_of_the_team_asks_for_one_and_asking_again_is_no_news(self, owner, conversation):
        html = press(owner, "ask_person", conversation, reason="Wants a discount")
        assert "Wants a discount" in html
        assert "asked for already" in press(owner, "ask_person", conversation)
        assert (Escalation.objects.get().trigger, told()) == ("button", ["escalation.triggered"])

    def test_a_page_that_is_out_of_date_takes_no_other_one(self, owner, conversation):
        first = asked(conversation)
        escalating.resolve(escalation=first)
        second = asked(conversation)
        for name in ("take", "resolve"):
            assert "Somebody was faster" in press(owner, name, conversation, escalation=first.public_id)
        second.refresh_from_db()
        assert second.state == "requested"

    def test_it_is_ended_and_gone_on_with(self, owner, conversation):
        assert "Reopen" in press(owner, "end", conversation)
        conversation.refresh_from_db()
        assert (conversation.state, conversation.ended_by) == ("ended", "operator")
        assert "had ended before" in press(owner, "end", conversation)
        press(owner, "reopen", conversation)
        conversation.refresh_from_db()
        assert conversation.state == "open"
        assert told() == ["conversation.ended", "conversation.reopened"]

    def test_where_the_customer_has_begun_another_the_page_says_so(self, owner, conversation):
        ending.end(conversation=conversation, by="idle")
        make_conversation(agent=conversation.agent, customer=conversation.customer, channel=conversation.channel)
        assert "has begun another conversation" in press(owner, "reopen", conversation)
        conversation.refresh_from_db()
        assert conversation.state == "ended"

    def test_a_look_does_nothing_and_another_team_finds_nothing(self, owner, conversation):
        escalation = asked(conversation)
        stranger = logged_in(make_user(team=make_team()))
        for name in BUTTONS:
            address = page(f"conversation_{name}", conversation.pk)
            assert owner.get(address).status_code == 405
            assert stranger.post(address, {"escalation": escalation.public_id}).status_code == 404
        assert told() == ["escalation.triggered"]
