"""Frames are cut out of a stream in any pieces, and believed in no detail."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sandbox.contract import Limits
from agents.sandbox.frames import Log, NotPlain, Reader, Returned, Violation, pack, read_result
from tests.agents.sandbox.hostile_child import frame

TOKEN = bytes(range(16))
LINE = frame(TOKEN, {"is": "log", "level": "warn", "text": "ü"})
RESULT = frame(TOKEN, {"is": "result"}, b"[1]")


@given(st.lists(st.integers(1, 40), min_size=1))
def test_pieces_of_any_size(sizes: list[int]) -> None:
    reader = Reader(Limits())
    reader.token = TOKEN
    stream, found = LINE + RESULT + LINE, []

    while stream:
        size = sizes[len(stream) % len(sizes)]
        found += reader.feed(stream[:size])
        stream = stream[size:]

    assert found == [Log("warn", "ü"), Returned(b"[1]"), Log("warn", "ü")]


@given(st.binary(min_size=4, max_size=200))
def test_any_bytes_are_a_violation_or_wait_for_more(data: bytes) -> None:
    try:
        assert list(Reader(Limits()).feed(data)) == []
    except Violation:
        return
    assert struct.unpack_from(">I", data)[0] + 4 > len(data)


def test_too_many_frames() -> None:
    reader = Reader(Limits(frames=3))
    reader.token = TOKEN

    with pytest.raises(Violation, match="too many"):
        list(reader.feed(LINE * 4))


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ud83d"', "\ufffd"),
        (b'{"\\u0000":"a\\u0000"}', {"\ufffd": "a\ufffd"}),
        (b'"\\\\u0000"', "\\u0000"),
        (b"1e308", 1e308),
        (b'{"a":{"__proto__":1}}', {"a": {"__proto__": 1}}),
    ],
)
def test_results(body: bytes, value: object) -> None:
    assert read_result(body) == value


@pytest.mark.parametrize("body", [b"", b"NaN", b"-Infinity", b"{", b"\xff", b'"\n"', b"1 2"])
def test_results_that_are_no_json(body: bytes) -> None:
    with pytest.raises(Violation):
        read_result(body)


@pytest.mark.parametrize("body", [b"1e999", b"[-1e400]", b"1" * 5000])
def test_a_number_that_nobody_can_keep_is_a_result_that_is_not_plain(body: bytes) -> None:
    with pytest.raises(NotPlain, match="too large"):
        read_result(body)


def test_depth_is_counted_outside_of_texts() -> None:
    assert read_result(json.dumps(["[" * 500 + '"' + "{" * 500]).encode()) == ["[" * 500 + '"' + "{" * 500]
    with pytest.raises(NotPlain):
        read_result(b"[" * 201 + b"]" * 201)


def test_what_is_sent_is_ascii_in_its_header() -> None:
    packed = pack({"code": "ü\ud800"}, b"body")

    assert packed.isascii() and packed.endswith(b"body")
    assert struct.unpack_from(">II", packed) == (len(packed) - 4, len(packed) - 12)
