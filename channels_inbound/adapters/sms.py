"""What all providers of text messages share: telephone numbers, and how much fits into one message."""

import re

from channels_inbound.adapters import reading
from channels_inbound.adapters.base import split

# The alphabet of telephone networks. One letter beyond it, and every letter takes twice the room and more.
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
DOUBLE = frozenset("\f^{}\\[~]|€")  # in the alphabet, at the price of two
# Networks join up to ten messages; each loses a little room to its number in the row.
MOST_SEGMENTS = 10
BASIC_ROOM, WIDE_ROOM = 153, 67

_SEPARATORS = re.compile(r"[ ().-]")
_NUMBER = re.compile(r"\+?([1-9]\d{6,14})")


def parts(text: str) -> list[str]:
    """The text in pieces of which each goes out as at most ten joined messages."""
    if set(text) <= BASIC | DOUBLE:
        limit = MOST_SEGMENTS * BASIC_ROOM
        return split(text, limit - min(limit // 2, sum(letter in DOUBLE for letter in text)))
    # Letters beyond the basic plane count twice; halving the room is simple, and rarely costs a message.
    is_wide = any(ord(letter) > 0xFFFF for letter in text)
    return split(text, MOST_SEGMENTS * WIDE_ROOM // (2 if is_wide else 1))


def phone(value: object) -> str:
    """`+254712345678` of an international number as networks write it; empty for a short code or a name."""
    found = _NUMBER.fullmatch(digits(value))
    return f"+{found[1]}" if found else ""


def digits(value: object) -> str:
    """An address without the marks people put between digits: what two spellings of one number have in common."""
    return _SEPARATORS.sub("", reading.ident(value)).removeprefix("+")
