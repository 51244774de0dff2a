"""Whatever a condition and an event are made of: reading and judging never raise, and the reasons agree."""

import json
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from agents import conditions
from agents.arguments import unstorable
from tests.agents.condition_rows import ANYTHING, AT, FIELDS, stored

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
