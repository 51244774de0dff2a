"""What rules ask: reading conditions, comparing as the documentation says, and a reason for each row."""

import json
import re
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agents import conditions
from agents.arguments import unstorable
from agents.catalogue import SEGMENT_FIELDS, Field

FIELDS = (
    *SEGMENT_FIELDS,
    Field("channel", "Channel", "choice", ("website", "api")),
    Field("text", "Text", "text"),
    Field("rating", "Rating", "number"),
    Field("seen_at", "Seen", "moment"),
    Field("tags", "Tags", "list"),
)
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[2] / "docs/trigger-rules.md"
ANYTHING = "customer.attributes.anything"  # has no type, so that every operator can be asked


def row(field: str, operator: str, value: Any = None, *, negated: bool = False) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, "not": negated}


def stored(raw: Any) -> dict[str, Any]:
    condition, faults = conditions.read(raw, FIELDS)
    assert faults == []
    return condition


def wrong(raw: Any) -> dict[str, str]:
    return {fault.pointer: fault.detail for fault in conditions.read(raw, FIELDS)[1]}


def matches(raw: Any, data: Any) -> bool:
    return conditions.judge(stored(raw), data, at=AT).matched


# --- the table in the documentation ----------------------------------------------------------------------------------


def documented() -> list[tuple[str, str, str]]:
    lines = DOCUMENT.read_text().splitlines()
    start = lines.index("| the event holds | the row asks | holds |") + 2
    table = lines[start : lines.index("", start)]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table]  # type: ignore[misc]


def asked(text: str) -> dict[str, Any]:
    """is not more than `70` as a row."""
    words, _, rest = text.partition("`")
    operator, negated = next(
        (operator, pair.index(words.strip()) == 1)
        for operator, pair in conditions.WORDS.items()
        if words.strip() in pair
    )
    path = conditions.SEGMENTS if operator == "in_segment" else ANYTHING
    return row(path, operator, value_of(operator, re.findall("`([^`]+)`", "`" + rest)), negated=negated)


def value_of(operator: str, values: list[str]) -> Any:
    if operator == "within_last":
        number, unit = values[0].split()
        return {"number": int(number), "unit": unit}
    read = [json.loads(value) for value in values]
    if operator in ("between", "is_one_of"):
        return read
    return read[0] if read else None


def holding(found: str, path: str) -> dict[str, Any]:
    """An event that holds this at the path, or nothing."""
    above, _, last = path.rpartition(".")
    inner: Any = {} if found == "missing" else {last: json.loads(found.strip("`"))}
    for part in reversed(above.split(".")):
        inner = {part: inner}
    return inner


@pytest.mark.parametrize(("found", "asks", "holds"), documented())
def test_things_compare_as_the_documentation_says(found, asks, holds):
    asking = asked(asks)
    assert holds in ("yes", "no")
    assert matches({"all": [asking]}, holding(found, asking["field"])) is (holds == "yes")


def test_the_table_tells_of_every_operator_and_its_opposite():
    told = {(one["operator"], one["not"]) for one in (asked(asks) for _, asks, _ in documented())}
    assert {operator for operator, _ in told} == set(conditions.WORDS)
    assert {operator for operator, negated in told if negated} >= set(conditions.WORDS) - {
        "at_least",
        "at_most",
        "ends_with",
        "before",
        "after",
    }


@pytest.mark.parametrize("found", [None, True, float("nan"), float("inf"), [[]], {"a": {}}, "\ud800", "x\0"])
@pytest.mark.parametrize("negated", [False, True])
def test_what_cannot_be_compared_holds_neither_way(found, negated):
    asking = stored({"all": [row("rating", "more_than", 5, negated=negated)]})
    judged = conditions.judge(asking, {"rating": found}, at=AT)
    assert not judged.matched
    assert unstorable(judged.lines) == ""


def test_a_number_too_long_to_write_is_compared_all_the_same():
    condition = stored({"any": [row("rating", "more_than", 5), row(ANYTHING, "contains", "5")]})
    data = {"rating": 10**5000, "customer": {"attributes": {"anything": -(10**5000)}}}
    judged = conditions.judge(condition, data, at=AT)
    assert [line["held"] for line in judged.lines] == [True, False]
    assert [line["found"] for line in judged.lines] == ["…", "…"]


def test_every_number_is_compared_exactly():
    data = {"rating": 2**53 + 1}
    assert matches({"all": [row("rating", "more_than", 2**53)]}, data)
    assert matches({"all": [row("rating", "is", "9007199254740993")]}, data)
    assert not matches({"all": [row("rating", "is", "9007199254740992")]}, data)


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


# --- whatever comes ---------------------------------------------------------------------------------------------------

WORDS = ["a", "KE", "true", "7", "1,234.5", "2026-11-25", "2026-11-25T10:00:00+02:00", "  ", "", "a" * 300]
PATHS = [field.path for field in FIELDS] + [ANYTHING, "lead.answers.a.b"]
SCALAR = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.sampled_from(WORDS)
    | some.text(max_size=20)
)
JSON = some.recursive(
    SCALAR,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
SPAN = some.fixed_dictionaries({"number": some.integers(-1, 9999), "unit": some.sampled_from(conditions.UNITS)})
VALUE = SCALAR | SPAN | some.lists(SCALAR, max_size=3) | JSON
ROW = some.fixed_dictionaries(
    {"field": some.sampled_from(PATHS), "operator": some.sampled_from([*conditions.WORDS, "matches"])},
    optional={"value": VALUE, "not": some.booleans()},
)


def grouped(entries: Any) -> Any:
    return some.dictionaries(some.sampled_from(["all", "any"]), entries, min_size=1, max_size=1)


CONDITION = grouped(some.lists(ROW | grouped(some.lists(ROW, min_size=1, max_size=3)), max_size=5))
EVENT = some.fixed_dictionaries(
    {},
    optional={
        "text": JSON,
        "rating": JSON,
        "seen_at": JSON,
        "tags": JSON,
        "channel": JSON,
        "customer": some.fixed_dictionaries(
            {},
            optional={"country": JSON, "segments": JSON, "attributes": some.dictionaries(some.just("anything"), JSON)},
        )
        | JSON,
        "lead": some.fixed_dictionaries({}, optional={"score": JSON, "qualified": JSON, "answers": JSON}) | JSON,
    },
)


def only_what_is_right(condition: Any) -> dict[str, Any]:
    """The rows that can be asked, so that more than a few generated conditions are judged."""
    mode, entries = next(iter(condition.items()))
    kept = []
    for entry in entries:
        if "field" not in entry:
            entry = only_what_is_right(entry)
            kept += [entry] if entry else []
        elif conditions.read({"all": [entry]}, FIELDS)[1] == []:
            kept.append(entry)
    return {mode: kept} if kept else {}


def agrees(judgement: conditions.Judgement) -> bool:
    """Whether the lines alone say what the judgement says."""
    gather = {"all": all, "any": any}
    if not judgement.lines:
        return judgement.matched
    held = []
    for place, lines in groupby(judgement.lines, key=lambda line: line["group"]):
        rows = [line["held"] for line in lines]
        held += rows if len(place) == 1 else [gather[place[2]](rows)]
    return gather[judgement.lines[0]["group"][0]](held) is judgement.matched


@given(JSON | CONDITION)
def test_reading_never_raises_and_what_it_gives_back_reads_as_itself(raw):
    condition, faults = conditions.read(raw, FIELDS)
    assert faults == [] or condition == {}
    assert conditions.read(condition, FIELDS) == (condition, [])
    assert conditions.read(json.loads(json.dumps(condition)), FIELDS) == (condition, [])


@given(CONDITION, EVENT | JSON)
def test_judging_never_raises_and_the_reasons_agree_with_the_judgement(raw, data):
    condition = stored(only_what_is_right(raw))
    judgement = conditions.judge(condition, data, at=AT)
    assert agrees(judgement)
    assert unstorable(judgement.lines) == ""
    assert all(conditions.sentence(line) for line in judgement.lines)
    for line in judgement.lines:
        assert not (line.get("missing") and line["held"] and line["operator"] != "is_known")
        assert ("found" in line) != ("missing" in line)


@given(ROW, EVENT)
def test_a_row_and_its_opposite_never_hold_both(raw, data):
    held = []
    for negated in (False, True):
        condition, faults = conditions.read({"all": [{**raw, "not": negated}]}, FIELDS)
        if faults:
            return
        held.append(conditions.judge(condition, data, at=AT).matched)
    assert held != [True, True]


def test_long_texts_take_no_longer_than_they_are_long():
    """Classic poison for regular expressions and for naive searches; a quadratic search would take minutes here."""
    condition = stored({"any": [row("text", "contains", "a" * 500 + "b")] * 50})
    judged = conditions.judge(condition, {"text": "a" * 250_000}, at=AT)
    assert not judged.matched
