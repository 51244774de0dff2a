"""At most once, with evidence: the two keys, the policies, the races and the crashes."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from agents import ledger
from agents.models import Intent, ToolCall
from tests.factories import make_agent, make_conversation, make_endpoint, make_tool
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db(transaction=True)

ARGUMENTS = {"payload": {"email": "ada@example.com", "score": 82}}
SHUFFLED = {"payload": {"score": 82.0, "email": "ada@example.com"}}
OTHER = {"payload": {"email": "bob@example.com"}}


@pytest.fixture
def tool(receiver):
    agent = make_agent()
    return make_tool(agent=agent, endpoint=make_endpoint(team=agent.team, url=receiver.url))


@pytest.fixture
def conversation(tool):
    return make_conversation(agent=tool.agent)


def call(tool, *, key, arguments=ARGUMENTS, **rest) -> ToolCall:
    return ledger.call(agent=tool.agent, tool_name=tool.name, arguments=arguments, key=key, **rest)


def at_once(count, work):
    """Run `work(n)` in that many threads, all of them released together."""
    gate = threading.Barrier(count)

    def one(number):
        gate.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(one, number) for number in range(count)]]


def test_a_call_is_fired_and_its_receipt_kept(tool, conversation, receiver):
    done = call(tool, key="a", conversation=conversation, reason="asked to")
    stored = ToolCall.objects.get(pk=done.pk)
    delivery = Delivery.objects.get()
    assert (stored.status, stored.delivery, stored.reason) == ("fired", delivery, "asked to")
    assert stored.result == {
        "text": "Delivered, HTTP 200.",
        "is_error": False,
        "structured": {
            "success": True,
            "outcome": "delivered",
            "status_code": 200,
            "delivery": delivery.public_id,
            "seen_by_receiver": "yes",
            "body": '{"ok": true}',
        },
    }
    assert (delivery.event.type, delivery.caused_by) == ("webhook_trigger", done.public_id)
    assert receiver.requests[0].body == b'{"email":"ada@example.com","score":82}'


def test_the_event_type_is_the_brains_and_stays_out_of_the_body(tool, receiver):
    call(tool, key="a", arguments={"payload": {"a": 1}, "event": "lead.captured"})
    assert (Delivery.objects.get().event.type, receiver.requests[0].body) == ("lead.captured", b'{"a":1}')


# --- key 1: the same step --------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_stored_outcome_and_sends_nothing(tool, receiver):
    first, again = call(tool, key="a"), call(tool, key="a", arguments=SHUFFLED)
    assert (again.pk, again.status, again.result) == (first.pk, "fired", first.result)
    assert len(receiver.requests) == 1


def test_one_step_run_sixteen_times_at_once_sends_once(tool, conversation, receiver):
    receiver.answer(delay=0.3)
    done = at_once(16, lambda _: call(tool, key="a", conversation=conversation))
    assert {row.status for row in done} == {"fired"}
    assert (len({row.pk for row in done}), len(receiver.requests)) == (1, 1)


def test_a_key_with_other_arguments_is_refused_loudly(tool, receiver):
    call(tool, key="a")
    with pytest.raises(ledger.KeyReused):
        call(tool, key="a", arguments=OTHER)
    with pytest.raises(ledger.KeyReused):
        ledger.request(agent=tool.agent, tool_name=tool.name, arguments=OTHER, key="a")
    assert (ToolCall.objects.count(), len(receiver.requests)) == (1, 1)


def test_numbers_that_the_database_spells_differently_are_still_the_same(tool, receiver):
    written = '{"payload": {"n": 1e16, "m": 1.0, "k": 1e-7, "big": 123456789012345678901234567890}}'
    first, again = call(tool, key="a", arguments=written), call(tool, key="a", arguments=written)
    assert (first.pk, len(receiver.requests)) == (again.pk, 1)


# --- key 2: the same intent ------------------------------------------------------------------------------------------


def test_the_same_wish_under_a_new_key_is_answered_with_the_first_receipt(tool, conversation, receiver):
    first = call(tool, key="a", conversation=conversation)
    again = call(tool, key="b", arguments=SHUFFLED, conversation=conversation)
    assert (again.status, again.duplicate_of, again.delivery) == ("repeated", first, None)
    assert again.result["structured"] == first.result["structured"]
    assert ledger.is_error(again) is False
    assert len(receiver.requests) == 1


def test_sixteen_keys_for_one_wish_at_once_send_once(tool, conversation, receiver):
    receiver.answer(delay=0.3)
    done = at_once(16, lambda n: call(tool, key=f"k{n}", conversation=conversation))
    assert sorted(row.status for row in done) == ["fired"] + ["repeated"] * 15
    assert {row.result["structured"]["status_code"] for row in done} == {200}
    assert len(receiver.requests) == 1


def test_sixteen_different_wishes_at_once_send_sixteen_times(tool, conversation, receiver):
    done = at_once(16, lambda n: call(tool, key=f"k{n}", arguments={"payload": {"n": n}}, conversation=conversation))
    assert {row.status for row in done} == {"fired"}
    assert sorted(json.loads(request.body)["n"] for request in receiver.requests) == list(range(16))


def test_another_conversation_is_another_wish(tool, conversation, receiver):
    call(tool, key="a", conversation=conversation)
    done = call(tool, key="b", conversation=make_conversation(agent=tool.agent))
    assert (done.status, len(receiver.requests)) == ("fired", 2)


@pytest.mark.parametrize(
    ("repeats", "minutes_ago", "status"),
    [
        ("window", 9, "repeated"),
        ("window", 11, "fired"),
        ("once", 60 * 24 * 365, "repeated"),
        ("allow", 0, "fired"),
    ],
)
def test_the_policy_of_the_tool_decides_about_repeats(tool, conversation, receiver, repeats, minutes_ago, status):
    type(tool).objects.filter(pk=tool.pk).update(repeats=repeats, repeat_minutes=10)
    call(tool, key="a", conversation=conversation)
    Intent.objects.update(fired_at=timezone.now() - timedelta(minutes=minutes_ago))
    done = call(tool, key="b", conversation=conversation)
    assert (done.status, len(receiver.requests)) == (status, 2 if status == "fired" else 1)


@pytest.mark.parametrize(("status", "sends"), [(503, 1), (404, 1)])
def test_a_wish_the_receiver_saw_is_not_sent_again_even_if_it_failed(tool, conversation, receiver, status, sends):
    receiver.answer(status)
    first = call(tool, key="a", conversation=conversation)
    again = call(tool, key="b", conversation=conversation)
    assert (first.status, first.result["text"]) == ("failed", f"Webhook failed: rejected, HTTP {status}.")
    assert (again.status, ledger.is_error(again), len(receiver.requests)) == ("repeated", True, sends)


def test_a_wish_that_surely_never_arrived_may_be_sent_again(tool, conversation, receiver, settings):
    settings.INSPECTOR_ORIGIN = ""
    first = call(tool, key="a", conversation=conversation)
    assert (first.status, first.result["structured"]["outcome"]) == ("failed", "blocked")
    assert first.result["text"] == "Webhook failed: blocked (http). The receiver did not see it."
    settings.INSPECTOR_ORIGIN = receiver.origin
    again = call(tool, key="b", conversation=conversation)
    assert (again.status, len(receiver.requests)) == ("fired", 1)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("{", "they are not JSON"),
        ({}, "'payload' is a required property"),
        ({"payload": {}, "headers": {"X": "1"}}, "'headers' was unexpected"),
        ({"payload": {"a": "\x00"}}, "NUL character"),
        ({"payload": {"a": float("nan")}}, "NaN or Infinity"),
        ({"payload": {"a": "x" * 300_000}}, "larger than 256 KB"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_leaves(tool, receiver, arguments, why):
    done = call(tool, key="a", arguments=arguments)
    assert (done.status, ledger.is_error(done)) == ("refused", True)
    assert why in done.result["text"]
    assert (Delivery.objects.count(), Intent.objects.count(), receiver.requests) == (0, 0, [])


def test_a_refusal_does_not_stop_the_right_call_later(tool, conversation, receiver):
    tool.agent.tools.update(is_active=False)
    assert call(tool, key="a", conversation=conversation).status == "refused"
    tool.agent.tools.update(is_active=True)
    assert call(tool, key="b", conversation=conversation).status == "fired"


def test_another_agents_tool_is_no_tool(tool, receiver):
    done = ledger.call(agent=make_agent(), tool_name=tool.name, arguments=ARGUMENTS, key="a")
    assert (done.status, receiver.requests) == ("refused", [])


def test_a_paused_endpoint_holds_the_delivery_and_the_result_says_so(tool, receiver):
    Endpoint.objects.update(state="paused")
    done = call(tool, key="a")
    assert (done.status, done.delivery.state, receiver.requests) == ("failed", "held", [])
    assert done.result["text"].startswith("Not sent: the endpoint is paused.")


def test_a_dry_run_leaves_no_row_and_sends_nothing(tool, receiver):
    done = call(tool, key="a", dry_run=True)
    assert (done.status, done.pk) == ("fired", None)
    assert done.result["structured"] == {"dry_run": True, "would_send": ARGUMENTS}
    assert (ToolCall.objects.count(), Delivery.objects.count(), receiver.requests) == (0, 0, [])


# --- crashes ---------------------------------------------------------------------------------------------------------


def begun(tool, **rest) -> ToolCall:
    """As a worker leaves it that dies between its commit and its request."""
    return ledger.begin(agent=tool.agent, tool_name=tool.name, arguments=ARGUMENTS, key="a", **rest)


def test_a_call_left_before_its_request_is_sent_once_by_the_next_worker(tool, receiver):
    left = begun(tool)
    assert (left.status, left.delivery.state, receiver.requests) == ("running", "queued", [])
    done = call(tool, key="a")
    assert (done.pk, done.status, len(receiver.requests)) == (left.pk, "fired", 1)


def test_a_call_left_while_sending_is_never_sent_again(tool, receiver, settings):
    settings.DELIVERY_DEADLINE = -4.5  # do not wait for a worker that is not there
    left = begun(tool)
    Delivery.objects.update(state="sending", token="7e0f6d7e-0d43-4b1e-8f2a-1c2d3e4f5a6b", deadline_at=timezone.now())
    done = call(tool, key="a")
    assert (done.pk, done.status, receiver.requests) == (left.pk, "failed", [])
    assert (done.result["structured"]["outcome"], done.result["structured"]["seen_by_receiver"]) == (
        "interrupted",
        "maybe",
    )


def test_a_call_left_after_its_request_reports_the_stored_outcome(tool, receiver):
    left = begun(tool)
    call(tool, key="a")
    ToolCall.objects.update(status="running", result=None, finished_at=None)
    done = call(tool, key="a")
    assert (done.pk, done.status, len(receiver.requests)) == (left.pk, "fired", 1)


def test_a_repeat_sends_what_the_first_left_behind_but_only_once(tool, conversation, receiver):
    left = begun(tool, conversation=conversation)
    again = call(tool, key="b", conversation=conversation)
    left.refresh_from_db()
    assert (left.status, again.status, again.duplicate_of, len(receiver.requests)) == ("fired", "repeated", left, 1)


def test_nothing_is_sent_inside_a_transaction(tool, receiver):
    with pytest.raises(ledger.InsideTransaction), transaction.atomic():
        call(tool, key="a")
    assert (ToolCall.objects.count(), receiver.requests) == (0, [])


# --- requests from the web -------------------------------------------------------------------------------------------


def test_a_request_is_accepted_at_once_and_run_by_a_worker(tool, receiver, worker):
    accepted = ledger.request(agent=tool.agent, tool_name=tool.name, arguments=ARGUMENTS, key="a")
    done = ledger.wait(accepted, timeout=20)
    assert (accepted.pk, done.status, done.result["structured"]["status_code"]) == (done.pk, "fired", 200)
    assert len(receiver.requests) == 1


def test_a_request_whose_wake_up_was_lost_is_swept(tool, receiver, broker):
    accepted = ledger.request(agent=tool.agent, tool_name=tool.name, arguments=ARGUMENTS)
    broker.flushall()
    assert ledger.sweep() == 0
    ToolCall.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert ledger.sweep() == 1
    ledger.run(tool_call_id=accepted.pk)
    ledger.run(tool_call_id=accepted.pk)
    assert (ledger.wait(accepted, timeout=1).status, ledger.sweep(), len(receiver.requests)) == ("fired", 0, 1)


def test_a_rolled_back_request_leaves_nothing_to_run(tool, receiver):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ledger.request(agent=tool.agent, tool_name=tool.name, arguments=ARGUMENTS, key="a")
        raise ZeroDivisionError
    assert (ToolCall.objects.count(), Delivery.objects.count(), receiver.requests) == (0, 0, [])
