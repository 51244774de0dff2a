"""The admin of trigger rules: the list, the builder, rehearsals, what rules said, segments and word lists."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import catalogue, conditions, events, judging, rehearsing, running
from agents.admin import rule_facts, rule_words
from agents.admin.rule_drafts import Draft
from agents.admin.rule_rows import Typed, read
from agents.models import Evaluation, Firing, Rehearsal, Segment, TriggerRule, WordList
from tests.factories import make_agent, make_conversation, make_customer, make_endpoint, make_team, make_user
from webhooks.models import Delivery, Endpoint, Event

pytestmark = pytest.mark.django_db
TYPE = "message.received"
FIELDS = catalogue.EVENTS[TYPE].fields
OVER_70 = {"field": "lead.score", "operator": "more_than", "value": 70, "not": False}
FROM_KENYA = {"field": "customer.country", "operator": "is", "value": "KE", "not": False}
ROW = ("field", "key", "operator", "value", "second", "unit", "group")


@pytest.fixture(autouse=True)
def nobody_looks_at_the_syntax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHECK_PATIENCE", 0.05)


@pytest.fixture
def team() -> Any:
    return make_team(name="Alpha")


@pytest.fixture
def agent(team: Any) -> Any:
    return make_agent(team=team, name="Front desk")


@pytest.fixture
def client(team: Any) -> Client:
    return logged_in(make_user(team=team))


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:agents_{name}", args=args)


def row(field: str, operator: str = "is", value: str = "", **more: str) -> dict[str, str]:
    return {"field": field, "operator": operator, "value": value, "unit": "days", **more}


def posted(*rows: dict[str, str], groups: Any = (), **fields: Any) -> dict[str, Any]:
    """The builder's form. `groups` are (number, mode); a row is in the group that it names."""
    data: dict[str, Any] = {"name": "Good leads", "event_type": TYPE, "fires": "becomes_true", "scope": "conversation"}
    data |= {f"row-{cell}": [each.get(cell, "") for each in rows] for cell in ROW}
    data |= {"group-number": [number for number, _ in groups], "group-mode": [mode for _, mode in groups]}
    return data | {"condition-mode": "all", "sends": "event"} | fields


def make_rule(agent: Any, **fields: Any) -> TriggerRule:
    fields = {"name": f"rule {TriggerRule.objects.count()}", "event_type": TYPE, "position": 1} | fields
    return TriggerRule.objects.create(agent=agent, **fields)


def tell(conversation: Any, *, score: int | None = 82, type: str = TYPE, **data: Any) -> Event:
    lead = {"id": "lead_1", "name": None, "email": None, "phone": None, "answers": {}, "qualified": False}
    facts = {"message_id": "msg_1", "text": "hello", "lead": None if score is None else lead | {"score": score}}
    with transaction.atomic():
        return events.emit(agent=conversation.agent, type=type, data=facts | data, conversation=conversation)


def query(data: dict[str, Any]) -> QueryDict:
    found = QueryDict(mutable=True)
    for key, value in data.items():
        found.setlist(key, value if isinstance(value, list) else [value])
    return found


# --- rows, from text to values and back ------------------------------------------------------------------------------

STORED = [
    {"all": [OVER_70, FROM_KENYA | {"not": True}]},
    {"any": [FROM_KENYA | {"operator": "is_known", "value": None}]},
    {"all": [OVER_70 | {"operator": "between", "value": [10, 20.5]}]},
    {"all": [FROM_KENYA | {"operator": "is_one_of", "value": ["KE", "UG"]}]},
    {"all": [FROM_KENYA | {"operator": "is_one_of", "value": ["one, two", "three"]}]},
    {"all": [FROM_KENYA | {"field": "lead.qualified", "value": True}]},
    {"all": [FROM_KENYA | {"field": "lead.answers.budget", "value": 5000}]},
    {"all": [FROM_KENYA | {"field": "lead.answers.budget", "value": "5000"}]},
    {"all": [FROM_KENYA | {"field": "lead.answers.company size", "operator": "is_one_of", "value": ["5", 5, True]}]},
    {"all": [FROM_KENYA | {"field": "customer.attributes.vip", "value": True}]},
    {"all": [FROM_KENYA | {"field": "customer.attributes.vip", "value": "true"}]},
    {"all": [FROM_KENYA | {"field": "text", "operator": "contains", "value": "70"}]},
    {"all": [FROM_KENYA | {"field": "text", "operator": "contains", "value": '"quoted"'}]},
    {"all": [FROM_KENYA | {"field": "customer.segments", "operator": "contains", "value": "42"}]},
    {"all": [FROM_KENYA | {"field": "customer.segments", "operator": "in_segment", "value": "Big"}]},
    {"all": [OVER_70, {"any": [FROM_KENYA, OVER_70 | {"operator": "at_least"}]}, {"all": [FROM_KENYA]}]},
]


@pytest.mark.parametrize("condition", STORED)
def test_a_stored_condition_is_what_its_rows_say_again(condition: Any) -> None:
    assert conditions.read(condition, FIELDS) == (condition, [])
    typed = Typed.of(condition, FIELDS)
    rows = [vars(each) | {"errors": None} for each in typed.every_row()]
    data = posted(*rows, groups=[(group.number, group.mode) for group in typed.groups])
    again = Typed.posted(query(data | {"condition-mode": typed.mode}))
    assert read(again, FIELDS) == condition
    assert not again.has_errors


def test_a_span_is_typed_as_a_number_and_a_unit() -> None:
    fields = catalogue.EVENTS["conversation.started"].fields
    typed = Typed.posted(query(posted(row("started_at", "not within_last", "7", unit="hours"))))
    condition = read(typed, fields)
    assert condition == {
        "all": [
            {"field": "started_at", "operator": "within_last", "value": {"number": 7, "unit": "hours"}, "not": True}
        ]
    }
    assert vars(Typed.of(condition, fields).rows[0])["value"] == "7"


def test_what_is_wrong_stands_beside_its_row() -> None:
    rows = [row("lead.score", "more_than", "many"), row("nonsense", value="x"), row("text", value="y", group="1")]
    typed = Typed.posted(query(posted(*rows, row("lead.score", value="z", group="1"), groups=[("1", "any")])))
    assert read(typed, FIELDS) == {}
    assert [each.errors for each in typed.every_row()] == [
        ["Give a number, for example 70."],
        ["Choose a field of this event."],
        [],
        ["Give a number, for example 70."],
    ]


def test_blank_rows_and_groups_without_rows_are_left_out() -> None:
    typed = Typed.posted(query(posted(row(""), row("text", value="x"), row("", group="1"), groups=[("1", "any")])))
    assert (len(typed.rows), typed.groups) == (1, [])


def test_a_rule_in_a_sentence(agent: Any) -> None:
    endpoint = make_endpoint(team=agent.team, name="CRM")
    group = {"any": [FROM_KENYA, FROM_KENYA | {"field": "lead.answers.budget", "value": 5}]}
    rule = make_rule(agent, event_type="lead.submit", condition={"all": [OVER_70, group]}, endpoint=endpoint)
    assert rule_words.sentence(rule) == (
        "When a lead is complete and lead’s score is more than 70 and (customer’s country is 'KE' or lead’s answer "
        "“budget” is 5), then send to CRM."
    )


def test_every_event_stands_under_one_heading() -> None:
    offered = [kind.type for _, kinds in rule_words.events() for kind in kinds]
    assert sorted(offered) == sorted(catalogue.EVENTS)


def test_the_builders_script_knows_the_fields_of_every_event() -> None:
    data = rule_words.builder_data()
    for kind in catalogue.EVENTS.values():
        named = [each if isinstance(each, str) else each["path"] for each in data["events"][kind.type]["fields"]]
        assert named == [each.path for each in kind.fields]
        assert all(each in data["fields"] for each in data["events"][kind.type]["fields"] if isinstance(each, str))


# --- the list --------------------------------------------------------------------------------------------------------


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


# --- the builder -----------------------------------------------------------------------------------------------------


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


# --- rehearsing ------------------------------------------------------------------------------------------------------


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


# --- why did it not fire? --------------------------------------------------------------------------------------------


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


# --- the playground --------------------------------------------------------------------------------------------------


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


# --- audience and settings -------------------------------------------------------------------------------------------


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


def test_a_rule_that_was_sent_from_another_agent_is_not_found(client: Client, agent: Any) -> None:
    rule = make_rule(make_agent(team=agent.team))
    for name in ("agent_preview_rule", "agent_rehearse_rule"):
        assert client.post(page(name, agent.pk), posted(rule=rule.pk)).status_code == 404


def test_the_bodys_json_is_shown_as_it_would_leave(client: Client, agent: Any) -> None:
    rule = make_rule(agent, payload={"a": 1})
    html = client.get(page("triggerrule_change", rule.pk)).content.decode()
    assert json.dumps({"a": 1}, indent=2).replace('"', "&quot;") in html
