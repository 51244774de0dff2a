"""The operator's own proxy: a second wall, behind the guard and never instead of it.

Every connection is a tunnel (CONNECT) to the very IP address that the guard has checked, for http as well as https. So
the proxy cannot look the name up again and find another address; TLS runs end to end; and whatever the proxy itself
answers comes before the first byte of the request has left, which makes it certain that the receiver saw nothing.
"""

import socket
from dataclasses import dataclass
from typing import cast

from django.conf import settings

from webhooks import answers
from webhooks.failures import BadAnswer, Blocked, NoAnswer, NotSent, SendFailed
from webhooks.networks import Address

REFUSED = "egress_proxy"
FAILED = "our_proxy"
# Neither says anything about the receiver.
NOT_THE_RECEIVER = frozenset({REFUSED, FAILED})
_POLICY = (403, 407)


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int


def configured() -> Proxy | None:
    return Proxy(*settings.OUTBOUND_PROXY) if settings.OUTBOUND_PROXY else None


def tunnel(connection: socket.socket, ip: Address, port: int) -> None:
    """Ask the proxy for a way to this address. Raises Blocked for its policy, NotSent for its trouble."""
    # Unbuffered: not one byte of what follows the proxy's answer may be read here.
    with connection.makefile("rb", buffering=0) as stream:
        try:
            connection.sendall(request(ip, port))
            # It reads line by line, which a raw stream does too.
            head = answers.read_head(cast("answers.BufferedReader", stream))
        except (OSError, NoAnswer, BadAnswer):
            raise failed() from None
    judge(head)


def request(ip: Address, port: int) -> bytes:
    authority = f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: Chatzuri\r\n\r\n".encode("ascii")


def judge(head: answers.Head) -> None:
    if head.status in _POLICY:
        raise _refused()
    if not 200 <= head.status < 300 or not head.is_whole:
        raise failed()


def _refused() -> SendFailed:
    return Blocked(REFUSED, "The proxy of this installation does not let requests through to this address.")


def failed() -> SendFailed:
    return NotSent(FAILED, "The proxy of this installation did not open a way to the receiver.")
