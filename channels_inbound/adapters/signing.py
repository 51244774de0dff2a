"""Comparing proofs, in constant time and on bytes: on texts the comparison raises for letters beyond ASCII."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from channels_inbound.adapters.base import NotAuthentic, Secret, Verified

TOLERANCE = 300.0


def same(given: str | bytes, expected: str | bytes) -> bool:
    """Whether two proofs are equal; an empty one is never equal to anything."""
    one, other = _bytes(given), _bytes(expected)
    return bool(one) and bool(other) and hmac.compare_digest(one, other)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="surrogatepass")


def hex_mac(key: str | bytes, data: bytes, digest: str = "sha256") -> str:
    return hmac.new(_bytes(key), data, digest).hexdigest()


def base64_mac(key: str | bytes, data: bytes, digest: str = "sha256") -> str:
    return base64.b64encode(hmac.new(_bytes(key), data, digest).digest()).decode()


def fingerprint(*parts: bytes) -> str:
    """Of several parts, so that no byte can move from one into the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def matching(secrets: Iterable[Secret], given: Iterable[str], expected: Callable[[str], str]) -> Secret:
    """The secret whose proof is among the given ones. Raises `NotAuthentic`: none is configured, or none matches."""
    candidates = list(secrets)
    if not candidates:
        raise NotAuthentic("no_secret")
    proofs = list(given)
    for secret in candidates:
        wanted = expected(secret.value)
        if any(same(proof, wanted) for proof in proofs):
            return secret
    raise NotAuthentic("signature")


def timestamp(text: str) -> datetime:
    """Whole Unix seconds in ASCII digits and nothing else. Raises `NotAuthentic`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise NotAuthentic("timestamp")
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise NotAuthentic("timestamp") from None


def fresh(signed_at: datetime, now: datetime, *, past: float = TOLERANCE, future: float = TOLERANCE) -> None:
    """Raises `NotAuthentic` where it was signed more than so many seconds ago, or will be."""
    age = now.timestamp() - signed_at.timestamp()
    # Our clock has fractions and theirs has not: a second is only over when the next one begins.
    if int(age) > past or age < -future:
        raise NotAuthentic("stale")


def verified(secret: Secret, signed_at: datetime | None = None) -> Verified:
    return Verified(secret.id, signed_at)
