"""Every proof we promise: Standard Webhooks, and a plain HMAC of the body for receivers written to the guides.

No Django in here: a receiver may copy this file.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PREFIX = "whsec_"
MIN_KEY, MAX_KEY = 24, 64
MAX_SECRETS = 3
TOLERANCE = 300

_DELIVERY_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MAX_HEADER = 4096


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a receiver may believe of a request. `reason` is a fixed word, `sentence` explains it."""

    valid: bool
    reason: str
    sentence: str
    scheme: str


_SENTENCES = {
    "valid": "The signature is right: this body was signed with this secret, and recently.",
    "missing_header": "There is no signature. Expected webhook-id, webhook-timestamp and webhook-signature.",
    "malformed_header": "The signature headers are not in the expected form.",
    "stale_timestamp": "The timestamp is too far from now. Check the clocks; an old request may be a replay.",
    "wrong_signature": "The signature does not fit. The body was altered after signing, or the secret is another one.",
    "no_secret": "There is no usable secret to check the signature with.",
}


def new_secret() -> str:
    return PREFIX + base64.b64encode(randomness.token_bytes(32)).decode()


def check_secret(secret: str) -> None:
    """Raises ValueError with a sentence for people; never repeats the secret."""
    _key(secret)


def headers(secrets: str | Sequence[str], *, delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The proofs for one delivery; while a secret is being rotated there are two, newest first.

    X-Chatzuri-Signature has room for one signature only and is made with the newest.
    """
    chosen = [secrets] if isinstance(secrets, str) else list(secrets)
    if not 1 <= len(chosen) <= MAX_SECRETS:
        raise ValueError(f"A delivery is signed with one to {MAX_SECRETS} secrets.")
    if not _DELIVERY_ID.fullmatch(delivery_id):
        raise ValueError("A delivery id may hold only letters, digits, hyphens and underscores.")
    stamp = str(int(timestamp))
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_standard(_key(secret), delivery_id, stamp, body) for secret in chosen),
        "X-Chatzuri-Signature": _plain(chosen[0], body),
    }


def verify(
    secrets: str | Sequence[str], headers: Mapping[str, str], body: bytes, now: float, tolerance: int = TOLERANCE
) -> Verdict:
    """The verdict on a received request. Whatever is put in, it answers and does not raise."""
    chosen = [secrets] if isinstance(secrets, str) else list(secrets)
    received = {str(name).lower(): str(value) for name, value in headers.items()}
    if "webhook-signature" in received:
        return _verdict(_check_standard(chosen, received, body, now, tolerance), "standard-webhooks")
    if "x-chatzuri-signature" in received:
        return _verdict(_check_plain(chosen, received["x-chatzuri-signature"], body), "x-chatzuri-signature")
    return _verdict("missing_header", "")


def _verdict(reason: str, scheme: str) -> Verdict:
    return Verdict(valid=reason == "valid", reason=reason, sentence=_SENTENCES[reason], scheme=scheme)


def _check_standard(secrets: list[str], received: dict[str, str], body: bytes, now: float, tolerance: int) -> str:
    delivery_id, stamp = received.get("webhook-id", ""), received.get("webhook-timestamp", "")
    offered = received["webhook-signature"]
    if not delivery_id or not stamp or not offered:
        return "missing_header"
    if not _DELIVERY_ID.fullmatch(delivery_id) or not _TIMESTAMP.fullmatch(stamp) or len(offered) > _MAX_HEADER:
        return "malformed_header"
    keys = _usable_keys(secrets)
    if not keys:
        return "no_secret"
    expected = [_standard(key, delivery_id, stamp, body) for key in keys]
    if not _any_equal(expected, offered.split(" ")):
        return "wrong_signature"
    # Looked at last, so that a wrong secret is called that even when the request is old.
    return "valid" if abs(now - int(stamp)) <= tolerance else "stale_timestamp"


def _check_plain(secrets: list[str], offered: str, body: bytes) -> str:
    if len(offered) > _MAX_HEADER:
        return "malformed_header"
    usable = [secret for secret in secrets if _is_usable(secret)]
    if not usable:
        return "no_secret"
    return "valid" if _any_equal([_plain(secret, body) for secret in usable], [offered]) else "wrong_signature"


def _standard(key: bytes, delivery_id: str, stamp: str, body: bytes) -> str:
    digest = hmac.digest(key, f"{delivery_id}.{stamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _plain(secret: str, body: bytes) -> str:
    """Keyed with the secret as people see it, prefix included: no decoding to get wrong in a receiver."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _any_equal(expected: list[str], offered: list[str]) -> bool:
    """Compares everything with everything in constant time, as bytes: non-ASCII text would raise otherwise."""
    pairs = [
        hmac.compare_digest(one.encode(), other.encode(errors="surrogatepass")) for one in expected for other in offered
    ]
    return any(pairs)


def _key(secret: str) -> bytes:
    advice = f"A signing secret is {PREFIX} followed by {MIN_KEY} to {MAX_KEY} bytes in base64. Let us generate one."
    if not isinstance(secret, str) or not secret.startswith(PREFIX) or len(secret) > 200:
        raise ValueError(advice)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(advice) from None
    if not MIN_KEY <= len(key) <= MAX_KEY:
        raise ValueError(advice)
    return key


def _is_usable(secret: str) -> bool:
    try:
        _key(secret)
    except ValueError:
        return False
    return True


def _usable_keys(secrets: list[str]) -> list[bytes]:
    return [_key(secret) for secret in secrets if _is_usable(secret)]
