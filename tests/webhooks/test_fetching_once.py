"""A fetch is on disk before it is sent, is sent once, and is never without a trace: whatever dies or is away."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from tests.webhooks import receivers
from tests.webhooks.fetches import Fetched, fetch, make_source, row
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks import auditing, fetching, recording, sending
from webhooks.models import Attempt, Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    receivers.let_in(monkeypatch, settings)


def test_the_row_is_committed_before_a_socket_opens() -> None:
    seen: list[tuple[str, str]] = []

    def look(connection_: Any) -> None:
        receivers.read_request(connection_)
        seen.append(Delivery.objects.values_list("state", "attempt__outcome").get())
        connection_.sendall(OK)
        connection.close()

    with Receiver(look) as receiver:
        fetch(make_source(), receiver.url())
    assert seen == [("sending", "")]


def test_performing_twice_sends_once() -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="POST", url=receiver.url(), headers=[], body=b"x")
        first = fetching.perform(begun, seconds=5)
        second = fetching.perform(begun, seconds=5)
        assert receiver.connections == 1
    assert (first.outcome.state, second.outcome.code) == (State.DELIVERED, "sent_before")
    fetching.finish(begun, first)
    fetching.finish(begun, second)
    assert row(begun.public_id).state == State.DELIVERED


def test_twenty_at_once_are_twenty_requests_and_twenty_rows() -> None:
    found: list[Fetched] = []
    with Receiver(answering(OK)) as receiver:

        def run(number: int) -> None:
            found.append(fetch(make_source(), receiver.url(f"/{number}")))
            connection.close()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        paths = sorted(int(request.split()[1][1:]) for request in receiver.requests)
    assert paths == list(range(20))
    assert [got.outcome for got in found] == [("delivered", "")] * 20
    assert Delivery.objects.filter(state=State.DELIVERED).count() == 20
    assert auditing.audit(whole=True).findings == []


def test_a_worker_that_dies_between_begin_and_finish_leaves_interrupted() -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
        assert sending.reap() == 0
        Delivery.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
        assert sending.reap() == 1
        dead = row(begun.public_id)
        assert (dead.state, dead.attempt.outcome, dead.attempt.code) == (
            "interrupted",
            "interrupted",
            "worker_vanished",
        )
        # It was only slow after all: what it knows is better than a guess.
        fetching.finish(begun, performed)
        assert receiver.connections == 1
    assert (row(begun.public_id).state, row(begun.public_id).attempt.outcome) == ("delivered", "delivered")
    assert auditing.audit(whole=True).findings == []


def test_an_outcome_under_another_token_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
    Delivery.objects.update(token="0" * 32)
    Attempt.objects.update(token="0" * 32)
    assert fetching.finish(begun, performed).status == 200
    assert (row(begun.public_id).state, "not ours to write" in caplog.text) == ("sending", True)


def test_the_deadline_of_the_row_lies_behind_the_last_moment_of_the_request(settings: Any) -> None:
    settings.ACTION_SECONDS = 2.0
    begun = fetching.begin(make_source(), method="GET", url="http://receiver.example/", headers=[])
    assert isinstance(begun, fetching.Begun)
    left = row(begun.public_id).deadline_at - timezone.now()  # type: ignore[operator]
    assert 6 < left.total_seconds() < 7.1
    assert begun.until - time.monotonic() < 2.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 5.0])
def test_too_late_is_not_sent(seconds: float, settings: Any) -> None:
    settings.ACTION_SECONDS = 0.0 if seconds > 0 else 10.0
    with Receiver(answering(OK)) as receiver:
        got = fetch(make_source(), receiver.url(), seconds=seconds)
        assert receiver.connections == 0
    assert got.outcome == ("not_sent", "late")
    assert got.told == "The time of the run was over before this request could be sent."


def test_inside_a_transaction_is_a_mistake_that_is_seen() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        fetching.begin(make_source(), method="GET", url="http://receiver.example/", headers=[])
    assert not Delivery.objects.exists()


class Away:
    """A database that refuses every statement until it is back."""

    def __init__(self, *, times: int) -> None:
        self.times = times

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise OperationalError("the database is away")
        return execute(sql, params, many, context)


@pytest.mark.parametrize("url", ["http://receiver.example/", "http://10.0.0.1/"])
def test_a_database_that_is_away_when_it_begins_lets_nothing_out(url: str, caplog: pytest.LogCaptureFixture) -> None:
    source = make_source()
    with connection.execute_wrapper(Away(times=1)):
        refused = fetching.begin(source, method="GET", url=url, headers=[], body=b"")
    assert refused == fetching.Refused("not_logged", "The request could not be logged, so it was not sent.")
    assert source.event.pk is None
    assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)
    assert "could not be logged" in caplog.text
    with Receiver(answering(OK)) as receiver:
        assert fetch(source, receiver.url()).outcome == ("delivered", "")


def test_half_of_the_rows_are_never_kept() -> None:
    class NoAttempts(Away):
        def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if "webhooks_attempt" in sql:
                raise OperationalError("no more room")
            return execute(sql, params, many, context)

    source = make_source()
    with connection.execute_wrapper(NoAttempts(times=0)):
        assert isinstance(
            fetching.begin(source, method="GET", url="http://receiver.example/", headers=[]), fetching.Refused
        )
    assert (Event.objects.count(), Delivery.objects.count(), source.event.pk) == (0, 0, None)


def test_a_database_that_is_away_when_it_ends_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
        with connection.execute_wrapper(Away(times=2)):
            assert fetching.finish(begun, performed).status == 200
        assert receiver.connections == 1
    assert row(begun.public_id).state == State.DELIVERED


def test_and_when_it_does_not_come_back_the_code_still_gets_its_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recording, "PATIENCE", 0.0)
    with Receiver(answering(OK)) as receiver:
        begun = fetching.begin(make_source(), method="GET", url=receiver.url(), headers=[])
        performed = fetching.perform(begun, seconds=5)
        with connection.execute_wrapper(Away(times=1000)):
            assert fetching.finish(begun, performed).body == b"hi"
    assert f"of {begun.public_id} could not be recorded" in caplog.text  # type: ignore[union-attr]
    assert row(begun.public_id).state == State.SENDING


def test_a_client_that_breaks_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(fetching.http, "request", broken)
    got = fetch(make_source(), "http://receiver.example/")
    assert (got.outcome, got.told) == (("interrupted", "internal_error"), "Our own client broke while sending.")
