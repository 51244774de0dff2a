"""What an action may declare, the schema a model sees, and what the code gets."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as some

from agents import parameters
from agents.arguments import faults

EMAIL = {"name": "email", "type": "string", "format": "email", "required": True, "description": "Where to write to."}
PLAN = {"name": "plan", "type": "string", "enum": ["free", "pro"], "default": "free"}
SEATS = {"name": "seats", "type": "integer"}
CONVERSATION = {"name": "conversation_id", "type": "string", "required": True}


def declared(*raw):
    found, wrong = parameters.read(list(raw))
    assert wrong == []
    return found


def wrong(raw) -> dict[str, str]:
    return {fault.pointer: fault.detail for fault in parameters.read(raw)[1]}


def test_the_schema_asks_for_what_the_model_has_to_say_and_nothing_else():
    assert parameters.schema(declared(EMAIL, PLAN, SEATS, CONVERSATION)) == {
        "type": "object",
        "properties": {
            "email": {"type": "string", "description": "Where to write to.", "format": "email"},
            "plan": {"type": "string", "description": "", "enum": ["free", "pro"], "default": "free"},
            "seats": {"type": "integer", "description": ""},
        },
        "required": ["email"],
        "additionalProperties": False,
    }


def test_the_code_gets_arguments_defaults_and_what_the_conversation_says():
    context = {"conversation_id": "cnv_1", "agent_id": "agt_1"}
    filled = parameters.fill(declared(EMAIL, PLAN, SEATS, CONVERSATION), {"email": "a@b.co"}, context)
    assert filled == {"email": "a@b.co", "plan": "free", "conversation_id": "cnv_1"}


def test_what_a_model_says_never_replaces_what_the_conversation_says():
    filled = parameters.fill(declared(CONVERSATION), {"conversation_id": "cnv_evil"}, {"conversation_id": "cnv_1"})
    assert filled == {"conversation_id": "cnv_1"}


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ("text", "/parameters"),
        ([7], "/parameters/0"),
        ([{"name": "1st", "type": "string"}], "/parameters/0/name"),
        ([{"name": "__proto__", "type": "string"}], "/parameters/0/name"),
        ([{"name": "a b", "type": "string"}], "/parameters/0/name"),
        ([{"name": "n" * 65, "type": "string"}], "/parameters/0/name"),
        ([{"type": "string"}], "/parameters/0/name"),
        ([SEATS, SEATS], "/parameters/1/name"),
        ([{"name": "a", "type": "text"}], "/parameters/0/type"),
        ([{"name": "a", "type": "string", "required": "yes"}], "/parameters/0/required"),
        ([{"name": "a", "type": "string", "description": 5}], "/parameters/0/description"),
        ([{"name": "a", "type": "string", "description": "a\x00b"}], "/parameters/0/description"),
        ([{"name": "a", "type": "integer", "format": "email"}], "/parameters/0/format"),
        ([{"name": "a", "type": "string", "format": "colour"}], "/parameters/0/format"),
        ([{"name": "a", "type": "integer", "enum": ["one"]}], "/parameters/0/enum"),
        ([{"name": "a", "type": "integer", "enum": 5}], "/parameters/0/enum"),
        ([{"name": "a", "type": "integer", "default": "one"}], "/parameters/0/default"),
        ([{"name": "a", "type": "string", "enum": ["x"], "default": "y"}], "/parameters/0/default"),
        ([{"name": "a", "type": "string", "pattern": "(a+)+$"}], "/parameters/0"),
        ([{"name": f"p{n}", "type": "string"} for n in range(51)], "/parameters"),
    ],
)
def test_what_cannot_be_declared_is_named_with_its_place(raw, pointer):
    assert list(wrong(raw)) == [pointer]


def test_what_is_right_is_kept_beside_what_is_wrong():
    found, faults_found = parameters.read([EMAIL, {"name": "a", "type": "text"}])
    assert [one["name"] for one in found] == ["email"]
    assert len(faults_found) == 1


JSON = some.recursive(
    some.none() | some.booleans() | some.floats() | some.text() | some.integers(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=8,
)
DECLARATION = some.fixed_dictionaries(
    {"name": some.sampled_from(["a", "b", "channel", "x1", "", "1"]) | some.text()},
    optional={
        "type": some.sampled_from([*parameters.TYPES, "text"]),
        "required": some.booleans() | JSON,
        "description": some.text() | JSON,
        "enum": some.lists(JSON, max_size=3) | JSON,
        "default": JSON,
        "format": some.sampled_from([*parameters.FORMAT_CHOICES, "", "colour"]) | JSON,
    },
)


@given(JSON | some.lists(DECLARATION | JSON, max_size=5))
def test_reading_never_raises_and_what_it_accepts_makes_a_valid_schema(raw):
    found, _ = parameters.read(raw)
    jsonschema.Draft202012Validator.check_schema(parameters.schema(found))
    assert parameters.read(found) == (found, [])


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        ("email", "ada@example.com", "ada@"),
        ("phone", "+254 712 345 678", "call me"),
        ("uri", "https://example.com/a?b=c", "javascript:alert(1)"),
        ("date", "2026-11-25", "25.11.2026"),
        ("date-time", "2026-11-25T10:00:00Z", "2026-11-25 10:00"),
    ],
)
def test_formats_are_enforced(wanted, good, bad):
    schema = parameters.schema(declared({"name": "value", "type": "string", "format": wanted}))
    assert faults({"value": good}, schema) == []
    assert [fault.pointer for fault in faults({"value": bad}, schema)] == ["/value"]
