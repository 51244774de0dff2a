"""The guide's second way, whole: code, credential and fetch, from ledger and chat turn, in a real worker."""

import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from agents import ledger, running, turns
from agents.models import ActionRun, ToolCall
from tests.agents.scripted_model import calls, says
from tests.factories import install, make_action, make_agent, make_conversation, make_credential, make_team
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

# The example of the guide, byte for byte.
EXAMPLE = """\
const payload = {
  event: 'lead.captured',
  source: 'chat',
  customer: params.email,
  conversation_id: params.conversation_id,
  timestamp: new Date().toISOString(),
};

const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    ...(credentials.secret ? { 'X-Webhook-Secret': credentials.secret } : {}),
  },
  body: JSON.stringify(payload),
});

if (!r.ok) throw new Error(`Webhook ${r.status}`);
return { success: true };
"""
PARAMETERS = [
    {"name": "email", "type": "string", "format": "email", "required": True, "description": "Their e-mail address."},
    {"name": "conversation_id", "type": "string", "required": True},
]
SECRET = "a-long-shared-secret"
STATES = Delivery.State


@pytest.fixture
def tool(receiver):
    team = make_team()
    credential = make_credential(team=team, values={"webhook_url": receiver.url, "secret": SECRET})
    action = make_action(team=team, name="send_lead", title="Send the lead", code=EXAMPLE, parameters=PARAMETERS)
    return install(action=action, credential=credential, agent=make_agent(team=team))


def call(tool, *, key="a", arguments=None, **rest) -> ToolCall:
    wish = arguments or {"email": "ada@example.com"}
    made = ledger.call(agent=tool.agent, tool_name=tool.name, arguments=wish, key=key, **rest)
    return over(made)


def over(made) -> ToolCall:
    """The call when its run is over."""
    return ToolCall.objects.get(pk=ledger.wait(made, timeout=30).pk)


def test_the_example_posts_its_json_with_the_secret(tool, worker, receiver):
    conversation = make_conversation(agent=tool.agent)
    done = call(tool, conversation=conversation)
    assert (done.status, done.result["text"]) == ("fired", "Done.")
    assert done.result["structured"]["result"] == {"success": True}
    [request] = receiver.requests
    body = json.loads(request.body)
    assert body.pop("timestamp").endswith("Z")
    assert body == {
        "event": "lead.captured",
        "source": "chat",
        "customer": "ada@example.com",
        "conversation_id": conversation.public_id,
    }
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["x-webhook-secret"] == SECRET
    assert headers["content-type"] == "application/json"
    assert headers["x-chatzuri-agent-id"] == tool.agent.public_id
    assert headers["x-chatzuri-conversation-id"] == conversation.public_id


def test_its_fetch_is_a_row_of_the_delivery_log_without_the_secret(tool, worker, receiver):
    run = call(tool).run
    delivery = run.event.deliveries.get()
    assert (delivery.state, delivery.method, delivery.endpoint, delivery.caused_by) == (
        STATES.DELIVERED,
        "POST",
        None,
        run.public_id,
    )
    assert delivery.event.agent_ref == tool.agent.public_id
    assert delivery.attempt.status_code == 200
    everything = json.dumps([delivery.headers, delivery.attempt.request_headers, bytes(delivery.body).decode()])
    assert SECRET not in everything
    assert "ada@example.com" in everything


def test_without_a_secret_the_header_is_absent_rather_than_empty(tool, worker, receiver):
    tool.credential.replace_values({"webhook_url": receiver.url})
    tool.credential.save()
    assert call(tool).status == "fired"
    [request] = receiver.requests
    assert "x-webhook-secret" not in {name.lower() for name in request.headers}


def test_a_receiver_that_answers_503_is_an_error_for_the_agent_after_exactly_one_request(tool, worker, receiver):
    receiver.answer(status=503, body=b"busy")
    done = call(tool)
    assert (done.status, done.result["text"]) == ("failed", "Action failed: Webhook 503")
    assert (done.run.kind, done.run.error, done.run.line) == ("thrown", "Webhook 503", 18)
    time.sleep(1.5)
    assert len(receiver.requests) == 1
    assert done.run.event.deliveries.get().state == STATES.REJECTED


def test_a_model_chats_it_into_firing_and_reads_what_it_returned(tool, start_worker, model, receiver):
    start_worker(LANGUAGE_MODEL_ORIGINS=model.origin)
    agent = tool.agent
    agent.brain, agent.llm_base_url, agent.llm_model = "llm", model.url, "scripted"
    agent.save()
    wish = {"email": "ada@example.com", "conversation_id": "cnv_of_somebody_else"}
    model.plays(calls(wish, name="send_lead"), says("I have passed it on."))
    turn = turns.wait(turns.receive(agent=agent, text="Please pass it on", external_id="v"), timeout=30)
    assert turn.reply.text == "I have passed it on."
    [offered] = [each["function"] for each in model.requests[0]["tools"]]
    assert list(offered["parameters"]["properties"]) == ["email"]
    assert '{"success": true}' in model.told[0]
    [request] = receiver.requests
    assert json.loads(request.body)["conversation_id"] == turn.conversation.public_id


def test_a_missing_parameter_is_told_to_the_model_and_nothing_runs(tool, worker, receiver):
    done = call(tool, arguments={"nonsense": 1})
    assert done.status == "refused"
    assert "'email' is a required property" in done.result["text"]
    assert (ActionRun.objects.count(), receiver.requests) == (0, [])


def test_the_same_wish_is_sent_once(tool, worker, receiver):
    first = call(tool, key="a")
    again = call(tool, key="b")
    assert (again.status, again.duplicate_of) == ("repeated", first)
    assert len(receiver.requests) == 1


def test_a_wish_that_reached_nobody_may_be_tried_again(tool, worker, receiver):
    tool.credential.replace_values({"webhook_url": "https://nowhere.invalid/hook"})
    tool.credential.save()
    assert call(tool, key="a").status == "failed"
    tool.credential.replace_values({"webhook_url": receiver.url})
    tool.credential.save()
    assert call(tool, key="b").status == "fired"
    assert len(receiver.requests) == 1


def test_a_failure_that_the_code_reports_is_told_from_one_that_it_threw(tool, worker, receiver):
    code = "return {success: false, error: 'No such list'};"
    tool.action.current = tool.action.versions.create(number=2, code=code, parameters=PARAMETERS)
    tool.action.save()
    done = call(tool)
    assert (done.status, done.result["text"]) == ("failed", "Action failed: No such list")
    assert (done.run.state, done.result["structured"]["outcome"]) == ("succeeded", "reported_failure")


def test_without_a_worker_the_agent_hears_that_nothing_was_sent(tool, receiver):
    made = ledger.call(agent=tool.agent, tool_name=tool.name, arguments={"email": "ada@example.com"}, key="a")
    assert made.status == "running"
    ActionRun.objects.update(queued_at=timezone.now() - timedelta(minutes=5))
    running.sweep()
    ledger.run(tool_call_id=made.pk)
    made.refresh_from_db()
    text = "Action failed: The action was not begun in time. Nothing was sent."
    assert (made.status, made.result["text"], made.run.state) == ("failed", text, "cancelled")
    assert receiver.requests == []


def test_nobody_s_thread_waits_for_an_action(tool, start_worker, receiver):
    """One thread for everything: a turn that waited in it for its action would wait for ever."""
    receiver.answer(delay=1)
    start_worker(threads=1)
    tool.action.title = tool.title = "Send the lead"
    tool.save()
    turn = turns.wait(turns.receive(agent=tool.agent, text="Send the lead", external_id="v"), timeout=30)
    turn = turns.wait(turns.receive(agent=tool.agent, text="ada@example.com", external_id="v"), timeout=40)
    assert (turn.state, turn.leases) == ("done", 1)
    assert turn.reply.text == "Send the lead: Done."
    assert len(receiver.requests) == 1


def test_a_tool_taken_off_the_agent_meanwhile_does_not_change_what_became_of_the_call(tool, worker, receiver):
    receiver.answer(delay=1)
    made = ledger.call(agent=tool.agent, tool_name=tool.name, arguments={"email": "ada@example.com"}, key="a")
    receiver.wait_for(1)
    tool.delete()
    done = ledger.wait(ledger.ToolCall.objects.get(pk=made.pk), timeout=30)
    assert (done.status, done.result["text"]) == ("fired", "Done.")


def test_an_action_deleted_meanwhile_is_not_called_unsent(tool, worker, receiver):
    receiver.answer(delay=1.5)
    made = ledger.call(agent=tool.agent, tool_name=tool.name, arguments={"email": "ada@example.com"}, key="a")
    receiver.wait_for(1)
    action = tool.action
    tool.delete()
    action.delete()
    ledger.run(tool_call_id=made.pk)
    done = ToolCall.objects.get(pk=made.pk)
    assert done.status == "failed"
    assert "may have arrived" in done.result["text"]


@pytest.mark.parametrize(
    ("profile", "method", "reaches"),
    [
        ("read_only", "GET", True),
        ("read_only", "POST", False),
        ("read_write", "POST", True),
        ("read_write", "DELETE", False),
        ("full_access", "DELETE", True),
    ],
)
def test_a_provider_s_credential_does_what_its_profile_allows(worker, receiver, profile, method, reaches):
    team = make_team()
    values = {"access_token": "a-token-of-the-provider"}
    credential = make_credential(
        team=team, kind="hubspot", values=values, hosts="127.0.0.1", allowed_operations=profile
    )
    code = f"""
        const headers = {{"X-Token": credentials.access_token}};
        const r = await fetch("{receiver.url}", {{method: "{method}", headers}});
        return r.status;"""
    tool = install(action=make_action(team=team, code=code), credential=credential, agent=make_agent(team=team))
    run = ledger.call(agent=tool.agent, tool_name=tool.name, arguments={}, key="k")
    run = over(run).run
    if reaches:
        assert run.state == "succeeded"
    else:
        assert "This credential allows" in run.error
        assert run.event.deliveries.get().attempt.code == "credential_profile"
        assert receiver.requests == []
