"""What survives when processes die and Redis forgets: real workers, killed for real."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import make_delivery, make_endpoint
from webhooks import sending
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


def until(holds: Callable[[], Any], *, seconds: float = 15) -> Any:
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
    return value


def long_ago(deliveries):
    """As if the time that reaper and sweeper wait for had passed."""
    past = timezone.now() - timedelta(minutes=2)
    deliveries.filter(deadline_at__isnull=False).update(deadline_at=past)
    deliveries.update(queued_at=past)


def test_a_worker_killed_mid_post_leaves_one_request_and_says_interrupted(start_worker, receiver):
    receiver.answer(delay=5)
    delivery = make_delivery(endpoint=make_endpoint(url=receiver.url), wake=True)
    worker = start_worker()
    receiver.wait_for(1)
    worker.kill()

    long_ago(Delivery.objects.all())
    start_worker()
    assert sending.reap() == 1
    sending.sweep()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.seen_by_receiver) == (State.INTERRUPTED, "maybe")
    time.sleep(1.5)  # long enough for a worker to repeat it, if there were a way
    assert len(receiver.requests) == 1


def test_an_emptied_redis_loses_no_queued_delivery(start_worker, receiver, broker):
    endpoint = make_endpoint(url=receiver.url)
    deliveries = [make_delivery(endpoint=endpoint, wake=True) for _ in range(30)]
    broker.flushall()
    start_worker()
    time.sleep(1)
    assert receiver.requests == []  # nobody was woken: the wake-ups are gone

    long_ago(Delivery.objects.all())
    assert sending.sweep() is True
    until(lambda: Delivery.objects.filter(state=State.DELIVERED).count() == 30)
    assert sorted(r.headers["webhook-id"] for r in receiver.requests) == sorted(d.public_id for d in deliveries)


def test_the_same_wake_up_a_hundred_times_on_two_workers_sends_once(start_worker, receiver):
    delivery = make_delivery(endpoint=make_endpoint(url=receiver.url))
    start_worker(), start_worker()
    for _ in range(100):
        sending._enqueue("webhooks.tasks.send_one", delivery_id=delivery.pk)
    until(lambda: Delivery.objects.filter(state=State.DELIVERED).exists())
    time.sleep(1)
    assert len(receiver.requests) == 1


def test_accepting_is_quick_and_complete_while_redis_is_away(receiver, settings):
    from chatzuri import celery_app

    endpoint = make_endpoint(url=receiver.url)
    url = celery_app.conf.broker_url
    celery_app.conf.broker_url = celery_app.conf.broker_write_url = "redis://127.0.0.1:1/0"
    celery_app.pool.force_close_all()
    celery_app._pool = None
    celery_app.amqp._producer_pool = None
    try:
        began = time.monotonic()
        delivery = make_delivery(endpoint=endpoint, wake=True)
        assert time.monotonic() - began < 1
    finally:
        celery_app.conf.broker_url = celery_app.conf.broker_write_url = url
        celery_app._pool = None
        celery_app.amqp._producer_pool = None
    assert delivery.state == State.QUEUED
    assert sending.drain() == 1
    assert len(receiver.requests) == 1


def test_a_worker_that_is_told_to_stop_finishes_what_it_sends(start_worker, receiver):
    receiver.answer(delay=1.5)
    delivery = make_delivery(endpoint=make_endpoint(url=receiver.url), wake=True)
    worker = start_worker()
    receiver.wait_for(1)
    worker.stop()
    delivery.refresh_from_db()
    assert (delivery.state, len(receiver.requests)) == (State.DELIVERED, 1)
