"""From the business transaction to the queue: what was accepted is sent, what was not is not, and nobody waits."""

import threading
import time
import uuid

import pytest
from django.db import connection

from agents import ledger
from agents.models import ToolCall
from tests.factories import make_agent, make_conversation, make_delivery, make_tool
from tests.faults.system import State, runs, state_of, states, until
from webhooks import publishing, sending
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)


def together(count, work):
    """`work` in that many threads that start at the same moment."""
    barrier, errors = threading.Barrier(count), []

    def run():
        try:
            barrier.wait()
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert errors == []


def test_k1_killed_before_the_commit_leaves_nothing(system, tally):
    endpoint = system.endpoint()
    for _ in runs():
        system.start("publish", endpoint=endpoint.pk, at="before the commit").gone()
    system.worker()
    system.later()
    assert (Event.objects.count(), Delivery.objects.count(), system.received()) == (0, 0, {})
    tally(runs=len(runs()))


def test_k2_killed_between_commit_and_wake_up_is_sent_by_the_sweeper(system, tally):
    endpoint = system.endpoint()
    for _ in runs():
        system.start("publish", endpoint=endpoint.pk, at="before the wake-up").gone()
    assert states() == {State.QUEUED: len(runs())}
    system.worker()
    time.sleep(0.3)
    assert system.received() == {}  # nobody was woken
    system.settle()
    assert set(system.received().values()) == {1}
    assert states() == {State.DELIVERED: len(runs())}
    tally(runs=len(runs()))


@pytest.mark.parametrize("way", ["killed", "frozen"], ids=["k3", "k3-frozen"])
def test_k3_redis_is_away_when_a_delivery_is_accepted(system, tally, way):
    system.worker()
    endpoint, accepted = system.endpoint(), []
    for _ in runs(at_most=20):
        system.kill_redis() if way == "killed" else system.freeze_redis()
        try:
            began = time.monotonic()
            accepted.append(make_delivery(endpoint=endpoint, wake=True))
            assert time.monotonic() - began < 1
        finally:
            system.start_redis() if way == "killed" else system.freeze_redis(thaw=True)
    system.settle()
    assert system.received() == {delivery.public_id: 1 for delivery in accepted}
    assert states() == {State.DELIVERED: len(accepted)}
    tally(runs=len(accepted))


def test_k4_redis_is_emptied_with_messages_in_it(system, tally, broker):
    count = min(1000, 100 * len(runs()))
    endpoint = system.endpoint(concurrency=32)
    accepted = [make_delivery(endpoint=endpoint) for _ in range(count)]
    for delivery in accepted:
        publishing.enqueue("webhooks.tasks.send_one", delivery_id=delivery.pk)
    assert broker.llen("interactive") == count
    broker.flushall()
    system.worker()
    time.sleep(0.3)
    assert system.received() == {}  # the messages are gone
    system.settle()
    assert system.received() == {delivery.public_id: 1 for delivery in accepted}
    assert states() == {State.DELIVERED: count}
    tally(runs=count)


def test_k18_resend_pressed_ten_times_at_once_sends_one_more(system, tally):
    system.worker()
    for _ in runs():
        first, token = system.publish(system.endpoint()), uuid.uuid4()
        until(lambda first=first: state_of(first) == State.DELIVERED)
        together(10, lambda first=first, token=token: sending.resend(first, form_token=token))
        [again] = Delivery.objects.filter(replay_of=first)
        system.settle()
        assert (state_of(again), again.event_id) == (State.DELIVERED, first.event_id)
        assert system.received()[first.public_id] == system.received()[again.public_id] == 1
    assert Delivery.objects.count() == system.received().total() == 2 * len(runs())
    tally(runs=len(runs()))


def test_k19_twenty_threads_with_the_same_wish_send_once(system, tally):
    """The gate that every wish of an agent passes: one conversation, one tool, the same arguments."""
    agent = make_agent()
    tool = make_tool(agent=agent, endpoint=system.endpoint(team=agent.team))
    system.worker(threads=24)
    for number in runs():
        conversation = make_conversation(agent=agent)
        arguments = {"payload": {"order": number}}
        together(
            20,
            lambda c=conversation, a=arguments: ledger.request(
                agent=agent, tool_name=tool.name, arguments=a, conversation=c
            ),
        )
        calls = ToolCall.objects.filter(conversation=conversation)
        until(lambda calls=calls: not calls.filter(status="running").exists())
        assert calls.count() == 20
        assert calls.filter(status="fired").count() == 1
    assert states() == {State.DELIVERED: len(runs())}
    assert set(system.received().values()) == {1}
    tally(runs=len(runs()))
