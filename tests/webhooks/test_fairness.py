"""Who is sent to next, how many at once, how fast, in which order: with real rows and a real receiver."""

import itertools
import json
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.factories import make_delivery, make_endpoint, make_team
from webhooks import claiming, lanes, recording, sending
from webhooks.models import Attempt, Delivery, Endpoint

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


def claimed_of(claims, endpoint):
    return [claimed for claimed in claims if claimed.endpoint.pk == endpoint.pk]


class TestShares:
    def test_an_endpoint_has_no_more_in_flight_than_it_allows(self):
        endpoint = make_endpoint(concurrency=3)
        for _ in range(10):
            make_delivery(endpoint=endpoint)
        assert len(sending.claim(limit=100)) == 3
        assert sending.claim(limit=100) == []

    def test_a_place_is_free_again_when_an_outcome_is_written(self):
        endpoint = make_endpoint(concurrency=1)
        first, second = make_delivery(endpoint=endpoint), make_delivery(endpoint=endpoint)
        [claimed] = sending.claim(limit=10)
        assert claimed.pk == first.pk
        sending.record([(claimed, sending.Outcome(State.DELIVERED, status_code=200))])
        assert [again.pk for again in sending.claim(limit=10)] == [second.pk]

    def test_claims_beside_each_other_keep_the_limit(self):
        endpoint = make_endpoint(concurrency=3)
        for _ in range(30):
            make_delivery(endpoint=endpoint)
        claims: list = []
        barrier = threading.Barrier(8)

        def take():
            barrier.wait()
            claims.extend(sending.claim(limit=10))
            connection.close()

        threads = [threading.Thread(target=take) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert len(claims) == len({claimed.pk for claimed in claims}) == 3

    def test_teams_take_turns_however_long_the_queue_of_one_is(self):
        crowd = [make_endpoint(team=team) for team in [make_team()] for _ in range(5)]
        for endpoint in crowd:
            for _ in range(8):
                make_delivery(endpoint=endpoint)
        small = make_endpoint()
        make_delivery(endpoint=small)  # accepted last of all
        claims = sending.claim(limit=4)
        assert len(claims) == 4
        assert len(claimed_of(claims, small)) == 1

    def test_the_oldest_of_an_endpoint_goes_first(self):
        endpoint = make_endpoint(concurrency=2)
        made = [make_delivery(endpoint=endpoint) for _ in range(5)]
        assert [claimed.pk for claimed in sending.claim(limit=5)] == [made[0].pk, made[1].pk]


class TestCalm:
    """A team with little to send does not queue behind a crowd."""

    @pytest.fixture
    def crowd(self):
        """A team with as much in flight as is possible, and a queue."""
        endpoints = [make_endpoint(team=team) for team in [make_team()] for _ in range(2)]
        for endpoint in endpoints:
            for _ in range(8):
                make_delivery(endpoint=endpoint)
        assert len(sending.claim(limit=100)) == 8
        return endpoints

    def test_the_calm_lane_takes_what_just_came_for_calm_teams(self, crowd):
        calm = make_endpoint()
        row = make_delivery(endpoint=calm)
        Endpoint.objects.filter(pk=crowd[0].pk).update(concurrency=20)
        assert [claimed.pk for claimed in sending.claim(limit=100, calm=True)] == [row.pk]
        assert sending.claim(limit=100, calm=True) == []

    def test_a_queue_that_waits_is_not_calm(self):
        endpoint = make_endpoint()
        old = make_delivery(endpoint=endpoint)
        Delivery.objects.filter(pk=old.pk).update(queued_at=timezone.now() - timedelta(seconds=3))
        make_delivery(endpoint=endpoint)
        assert sending.claim(limit=100, calm=True) == []
        assert len(sending.claim(limit=100)) == 2

    def test_a_crowded_lane_leaves_them_to_it_for_a_moment_only(self, crowd, monkeypatch):
        monkeypatch.setattr(claiming, "HEAD_START", timedelta(seconds=5))
        Endpoint.objects.filter(pk=crowd[0].pk).update(concurrency=5)
        row = make_delivery(endpoint=make_endpoint())
        assert [claimed.endpoint.pk for claimed in sending.claim(limit=100, calm=False)] == [crowd[0].pk]
        Delivery.objects.filter(pk=row.pk).update(queued_at=timezone.now() - timedelta(seconds=6))
        assert [claimed.pk for claimed in sending.claim(limit=100, calm=False)] == [row.pk]

    def test_claims_of_both_kinds_beside_each_other_keep_the_limit(self):
        endpoint = make_endpoint(concurrency=3)
        for _ in range(30):
            make_delivery(endpoint=endpoint)
        claims: list = []
        barrier = threading.Barrier(8)

        def take(calm):
            barrier.wait()
            claims.extend(sending.claim(limit=10, calm=calm))
            connection.close()

        threads = [threading.Thread(target=take, args=(calm,)) for calm in (True, None) * 4]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert len(claims) == len({claimed.pk for claimed in claims}) == 3

    def test_while_a_lane_is_crowded_accepting_wakes_the_calm_lane_first(self, receiver, settings, broker):
        settings.DELIVERY_THREADS = 4
        endpoint = make_endpoint(url=receiver.url)
        for _ in range(6):
            make_delivery(endpoint=endpoint)
        assert sending.drain() == 6
        broker.delete("nobody")
        make_delivery(endpoint=make_endpoint(url=receiver.url), wake=True)
        tasks = [json.loads(message)["headers"]["task"] for message in broker.lrange("nobody", 0, -1)[::-1]]
        assert tasks == ["webhooks.tasks.drain_calm", "webhooks.tasks.drain"]
        assert lanes.drain_calm() == 1

    def test_while_the_calm_lane_has_work_a_crowd_claims_whole_batches(self, receiver, settings, monkeypatch):
        settings.DELIVERY_THREADS = 4
        monkeypatch.setattr(lanes, "GATHER_QUIETLY", 0.5)
        make_delivery(endpoint=make_endpoint(url=receiver.url))
        assert lanes.Lane(calm=True).drain() == 1
        crowd = make_endpoint(url=receiver.url, concurrency=4)
        keys = [make_delivery(endpoint=crowd).pk for _ in range(12)]
        turns = itertools.count()
        receiver.answer_to = lambda _: time.sleep(next(turns) % 4 * 0.03)  # one after the other, not all at once
        assert lanes.Lane().drain() == 12
        claims = Attempt.objects.filter(delivery__in=keys).values("began_at").distinct()
        assert claims.count() == 3

    def test_nothing_waits_for_a_calm_lane_that_is_not_there(self, receiver, settings, monkeypatch):
        settings.DELIVERY_THREADS = 4
        monkeypatch.setattr(claiming, "HEAD_START", timedelta(minutes=5))
        busy, calm = make_endpoint(url=receiver.url), make_endpoint(url=receiver.url)
        for _ in range(12):
            make_delivery(endpoint=busy)
        late = iter([calm])
        receiver.answer_to = lambda _: _closing(lambda: [make_delivery(endpoint=endpoint) for endpoint in late])()
        assert sending.drain() == 13
        assert not Delivery.objects.exclude(state=State.DELIVERED).exists()


class TestPace:
    def test_more_than_the_pace_waits_and_none_is_dropped(self, receiver):
        endpoint = make_endpoint(url=receiver.url, rate_per_minute=240)  # four a second
        for _ in range(9):
            make_delivery(endpoint=endpoint)
        began = time.monotonic()
        assert sending.drain() == 9
        assert time.monotonic() - began > 0.8  # five at once after a quiet second, the others a quarter second apart
        assert len(receiver.requests) == 9

    def test_a_lane_does_not_wait_for_ever(self, receiver, monkeypatch):
        monkeypatch.setattr(lanes, "LINGER", 0.1)
        endpoint = make_endpoint(url=receiver.url, rate_per_minute=1)
        deliveries = [make_delivery(endpoint=endpoint) for _ in range(3)]
        sending.drain()
        states = sorted(Delivery.objects.filter(pk__in=[d.pk for d in deliveries]).values_list("state", flat=True))
        assert states == [State.DELIVERED, State.QUEUED, State.QUEUED]


class TestOrder:
    def test_one_conversation_is_sent_one_after_the_other(self):
        endpoint = make_endpoint(is_ordered=True, concurrency=8)
        first = make_delivery(endpoint=endpoint, conversation_ref="cnv_a")
        second = make_delivery(endpoint=endpoint, conversation_ref="cnv_a")
        other = make_delivery(endpoint=endpoint, conversation_ref="cnv_b")
        claims = sending.claim(limit=10)
        assert {claimed.pk for claimed in claims} == {first.pk, other.pk}
        sending.record([(c, sending.Outcome(State.REJECTED, status_code=500)) for c in claims])
        assert [claimed.pk for claimed in sending.claim(limit=10)] == [second.pk]

    def test_what_is_held_keeps_the_later_ones_of_its_conversation(self):
        endpoint = make_endpoint(is_ordered=True)
        first = make_delivery(endpoint=endpoint, conversation_ref="cnv_a")
        Delivery.objects.filter(pk=first.pk).update(state=State.HELD)
        make_delivery(endpoint=endpoint, conversation_ref="cnv_a")
        assert sending.claim(limit=10) == []


class TestSlowLane:
    def test_a_stuck_receiver_moves_aside_and_others_go_on(self, receiver, settings):
        settings.DELIVERY_DEADLINE = 6.0
        team = make_team()
        settings.DELIVERY_THREADS = 4
        hanging = Hanging()
        dead = make_endpoint(team=team, url=receiver.url, concurrency=8)
        Delivery.objects.filter(pk__in=[make_delivery(endpoint=dead).pk for _ in range(8)]).update(
            url=f"{receiver.origin}/inspector/hang"
        )
        receiver.answer_to = hanging
        healthy = make_endpoint(team=team, url=receiver.url)
        lane = sending.Lane(slow=False)
        thread = threading.Thread(target=_closing(lane.drain))
        thread.start()
        _until(lambda: Endpoint.objects.get(pk=dead.pk).slow_until is not None)
        delivery = make_delivery(endpoint=healthy)
        began = time.monotonic()
        lane.drain()  # the wake-up of that delivery
        _until(lambda: Delivery.objects.get(pk=delivery.pk).state == State.DELIVERED)
        assert time.monotonic() - began < 4  # long before the hanging ones end
        hanging.end()
        thread.join()

    def test_the_slow_lane_takes_what_the_other_leaves(self, receiver):
        endpoint = make_endpoint(url=receiver.url, slow_until=timezone.now() + timedelta(minutes=5))
        make_delivery(endpoint=endpoint)
        assert sending.drain() == 0
        assert sending.drain(slow=True) == 1
        endpoint.refresh_from_db()
        assert endpoint.slow_until is None  # it answered in time: back to the others


class TestHealth:
    def record(self, endpoint, outcome, times=1):
        for _ in range(times):
            make_delivery(endpoint=endpoint)
        claims = sending.claim(limit=times)
        assert len(claims) == times
        sending.record([(claimed, outcome) for claimed in claims])
        endpoint.refresh_from_db()

    def test_failing_is_said_first_and_held_only_after_the_countdown(self):
        endpoint = make_endpoint(concurrency=32)
        failed = sending.Outcome(State.REJECTED, status_code=500)
        self.record(endpoint, failed, times=12)
        assert (endpoint.consecutive_failures, endpoint.state) == (12, Endpoint.State.ACTIVE)
        Endpoint.objects.filter(pk=endpoint.pk).update(failing_since=timezone.now() - timedelta(hours=2))
        self.record(endpoint, failed)
        assert endpoint.state == Endpoint.State.FAILING
        assert endpoint.hold_at > timezone.now() + timedelta(hours=23)
        assert endpoint.is_active  # still sent to while the countdown runs
        assert recording.hold_failing() == 0

        waiting = make_delivery(endpoint=endpoint)
        Endpoint.objects.filter(pk=endpoint.pk).update(hold_at=timezone.now() - timedelta(seconds=1))
        assert recording.hold_failing() == 1
        endpoint.refresh_from_db()
        waiting.refresh_from_db()
        assert (endpoint.state, waiting.state) == (Endpoint.State.HELD, State.HELD)
        assert make_delivery(endpoint=endpoint).state == State.HELD
        endpoint.resume()
        assert (endpoint.deliveries.release(), endpoint.consecutive_failures) == (2, 0)

    def test_one_answer_ends_the_countdown(self):
        endpoint = make_endpoint(state=Endpoint.State.FAILING, consecutive_failures=20, hold_at=timezone.now())
        self.record(endpoint, sending.Outcome(State.DELIVERED, status_code=204))
        assert (endpoint.state, endpoint.consecutive_failures, endpoint.hold_at) == (Endpoint.State.ACTIVE, 0, None)

    def test_what_we_refused_is_not_the_receivers_failure(self):
        endpoint = make_endpoint()
        self.record(endpoint, sending.Outcome(State.BLOCKED, code="private_address"))
        assert endpoint.consecutive_failures == 0

    def test_pausing_holds_what_is_queued(self):
        endpoint = make_endpoint()
        delivery = make_delivery(endpoint=endpoint)
        endpoint.pause()
        delivery.refresh_from_db()
        assert (delivery.state, sending.claim(limit=5)) == (State.HELD, [])


class Hanging:
    """Holds back the answers to /hang until it is told to end."""

    def __init__(self):
        self._over = threading.Event()

    def end(self):
        self._over.set()

    def __call__(self, path):
        if path.endswith("/hang"):
            self._over.wait(20)


def _closing(work):
    def run():
        try:
            work()
        finally:
            connection.close()

    return run


def _until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
