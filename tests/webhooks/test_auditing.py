"""The auditor finds what does not add up, and nothing else."""

import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.factories import make_delivery, make_endpoint
from webhooks import auditing, claiming, sending, tasks
from webhooks.models import Attempt, Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture
def delivered(receiver):
    return sending.send(make_delivery(endpoint=make_endpoint(url=receiver.url)))


def change(model, row, **values):
    assert model.objects.filter(pk=row.pk).update(**values) == 1


def test_what_adds_up_is_counted_and_said_in_one_line(receiver, delivered, caplog):
    endpoint = make_endpoint(url=receiver.url)
    make_delivery(endpoint=endpoint)
    claiming.claim(limit=1, only=make_delivery(endpoint=endpoint).pk)
    with caplog.at_level(logging.INFO, logger="webhooks.auditing"):
        tasks.audit()
    [line] = caplog.messages
    assert line.startswith("Audit of the latest 3 deliveries: queued 1, sending 1, delivered 1; oldest queued 0 s")
    assert auditing.audit(whole=True).findings == []


def late(row):
    past = timezone.now() - timedelta(hours=1)
    change(Delivery, row, state="sending", deadline_at=past)
    change(Attempt, row.attempt, outcome="", finished_at=None)


BROKEN = {
    "without the attempt": lambda row: row.attempt.delete(),
    "under another token": lambda row: change(Attempt, row.attempt, token="0" * 32),
    "could not be written down": lambda row: change(Attempt, row.attempt, outcome="", finished_at=None),
    "say different things": lambda row: change(Delivery, row, state="rejected"),
    "still sending": lambda row: change(Delivery, row, state="sending", deadline_at=timezone.now()),
    "never begun": lambda row: change(Delivery, row, state="queued"),
    "a state that does not exist": lambda row: change(Delivery, row, state="lost"),
    "have no delivery": lambda row: row.delete(),
    "long after their deadline": late,
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_every_kind_of_disagreement_is_an_error(delivered, caplog, sentence):
    assert auditing.audit().findings == []
    known = (delivered.public_id, delivered.event.public_id)
    BROKEN[sentence](delivered)
    [finding] = auditing.audit().findings
    assert finding.startswith("1 ")
    assert sentence in finding
    assert [record.levelname for record in caplog.records if sentence in record.getMessage()] == ["ERROR"]
    assert any(public_id in finding for public_id in known)


def test_a_queue_that_nobody_comes_for_is_an_error_unless_its_pace_explains_it(receiver):
    delivery = make_delivery(endpoint=make_endpoint(url=receiver.url))
    change(Delivery, delivery, queued_at=timezone.now() - timedelta(minutes=11))
    [finding] = auditing.audit().findings
    assert "nobody comes" in finding
    delivery.endpoint.rate_per_minute = 1
    delivery.endpoint.save()
    assert auditing.audit().findings == []


def test_a_lost_unique_index_is_an_error(db):
    name = next(c for c, d in _constraints().items() if d["unique"] and d["columns"] == ["delivery_id"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER TABLE webhooks_attempt DROP CONSTRAINT "{name}"')
        [finding] = auditing.audit().findings
        assert "unique index" in finding
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER TABLE webhooks_attempt ADD CONSTRAINT "{name}" UNIQUE (delivery_id)')
    assert auditing.audit().findings == []


def _constraints():
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, "webhooks_attempt")


def test_slices_look_at_every_row_once(receiver, monkeypatch):
    monkeypatch.setattr(auditing, "SLICE", 2)
    monkeypatch.setattr(auditing, "RECENT", 3)
    endpoint = make_endpoint(url=receiver.url)
    for _ in range(7):
        make_delivery(endpoint=endpoint)
    assert auditing.audit(whole=True).accepted == 7 == Event.objects.count()
    assert auditing.audit().accepted == 3


def test_the_command_says_it_in_a_table_and_by_its_exit_code(delivered):
    said = StringIO()
    call_command("audit_deliveries", stdout=said)
    assert "delivered                1   yes" in said.getvalue()
    delivered.attempt.delete()
    with pytest.raises(SystemExit) as ended:
        call_command("audit_deliveries", all=True, stdout=said)
    assert ended.value.code == 1
    assert "✗ 1 deliveries are delivered: without the attempt" in said.getvalue()
