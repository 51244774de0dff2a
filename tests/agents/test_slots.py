import time

import pytest

from agents.brains import slots


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to Ada.Lovelace+shop@Example.co.uk.", {"email": "ada.lovelace+shop@example.co.uk"}),
        ("bob at gmail dot com please", {"email": "bob@gmail.com"}),
        ("bob [at] mail [dot] example [dot] org", {"email": "bob@mail.example.org"}),
        ("call +254 712 345 678 tomorrow", {"phone": "+254712345678"}),
        ("my number is (0712) 345-678", {"phone": "0712345678"}),
        ("ring me on +1 (415) 555-2671", {"phone": "+14155552671"}),
        ("My name is Amina Otieno", {"name": "Amina Otieno"}),
        ("regards, O'Brien", {"name": "O'Brien"}),
        ("I'm Zoë, zoe@example.com, +44 20 7946 0958", {
            "name": "Zoë", "email": "zoe@example.com", "phone": "+442079460958",
        }),
        ("where is order #A-10293?", {"order_number": "A-10293"}),
        ("order number 88123 is late", {"order_number": "88123"}),
    ],
)  # fmt: skip
def test_what_is_there_is_found(text, found):
    assert slots.find(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "I'm looking for shoes",
        "I'm Not sure",
        "meet me at noon",
        "I am at the shop dot",
        "it costs 120.50",
        "on 2026-11-23 at 10:30",
        "user@localhost",
        "version 0.12.3",
        "",
    ],
)
def test_nothing_is_guessed(text):
    assert slots.find(text) == {}


def test_a_long_hostile_text_is_read_quickly():
    begun = time.monotonic()
    for text in ("a at " * 20_000, "0 " * 50_000, "a." * 50_000 + "@", "I'm " * 20_000, "order " * 20_000):
        slots.find(text[:8000])
    assert time.monotonic() - begun < 2.0
