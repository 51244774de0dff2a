"""What a customer may put into request headers. The same check runs when headers are saved and when they are sent."""

import re
from collections.abc import Callable, Iterable, Mapping

from webhooks.failures import Blocked

MAX_COUNT = 50
MAX_ONE = 8 * 1024
MAX_TOTAL = 16 * 1024

# Marks the two requests of a signature test. Only the platform can set it: its prefix is reserved.
TEST_HEADER, GENUINE, TAMPERED = "X-Chatzuri-Test", "genuine", "tampered"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")

# Names that frame the message or the connection, and cookies, which nothing here keeps: the client's business alone.
_FRAMING = frozenset(
    "host content-length transfer-encoding te trailer connection upgrade expect keep-alive accept-encoding "
    "cookie cookie2".split()
)
_FRAMING_PREFIX = "proxy-"
# Names that steer proxies and frameworks, or are ours: a customer who could set them could forge or smuggle.
_SPOOFING = frozenset(
    "forwarded x-original-url x-rewrite-url x-http-method x-http-method-override x-method-override "
    "webhook-id webhook-timestamp webhook-signature".split()
)
_SPOOFING_PREFIXES = ("x-forwarded-", "x-chatzuri-")
# The body of a delivery is ours and never compressed. Code that compresses the body of its own request has to say so.
_OF_OUR_BODY = "content-encoding"
# Names that code may not set although endpoints may: they look like proofs that only a delivery carries.
_PROOF_PREFIX = "webhook-"


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises Blocked unless these headers of a customer may be sent; never repeats a value, it may be a secret."""
    _check(headers, lambda plain: _is_framing(plain) or _is_spoofing(plain) or plain == _OF_OUR_BODY)


def check_fetched(headers: Mapping[str, str]) -> None:
    """The same for headers that the code of a custom action sets, after `of_fetch`."""
    _check(headers, lambda plain: _is_framing(plain) or _is_spoofing(plain) or plain.startswith(_PROOF_PREFIX))


def of_fetch(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that code asked for, as one request may carry them: repeated ones joined, as browsers do.

    What belongs to the connection (Host, Content-Length, Connection, Accept-Encoding, Cookie, Proxy-* …) is left out
    without a word, also as browsers do: libraries set such names by habit. The rest is still to be checked.
    """
    joined: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        known = joined.get(name.lower())
        joined[name.lower()] = (known[0], f"{known[1]}, {value}") if known else (name, value)
    return {name: value for name, value in joined.values() if not _is_framing(_plain(name))}


def _is_framing(plain: str) -> bool:
    return plain in _FRAMING or plain.startswith(_FRAMING_PREFIX)


def _is_spoofing(plain: str) -> bool:
    return plain in _SPOOFING or plain.startswith(_SPOOFING_PREFIXES)


def _check(headers: Mapping[str, str], is_reserved: Callable[[str], bool]) -> None:
    if len(headers) > MAX_COUNT:
        raise Blocked("header", f"There are more than {MAX_COUNT} headers. Remove some.")
    seen = set()
    for name, value in headers.items():
        check_syntax(name, value)
        _check_size(name, value)
        plain = _plain(name)
        if is_reserved(plain):
            raise Blocked("header", f"The header {name} is set by the platform. Remove it or choose another name.")
        if plain in seen:
            raise Blocked("header", f"The header {name} is there twice. Keep one of them.")
        seen.add(plain)
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_TOTAL:
        raise Blocked("header", f"The headers are longer than {MAX_TOTAL // 1024} KB together. Shorten them.")


def is_name(text: str) -> bool:
    """Whether this can be the name of a header at all."""
    return _NAME.fullmatch(text) is not None


def check_syntax(name: str, value: str) -> None:
    """Every header, ours too: a line break in a value would start a new header, or a new request."""
    if not _NAME.fullmatch(name):
        raise Blocked("header", "A header name may hold only letters, digits and hyphens. Correct the name.")
    if not _VALUE.fullmatch(value):
        raise Blocked(
            "header",
            f"The value of the header {name[:80]} has a line break, a blank at an end, or a character outside "
            "plain English letters, digits and signs. Remove it.",
        )


def merge(*layers: Mapping[str, str]) -> dict[str, str]:
    """Later layers win over earlier ones, whatever the letter case."""
    merged: dict[str, tuple[str, str]] = {}
    for layer in layers:
        merged.update({_plain(name): (name, value) for name, value in layer.items()})
    return dict(merged.values())


def _check_size(name: str, value: str) -> None:
    if len(name) + len(value) > MAX_ONE:
        raise Blocked("header", f"The header {name[:80]} is longer than {MAX_ONE // 1024} KB. Shorten it.")


def _plain(name: str) -> str:
    """Many servers read X_Forwarded_For and x-forwarded-for as one header, so we do too."""
    return name.lower().replace("_", "-")
