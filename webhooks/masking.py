"""Cutting secrets out of what is kept or shown, in every form in which code and receivers usually repeat them."""

import base64
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

MASK = "••••••••"
# A shorter value is found by chance everywhere: it would mask half of an answer and protect nothing.
SHORTEST = 6

_ALIGNMENTS = (0, 1, 2)
# A byte of a secret takes at most this many bytes in any form: as "\u0041".
_LONGEST_SPELLING = 6


class Masker:
    """Finds the given secrets of at least six characters: as they are, JSON-escaped, percent-encoded, base64, hex.

    Encoders differ in what they leave alone, so a character may be escaped or encoded, or not. Base64 is found
    inside of longer base64 too (`user:password`). `exact` are masked as they are only, however short they are.
    """

    def __init__(self, secrets: Iterable[str], *, exact: Iterable[str] = ()) -> None:
        self._secrets = tuple(dict.fromkeys(secret for secret in secrets if len(secret) >= SHORTEST))
        self._exact = tuple(dict.fromkeys(value for value in exact if value))
        # No form is shorter than the secret itself: most answers are, and then no pattern has to be made at all.
        self._shortest = min((len(value) for value in (*self._secrets, *self._exact)), default=0)

    def __repr__(self) -> str:
        return f"<Masker of {len(self._secrets) + len(self._exact)}>"

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._secrets or self._exact)

    def text(self, text: str) -> str:
        """The text with every secret masked; the very same text where there is none."""
        if not self or len(text) < self._shortest:
            return text
        given = text.encode(errors="surrogatepass")
        masked = self.data(given)
        return text if masked is given else masked.decode(errors="surrogatepass")

    def data(self, data: bytes) -> bytes:
        """The same for bytes, whatever they are."""
        if not self or len(data) < self._shortest:
            return data
        masked, count = self._pattern.subn(MASK.encode(), data)
        return masked if count else data

    def start(self, data: bytes, size: int) -> bytes:
        """At most `size` bytes of the masked data; a secret that lies across the end does not survive in part."""
        if len(data) <= size:
            return self.data(data)[:size]
        margin = self._longest
        masked = self.data(data[: size + margin])
        return masked[: max(0, len(masked) - margin)][:size]

    def ended(self, text: str) -> str:
        """A text that somebody cut before it came here, masked; an end that may be part of a secret is left out."""
        if not self:
            return text
        masked = self.text(text)
        return masked[: max(0, len(masked) - self._longest)] + " …"

    def value(self, value: Any) -> Any:
        """A JSON value with the secrets masked in its texts, numbers and keys, however deep they are."""
        if not self:
            return value
        holder = [value]
        unfinished: list[Any] = [holder]
        while unfinished:
            container = unfinished.pop()
            self._mask_within(container)
            items = container.values() if isinstance(container, dict) else container
            unfinished += [item for item in items if isinstance(item, dict | list)]
        return holder[0]

    def holds(self, given: str | bytes) -> bool:
        """Whether any of the secrets is in there."""
        if not self or len(given) < self._shortest:
            return False
        data = given if isinstance(given, bytes) else given.encode(errors="surrogatepass")
        return self._pattern.search(data) is not None

    def _mask_within(self, container: list[Any] | dict[str, Any]) -> None:
        """Mask what is directly in this fresh container, and put fresh copies of the containers in it."""
        if isinstance(container, list):
            container[:] = [self._mask_one(item) for item in container]
            return
        masked = [(self.text(key), self._mask_one(item)) for key, item in container.items()]
        container.clear()
        container.update(masked)

    def _mask_one(self, item: Any) -> Any:
        if isinstance(item, str):
            return self.text(item)
        if isinstance(item, dict | list):
            return item.copy()
        is_number = isinstance(item, int | float) and not isinstance(item, bool)
        return MASK if is_number and self.holds(str(item)) else item

    @property
    def _pattern(self) -> re.Pattern[bytes]:
        return _compiled(self._secrets, self._exact)

    @property
    def _longest(self) -> int:
        lengths = [len(value.encode(errors="surrogatepass")) for value in (*self._secrets, *self._exact)]
        return _LONGEST_SPELLING * max(lengths, default=0)


@functools.lru_cache(maxsize=512)
def _compiled(secrets: tuple[str, ...], exact: tuple[str, ...]) -> re.Pattern[bytes]:
    """One pattern, longest first. Every branch begins with a letter it must find, so most of a text is skipped fast."""
    forms = dict.fromkeys(form for secret in secrets for form in _forms(secret))
    forms |= dict.fromkeys(re.escape(value.encode(errors="surrogatepass")) for value in exact)
    longest_first: list[bytes] = sorted(forms, key=len, reverse=True)
    return re.compile(b"|".join(longest_first))


def _forms(secret: str) -> Iterator[bytes]:
    """Patterns of everything this secret may look like."""
    raw = secret.encode(errors="surrogatepass")
    yield from map(re.escape, (raw, raw.hex().encode(), raw.hex().upper().encode()))
    yield _percent(raw)
    for spell in (_in_json, _in_an_address, _in_a_parsed_address):
        for text in (secret, *_base64_forms(raw)):
            yield from _spelled(text, spell)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """What is sure to appear, wherever in the encoded data the secret begins: only whole characters of it alone."""
    for before in _ALIGNMENTS:
        encoded = base64.b64encode(bytes(before) + raw)
        # The first characters also hold bits of what is before, the last ones bits of what follows.
        sure = encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6].decode()
        yield sure
        yield sure.translate(str.maketrans("+/", "-_"))


def _spelled(text: str, spell: Callable[[str], list[bytes]]) -> Iterator[bytes]:
    """This text with each character in any of its spellings; one branch for each spelling of the first.

    No spelling of a character begins another one of the same, so no text can make the search try combinations.
    """
    first, *others = (_plain(character) or spell(character) for character in text)
    rest = b"".join(each[0] if len(each) == 1 else b"(?:" + b"|".join(each) + b")" for each in others)
    for spelling in first:
        yield spelling + rest


def _plain(character: str) -> list[bytes]:
    """What every encoder leaves alone."""
    return [character.encode()] if character.isascii() and character.isalnum() else []


def _in_json(character: str) -> list[bytes]:
    """`/` is also `\\/` and `\\u002f`; a backslash never stands alone."""
    plain = "" if character == "\\" else character
    slashed = "\\" + character if character in '"\\/' else json.dumps(character)[1:-1]
    found = {re.escape(form.encode(errors="surrogatepass")) for form in (plain, slashed) if form and "\\u" not in form}
    return [*sorted(found), _any_case(_unicode_escape(character))]


def _in_an_address(character: str) -> list[bytes]:
    """`/` is also `%2F`, and a blank may be a plus; a percent sign never stands alone."""
    raw = character.encode(errors="surrogatepass")
    plain = [] if character == "%" else [re.escape(raw)]
    return [*plain, _percent(raw), *([rb"\+"] if character == " " else [])]


def _in_a_parsed_address(character: str) -> list[bytes]:
    """The same from a reader of addresses that repairs what it must, and takes a percent sign for what it is."""
    return [b"%"] if character == "%" else _in_an_address(character)


def _percent(raw: bytes) -> bytes:
    return _any_case("".join(f"%{byte:02x}" for byte in raw))


def _unicode_escape(character: str) -> str:
    """JSON's \\uXXXX, in two halves where the character needs them."""
    units = character.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _any_case(escape: str) -> bytes:
    """A pattern of this escape with its hexadecimal digits in either case; the "u" of "\\u" stays small."""
    return "".join(f"[{sign}{sign.upper()}]" if sign in "abcdef" else re.escape(sign) for sign in escape).encode()
