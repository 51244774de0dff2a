"""Turns survive dead workers, run one after another, and wake up again when Redis forgot them."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from agents import ledger, turns
from agents.leases import Lease, LeaseLost
from agents.models import Conversation, Customer, Message, Step, ToolCall, Turn
from tests.agents.scripted_model import Answers, calls, says
from tests.factories import make_agent, make_endpoint, make_tool
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

ONE = {"payload": {"email": "ada@example.com"}}
TWO = {"payload": {"email": "bob@example.com"}}


@pytest.fixture
def agent(model, receiver):
    agent = make_agent(brain="llm", llm_base_url=model.url, llm_model="scripted-1", llm_api_key="sk-test")
    make_tool(agent=agent, endpoint=make_endpoint(team=agent.team, url=receiver.url))
    return agent


def receive(agent, text="Call me", **rest) -> Turn:
    return turns.receive(agent=agent, text=text, external_id=rest.pop("external_id", "visitor-1"), **rest)


def expire_leases():
    """As if the worker's time had run out."""
    Turn.objects.filter(state="running").update(lease_until=timezone.now() - timedelta(seconds=1))


def take(turn) -> Turn:
    turns.take_turn(turn_id=turn.pk)
    turn.refresh_from_db()
    return turn


# --- receiving -------------------------------------------------------------------------------------------------------


def test_messages_of_one_person_share_a_conversation_and_strangers_do_not(agent):
    one, two, other = receive(agent), receive(agent), receive(agent, external_id="visitor-2")
    nobody, nobody_else = receive(agent, external_id=""), receive(agent, external_id="")
    assert one.conversation == two.conversation
    assert len({t.conversation_id for t in (one, other, nobody, nobody_else)}) == 4
    assert Customer.objects.count() == 4


def test_an_ended_conversation_is_not_gone_on_with(agent):
    first = receive(agent)
    Conversation.objects.update(state="ended")
    assert receive(agent).conversation != first.conversation


def test_text_that_a_database_cannot_hold_is_mended(agent, model):
    model.plays(says("ok\x00 \ud800"))
    turn = take(receive(agent, "a\x00b\ud83d", external_id="id\x00"))
    assert (turn.message.text, turn.state) == ("a\ufffdb\ufffd", "done")
    assert turn.reply.text == "ok\ufffd \ufffd"


def test_a_message_is_taken_in_although_the_broker_is_away(agent, celery_without_broker):
    assert receive(agent).state == "queued"


@pytest.fixture
def celery_without_broker(monkeypatch):
    from chatzuri import celery_app

    def refuse(*_, **__):
        raise ConnectionError("no broker")

    monkeypatch.setattr(celery_app, "send_task", refuse)


# --- going on where it stood -----------------------------------------------------------------------------------------


def die_at(monkeypatch, owner, name, *, after: bool):
    """Let the worker die once, just before or after this step of its work."""
    real = getattr(owner, name)

    def dying(*args, **kwargs):
        monkeypatch.setattr(owner, name, real)
        if after:
            real(*args, **kwargs)
        raise KeyboardInterrupt  # not an Exception: nothing tidies up after it

    monkeypatch.setattr(owner, name, dying)


@pytest.mark.parametrize(
    ("owner", "name", "after", "asked"),
    [
        (turns.Work, "_ask", False, 2),
        (turns.Work, "_ask", True, 3),  # the answer was not on disk yet, so it is asked for again
        (turns.Work, "_run_tools", False, 2),
        (ledger, "begin", True, 2),
        (ledger, "complete", True, 2),
        (turns.Work, "_run_tools", True, 2),
        (turns.Work, "finish", False, 2),
    ],
)
def test_a_turn_whose_worker_died_goes_on_and_sends_once(
    agent, model, receiver, monkeypatch, owner, name, after, asked
):
    model.plays(calls(ONE, TWO), *[calls(ONE, TWO)] * (asked - 2), says("Both sent."))
    turn = receive(agent)
    die_at(monkeypatch, owner, name, after=after)
    with pytest.raises(KeyboardInterrupt):
        turns.take_turn(turn_id=turn.pk)

    assert take(turn).state == "running"  # its lease still holds: nobody may take it
    expire_leases()
    take(turn)
    assert (turn.state, turn.ending, turn.reply.text, turn.leases) == ("done", "done", "Both sent.", 2)
    assert (len(receiver.requests), len(model.requests)) == (2, asked)
    assert {call.status for call in turn.tool_calls.all()} == {"fired"}
    assert Message.objects.filter(role="agent").count() == 1


def test_a_turn_that_kills_every_worker_ends_with_an_honest_sentence(agent, model, receiver, monkeypatch):
    model.plays(calls(ONE), says("never said"))
    turn = receive(agent)
    for _ in range(3):
        die_at(monkeypatch, turns.Work, "finish", after=False)
        with pytest.raises(KeyboardInterrupt):
            turns.take_turn(turn_id=turn.pk)
        expire_leases()
    take(turn)
    assert (turn.state, turn.ending) == ("failed", "error: given up")
    assert turn.reply.text == f"{turns.GAVE_UP}\nNotify the team: Delivered, HTTP 200."
    assert len(receiver.requests) == 1


def test_a_worker_that_lost_its_lease_writes_nothing_more(agent, model, receiver):
    turn = receive(agent)
    late = Lease.take(turn.pk)
    work = turns.Work(Turn.objects.get(pk=turn.pk), late)
    expire_leases()
    model.plays(says("From the second worker."))
    take(turn)

    with pytest.raises(LeaseLost):
        work.through()
    with pytest.raises(LeaseLost):
        late.save_step(ordinal=7, entry={"kind": "answer"})
    with pytest.raises(LeaseLost):
        work.finish(turns.Ending("From the first worker."))
    late.let_go()
    turn.refresh_from_db()
    assert (turn.state, turn.reply.text) == ("done", "From the second worker.")
    assert (Step.objects.count(), Message.objects.filter(role="agent").count()) == (1, 1)


def test_one_turn_is_leased_once_however_many_come(agent):
    turn = receive(agent)
    leases = [Lease.take(turn.pk) for _ in range(5)]
    assert [lease is not None for lease in leases] == [True, False, False, False, False]


def test_something_unexpected_frees_the_turn_for_the_sweeper(agent, model, monkeypatch):
    turn = receive(agent)

    def break_down(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(turns.Work, "through", break_down)
        turns.take_turn(turn_id=turn.pk)
    assert turns.sweep() == 1
    assert take(turn).state == "done"


# --- one after another -----------------------------------------------------------------------------------------------


def test_a_second_message_waits_for_the_first_and_knows_its_reply(agent, model):
    model.plays(says("First reply."), says("Second reply."))
    first, second = receive(agent, "one"), receive(agent, "two")
    assert take(second).state == "queued"
    assert take(first).reply.text == "First reply."
    assert take(second).reply.text == "Second reply."
    said = [line["content"] for line in model.requests[1]["messages"] if line["role"] != "system"]
    assert said == ["one", "First reply.", "two"]


def test_the_end_of_a_turn_wakes_the_next_one(agent, model, receiver, start_worker):
    start_worker(LANGUAGE_MODEL_ORIGINS=model.origin)
    model.plays(Answers(401, delay=0.5), Answers(401))
    waiting = [receive(agent, f"message {n}") for n in range(3)]
    done = [turns.wait(turn, timeout=20) for turn in waiting]
    assert [turn.state for turn in done] == ["failed", "failed", "failed"]
    assert done[0].finished_at < done[1].finished_at < done[2].finished_at


def test_turns_of_different_conversations_do_not_wait(agent, model):
    receive(agent, external_id="slow")
    assert take(receive(agent, external_id="quick")).state == "done"


# --- workers and sweepers --------------------------------------------------------------------------------------------


def test_a_worker_takes_the_turn_and_the_web_waits_for_it(agent, model, receiver, start_worker):
    start_worker(LANGUAGE_MODEL_ORIGINS=model.origin)
    model.plays(calls(ONE, text="One moment."), says("All done."))
    turn = receive(agent, stream=True)
    told = list(turns.stream(turn, timeout=20))
    assert [m["type"] for m in told if m["type"] != "text"] == ["action", "done"]
    assert "".join(m.get("delta", "") for m in told) == "One moment. All done. "
    turn = turns.wait(turn, timeout=1)
    action = turns.summary(turn)["actions"][0]
    assert action["delivery_id"] == receiver.requests[0].headers["X-Chatzuri-Delivery"]


def test_a_worker_killed_while_it_sends_leaves_one_request_and_an_honest_reply(
    agent, model, receiver, start_worker, settings
):
    settings.DELIVERY_DEADLINE = -4.5  # this process shall not wait for the dead one
    receiver.answer(delay=6)
    model.plays(calls(ONE), says("It is not known whether it arrived."))
    worker = start_worker(LANGUAGE_MODEL_ORIGINS=model.origin)
    turn = receive(agent)
    receiver.wait_for(1)
    worker.kill()
    expire_leases()
    take(turn)
    (call,) = ToolCall.objects.all()
    assert (call.status, call.result["structured"]["outcome"]) == ("failed", "interrupted")
    assert "The receiver may have seen it" in model.told[0]
    assert turn.reply.text == "It is not known whether it arrived."
    assert (len(receiver.requests), Delivery.objects.count()) == (1, 1)


def test_forgotten_turns_are_swept_and_fresh_or_finished_ones_are_not(agent, model):
    fresh = receive(agent, external_id="fresh")
    done = take(receive(agent, external_id="done"))
    abandoned = receive(agent, external_id="abandoned")
    Lease.take(abandoned.pk)
    assert turns.sweep() == 0
    expire_leases()
    Turn.objects.filter(pk__in=[fresh.pk, done.pk]).update(queued_at=timezone.now() - timedelta(minutes=1))
    assert turns.sweep() == 2


def test_waiting_ends_in_time_and_gives_the_turn_as_it_is(agent):
    turn = receive(agent)
    begun = time.monotonic()
    assert turns.wait(turn, timeout=0.3).state == "queued"
    assert time.monotonic() - begun < 2


def test_waiting_needs_no_redis_to_see_the_end(agent, model, settings):
    model.plays(says("Here."))
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    turn = take(receive(agent))
    assert turns.wait(turn, timeout=3).reply.text == "Here."
