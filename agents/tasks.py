from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from agents import ending, judging, ledger, llm, rehearsing, running, turns, undelivered
from agents.models import Agent
from chatzuri import relay


@shared_task
def take_turn(*, turn_id: int) -> None:
    turns.take_turn(turn_id=turn_id)


@shared_task
def run_tool_call(*, tool_call_id: int) -> None:
    ledger.run(tool_call_id=tool_call_id)


@shared_task
def sweep_turns() -> None:
    turns.sweep()
    ledger.sweep()
    running.sweep()
    running.reap()
    undelivered.sweep()
    judging.sweep()
    rehearsing.sweep()


@shared_task
def sweep_conversations() -> None:
    ending.sweep()


@shared_task
def test_brain(*, agent_id: int, channel: str) -> None:
    """Make one real tool call and tell whoever waits on `channel` how it went."""
    try:
        sentence, ok = llm.check(Agent.objects.get(pk=agent_id)), True
    except llm.BrainFailed as failure:
        sentence, ok = failure.sentence, False
    relay.tell(channel, {"type": "done", "ok": ok, "sentence": sentence})


@shared_task
def run_actions() -> None:
    running.run_queued()


@shared_task
def judge_events() -> None:
    judging.judge_pending()


@shared_task
def rehearse(*, rehearsal_id: int) -> None:
    rehearsing.run(rehearsal_id=rehearsal_id)


@worker_shutting_down.connect
def _finish_and_stop(**_: Any) -> None:
    running.stop_claiming()
