"""What rules ask: reading conditions, judging them, and a reason for each row."""

from datetime import UTC, datetime

import pytest

from agents import conditions
from tests.agents.condition_rows import AT, FIELDS, matches, row, stored, wrong

# --- reading ---------------------------------------------------------------------------------------------------------


def test_what_was_left_out_is_filled_in_and_forms_may_say_numbers_as_text():
    raw = {
        "all": [
            {"field": "lead.score", "operator": "more_than", "value": " 70 "},
            {"any": [{"field": "customer.country", "operator": "is", "value": " KE ", "not": True}]},
            {"field": "lead.qualified", "operator": "is", "value": "true"},
            {"field": "text", "operator": "is_known", "value": "yes"},
            {"field": "seen_at", "operator": "within_last", "value": {"number": "7", "unit": "days"}},
        ]
    }
    assert stored(raw) == {
        "all": [
            row("lead.score", "more_than", 70),
            {"any": [row("customer.country", "is", "KE", negated=True)]},
            row("lead.qualified", "is", True),
            row("text", "is_known"),
            row("seen_at", "within_last", {"number": 7, "unit": "days"}),
        ]
    }


@pytest.mark.parametrize("raw", [None, {}, {"all": []}, {"any": []}])
def test_no_rows_match_always(raw):
    assert stored(raw) == {}
    assert conditions.judge({}, None, at=AT) == conditions.Judgement(True, [])


TEXT = row("text", "is", "a")


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ([], ""),
        ("all", ""),
        (TEXT, ""),
        ({"all": [], "any": []}, ""),
        ({"none": [TEXT]}, ""),
        ({"all": {"0": TEXT}}, ""),
        ({"all": [row("text", "is", "a\0b")]}, ""),
        ({"all": [row("text", "is", float("nan"))]}, ""),
        ({"all": [7]}, "/all/0"),
        ({"all": [{**TEXT, "regex": "(a+)+$"}]}, "/all/0"),
        ({"all": [TEXT] * 51}, "/all/50"),
        ({"any": [{"all": []}]}, "/any/0/all"),
        ({"any": [TEXT, {"all": [{"any": [TEXT]}]}]}, "/any/1/all/0"),
        ({"any": [TEXT, {"all": [TEXT], "any": [TEXT]}]}, "/any/1"),
        ({"all": [row("secret", "is", "a")]}, "/all/0/field"),
        ({"all": [row("customer", "is_known")]}, "/all/0/field"),
        ({"all": [row("customer.attributes", "is_known")]}, "/all/0/field"),
        ({"all": [row("customer.attributes. ", "is_known")]}, "/all/0/field"),
        ({"all": [row("customer.attributes." + "a" * 200, "is_known")]}, "/all/0/field"),
        ({"all": [row("other.answers.a", "is_known")]}, "/all/0/field"),
        ({"all": [{**TEXT, "field": ["text"]}]}, "/all/0/field"),
        ({"all": [row("text", "matches", "(a+)+$")]}, "/all/0/operator"),
        ({"all": [row("text", "more_than", 5)]}, "/all/0/operator"),
        ({"all": [row("tags", "in_segment", "a")]}, "/all/0/operator"),
        ({"all": [{**TEXT, "operator": ["is"]}]}, "/all/0/operator"),
        ({"all": [{**TEXT, "not": "yes"}]}, "/all/0/not"),
        ({"all": [row("text", "is")]}, "/all/0/value"),
        ({"all": [row("text", "is", "  ")]}, "/all/0/value"),
        ({"all": [row("text", "is", 7)]}, "/all/0/value"),
        ({"all": [row("text", "contains", "a" * 1001)]}, "/all/0/value"),
        ({"all": [row("text", "is_one_of", "a")]}, "/all/0/value"),
        ({"all": [row("text", "is_one_of", [])]}, "/all/0/value"),
        ({"all": [row("text", "is_one_of", ["a", 7])]}, "/all/0/value"),
        ({"all": [row("text", "is_one_of", ["a"] * 101)]}, "/all/0/value"),
        ({"all": [row("text", "is_one_of", ["a" * 501, "b" * 500])]}, "/all/0/value"),
        ({"all": [row("rating", "is", "many")]}, "/all/0/value"),
        ({"all": [row("rating", "is", True)]}, "/all/0/value"),
        ({"all": [row("rating", "is", 10**40)]}, "/all/0/value"),
        ({"all": [row("rating", "between", [5])]}, "/all/0/value"),
        ({"all": [row("rating", "between", [5, 4])]}, "/all/0/value"),
        ({"all": [row("rating", "between", {"low": 1, "high": 2})]}, "/all/0/value"),
        ({"all": [row("lead.qualified", "is", 1)]}, "/all/0/value"),
        ({"all": [row("seen_at", "before", "yesterday")]}, "/all/0/value"),
        ({"all": [row("seen_at", "within_last", 7)]}, "/all/0/value"),
        ({"all": [row("seen_at", "within_last", {"number": 7, "unit": "weeks"})]}, "/all/0/value"),
        ({"all": [row("seen_at", "within_last", {"number": 7, "unit": ["days"]})]}, "/all/0/value"),
        ({"all": [row("seen_at", "within_last", {"number": 0, "unit": "days"})]}, "/all/0/value"),
        ({"all": [row("seen_at", "within_last", {"number": 1.5, "unit": "days"})]}, "/all/0/value"),
        ({"all": [row("seen_at", "within_last", {"number": 3661, "unit": "days"})]}, "/all/0/value"),
        ({"all": [row("tags", "contains", ["a"])]}, "/all/0/value"),
    ],
)
def test_what_cannot_be_asked_is_named_with_its_place(raw, pointer):
    assert list(wrong(raw)) == [pointer]
    assert conditions.read(raw, FIELDS)[0] == {}


def test_every_fault_is_named_up_to_fifty():
    found = wrong({"all": [{**TEXT, "operator": "matches"}, TEXT, row("rating", "is", "many")]})
    assert list(found) == ["/all/0/operator", "/all/2/value"]
    assert found["/all/2/value"] == "Give a number, for example 70."
    assert len(conditions.read({"all": [{"all": []}] * 3000}, FIELDS)[1]) == 50


def test_what_the_builder_offers_is_what_is_accepted():
    assert conditions.operators("customer.segments", "list")[0] == "in_segment"
    assert "in_segment" not in conditions.operators("tags", "list")
    assert set(conditions.operators("lead.answers.*", "text")) == set(conditions.WORDS) - {"in_segment"}
    assert {operator for one in conditions.OPERATORS.values() for operator in one} <= set(conditions.WORDS)


# --- judging ---------------------------------------------------------------------------------------------------------

DATA = {
    "text": "Where is my refund?",
    "customer": {"country": "KE", "plan": None, "attributes": {"company size": 12, "shop.name": "Duka"}},
    "lead": {"score": 82, "answers": {"budget": "1,500", "shop": {"name": "Nested"}}},
}


def test_all_and_any_and_one_group_inside():
    yes, no = row("lead.score", "more_than", 70), row("lead.score", "more_than", 90)
    assert matches({"all": [yes, yes]}, DATA)
    assert not matches({"all": [yes, no]}, DATA)
    assert matches({"any": [no, yes]}, DATA)
    assert not matches({"any": [no, no]}, DATA)
    assert matches({"all": [yes, {"any": [no, yes]}]}, DATA)
    assert not matches({"all": [yes, {"any": [no, no]}]}, DATA)
    assert matches({"any": [no, {"all": [yes, yes]}]}, DATA)
    assert not matches({"any": [no, {"all": [yes, no]}]}, DATA)


def test_names_of_customers_own_may_have_blanks_and_dots():
    assert matches({"all": [row("customer.attributes.company size", "is", 12)]}, DATA)
    assert matches({"all": [row("customer.attributes.shop.name", "is", "Duka")]}, DATA)
    assert matches({"all": [row("lead.answers.shop.name", "is", "Nested")]}, DATA)
    assert matches({"all": [row("lead.answers.budget", "more_than", 1000)]}, DATA)
    assert matches({"all": [row("lead.answers.budget.deeper", "is_known", negated=True)]}, DATA)


def test_every_row_has_its_reason_and_its_place():
    judged = conditions.judge(
        stored(
            {
                "any": [
                    row("lead.score", "at_least", 90),
                    {"all": [row("customer.plan", "is", "vip", negated=True), row("text", "contains", "refund")]},
                    row("lead.answers.budget", "within_last", {"number": 1, "unit": "days"}),
                ]
            }
        ),
        DATA,
        at=AT,
    )
    assert not judged.matched
    assert judged.lines == [
        {**row("lead.score", "at_least", 90), "group": ["any"], "found": 82, "held": False},
        {
            **row("customer.plan", "is", "vip", negated=True),
            "group": ["any", 1, "all"],
            "missing": True,
            "held": False,
        },
        {
            **row("text", "contains", "refund"),
            "group": ["any", 1, "all"],
            "found": "Where is my refund?",
            "held": True,
        },
        {
            **row("lead.answers.budget", "within_last", {"number": 1, "unit": "days"}),
            "group": ["any"],
            "found": "1,500",
            "incomparable": True,
            "held": False,
        },
    ]
    assert [conditions.sentence(line) for line in judged.lines] == [
        "lead.score is at least 90 (was 82)",
        "customer.plan is not 'vip' (was missing)",
        "text contains 'refund' (was 'Where is my refund?')",
        "lead.answers.budget is within the last 1 day (was '1,500', which cannot be compared)",
    ]


@pytest.mark.parametrize(
    ("asking", "found", "words"),
    [
        (row("lead.answers.a", "is_known"), "x", "lead.answers.a is known (was 'x')"),
        (row("lead.answers.a", "is_empty"), [], "lead.answers.a is empty (was [])"),
        (row("lead.answers.a", "between", [1, 2.5]), 2.0, "lead.answers.a is between 1 and 2.5 (was 2)"),
        (row("lead.answers.a", "is_one_of", ["b", 7]), True, "lead.answers.a is one of 'b', 7 (was true)"),
        (row("lead.answers.a", "is", True, negated=True), False, "lead.answers.a is not true (was false)"),
        (
            row("lead.answers.a", "is", "b"),
            {"secret": 1},
            "lead.answers.a is 'b' (was {…}, which cannot be compared)",
        ),
        (
            row("lead.answers.a", "contains", "b"),
            ["a", 1, None, [2]],
            "lead.answers.a contains 'b' (was ['a', 1, null, […]])",
        ),
        (
            row("lead.answers.a", "within_last", {"number": 2, "unit": "hours"}, negated=True),
            "2026-11-25",
            "lead.answers.a is not within the last 2 hours (was '2026-11-25')",
        ),
    ],
)
def test_lines_in_words(asking, found, words):
    judged = conditions.judge(stored({"all": [asking]}), {"lead": {"answers": {"a": found}}}, at=AT)
    assert conditions.sentence(judged.lines[0]) == words


def test_an_explanation_keeps_little_of_what_customers_wrote():
    condition = stored({"any": [row("text", "contains", "z"), row("tags", "contains", "z")]})
    judged = conditions.judge(condition, {"text": "ä" * 5000, "tags": ["long" * 10] * 5000}, at=AT)
    text, tags = (line["found"] for line in judged.lines)
    assert text == "ä" * 199 + "…"
    assert tags == ["long" * 10] * 4 + ["…"]


def test_moments_count_from_the_event_and_not_from_today():
    condition = stored({"all": [row("seen_at", "within_last", {"number": 1, "unit": "hours"})]})
    data = {"seen_at": "2020-01-01T11:30:00Z"}
    assert conditions.judge(condition, data, at=datetime(2020, 1, 1, 12, tzinfo=UTC)).matched
    assert not conditions.judge(condition, data, at=AT).matched


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-25T10:00:00é"])
def test_moments_at_the_end_of_time_raise_nothing(value):
    for operator, asked_for in (("within_last", {"number": 3660, "unit": "days"}), ("after", "9999-12-31")):
        assert not matches({"all": [row("seen_at", operator, asked_for)]}, {"seen_at": value})
