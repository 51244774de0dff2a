"""Whatever our own OpenAPI document allows, and much that it does not: every answer is one that it describes."""

import collections
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as described

from agents.api import action_tests, approvals
from agents.api import tools as tools_api
from agents.models import ActionRun, Escalation, Lead, ToolCall, Turn
from channels_inbound.models import InboundMessage, InboundRequest
from tests.channels_inbound.providers import make_channel
from tests.factories import (
    install,
    make_action,
    make_agent,
    make_api_key,
    make_conversation,
    make_customer,
    make_delivery,
    make_endpoint,
    make_team,
    make_tool,
)

pytestmark = pytest.mark.django_db

EXAMPLES = 5
CHECKS = [
    not_a_server_error,
    described.status_code_conformance,
    described.content_type_conformance,
    described.response_schema_conformance,
]
QUICK = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def _nobody_works(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is there, so do not wait for one."""
    settings.CHAT_WAIT = 0.02
    monkeypatch.setattr(tools_api, "CALL_WAIT", 0.02)
    monkeypatch.setattr(approvals, "CALL_WAIT", 0.02)
    monkeypatch.setattr(action_tests, "TEST_WAIT", 0.02)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """As in Django's own test client: a request must not close the connection that holds this test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def ids(_nobody_works: None) -> dict[str, str]:
    """What can stand in an address: a row of everything, of one team; and a key of that team under `key`."""
    team = make_team()
    agent = make_agent(team=team)
    tool = make_tool(agent=agent, endpoint=make_endpoint(team=team))
    action = make_action(team=team)
    install(action=action, agent=agent)
    conversation = make_conversation(agent=agent, customer=make_customer(team=team, name="Asha"))
    message = conversation.say(role="customer", text="Hello")
    reply = conversation.say(role="agent", text="Hi")
    turn = Turn.objects.create(conversation=conversation, message=message, reply=reply, state="done")
    call = ToolCall.objects.create(
        agent=agent, conversation=conversation, turn=turn, tool=tool, tool_name=tool.name, key="k", arguments={}
    )
    channel = make_channel(agent=agent, kind="whatsapp")
    body = b"{}"
    request = InboundRequest.objects.create(channel=channel, body=body, body_size=2, body_sha256="0" * 64)
    InboundMessage.objects.create(
        request=request, channel=channel, dedupe_key="1", kind="message", occurred_at=timezone.now(), state="done"
    )
    rows = {
        "agent_id": agent,
        "delivery_id": make_delivery(endpoint=tool.endpoint),
        "turn_id": turn,
        "call_id": call,
        "action_id": action,
        "run_id": ActionRun.objects.create(team=team, action=action, result={}),
        "conversation_id": conversation,
        "customer_id": conversation.customer,
        "escalation_id": Escalation.objects.create(conversation=conversation, trigger="api", reason="They asked."),
        "lead_id": Lead.objects.create(agent=agent, customer=conversation.customer, name="Asha"),
        "message_id": reply,
        "channel_id": channel,
        "request_id": request,
    }
    named = {name: row.public_id for name, row in rows.items()}
    return named | {"name": tool.name, "number": "1", "key": make_api_key(team=team)}


@pytest.fixture
def operations(ids: dict[str, str]) -> list[Any]:
    application = WSGIHandler()
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema?format=json", application)
    found = [result.ok() for result in schema.get_all_operations()]
    assert len(found) > 40
    return found


def cases(operation: Any, ids: dict[str, str]) -> st.SearchStrategy[Any]:
    """Right and wrong ones; most of them about rows that exist."""
    names = [each.name for each in operation.path_parameters]
    known = {name: ids[name] for name in names}

    def place(drawn: tuple[Any, bool]) -> Any:
        case, is_known = drawn
        if is_known:
            case.path_parameters = dict(known)
        return case

    either = st.one_of(operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE))
    return st.tuples(either, st.sampled_from([True, True, True, False])).map(place)


def checks(response: Any) -> list[Any]:
    """Of a stream the document describes the words in its text, and no JSON for each of them."""
    is_stream = "text/event-stream" in response.headers.get("content-type", [""])[0]
    return [check for check in CHECKS if not (is_stream and check is described.response_schema_conformance)]


def faults_of(operation: Any, ids: dict[str, str], statuses: collections.Counter[int]) -> Iterator[str]:
    headers = {"Authorization": f"Bearer {ids['key']}"}
    seen: dict[str, str] = {}

    @QUICK
    @given(case=cases(operation, ids))
    def send(case: Any) -> None:
        # Every example meets the same rows, whatever the one before did with them.
        with transaction.atomic():
            response = case.call(headers=headers)
            transaction.set_rollback(True)
        statuses[response.status_code] += 1
        for check in checks(response):
            try:
                case.validate_response(response, checks=[check], headers=headers)
            except BaseException as failure:
                seen.setdefault(f"{check.__name__} {response.status_code}", str(failure)[:1500])

    send()
    for name, words in seen.items():
        yield f"{operation.label}: {name}\n{words}"


def test_every_answer_is_one_that_the_document_describes(operations: list[Any], ids: dict[str, str]) -> None:
    statuses: collections.Counter[int] = collections.Counter()
    faults = [fault for operation in operations for fault in faults_of(operation, ids, statuses)]
    assert not faults, f"{len(faults)} faults; answers {dict(statuses)}\n\n" + "\n\n".join(faults)
    assert statuses[200] > 2 * len(operations), statuses
    assert statuses[404] and statuses[400], statuses
