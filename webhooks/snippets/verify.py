"""Is this request really from Chatzuri? Needs nothing but Python."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping

TOLERANCE = 300  # seconds


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """`body` is the raw request body, before any JSON parser; `secret` starts with whsec_ and stays on the server."""
    sent = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = sent.get("webhook-id", ""), sent.get("webhook-timestamp", "")
    if not (message_id and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # While a secret is being rotated there are two signatures, with a blank between them.
    offered = sent.get("webhook-signature", "").encode().split(b" ")
    equal = [hmac.compare_digest(expected, each) for each in offered]
    return any(equal)
