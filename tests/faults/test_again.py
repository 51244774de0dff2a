"""The same work handed out twice: by the broker, by beats, by sweepers, by an agent's task that runs again."""

import time

import pytest

from agents import ledger
from chatzuri import celery_app
from tests.factories import make_agent, make_delivery, make_tool
from tests.faults.system import State, long_ago, runs, state_of, states, until
from tests.faults.test_accepting import together
from webhooks import claiming, publishing, sending

pytestmark = pytest.mark.django_db(transaction=True)


def test_k10_one_message_a_hundred_times_on_eight_workers(system, tally):
    [each.ready() for each in [system.start() for _ in range(8)]]
    endpoint = system.endpoint(concurrency=32)
    for _ in runs():
        delivery = make_delivery(endpoint=endpoint)
        for number in range(100):
            publishing.enqueue("webhooks.tasks.send_one", delivery_id=delivery.pk)
            if number % 5 == 0:
                publishing.enqueue("webhooks.tasks.drain")
        until(lambda delivery=delivery: state_of(delivery) == State.DELIVERED)
    queues = ("interactive", "deliveries")
    with celery_app.connection_for_read() as link:
        until(lambda: not any(link.default_channel.client.llen(queue) for queue in queues))
    time.sleep(0.3)
    assert (states(), set(system.received().values())) == ({State.DELIVERED: len(runs())}, {1})
    tally(runs=len(runs()))


def test_k11_a_message_becomes_visible_again_while_it_is_worked_on(system, tally, broker):
    """Late acknowledgement and a visibility timeout shorter than the receiver: the worst settings there are."""
    options = {"acks_late": True, "transport": {"visibility_timeout": 1}}
    system.worker(**options), system.worker(**options)
    accepted = [make_delivery(endpoint=system.endpoint("slow-3000")) for _ in runs(at_most=8)]
    for delivery in accepted:
        publishing.enqueue("webhooks.tasks.send_one", delivery_id=delivery.pk)
        system.arrived(delivery)
    time.sleep(1.2)
    with celery_app.connection_for_write(transport_options={"visibility_timeout": 1}) as link:
        handed_out = broker_of(link).zcard("unacked_index")
        link.default_channel.qos.restore_visible(num=100, interval=1)
    assert handed_out >= 1  # so that what follows was really handed out twice
    until(lambda: states() == {State.DELIVERED: len(accepted)})
    time.sleep(0.5)
    assert system.received() == {delivery.public_id: 1 for delivery in accepted}
    tally(runs=len(accepted))


def broker_of(link):
    return link.default_channel.client


def test_k17_an_agents_task_is_handed_out_again_in_the_middle_of_a_call(system, tally):
    agent = make_agent()
    slow, quick = (
        make_tool(agent=agent, name=name, endpoint=system.endpoint(mode, team=agent.team))
        for name, mode in (("slow", "slow-1000"), ("quick", "ok"))
    )
    for number in runs(at_most=50):
        system.worker(), system.worker()
        begun = ledger.request(agent=agent, tool_name=slow.name, arguments={"payload": {"n": number}})
        system.arrived(begun.delivery)
        for _ in range(5):
            publishing.enqueue("agents.tasks.run_tool_call", tool_call_id=begun.pk)
        done = ledger.wait(begun, timeout=10)
        assert (done.status, state_of(done.delivery)) == ("fired", State.DELIVERED)
        system.stop_all()

        begun = ledger.request(agent=agent, tool_name=quick.name, arguments={"payload": {"n": number}})
        system.start(at="before recording").gone()  # the receiver has answered, and nobody wrote it down
        long_ago()
        sending.reap()
        system.worker()
        publishing.enqueue("agents.tasks.run_tool_call", tool_call_id=begun.pk)
        done = ledger.wait(begun, timeout=10)
        assert done.status == "failed"
        assert (state_of(done.delivery), done.result["structured"]["outcome"]) == (State.INTERRUPTED, "interrupted")
        system.stop_all()
    assert set(system.received().values()) == {1}
    assert system.received().total() == 2 * len(runs(at_most=50))
    tally(runs=len(runs(at_most=50)))


def test_k20_two_sweepers_two_reapers_two_beats(system, tally):
    [each.ready() for each in [system.start(), system.start()]]
    for _ in range(2):
        system.start("beat", every=0.2)
    for _ in runs():
        endpoint = system.endpoint()
        forgotten, abandoned = make_delivery(endpoint=endpoint), make_delivery(endpoint=endpoint)
        assert claiming.claim(limit=1, only=abandoned.pk)
        long_ago()
        together(4, lambda: (sending.sweep(), sending.reap()))
        until(lambda forgotten=forgotten: state_of(forgotten) == State.DELIVERED)
        until(lambda abandoned=abandoned: state_of(abandoned) == State.INTERRUPTED)
    time.sleep(0.5)
    assert states() == {State.DELIVERED: len(runs()), State.INTERRUPTED: len(runs())}
    assert (set(system.received().values()), system.received().total()) == ({1}, len(runs()))
    tally(runs=len(runs()))
