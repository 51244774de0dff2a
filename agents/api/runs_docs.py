"""Words and shapes of `runs.py` and `action_tests.py` for the OpenAPI document. Nothing is rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from agents.api.actions_docs import ACTION_ID, CODE, EMAIL
from agents.api.paging import PARAMETERS
from agents.models import ActionRun
from chatzuri.api import PROBLEM_TYPE, Problem
from chatzuri.api_docs import problems, refused

OUTCOMES = (
    "`returned`, `reported_failure` (the code returned `success: false`), `thrown`, `timeout`, `memory`, `syntax`, "
    "`result` (what it returned is no JSON), `exit`, `credential`, `busy`, `unavailable`, `interrupted`, `crashed` or "
    "`protocol`; null until it is over."
)
STATES = ", ".join(ActionRun.State.values)


class RunErrorSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="As `outcome`.")
    message = serializers.CharField(help_text="In the words of the code where it threw; with secrets masked.")
    line = serializers.IntegerField(allow_null=True, help_text="The line of the code.")


class RunActionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class RunLineSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    purpose = serializers.CharField(help_text="call: an agent's; test: somebody tried it.")
    state = serializers.CharField(help_text=f"One of {STATES}.")
    outcome = serializers.CharField(allow_null=True, help_text=OUTCOMES)
    error = RunErrorSerializer(allow_null=True)
    action = RunActionSerializer(allow_null=True, help_text="null for a draft.")
    version = serializers.IntegerField(allow_null=True, help_text="null where code was run that is not saved.")
    agent_id = serializers.CharField(allow_null=True)
    conversation_id = serializers.CharField(allow_null=True)
    credential_id = serializers.CharField(allow_null=True)
    milliseconds = serializers.FloatField(allow_null=True, help_text="How long the code ran.")
    queued_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ConsoleLineSerializer(serializers.Serializer[Any]):
    level = serializers.CharField()
    text = serializers.CharField()


class FetchSerializer(serializers.Serializer[Any]):
    delivery_id = serializers.CharField(help_text="Ask for it under /api/v1/deliveries/.")
    method = serializers.CharField()
    origin = serializers.CharField(help_text="Scheme and host. The rest of an address may be a secret.")
    outcome = serializers.CharField(allow_null=True, help_text="As that of any delivery; null until it is over.")
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="The outcome in a few words."
    )
    sentence = serializers.CharField(help_text="What happened.")
    status_code = serializers.IntegerField(allow_null=True)
    seen_by_receiver = serializers.CharField(allow_null=True, help_text="yes, maybe or no.")
    milliseconds = serializers.FloatField(allow_null=True)


class RunSerializer(RunLineSerializer):
    params = serializers.DictField(help_text="What the code read as `params`.")
    # Any JSON, null too. Said twice (`allow_null`), the document would allow everything but null.
    result = serializers.JSONField(help_text="What the code returned.")
    console = ConsoleLineSerializer(many=True)
    fetches = FetchSerializer(many=True, help_text="Every request it made, in order; each was attempted once.")


class RunPageSerializer(serializers.Serializer[Any]):
    runs = RunLineSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="null on the last page.")


RETURNED = OpenApiExample(
    "It returned",
    response_only=True,
    status_codes=["200"],
    value={
        "id": "run_06fhnm7b3c4d5e6f7g8h9j0k1m",
        "purpose": "test",
        "state": "succeeded",
        "outcome": "returned",
        "error": None,
        "action": {"id": "act_06fhnm2b3c4d5e6f7g8h9j0k1m", "name": "send_lead"},
        "version": 1,
        "agent_id": None,
        "conversation_id": None,
        "credential_id": "crd_06fhnm2b3c4d5e6f7g8h9j0k1m",
        "milliseconds": 148.2,
        "queued_at": "2026-11-25T08:15:04.120Z",
        "finished_at": "2026-11-25T08:15:04.311Z",
        "params": {"email": "asha@example.com"},
        "result": {"success": True},
        "console": [{"level": "log", "text": "sending"}],
        "fetches": [
            {
                "delivery_id": "dlv_06fhnm2b9c8d7e6f5g4h3j2k1m",
                "method": "POST",
                "origin": "https://crm.example.com",
                "outcome": "delivered",
                "label": "delivered",
                "sentence": "The receiver answered 200.",
                "status_code": 200,
                "seen_by_receiver": "yes",
                "milliseconds": 135.2,
            }
        ],
    },
)
PARAMS = OpenApiExample(
    "With a credential",
    request_only=True,
    value={"params": {"email": "asha@example.com"}, "credential": "crd_06fhnm2b3c4d5e6f7g8h9j0k1m"},
)
DRAFT = OpenApiExample(
    "A draft",
    request_only=True,
    value={"code": CODE, "parameters": [EMAIL], **PARAMS.value},
)
UNFIT = Problem(
    422,
    "Parameters do not fit",
    "The params do not fit the action's parameters.",
    errors=[{"pointer": "/params/email", "detail": "'asha' is not a 'email'"}],
)
LIST: dict[str, Any] = {
    "operation_id": "list_runs",
    "tags": ["actions"],
    "summary": "Runs of custom actions, newest first",
    "description": "One page, and in `next_cursor` how to get the next one. Results and console lines are left out; "
    "ask for a single run to read them.",
    "parameters": [
        OpenApiParameter("action", str, description="Only runs of the action with this id."),
        OpenApiParameter("agent", str, description="Only runs for the agent with this id."),
        OpenApiParameter("state", str, enum=ActionRun.State.values, description="Only runs in this state."),
        OpenApiParameter("purpose", str, enum=["call", "test"], description="Agents' calls, or tests."),
        *PARAMETERS,
    ],
    "responses": {
        200: RunPageSerializer,
        **problems(_400="A parameter is not right.", _404="No such action or agent in this team."),
    },
}
DETAIL: dict[str, Any] = {
    "operation_id": "get_run",
    "tags": ["actions"],
    "summary": "What came of a run",
    "description": "Its result, its error, every line it wrote, and every request it made. The secrets of its "
    "credential are masked in all of them.",
    "responses": {
        200: OpenApiResponse(RunSerializer, examples=[RETURNED]),
        **problems(_404="No run of this team has this id."),
    },
}
TESTED: dict[Any, Any] = {
    200: OpenApiResponse(RunSerializer, "It is over, whatever came of it.", examples=[RETURNED]),
    202: OpenApiResponse(RunSerializer, "Still running; ask again at `Location`."),
    (422, PROBLEM_TYPE): refused("The params or parameters do not fit: one pointer per fault.", example=UNFIT),
}
BUSY = "Too many runs of this team are waiting; see `Retry-After`."
TEST_DRAFT: dict[str, Any] = {
    "operation_id": "test_draft",
    "tags": ["actions"],
    "summary": "Try code that is not saved",
    "description": "Runs it for real, once: what it fetches is sent. Waits up to 30 seconds for the result.",
    "examples": [DRAFT],
    "responses": TESTED
    | problems(_400="A field is missing or is not of its type.", _404="No such credential in this team.", _429=BUSY),
}
TEST_ACTION: dict[str, Any] = {
    "operation_id": "test_action",
    "tags": ["actions"],
    "summary": "Try an action",
    "description": "Runs its current version, or the `code` you send, for real and once: what it fetches is sent. "
    "Waits up to 30 seconds for the result.",
    "parameters": [ACTION_ID],
    "examples": [PARAMS],
    "responses": TESTED
    | problems(_400="A field is not of its type.", _404="No such action or credential in this team.", _429=BUSY),
}
