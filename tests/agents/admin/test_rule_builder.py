"""The builder of trigger rules: what is saved, what is refused and said, the preview, and what it suggests."""

import json
from typing import Any

import pytest
from django.test import Client

from agents import running
from agents.admin import rule_words
from agents.models import Segment, TriggerRule
from tests.agents.admin.pages import page
from tests.agents.admin.rules import FROM_KENYA, OVER_70, make_rule, posted, row, tell
from tests.factories import make_agent, make_conversation, make_customer, make_endpoint
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db


def test_a_new_rule_is_saved_and_watches(client: Client, agent: Any) -> None:
    endpoint = make_endpoint(team=agent.team)
    address = f"{page('triggerrule_add')}?agent={agent.pk}"
    assert client.get(address).status_code == 200
    rows = [row("lead.score", "more_than", "70"), row("customer.country", value="KE", group="1")]
    data = posted(*rows, row("customer.country", "not is_known", group="1"), groups=[("1", "any")])
    response = client.post(address, data | {"endpoint": endpoint.pk, "cooldown_minutes": "60", "most_a_day": "5"})
    rule = TriggerRule.objects.get()
    assert response["Location"] == page("triggerrule_change", rule.pk)
    unknown = FROM_KENYA | {"operator": "is_known", "value": None, "not": True}
    assert rule.condition == {"all": [OVER_70, {"any": [FROM_KENYA, unknown]}]}
    assert (rule.state, rule.endpoint, rule.payload) == ("watching", endpoint, None)
    assert (rule.cooldown_minutes, rule.most_a_day, rule.position) == (60, 5, 1)


def test_without_an_agent_the_page_asks_for_one(client: Client, agent: Any) -> None:
    html = client.get(page("triggerrule_add")).content.decode()
    assert "Which agent is the rule for?" in html and f"?agent={agent.pk}" in html


def test_nothing_typed_is_lost_and_everything_wrong_is_said(client: Client, agent: Any) -> None:
    data = posted(row("lead.score", "more_than", "seventy"), name="", predicate="return a b;", sends="own")
    data |= {"payload": '{"a": }', "cooldown_minutes": "soon", "new_url": "ftp://nowhere"}
    html = client.post(f"{page('triggerrule_add')}?agent={agent.pk}", data).content.decode()
    assert (TriggerRule.objects.count(), Endpoint.objects.count()) == (0, 0)
    for kept in ("seventy", "return a b;", "{&quot;a&quot;: }", 'value="soon"', "ftp://nowhere"):
        assert kept in html, kept
    for said in (
        "Give a number, for example 70.",
        "This is not JSON yet (line 1",
        "Write a whole number",
        "This field",
    ):
        assert said in html, said


def test_a_new_url_becomes_an_endpoint_whose_secret_is_shown_once(client: Client, agent: Any) -> None:
    data = posted(new_url="https://crm.example/hook")
    html = client.post(f"{page('triggerrule_add')}?agent={agent.pk}", data).content.decode()
    rule = TriggerRule.objects.get()
    assert rule.endpoint is not None and rule.endpoint.url == "https://crm.example/hook"
    assert rule.endpoint.signing_secret in html
    assert f'action="{page("triggerrule_change", rule.pk)}"' in html
    assert rule.endpoint.signing_secret not in client.get(page("triggerrule_change", rule.pk)).content.decode()
    # The same address again is the same endpoint.
    client.post(f"{page('triggerrule_add')}?agent={agent.pk}", data | {"name": "Another"})
    assert TriggerRule.objects.get(name="Another").endpoint == rule.endpoint


def test_an_endpoint_made_for_a_rule_that_is_refused_is_gone_again(
    client: Client, agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looked:
        kind, line, error = "syntax", 2, "Unexpected identifier"

    monkeypatch.setattr(running, "check", lambda **_: Looked())
    data = posted(new_url="https://crm.example/hook", predicate="return a b;")
    html = client.post(f"{page('triggerrule_add')}?agent={agent.pk}", data).content.decode()
    assert "The JavaScript cannot be read (line 2): Unexpected identifier" in html
    assert (TriggerRule.objects.count(), Endpoint.objects.count()) == (0, 0)


def test_a_live_rule_gets_another_endpoint_but_never_none(client: Client, agent: Any) -> None:
    rule = make_rule(agent, name="Live", state="live", endpoint=make_endpoint(team=agent.team))
    html = client.post(page("triggerrule_change", rule.pk), posted(name="Live")).content.decode()
    assert "Choose an endpoint before the rule goes live." in html
    client.post(page("triggerrule_change", rule.pk), posted(name="Live", new_url="https://other.example/hook"))
    rule.refresh_from_db()
    assert (rule.state, rule.endpoint and rule.endpoint.url) == ("live", "https://other.example/hook")


@pytest.mark.parametrize(
    ("event", "offered"),
    [
        *((type, "every") for type in ("message.received", "keyword.matched", "escalation.triggered", "tool.failed")),
        ("lead.qualified", "every"),
        *((type, "becomes_true") for type in ("customer.updated", "customer.matched")),
    ],
)
def test_a_new_rule_about_a_moment_is_offered_every_time(client: Client, agent: Any, event: str, offered: str) -> None:
    html = client.get(page("triggerrule_add"), {"agent": agent.pk, "event": event}).content.decode()
    assert f'<option value="{event}" selected>' in html and f'<option value="{offered}" selected>' in html
    # The model's own default is for those who do not see the choice.
    assert make_rule(agent, event_type=event).fires == "becomes_true"


def test_what_stands_is_asked_when_it_becomes_true() -> None:
    assert rule_words.standing("message.received") == ("lead.score", "lead.qualified")
    assert rule_words.standing("lead.submit") == ()


@pytest.mark.parametrize(
    ("fields", "often"),
    [
        ({"fires": "every", "cooldown_minutes": 60}, "each time, not again within 60 min."),
        ({}, "when it becomes true, once per conversation."),
        ({"condition": {"all": [OVER_70]}}, "when it becomes true, once per conversation until it no longer holds."),
        ({"fires": "first", "scope": "customer"}, "only the first time per customer."),
    ],
)
def test_the_sentence_says_how_often_in_list_and_builder(
    client: Client, agent: Any, fields: dict[str, Any], often: str
) -> None:
    rule = make_rule(agent, **fields)
    for address in (page("agent_rules", agent.pk), page("triggerrule_change", rule.pk)):
        assert f", {often}</p>" in client.get(address).content.decode()


def test_the_state_buttons_belong_to_the_form_and_save_it(client: Client, agent: Any) -> None:
    rule = make_rule(agent, name="Old")
    address = page("triggerrule_change", rule.pk)
    html = client.get(address).content.decode()
    assert page("triggerrule_state", rule.pk) not in html
    for state in ("live", "watching", "off"):
        assert f'form="rule-form" name="state" value="{state}"' in html, state
    data = posted(row("lead.score", "more_than", "70"), name="New", new_url="https://crm.example/hook", state="live")
    client.post(address, data)  # From an address to live in one step.
    rule.refresh_from_db()
    assert (rule.name, rule.state, rule.condition) == ("New", "live", {"all": [OVER_70]})
    assert rule.endpoint is not None and rule.endpoint.url == "https://crm.example/hook"
    endpoint = rule.endpoint.pk
    html = client.post(address, posted(name="Newer", endpoint=endpoint, state="off"), follow=True).content.decode()
    assert "Saved. “Newer” is off" in html
    client.post(address, posted(name="Newest", endpoint=endpoint))
    rule.refresh_from_db()
    assert (rule.name, rule.state) == ("Newest", "off")
    assert client.post(address, posted(name="Newest", state="flying")).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"cooldown_minutes": "soon"}, "Write a whole number"), ({}, "Choose an endpoint before the rule goes live.")],
)
def test_with_something_to_mend_a_state_button_changes_nothing_and_loses_nothing(
    client: Client, agent: Any, wrong: dict[str, str], said: str
) -> None:
    rule = make_rule(agent, name="Old")
    data = posted(name="Typed for long", state="live", **wrong)
    html = client.post(page("triggerrule_change", rule.pk), data).content.decode()
    assert said in html and "Typed for long" in html
    rule.refresh_from_db()
    assert (rule.name, rule.state) == ("Old", "watching")


def test_another_teams_endpoint_is_no_choice(client: Client, agent: Any) -> None:
    theirs = make_endpoint(name="theirs-of-another-team")
    client.post(f"{page('triggerrule_add')}?agent={agent.pk}", posted(endpoint=theirs.pk))
    assert TriggerRule.objects.get().endpoint is None
    assert "theirs-of-another-team" not in client.get(page("triggerrule_add"), {"agent": agent.pk}).content.decode()


def test_own_json_is_kept_as_a_tree_and_its_faults_have_pointers(client: Client, agent: Any) -> None:
    address = f"{page('triggerrule_add')}?agent={agent.pk}"
    wrong = posted(sends="own", payload='{"deep": {"of": "{{ rating }}"}}')
    assert "At /deep/of: This event has no rating." in client.post(address, wrong).content.decode()
    assert TriggerRule.objects.count() == 0
    client.post(address, posted(sends="own", payload='{"name": "{{ customer.name }}"}', leaves_out_missing="1"))
    rule = TriggerRule.objects.get()
    assert (rule.payload, rule.leaves_out_missing) == ({"name": "{{ customer.name }}"}, True)
    assert "{{ customer.name }}" in client.get(page("triggerrule_change", rule.pk)).content.decode()


def test_an_edited_rule_forgets_only_when_asked_to(client: Client, agent: Any) -> None:
    rule = make_rule(agent, name="Kept")
    state = rule.states.create(subject="cnv_1", was_true=True)
    client.post(page("triggerrule_change", rule.pk), posted(name="Kept"))
    state.refresh_from_db()
    assert state.was_true
    client.post(page("triggerrule_change", rule.pk), posted(name="Kept", starts_anew="1"))
    state.refresh_from_db()
    assert not state.was_true


def test_the_preview_shows_the_body_of_a_real_event_and_its_size(client: Client, agent: Any) -> None:
    address = page("agent_preview_rule", agent.pk)
    html = client.post(address, posted()).content.decode()
    assert "nothing of this kind has happened yet" in html and "evt_example" in html
    events = [tell(make_conversation(agent=agent), text=f"words {number}") for number in range(12)]
    html = client.post(address, posted()).content.decode()
    assert html.count("evt_") - html.count("evt_example") == 10 + 1  # ten to choose from, and the one that is shown
    assert "words 11" in html and "bytes" in html
    own = posted(sends="own", payload='{"said": "{{ text }}"}', preview_event=events[4].public_id)
    assert "words 4" in client.post(address, own).content.decode()
    html = client.post(address, own | {"payload": "{"}).content.decode()
    assert "This is not JSON yet" in html and "words" not in html


def test_the_builder_suggests_what_the_team_knows(client: Client, agent: Any) -> None:
    make_customer(team=agent.team, plan="gold", country="UG", attributes={"fleet size": 3})
    make_customer(plan="of-another-team")
    Segment.objects.create(team=agent.team, name="Big customers")
    html = client.get(page("triggerrule_add"), {"agent": agent.pk}).content.decode()
    for word in ("gold", "UG", "fleet size", "Big customers", "whatsapp"):
        assert f'<option value="{word}">' in html, word
    assert "of-another-team" not in html


def test_the_bodys_json_is_shown_as_it_would_leave(client: Client, agent: Any) -> None:
    rule = make_rule(agent, payload={"a": 1})
    html = client.get(page("triggerrule_change", rule.pk)).content.decode()
    assert json.dumps({"a": 1}, indent=2).replace('"', "&quot;") in html


def test_a_rule_that_was_sent_from_another_agent_is_not_found(client: Client, agent: Any) -> None:
    rule = make_rule(make_agent(team=agent.team))
    for name in ("agent_preview_rule", "agent_rehearse_rule"):
        assert client.post(page(name, agent.pk), posted(rule=rule.pk)).status_code == 404
