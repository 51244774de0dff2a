"""What rules send: trees that are read, refused with their place, and filled in once."""

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agents import payloads
from agents.catalogue import EVENTS
from webhooks import bodies

DOCUMENT = (Path(__file__).parents[2] / "docs/trigger-rules.md").read_text()
ENVELOPE: dict[str, Any] = {
    "id": "evt_1",
    "event": "lead.submit",
    "timestamp": "2026-11-25T12:00:00Z",
    "agent_id": "agt_1",
    "data": {
        "conversation_id": "cnv_1",
        "channel": "website",
        "text": 'Say "hi" {{ agent_id }}, {{secret}}","admin":true,"',
        "customer": {"name": "Asha", "email": "Asha@Example.com", "country": None, "segments": ["VIP", "Trial"]},
        "lead": {
            "email": "asha@example.com",
            "score": 82,
            "qualified": True,
            "answers": {
                "budget": 5000,
                "Company name": "Duka",
                "a.b": 1.50,
                "blank": " ",
                "since": "2026-01-05T12:07:03+03:00",
            },
        },
        "items": [{"name": "Tea"}, {"name": "Rice"}],
    },
}
NAMES = ENVELOPE["data"].keys()


def filled(tree: Any, envelope: dict[str, Any] = ENVELOPE, *, leaves_out_missing: bool = False) -> Any:
    assert payloads.read(tree, NAMES) == (tree, [])
    return payloads.render(tree, envelope, leaves_out_missing=leaves_out_missing)


def wrong(tree: Any) -> dict[str, str]:
    return {fault.pointer: fault.detail for fault in payloads.read(tree, NAMES)[1]}


# --- filling in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaf", "value"),
    [
        ("{{ lead.score }}", 82),
        ("{{lead.score}}", 82),
        ("{{  data.lead.score\n}}", 82),
        ("{{ lead.qualified }}", True),
        ("{{ lead.answers.budget }}", 5000),
        ('{{ lead.answers."Company name" }}', "Duka"),
        ("{{ lead.answers.'a.b' }}", 1.5),
        ("{{ items.1.name }}", "Rice"),
        ("{{ items.2.name }}", None),
        ("{{ items.01.name }}", None),
        ("{{ items.name }}", None),
        ("{{ items.0 }}", {"name": "Tea"}),
        ("{{ customer.segments }}", ["VIP", "Trial"]),
        ("{{ customer.country }}", None),
        ("{{ customer.name.deeper }}", None),
        ("{{ id }}", "evt_1"),
        ("{{ event }}", "lead.submit"),
        ("{{ agent_id }}", "agt_1"),
        ("{{ data }}", ENVELOPE["data"]),
        (" {{ lead.score }}", " 82"),
        ("{{ lead.score }}%", "82%"),
        ("{{ lead.score }}{{ lead.qualified }}", "82true"),
        ("[{{ customer.country }}]", "[]"),
        ("Segments: {{ customer.segments }}", 'Segments: ["VIP","Trial"]'),
        ("Half of it: {{ lead.answers.'a.b' }}", "Half of it: 1.5"),
        ("{{ customer.email | lower }}", "asha@example.com"),
        ("{{ lead.score|lower }}", 82),
        ('{{ customer.country | default:"unknown" }}', "unknown"),
        ("{{ customer.country|default : 'Un\"known' | lower }}", 'un"known'),
        ('{{ customer.name | default:"unknown" }}', "Asha"),
        ('{{ lead.answers.blank | default:"blank" }}', "blank"),
        ('{{ lead.answers.none | default:"{{ id }} }}" }}', "{{ id }} }}"),
        ('{{ timestamp | date:"DD.MM.YYYY" }}', "25.11.2026"),
        ('{{ timestamp | date:"unix" }}', 1795608000),
        ('{{ lead.answers.since | date:"iso" }}', "2026-01-05T09:07:03Z"),
        ('{{ customer.name | date:"iso" }}', None),
        ('{{ customer.name | date:"iso" | default:"no day" }}', "no day"),
        ('plain { braces } and {"a": {"b": 1}}', 'plain { braces } and {"a": {"b": 1}}'),
        ("", ""),
        (7, 7),
        (None, None),
    ],
)
def test_one_leaf(leaf, value):
    assert filled({"leaf": leaf}) == {"leaf": value}
    assert type(filled(leaf)) is type(value)


def test_the_shape_of_the_tree_is_kept():
    tree = {"a": [1, "{{ id }}", {"b": "{{ customer.country }}", "c": None}], "{ key }": {}}
    assert filled(tree) == {"a": [1, "evt_1", {"b": None, "c": None}], "{ key }": {}}


def test_missing_keys_are_left_out_if_the_rule_says_so():
    tree = {"a": "{{ customer.country }}", "b": ["{{ customer.country }}"], "c": None, "d": "({{ customer.country }})"}
    assert filled(tree, leaves_out_missing=True) == {"b": [None], "c": None, "d": "()"}
    assert filled("{{ customer.country }}", leaves_out_missing=True) is None


def test_what_customers_wrote_is_filled_in_once_and_stays_text():
    body = bodies.render(filled({"said": "{{ text }}", "again": "He said: {{ text }}"}))
    said = ENVELOPE["data"]["text"]
    assert json.loads(body) == {"said": said, "again": f"He said: {said}"}


def test_the_example_in_the_documentation_is_true():
    tree, result = map(json.loads, re.findall(r"```json\n(\{\n  \"text\".*?)```", DOCUMENT, re.DOTALL))
    data = {
        "customer": {"name": "Asha"},
        "lead": {"email": "asha@example.com", "score": 82, "answers": {"budget": 5000}},
    }
    assert filled(tree, ENVELOPE | {"data": data}) == result


@pytest.mark.parametrize("name", payloads.DATE_FORMATS)
def test_date_formats_are_those_of_the_documentation(name):
    told = json.loads(re.search(rf"^\| `{name}` \| `(.+)` \|$", DOCUMENT, re.MULTILINE)[1])  # type: ignore[index]
    assert filled(f'{{{{ timestamp | date:"{name}" }}}}', ENVELOPE | {"timestamp": "2026-01-05T09:07:03Z"}) == told


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "leaf",
    [
        "{{ settings.SECRET_KEY }}",
        "{{ data.settings.SECRET_KEY }}",
        "{{ data.id }}",
        "{{ request }}",
        "{{ customer.__class__ }}",
        "{{ __class__ }}",
        "{{ customer._meta }}",
        "{{ customer.name.upper() }}",
        "{{ customer['name'] }}",
        "{{ customer..name }}",
        "{{ items.-1.name }}",
        "{{ customer.name. }}",
        "{{ .customer }}",
        "{{ 1 + 1 }}",
        "{{ customer.name or id }}",
        "{{ customer name }}",
        "{{ }}",
        "{{}}",
        "{{",
        "{{ customer.name",
        "{{ customer.name }",
        "{{{ customer.name }}}",
        "{{ customer.'name }}",
        "{{ {{ id }} }}",
        "{{ customer.name | }}",
        "{{ customer.name | upper }}",
        "{{ customer.name | default }}",
        "{{ customer.name | default: }}",
        "{{ customer.name | default:x }}",
        '{{ customer.name | lower:"x" }}',
        '{{ timestamp | date:"%Y" }}',
        "{{ timestamp | date }}",
        "{{ customer.name" + " | lower" * 6 + " }}",
        "{{ customer." + "a" * 200 + " }}",
        "{% include 'x' %}",
        "{% for a in b %}",
    ],
)
def test_what_is_no_placeholder_is_refused_with_its_place(leaf):
    [(pointer, detail)] = wrong({"a/b": [1, {"~": f"text {leaf}"}]}).items()
    assert pointer == "/a~1b/1/~0"
    assert detail.endswith(".")


def test_the_sentence_says_what_there_is():
    assert wrong("{{ settings.SECRET_KEY }}")[""] == (
        "This event has no settings. There is: id, event, timestamp, agent_id, data, "
        "channel, conversation_id, customer, items, lead, text."
    )
    assert wrong("{{ text | upper }}")[""] == "There is no filter upper. Use default, lower, date."


def deep(levels: int) -> Any:
    tree: Any = "{{ id }}"
    for _ in range(levels):
        tree = [tree]
    return tree


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        ({"{{ id }}": 1}, "/{{ id }}"),
        (deep(21), "/0" * 20),
        (deep(101), ""),
        (["a" * 64 * 1024], ""),
        (["{{id}}"] * 501, "/500"),
        ({"a": float("nan")}, ""),
        ({"a": "\0"}, ""),
        ({"a": {1, 2}}, ""),
    ],
)
def test_what_is_too_large_or_no_json_is_refused(tree, pointer):
    assert list(wrong(tree)) == [pointer]


def test_what_is_just_small_enough_is_kept():
    assert payloads.read(deep(20), NAMES)[1] == []
    assert filled(["{{id}}"] * 500) == ["evt_1"] * 500


def test_without_names_those_of_every_event_are_known():
    assert payloads.read(["{{ text }}", "{{ word }}", "{{ customer.name }}"])[1] == []
    assert [fault.pointer for fault in payloads.read(["{{ id }}", "{{ settings.a }}"])[1]] == ["/1"]


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_field_of_every_event_can_be_sent(event):
    leaves = [f"{{{{ {field.path.removesuffix('.*')} }}}}" for field in event.fields]
    assert payloads.read(leaves, event.schema["properties"])[1] == []
    envelope = ENVELOPE | {"data": event.example}
    assert payloads.render("{{ data }}", envelope) == event.example


# --- limits of a body ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaf", ["{{ data }}", "{{ text }}", "so: {{ text }}", "so: {{ data }}"])
def test_naming_something_large_very_often_is_refused_and_not_cut(leaf):
    envelope = ENVELOPE | {"data": {"text": "x" * 200_000}}
    with pytest.raises(bodies.BodyRefused, match="larger than 256 KB"):
        payloads.render([leaf] * 500, envelope)


def test_what_will_be_refused_is_not_built_first():
    envelope = ENVELOPE | {"data": {"text": "x" * 200_000}}
    tracemalloc.start()
    try:
        with pytest.raises(bodies.BodyRefused):
            payloads.render("{{ text }}," * 500, envelope)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # all of it would be a hundred million
    finally:
        tracemalloc.stop()


def test_a_body_that_would_be_too_deep_is_refused():
    envelope = ENVELOPE | {"data": {"text": deep(95)}}
    assert payloads.render(["{{ text }}"], envelope) == [deep(95)]
    with pytest.raises(bodies.BodyRefused, match="nested deeper"):
        payloads.render([[[[[["{{ text }}"]]]]]], envelope)


# --- whatever comes ---------------------------------------------------------------------------------------------------

TEXT = some.text(some.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
SCALAR = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = some.recursive(
    SCALAR | some.sampled_from(["{{ id }}", "{{", "}}", "{% x %}", "2026-11-25T10:00:00Z"]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
PATHS = some.sampled_from(
    [
        "id",
        "event",
        "timestamp",
        "data",
        "customer",
        "customer.name",
        "data.customer.a.0",
        "text",
        "lead.0",
        "lead.'x y'",
    ]
)
FILTER = some.sampled_from(["", "|lower", '| default:"none"', "| date:'iso'", '|date:"unix"|default:"{{ id }}"'])
LEAF = some.builds("{{{{ {} {} }}}}".format, PATHS, FILTER)
TREE = some.recursive(
    LEAF | some.builds("{}{}{}".format, TEXT, LEAF, TEXT) | SCALAR,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EVENT = some.builds(
    lambda data: ENVELOPE | {"data": data},
    some.fixed_dictionaries({}, optional={"customer": JSON, "text": JSON, "lead": JSON}) | JSON,
)
KNOWN = ["customer", "text", "lead"]


@given(JSON | TREE | some.text())
def test_reading_never_raises_and_keeps_what_it_accepts(tree):
    kept, faults = payloads.read(tree, KNOWN)
    assert kept is tree
    assert all(fault.detail for fault in faults)


@given(TREE, EVENT, some.booleans())
def test_what_is_filled_in_can_always_be_a_body(tree, envelope, leaves_out_missing):
    if payloads.read(tree, KNOWN)[1]:
        return
    body = bodies.render(payloads.render(tree, envelope, leaves_out_missing=leaves_out_missing))
    assert json.loads(body) is not ...


def parts_of(value: Any) -> set[str]:
    """Everything that stands somewhere in a JSON value, as text."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {json.dumps(value)}.union(*map(parts_of, inner))


@given(some.lists(PATHS, max_size=5), EVENT)
def test_nothing_comes_from_anywhere_but_the_envelope(paths, envelope):
    there = parts_of(envelope) | {"null"}
    for value in payloads.render([f"{{{{ {path} }}}}" for path in paths], envelope):
        assert json.dumps(value) in there


class Canary:
    """An object with everything to leak, where JSON should stand."""

    secret = "s3cret"

    def __getitem__(self, key: str) -> str:
        return self.secret


def test_objects_are_not_looked_into():
    envelope = ENVELOPE | {"data": {"customer": Canary(), "text": "safe".upper}}
    assert payloads.render(["{{ customer.secret }}", "{{ customer.0 }}", "{{ text.a }}"], envelope) == [
        None,
        None,
        None,
    ]
    with pytest.raises(bodies.BodyRefused):
        payloads.render("{{ customer }}", envelope)


@given(TREE, EVENT)
def test_filling_in_changes_neither_the_tree_nor_the_event(tree, envelope):
    if payloads.read(tree, KNOWN)[1]:
        return
    before = json.dumps([tree, envelope])
    payloads.render(tree, envelope)
    assert json.dumps([tree, envelope]) == before
