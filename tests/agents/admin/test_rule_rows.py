"""Rows of the builder, from text to values and back, and rules in words."""

from typing import Any

import pytest
from django.http import QueryDict

from agents import catalogue, conditions
from agents.admin import rule_words
from agents.admin.rule_rows import Typed, read
from tests.agents.admin.rules import FIELDS, FROM_KENYA, OVER_70, make_rule, posted, row
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db

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


def query(data: dict[str, Any]) -> QueryDict:
    found = QueryDict(mutable=True)
    for key, value in data.items():
        found.setlist(key, value if isinstance(value, list) else [value])
    return found


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
        "“budget” is 5), then send to CRM, when it becomes true, once per conversation until it no longer holds."
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
