"""Where a process can be made to die or to stop, exactly. Only test processes load this; the product knows nothing.

A point is a name of the product's code, and the moment before or after that code runs. Where such a name is gone, the
tests fail loudly instead of killing nobody.
"""

import datetime as clocks
import os
import signal
import threading
import time
from ipaddress import ip_address
from typing import Any

from celery.worker import request
from django.conf import settings
from django.utils import timezone

from channels_inbound import processing, replying, saying
from webhooks import addresses, attempts, claiming, fetching, http, lanes, publishing, recording, sending

POINTS: dict[str, tuple[Any, str, str]] = {
    "before the commit": (publishing, "_owe", "after"),
    "before the wake-up": (publishing, "wake_drain", "before"),
    "before the claim": (claiming, "claim", "before"),
    "after the claim": (attempts, "transmit", "before"),
    "before connecting": (http.Exchange, "_dial", "before"),
    "after writing": (http.Exchange, "_write", "after"),
    "before recording": (recording, "record", "before"),
    "after recording": (recording, "record", "after"),
    "before working off": (processing, "work_on", "before"),
    "before its commit": (saying, "answer", "after"),
    "before a reply is claimed": (replying, "prepare", "after"),
    "before a reply leaves": (fetching, "perform", "before"),
    "before a reply is recorded": (replying, "_conclude", "before"),
}
USERS = (attempts, claiming, lanes, publishing, recording, sending)
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def install(point: str, action: str) -> None:
    """The first time this process comes to the point, it gets the signal."""
    owner, name, moment = POINTS[point]
    original = getattr(owner, name)
    once = threading.Lock()

    def strike() -> None:
        if once.acquire(blocking=False):
            os.kill(os.getpid(), SIGNALS[action])
            time.sleep(0.05)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if moment == "before":
            strike()
        value = original(*args, **kwargs)
        if moment == "after":
            strike()
        return value

    for place in (owner, *USERS):
        if getattr(place, name, None) is original:
            setattr(place, name, wrapped)


def shift_clock(seconds: float) -> None:
    """This process believes that it is so much later. Django, Celery and the signatures all look at this clock."""
    real, shift = time.time, clocks.timedelta(seconds=seconds)
    time.time = lambda: real() + seconds

    class Shifted(clocks.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return clocks.datetime.now(tz) + shift

    timezone.now = lambda: clocks.datetime.now(tz=clocks.UTC) + shift
    request.datetime = Shifted


def through_proxy(host: str, port: int) -> None:
    """The inspector is reached directly; so for this process the receiver is any server, on a public address."""
    refusal = addresses.refusal
    addresses.refusal = lambda ip: None if str(ip) == "127.0.0.1" else refusal(ip)
    settings.INSPECTOR_ORIGIN, settings.ALLOW_HTTP, settings.ALLOWED_PORTS = "", True, range(1, 65536)
    settings.OUTBOUND_PROXY = (host, port)


def two_addresses() -> None:
    """Every name has two addresses: the receiver's, and the next one."""
    found = [ip_address("127.0.0.1"), ip_address("127.0.0.2")]
    assert addresses.resolve
    addresses.resolve = lambda *_, **__: found
