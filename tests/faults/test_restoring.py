"""K21: a backup comes back, and with it rows that were queued then and sent since."""

import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tests.factories import make_delivery
from tests.faults.system import State, long_ago, runs, state_of, states, until
from webhooks import claiming, sending
from webhooks.models import Attempt, Delivery

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = ("webhooks_delivery", "webhooks_attempt")


def backup():
    """What COPY writes, which is what a dump consists of."""
    with connection.cursor() as cursor:
        return {table: _copied(cursor, table) for table in TABLES}


def _copied(cursor, table):
    with cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
        return b"".join(copy)


def restore(saved):
    Attempt.objects.all().delete()
    Delivery.objects.all().delete()
    with connection.cursor() as cursor:
        for table in TABLES:
            with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
                copy.write(saved[table])


def hold(moment):
    said = StringIO()
    call_command("hold_after_restore", older_than=moment.isoformat(), stdout=said)
    return said.getvalue()


def test_k21_a_restored_backup_sends_nothing_twice(system, tally):
    for _ in runs(at_most=50):
        Delivery.objects.all().delete()
        endpoint = system.endpoint(concurrency=32)
        accepted = [make_delivery(endpoint=endpoint) for _ in range(5)]
        [taken] = claiming.claim(limit=1, only=accepted[0].pk)
        saved = backup()

        sending.record([(taken, sending.transmit(taken))])
        worker = system.worker()
        system.publish(endpoint)  # accepted after the backup: gone with it
        until(lambda: Delivery.objects.filter(state=State.DELIVERED).count() == 6)
        worker.kill()

        restore(saved)
        assert states() == {State.QUEUED: 4, State.SENDING: 1}
        long_ago()  # a restore takes longer than a delivery
        said = hold(timezone.now())
        assert "Held 5 deliveries" in said
        assert "4 were queued, 1 were being sent" in said

        fresh = make_delivery(endpoint=endpoint)
        worker = system.worker()
        system.later()
        until(lambda fresh=fresh: state_of(fresh) == State.DELIVERED)
        time.sleep(0.3)
        assert states() == {State.HELD: 5, State.DELIVERED: 1}
        assert {system.received()[each.public_id] for each in accepted} == {1}
        worker.kill()
    tally(runs=len(runs(at_most=50)))


def test_what_a_person_releases_after_a_restore_is_sent(system):
    endpoint = system.endpoint()
    delivery = make_delivery(endpoint=endpoint)
    claiming.claim(limit=1, only=delivery.pk)
    long_ago()
    hold(timezone.now())
    assert endpoint.deliveries.release() == 1
    system.worker()
    system.settle()
    assert (state_of(delivery), system.received()[delivery.public_id]) == (State.DELIVERED, 1)


def test_only_what_is_older_and_unfinished_is_held(system):
    old, done, young = (make_delivery(endpoint=system.endpoint()) for _ in range(3))
    sending.send(done)
    Delivery.objects.filter(pk=old.pk).update(accepted_at=timezone.now() - timedelta(hours=1))
    hold(timezone.now() - timedelta(minutes=1))
    assert [state_of(each) for each in (old, done, young)] == [State.HELD, State.DELIVERED, State.QUEUED]


def test_it_refuses_while_workers_send(system):
    delivery = make_delivery(endpoint=system.endpoint())
    claiming.claim(limit=1, only=delivery.pk)
    with pytest.raises(CommandError, match="Stop all workers first"):
        hold(timezone.now())
    assert state_of(delivery) == State.SENDING


@pytest.mark.parametrize("text", ["", "yesterday", "2030-13-01"])
def test_a_time_that_is_none_is_refused(db, text):
    with pytest.raises(CommandError, match="is no time"):
        call_command("hold_after_restore", older_than=text)
