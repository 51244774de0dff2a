"""Things compare as the documentation says, exactly and in time; what cannot be compared holds neither way."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agents import conditions
from agents.arguments import unstorable
from tests.agents.condition_rows import ANYTHING, AT, matches, row, stored

DOCUMENT = Path(__file__).parents[2] / "docs/trigger-rules.md"


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


def test_long_texts_take_no_longer_than_they_are_long():
    """Classic poison for regular expressions and for naive searches; a quadratic search would take minutes here."""
    condition = stored({"any": [row("text", "contains", "a" * 500 + "b")] * 50})
    judged = conditions.judge(condition, {"text": "a" * 250_000}, at=AT)
    assert not judged.matched
