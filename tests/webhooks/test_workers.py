"""A real worker whose connections to the database were cut goes on working."""

import time

import pytest
from django.db import connection

from tests.factories import make_delivery, make_endpoint
from webhooks import publishing
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"


def cut_connections():
    """All but the one of this test, as a restarted server does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        cursor.execute(CUT, cursor.fetchone())


def wake_until_sent(delivery, task, **arguments):
    """Woken again and again, as the sweeper does: the first tasks meet the broken connection and fail."""
    until = time.monotonic() + 20
    while Delivery.objects.get(pk=delivery.pk).state != Delivery.State.DELIVERED:
        assert time.monotonic() < until, "the worker did not recover"
        publishing.enqueue(task, **arguments)
        time.sleep(0.5)


@pytest.mark.parametrize("by_id", [True, False], ids=["one", "batch"])
def test_a_worker_recovers_when_its_connections_were_cut(start_worker, receiver, by_id):
    start_worker(threads=1)
    endpoint = make_endpoint(url=receiver.url)
    for number in range(3):
        delivery = make_delivery(endpoint=endpoint)
        task = ("webhooks.tasks.send_one", {"delivery_id": delivery.pk}) if by_id else ("webhooks.tasks.drain", {})
        wake_until_sent(delivery, task[0], **task[1])
        assert len(receiver.requests) == number + 1
        cut_connections()
