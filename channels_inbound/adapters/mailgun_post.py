"""What Mailgun posts: a form in one of two encodings, or JSON; and the proof that stands among its fields.

The proof is read first and alone. A stranger's body is as large as a mail, and decoding all of it before knowing who
sent it would be a present to whoever wants this machine busy.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from channels_inbound.adapters import reading
from channels_inbound.adapters.base import FORM_TYPE, MEGABYTE, Incoming, NotAuthentic, Unusable, Upload

MULTIPART = "multipart/form-data"
JSON = "application/json"

MOST_FIELDS = 2000
MOST_EVENT = MEGABYTE
PROOF = ("timestamp", "token", "signature", "parent-signature")
_SHAPES = {
    # Nothing stands between the two when they are signed, so their lengths have to: a digit that moves is seen.
    "timestamp": re.compile(r"[0-9]{10}"),
    "token": re.compile(r"[0-9A-Za-z_-]{50}"),
    "signature": re.compile(r"[0-9a-f]{64}"),
    "parent-signature": re.compile(r"[0-9a-f]{64}"),
}


@dataclass(frozen=True)
class Proof:
    timestamp: str
    token: str
    signatures: Sequence[str]


@dataclass(frozen=True)
class Post:
    """The fields of a form in their order. Mailgun's own names are in lower case; headers of the mail are not."""

    fields: Sequence[tuple[str, str]]
    files: Sequence[Upload] = ()

    def get(self, name: str) -> str:
        """The first one of exactly that name; empty where there is none."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def raw(self, name: str) -> bytes:
        """A field byte for byte, also where it is no UTF-8."""
        try:
            return self.get(name).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return self.get(name).encode("utf-8", "replace")


def post(incoming: Incoming) -> Post:
    """The form of the request. Raises `Unusable`."""
    if incoming.content_type == MULTIPART:
        if incoming.form is None:
            raise Unusable("The form of the request could not be read.")
        return Post(incoming.form.fields, incoming.form.files)
    return Post([(name, _text(value)) for name, value in _pairs(incoming.body)])


def event(incoming: Incoming) -> dict[str, object]:
    """The JSON of the request. Raises `Unusable`."""
    if len(incoming.body) > MOST_EVENT:
        raise Unusable("The event is larger than any that Mailgun sends.")
    return reading.table(incoming.body)


# --- the proof -------------------------------------------------------------------------------------------------------


def proof(incoming: Incoming) -> Proof:
    """The signature and what it signs, each given once and in its exact shape. Raises `NotAuthentic`."""
    given = dict(_given(incoming))
    if not given["signature"]:
        raise NotAuthentic("no_signature")
    for name, values in given.items():
        if len(values) > 1 or not all(_SHAPES[name].fullmatch(value) for value in values):
            raise NotAuthentic("signature" if "signature" in name else name)
        if not values and name != "parent-signature":
            raise NotAuthentic(name)
    return Proof(given["timestamp"][0], given["token"][0], [*given["signature"], *given["parent-signature"]])


def _given(incoming: Incoming) -> Iterable[tuple[str, list[str]]]:
    try:
        found = list(_proof_fields(incoming))
    except Unusable:
        raise NotAuthentic("body") from None
    return [(name, [value for key, value in found if key == name]) for name in PROOF]


def _proof_fields(incoming: Incoming) -> Iterator[tuple[str, str]]:
    if incoming.content_type == JSON:
        signature = reading.mapping(event(incoming).get("signature"))
        yield from ((name, reading.ident(signature[name])) for name in PROOF if name in signature)
    elif incoming.content_type == MULTIPART:
        yield from ((name, value) for name, value in post(incoming).fields if name in PROOF)
    elif incoming.content_type == FORM_TYPE:
        # A value that is far too long is refused as it is.
        yield from ((name, _text(value[:300])) for name, value in _pairs(incoming.body) if name in PROOF)
    else:
        raise NotAuthentic("content_type")


# --- url encoding ----------------------------------------------------------------------------------------------------


def _pairs(body: bytes) -> list[tuple[str, bytes]]:
    """Names, and values that are not decoded yet. Raises `Unusable`."""
    pieces = body.split(b"&", MOST_FIELDS)
    if len(pieces) > MOST_FIELDS:
        raise Unusable(f"The form has more than {MOST_FIELDS} fields.")
    pairs = (piece.partition(b"=") for piece in pieces if piece)
    return [(_text(name[:1000]), value) for name, _, value in pairs]


def _text(value: bytes) -> str:
    """As in a multipart form: a byte that is no UTF-8 stands there as a surrogate escape."""
    return unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "surrogateescape")
