import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters import sms


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("254712345678", "+254712345678"),
        ("+254 712 345-678", "+254712345678"),
        (254712345678, "+254712345678"),
        ("0712345678", ""),
        ("25145", ""),
        ("Safaricom", ""),
        ("1" * 16, ""),
        ("٢٥٤٧١٢٣٤٥٦٧٨", ""),
        (None, ""),
        (["254712345678"], ""),
    ],
)
def test_a_telephone_number_has_a_country_code(value: object, expected: str) -> None:
    assert sms.phone(value) == expected


@pytest.mark.parametrize(
    ("one", "other"), [("+254 711 000 111", "254711000111"), ("25145", "25145"), ("(25) 145", "25145")]
)
def test_two_spellings_of_a_number_are_one(one: str, other: str) -> None:
    assert sms.digits(one) == sms.digits(other)


@pytest.mark.parametrize(
    ("letter", "most"), [("a", 1530), ("é", 1530), ("€", 765), ("ş", 670), ("中", 670), ("😀", 335)]
)
def test_a_part_is_at_most_ten_messages(letter: str, most: int) -> None:
    assert sms.parts(letter * most) == [letter * most]
    assert [len(part) for part in sms.parts(letter * (most + 1))] == [most, 1]


@given(st.text(alphabet=st.sampled_from("ab €{ş😀\n."), min_size=1, max_size=4000))
def test_no_part_takes_more_than_ten_messages(text: str) -> None:
    parts = sms.parts(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    for part in parts:
        if set(part) <= sms.BASIC | sms.DOUBLE:
            assert len(part) + sum(letter in sms.DOUBLE for letter in part) <= 1530
        else:
            assert len(part.encode("utf-16-be")) // 2 <= 670
