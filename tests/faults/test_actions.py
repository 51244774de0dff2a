"""Custom actions when processes die: begun once, never again, and what had left is in the log."""

import time
from datetime import timedelta

import pytest
from celery import current_app
from django.db import transaction
from django.utils import timezone

from agents import ledger, running
from agents.models import ActionRun, ToolCall
from tests.factories import install, make_action, make_agent, make_credential, make_team
from webhooks import sending
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

FETCH = "const r = await fetch(credentials.webhook_url, {method: 'POST', body: '{}'}); return r.status;"


@pytest.fixture
def credential(receiver):
    return make_credential(team=make_team(), values={"webhook_url": receiver.url})


def accept(credential, *, code=FETCH) -> ActionRun:
    with transaction.atomic():
        wanted = running.Wanted(team=credential.team, purpose="test", code=code, credential=credential)
        return running.accept(wanted)


def long_ago(rows) -> None:
    """As if the deadline of these had passed a minute ago."""
    rows.update(deadline_at=timezone.now() - timedelta(minutes=1))


def ends(run, *, seconds=20) -> ActionRun:
    until = time.monotonic() + seconds
    while not run.is_finished:
        assert time.monotonic() < until, f"{run} is still {run.state}"
        time.sleep(0.05)
        run.refresh_from_db()
    return run


def test_a_worker_killed_while_a_fetch_is_out_leaves_interrupted_and_nobody_runs_it_again(
    credential, start_worker, receiver
):
    receiver.answer(delay=3)
    worker = start_worker()
    run = accept(credential)
    receiver.wait_for(1)
    worker.kill()
    run.refresh_from_db()
    delivery = run.event.deliveries.get()
    assert (run.state, delivery.state) == ("running", "sending")
    long_ago(ActionRun.objects.all())
    long_ago(Delivery.objects.all())
    start_worker()
    for _ in range(5):
        current_app.send_task(running.TASK)
    assert (running.reap(), sending.reap()) == (1, 1)
    time.sleep(2)
    run.refresh_from_db()
    delivery.refresh_from_db()
    assert (run.state, delivery.state, len(receiver.requests)) == ("interrupted", "interrupted", 1)


def test_the_same_message_fifty_times_runs_it_once(credential, start_worker, receiver):
    start_worker()
    start_worker()
    run = accept(credential)
    for _ in range(50):
        current_app.send_task(running.TASK)
    assert ends(run).result == 200
    time.sleep(1)
    assert len(receiver.requests) == 1


def test_a_wake_up_that_was_lost_is_made_good_by_the_sweeper(credential, broker, start_worker, receiver):
    run = accept(credential)
    broker.flushall()
    start_worker()
    time.sleep(1)
    assert ActionRun.objects.get(pk=run.pk).state == "queued"
    ActionRun.objects.filter(pk=run.pk).update(queued_at=timezone.now() - timedelta(seconds=20))
    running.sweep()
    assert ends(run).state == "succeeded"
    assert len(receiver.requests) == 1


def test_a_turn_taken_up_again_in_the_middle_of_a_run_gets_the_stored_outcome(credential, start_worker, receiver):
    """The worker of the turn dies while the action's worker is at it; whoever completes the call again only waits."""
    receiver.answer(delay=1.5)
    action = make_action(team=credential.team, code=FETCH)
    tool = install(action=action, credential=credential, agent=make_agent(team=credential.team))
    start_worker()
    begun = ledger.request(agent=tool.agent, tool_name=tool.name, arguments={}, key="k")
    receiver.wait_for(1)
    ledger.run(tool_call_id=begun.pk)
    done = ledger.wait(ToolCall.objects.get(pk=begun.pk), timeout=20)
    assert (done.status, done.result["structured"]["result"]) == ("fired", 200)
    assert (len(receiver.requests), ActionRun.objects.count()) == (1, 1)


def test_a_worker_that_is_told_to_stop_finishes_its_run_and_begins_no_other(credential, start_worker, receiver):
    receiver.answer(delay=1.5)
    worker = start_worker(threads=1)
    first, second = accept(credential), accept(credential)
    receiver.wait_for(1)
    worker.stop()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("succeeded", "queued")
    assert len(receiver.requests) == 1
