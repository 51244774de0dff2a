"""Workers that die or stop at the worst moment: each at one exact point."""

import signal
import time

import pytest

from tests.faults.system import State, database_away, runs, state_of, states, until

pytestmark = pytest.mark.django_db(transaction=True)
QUIET = 0.5  # long enough for a worker to repeat a request, if there were a way


def killed_at(system, point, *, mode="ok"):
    """One delivery, one worker that dies at the point; then all the time in the world and a healthy worker."""
    delivery = system.publish(system.endpoint(mode))
    system.start(at=point).gone()
    after = state_of(delivery)
    system.later()
    return delivery, after


def test_k5_killed_after_the_wake_up_and_before_the_claim(system, tally):
    healthy = None
    for _ in runs():
        if healthy:
            healthy.kill()
        delivery, after = killed_at(system, "before the claim")
        assert after == State.QUEUED
        healthy = system.start()
        system.settle()
        assert (state_of(delivery), system.received()[delivery.public_id]) == (State.DELIVERED, 1)
    tally(runs=len(runs()))


@pytest.mark.parametrize(
    ("point", "requests"),
    [("after the claim", 0), ("before connecting", 0), ("after writing", 1), ("before recording", 1)],
    ids=["k6", "k6b", "k7", "k8"],
)
def test_k678_killed_while_sending(system, tally, point, requests):
    for _ in runs():
        delivery, after = killed_at(system, point)
        assert (after, state_of(delivery)) == (State.SENDING, State.INTERRUPTED)
        assert system.received()[delivery.public_id] <= requests
    system.worker()
    system.later()
    time.sleep(QUIET)
    assert set(states()) == {State.INTERRUPTED}
    assert system.received() == ({} if not requests else dict.fromkeys(system.received(), 1))
    assert system.received().total() == requests * len(runs())
    tally(runs=len(runs()))


@pytest.mark.parametrize(
    ("point", "mode", "allowed"),
    [
        ("after the claim", "ok", {(State.INTERRUPTED, 0)}),
        ("before connecting", "ok", {(State.DELIVERED, 1), (State.INTERRUPTED, 0), (State.NOT_SENT, 0)}),
        ("after writing", "slow-200", {(State.DELIVERED, 1)}),
    ],
    ids=["k12-claimed", "k12-connecting", "k12-written"],
)
def test_k12_stopped_for_longer_than_its_deadline(system, tally, point, mode, allowed):
    """It wakes up when everybody has given it up: it may at most finish what it began."""
    healthy = None
    for _ in runs(at_most=100):
        if healthy:
            healthy.kill()
        delivery = system.publish(system.endpoint(mode))
        sleeper = system.start(at=point, do="stop")
        sleeper.stopped()
        healthy = system.worker()
        time.sleep(3.2 if point == "after the claim" else 0.2)
        system.later()
        assert state_of(delivery) == State.INTERRUPTED
        sleeper.signal(signal.SIGCONT)
        system.later()
        sleeper.terminate()
        system.later()
        assert (state_of(delivery), system.received()[delivery.public_id]) in allowed
    tally(runs=len(runs(at_most=100)))


def test_k12_what_was_not_begun_goes_back_even_when_the_database_is_away(system, tally):
    """A worker that was stopped, wakes up too late, and finds no database, must not keep its places for ever."""
    delivery = system.publish(system.endpoint())
    sleeper = system.start(at="after the claim", do="stop")
    sleeper.stopped()
    time.sleep(3.2)
    with database_away():
        sleeper.signal(signal.SIGCONT)
        time.sleep(1)
    system.settle()
    assert (state_of(delivery), system.received()[delivery.public_id]) in {
        (State.DELIVERED, 1),
        (State.INTERRUPTED, 0),
    }
    again = system.publish(system.endpoint())
    until(lambda: state_of(again) == State.DELIVERED)
    sleeper.terminate(seconds=8)
    tally()


def test_a_worker_that_is_told_to_stop_finishes_what_it_sends(system):
    delivery = system.publish(system.endpoint("slow-1000"))
    worker = system.worker()
    system.arrived(delivery)
    worker.terminate()
    assert (state_of(delivery), system.received()[delivery.public_id]) == (State.DELIVERED, 1)
