"""How often a visitor may do something within a minute: by their session and by their address, both at once.

The counts are in Redis. Where it is away everybody is let through: a limit protects the team's budget, and a visitor
who is turned away because of a fault of ours is worse than a minute without one.
"""

import ipaddress
import logging
import math
import uuid
from functools import cache

import redis
from django.conf import settings
from django.http import HttpRequest
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

WINDOW = 60_000  # milliseconds
# A log of the last minute under each key: exact at every moment, and what was refused does not count. All or none.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local window, most, wait = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
for _, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
    if redis.call('ZCARD', key) >= most then
        local freed = redis.call('ZRANGE', key, -most, -most, 'WITHSCORES')
        wait = math.max(wait, freed[2] + window - now, 1)
    end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[3])
    redis.call('PEXPIRE', key, window)
end
return 0
"""


@cache
def _client(url: str) -> redis.Redis:
    """A Redis that hangs is as good as none."""
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_connect_timeout=0.3, socket_timeout=0.3, retry=once)


def take(what: str, *, most: int, whose: list[str]) -> int:
    """Count one more for each of these; 0 if all may, and otherwise the seconds after which it is worth asking again.

    `most` a minute; 0 means no limit.
    """
    if most == 0:
        return 0
    keys = [f"widget:{what}:{each}" for each in whose]
    try:
        wait = _client(settings.REDIS_URL).eval(_TAKE, len(keys), *keys, WINDOW, most, uuid.uuid4().hex)
    except redis.RedisError as error:
        logger.warning("A visitor was not counted: %s", type(error).__name__)
        return 0
    return math.ceil(int(wait) / 1000)


def address_of(request: HttpRequest) -> str:
    """Where a visitor is, as far as we can know it; of IPv6 the network, since one person has a whole one.

    Behind a proxy that we were told of it is the last address of `X-Forwarded-For`, which that proxy wrote itself: what
    stands before it is whatever the visitor likes.
    """
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.SECURE_PROXY_SSL_HEADER else ""
    text = forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
