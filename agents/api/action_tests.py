"""Trying an action over the API: run for real, once, and the answer shows everything that came of it."""

from typing import Any

from django.db import transaction
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import actions, arguments, parameters, running
from agents.api import runs, runs_docs
from agents.api.actions_docs import ParametersField
from agents.api.base import action_of, credential_of, too_many, unfit
from agents.arguments import Fault
from agents.models import ActionRun, CustomAction
from chatzuri.api import ApiView
from chatzuri.models import Team

# Longer than a run may take in all.
TEST_WAIT = 30.0
CONTEXT_IS_TEXT = "The conversation fills this in, as a text or null. For a test you may say which."


class ActionTestSerializer(serializers.Serializer[Any]):
    params = serializers.DictField(default=dict, help_text="What the agent would fill in.")
    credential = serializers.CharField(
        max_length=40,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Id of the team's credential that the code reads as `credentials`; null without one.",
    )
    config = serializers.DictField(default=dict, help_text="What the code reads as `config`.")
    code = serializers.CharField(
        required=False, trim_whitespace=False, help_text="Try this instead of the saved code. Nothing is saved."
    )
    parameters = ParametersField(required=False, help_text="Check `params` against these instead of the saved ones.")


class DraftTestSerializer(ActionTestSerializer):
    code = serializers.CharField(trim_whitespace=False, help_text="The body of an async function.")
    parameters = ParametersField(
        default=list,  # type: ignore[arg-type]
        help_text="Check `params` against these.",
    )


class DraftTests(ApiView):
    @extend_schema(**runs_docs.TEST_DRAFT, request=DraftTestSerializer)
    def post(self, request: Request) -> Response:
        asked = DraftTestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return answer(request, test(self.team, None, asked.validated_data))


class ActionTests(ApiView):
    @extend_schema(**runs_docs.TEST_ACTION, request=ActionTestSerializer)
    def post(self, request: Request, action_id: str) -> Response:
        action = action_of(self.team, action_id)
        asked = ActionTestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return answer(request, test(self.team, action, asked.validated_data))


def test(team: Team, action: CustomAction | None, asked: dict[str, Any]) -> ActionRun:
    """Queue the run and wait for it. A worker runs it: this process opens no socket to a customer's address."""
    wanted = wish(team, action, asked)
    try:
        with transaction.atomic():
            run = running.accept(wanted)
    except running.TooManyWaiting as refusal:
        raise too_many("Too many runs", str(refusal), seconds=2) from None
    done = running.wait(run, timeout=TEST_WAIT)
    # Known already: asking the database for each of them is what a quick test would spend its time on.
    done.action, done.version, done.credential = wanted.action, wanted.version, wanted.credential
    return done


def wish(team: Team, action: CustomAction | None, asked: dict[str, Any]) -> running.Wanted:
    """What is to run: the code that was sent along, or else the action's current version."""
    current = action.current if action else None
    version = None if "code" in asked else current
    draft = "" if version else checked(asked.get("code", ""))
    declared = declared_in(asked, current.parameters if current else [])
    return running.Wanted(
        team=team,
        purpose=ActionRun.Purpose.TEST,
        action=action,
        version=version,
        code=draft,
        credential=credential_of(team, asked.get("credential")),
        config=asked["config"],
        params=params_for(declared, asked["params"]),
    )


def checked(code: str) -> str:
    if not code.strip():
        fault = Fault("/code", "Write the body of the function: at least a return.")
    elif len(code.encode()) > actions.MAX_CODE:
        fault = Fault("/code", f"The code is longer than {actions.MAX_CODE // 1024} KB. Shorten it.")
    else:
        return code
    raise unfit("Cannot be run", "This code cannot be run. Nothing was sent.", [fault])


def declared_in(asked: dict[str, Any], saved: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if "parameters" not in asked:
        return saved
    declared, faults = parameters.read(asked["parameters"])
    if faults:
        raise unfit("Cannot be run", "The parameters are not declared as they should be.", faults)
    return declared


def params_for(declared: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    """What the code reads as `params`. In a test nobody talks, so the caller may say what a conversation would."""
    filled = {one["name"] for one in declared} & parameters.FILLED.keys()
    context = {name: given[name] for name in given if name in filled}
    typed = {name: given[name] for name in given if name not in filled}
    faults = [Fault(f"/{name}", CONTEXT_IS_TEXT) for name in context if not isinstance(context[name], str | None)]
    faults += arguments.faults(typed, parameters.schema(declared))
    if faults:
        raise unfit("Parameters do not fit", "The params do not fit the action's parameters.", faults, below="/params")
    return parameters.fill(declared, typed, context)


def answer(request: Request, run: ActionRun) -> Response:
    """200 whatever came of it, 202 where it is not over."""
    if run.is_finished:
        return Response(runs.detail(run))
    where = reverse("api-run", args=[run.public_id])
    headers = {"Location": request.build_absolute_uri(where), "Retry-After": "2"}
    return Response(runs.detail(run), status=202, headers=headers)
