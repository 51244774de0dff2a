"""No secret survives in any form in which it is usually repeated, and nothing else is touched."""

import base64
import json
import time
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhooks.masking import MASK, Masker

# Not the mask itself, and no half characters: neither can be a credential's value.
characters = st.characters(exclude_characters=MASK, exclude_categories=["Cs"])
secrets = st.text(characters, min_size=6, max_size=40)
around = st.binary(max_size=7)
# The first search for a secret makes its pattern, and a busy machine takes its time.
unhurried = settings(deadline=None)
TRICKY = 'p@ss "w%25rd" \\ é/+<😀>'


def escaped_for_html(secret: str) -> str:
    """As Django, Rails and Go write JSON into a page."""
    text = json.dumps(secret, ensure_ascii=False)[1:-1]
    return text.replace("<", "\\u003C").replace(">", "\\u003E").replace("&", "\\u0026").replace("/", "\\/")


TEXTUAL = {
    "raw": str,
    "json": lambda secret: json.dumps(secret)[1:-1],
    "json in unicode": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "json for a page": escaped_for_html,
    "percent": lambda secret: quote(secret, safe=""),
    "percent in a path": quote,
    "percent as encodeURIComponent": lambda secret: quote(secret, safe="!~*'()"),
    "percent in small letters": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "percent in large letters": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "form": quote_plus,
    "base64 in a query": lambda secret: quote(base64.b64encode(b"me:" + secret.encode()), safe=""),
    "base64 in json": lambda secret: base64.b64encode(secret.encode()).decode().replace("/", "\\/"),
    "hex": lambda secret: secret.encode().hex(),
    "HEX": lambda secret: secret.encode().hex().upper(),
}


@pytest.mark.parametrize("form", TEXTUAL)
@unhurried
@given(secret=secrets, before=st.text(characters, max_size=5), after=st.text(characters, max_size=5))
def test_no_textual_form_survives(form: str, secret: str, before: str, after: str) -> None:
    masker, shown = Masker([secret]), TEXTUAL[form](secret)
    text = f"{before}{shown}{after}"
    assert masker.holds(text)
    assert masker.holds(text.encode())
    assert shown not in masker.text(text)
    assert shown.encode() not in masker.data(text.encode())
    assert MASK in masker.text(text)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@unhurried
@given(secret=secrets, before=around, after=around)
def test_base64_is_found_wherever_in_it_the_secret_begins(
    encode: Any, secret: str, before: bytes, after: bytes
) -> None:
    encoded = encode(before + secret.encode() + after)
    masker = Masker([secret])
    assert masker.holds(encoded)
    masked = masker.data(encoded)
    pieces = masked.split(MASK.encode())
    assert len(pieces) > 1
    # What is left beside the mask are the neighbours, and of the secret less than one character's bits at each end.
    left = sum(len(piece) for piece in pieces)
    assert left * 6 <= (len(before) + len(after)) * 8 + 2 * 8 + 3 * 6


def test_a_tricky_secret_in_mixed_spellings() -> None:
    masker = Masker([TRICKY])
    for text in (
        quote(TRICKY, safe=" <>@"),
        'p@ss \\"w%25rd\\" \\\\ \\u00E9\\/+\\u003c\\uD83D\\ude00>',
        "p@ss%20%22w%25rd%22%20\\%20%C3%a9/+%3C%f0%9F%98%80>",
    ):
        assert masker.text(f"[{text}]") == f"[{MASK}]"


@unhurried
@given(st.text(), st.lists(secrets, max_size=3))
def test_what_holds_no_secret_is_the_very_same(text: str, some: list[str]) -> None:
    masker = Masker(some)
    if not masker.holds(text):
        assert masker.text(text) is text
        data = text.encode(errors="surrogatepass")
        assert masker.data(data) is data


@unhurried
@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    assert Masker(["planted-secret"]).data(data) == data


def test_without_secrets_nothing_is_looked_at() -> None:
    masker, value = Masker(["", "12345"]), {"a": ["12345"]}
    assert not masker
    assert masker.value(value) is value
    assert masker.data(b"12345") == b"12345"
    assert not masker.holds("12345")


def test_short_values_are_masked_as_they_are_where_that_is_asked_for() -> None:
    masker = Masker(["abc"], exact=["abc", ""])
    assert masker.text("abc YWJj 616263") == f"{MASK} YWJj 616263"


def test_the_longest_of_several_is_masked_whole() -> None:
    masker = Masker(["secret", "secret-and-more", "secret"])
    assert masker.text("a secret-and-more b secret c") == f"a {MASK} b {MASK} c"


def test_json_values_with_keys_numbers_and_what_is_deep() -> None:
    masker = Masker(["planted", "123456"])
    deep: Any = "planted"
    for _ in range(5000):
        deep = [deep]
    value = {"planted": 1, "n": 123456, "f": 9123456.5, "ok": [True, None, 12, {"x": "a planted b"}], "deep": deep}
    masked = masker.value(value)
    assert value["n"] == 123456
    found = masked.pop("deep")
    while isinstance(found, list):
        [found] = found
    assert found == MASK
    assert masked == {MASK: 1, "n": MASK, "f": MASK, "ok": [True, None, 12, {"x": f"a {MASK} b"}]}


@pytest.mark.parametrize("size", range(90, 112))
def test_the_start_of_something_long_never_ends_in_half_a_secret(size: int) -> None:
    secret = "planted-secret"
    shown = Masker([secret]).start(b"a" * 95 + secret.encode() + b"b" * 5000, size)
    assert len(shown) <= size
    assert b"p" not in shown
    assert Masker([secret]).start(b"a planted-secret b", 1000) == f"a {MASK} b".encode()


@pytest.mark.parametrize("secret", ["\\" * 40 + "x", "%25" * 20 + "x", "a" * 40 + "!", "/" * 40 + "x", " +" * 20 + "x"])
def test_no_text_makes_the_search_slow(secret: str) -> None:
    masker = Masker([secret])
    began = time.monotonic()
    for text in (secret[:-1] * 2000, "\\" * 80_000, "%25" * 30_000, "%" * 80_000, "a" * 80_000):
        masker.text(text)
    assert time.monotonic() - began < 5


def test_nothing_of_a_secret_is_in_its_representation() -> None:
    assert "planted" not in repr(Masker(["planted-secret"]))
