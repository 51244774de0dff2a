"""Answers that travel from a worker to a waiting web thread, through Redis.

Nothing here is a truth: what is told is also in the database, so a lost message costs a wait, never a fact.
"""

import json
import logging
from contextlib import suppress
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

KEPT_SECONDS = 120


@cache
def _hasty(url: str) -> redis.Redis:
    """For whoever must not be kept waiting: a Redis that hangs is as good as none."""
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_connect_timeout=0.3, socket_timeout=0.3, retry=once)


@cache
def _client(url: str) -> redis.Redis:
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=20, health_check_interval=30, retry=once)


def tell(channel: str, message: dict[str, Any]) -> None:
    """Leave a message for whoever hears `channel`; without Redis the listener falls back on the database."""
    client = _client(settings.REDIS_URL)
    try:
        with client.pipeline() as pipe:
            pipe.rpush(f"relay:{channel}", json.dumps(message))
            pipe.expire(f"relay:{channel}", KEPT_SECONDS)
            pipe.execute()
    except redis.RedisError as error:
        logger.warning("Could not tell %s: %s", channel, type(error).__name__)


def hear(channel: str, *, timeout: float) -> dict[str, Any] | None:
    """The next message on `channel`, or None when `timeout` seconds pass (at most 15) or Redis is away."""
    try:
        found = _client(settings.REDIS_URL).blpop([f"relay:{channel}"], timeout=min(timeout, 15))
    except redis.RedisError as error:
        logger.warning("Could not hear %s: %s", channel, type(error).__name__)
        return None
    return json.loads(found[1]) if found else None


def first(name: str, *, seconds: int) -> bool:
    """Whether nobody said `name` since the last `forget`, or these seconds; also true when Redis is away."""
    try:
        return bool(_hasty(settings.REDIS_URL).set(f"first:{name}", 1, nx=True, ex=seconds))
    except redis.RedisError:
        return True


def say(name: str, *, seconds: int) -> None:
    """For whoever asks `is_said` within these seconds."""
    with suppress(redis.RedisError):
        _hasty(settings.REDIS_URL).set(f"said:{name}", 1, ex=seconds)


def is_said(name: str) -> bool:
    """False when Redis is away."""
    try:
        return bool(_hasty(settings.REDIS_URL).exists(f"said:{name}"))
    except redis.RedisError:
        return False


def answers() -> bool:
    """Whether Redis is there and awake. Asked before a message goes to the broker, whose own patience is longer."""
    try:
        return bool(_hasty(settings.REDIS_URL).ping())
    except redis.RedisError:
        return False


def forget(name: str) -> None:
    with suppress(redis.RedisError):
        _client(settings.REDIS_URL).delete(f"first:{name}")
