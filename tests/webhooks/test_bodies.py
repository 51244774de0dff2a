import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import bodies

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_was_rendered_reads_back_the_same_and_renders_the_same_again(data: object) -> None:
    body = bodies.render(data)
    assert json.loads(body) == data
    assert bodies.render(json.loads(body)) == body


def test_the_body_is_compact_utf8_with_the_keys_in_their_order() -> None:
    data = {"z": "é🙂</script>", "a": [1, 2**53 + 1, None, True], "m": {"y": 1.5, "b": ""}}
    expected = '{"z":"é🙂</script>","a":[1,9007199254740993,null,true],"m":{"y":1.5,"b":""}}'
    assert bodies.render(data) == expected.encode()


def nested(levels: int) -> object:
    data: object = 1
    for _ in range(levels):
        data = [data]
    return data


circular: list[object] = []
circular.append(circular)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"a": math.nan}, "not_finite"),
        ([math.inf], "not_finite"),
        (json.loads("1e400"), "not_finite"),
        ([10**5000], "number"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        ({1: "a"}, "key"),
        ({None: "a"}, "key"),
        (b"bytes", "type"),
        ({"a": {1, 2}}, "type"),
        (nested(101), "depth"),
        (nested(100_000), "depth"),
        (circular, "depth"),
        ("a" * bodies.MAX_BODY, "too_large"),
    ],
)
def test_what_is_not_json_is_refused_with_a_sentence(data: object, code: str) -> None:
    with pytest.raises(bodies.BodyRefused) as refused:
        bodies.render(data)
    assert refused.value.code == code
    assert str(refused.value).endswith(".")


def test_the_limits_themselves_are_allowed() -> None:
    assert len(bodies.render("a" * (bodies.MAX_BODY - 2))) == bodies.MAX_BODY
    assert bodies.render(nested(100)) == b"[" * 100 + b"1" + b"]" * 100
