"""Why a custom action failed is for the team and a language model to read, and never for a customer."""

from typing import Any

import pytest

from agents import ledger, sandbox, turns
from agents.models import Message, ToolCall, Turn
from tests.agents.fake_pool import FakePool, run_at_once
from tests.agents.scripted_model import calls, says
from tests.factories import install, make_action, make_agent, make_conversation

pytestmark = pytest.mark.django_db(transaction=True)

FOR_CUSTOMERS = "This did not work. The team can see why."
WORDS = "Invalid URL: 'undefined'"
FAILURES = [
    pytest.param(sandbox.Result(kind="thrown", error=WORDS, line=3), id="thrown"),
    pytest.param(sandbox.Result(value={"success": False, "error": WORDS}), id="reported"),
]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> FakePool:
    return run_at_once(monkeypatch)


def acting(*, needs_approval: bool = False, **fields: Any) -> Any:
    agent = make_agent(**({"greeting": ""} | fields))
    action = make_action(team=agent.team, name="sign_up", title="Sign up")
    return install(action=action, agent=agent, example_phrases="I want to sign up", needs_approval=needs_approval)


def say(tool: Any) -> Turn:
    turn = turns.receive(agent=tool.agent, text="Sign up", external_id="visitor")
    turns.take_turn(turn_id=turn.pk)
    turn.refresh_from_db()
    return turn


@pytest.mark.parametrize("failure", FAILURES)
def test_the_offline_brain_says_only_that_it_did_not_work(pool: FakePool, failure: sandbox.Result) -> None:
    pool.result = failure
    turn = say(acting())
    assert turn.reply is not None
    assert turn.reply.text == f"Sign up: {FOR_CUSTOMERS}"
    call = ToolCall.objects.get()
    assert call.result is not None
    assert call.result["text"] == f"Action failed: {WORDS}", "the receipt of the team has the reason"


def test_what_went_well_is_said_as_before(pool: FakePool) -> None:
    turn = say(acting())
    assert turn.reply is not None
    assert turn.reply.text == "Sign up: Done."


def test_asking_again_does_not_bring_the_reason_out(pool: FakePool) -> None:
    pool.result = sandbox.Result(value={"success": False, "error": WORDS})
    tool = acting()
    say(tool)
    turn = say(tool)
    assert turn.reply is not None
    assert turn.tool_calls.get().status == "repeated"
    assert turn.reply.text == f"Sign up: {FOR_CUSTOMERS}"


@pytest.mark.parametrize("failure", FAILURES)
def test_receipts_under_an_ending_do_not_have_it_and_a_language_model_reads_it(
    pool: FakePool, model: Any, failure: sandbox.Result
) -> None:
    pool.result = failure
    tool = acting(brain="llm", llm_base_url=model.url, llm_model="scripted-1", llm_api_key="sk-test")
    model.plays(calls({}, name="sign_up"), says(""))
    turn = say(tool)
    assert turn.reply is not None
    assert turn.reply.text == f"{turns.NOTHING_SAID}\nSign up: {FOR_CUSTOMERS}"
    assert WORDS in model.told[0]


@pytest.mark.parametrize("failure", FAILURES)
def test_what_became_of_an_approved_call_is_said_without_it(pool: FakePool, failure: sandbox.Result) -> None:
    pool.result = failure
    tool = acting(needs_approval=True)
    conversation = make_conversation(agent=tool.agent)
    held = ledger.call(agent=tool.agent, tool_name="sign_up", arguments={}, key="k-1", conversation=conversation)
    ledger.complete(ledger.approve(held))
    assert Message.objects.get(role="system").text == f"Sign up: {FOR_CUSTOMERS}"
