"""A team's custom actions over the API: code, parameters, and every version of both."""

from typing import Any

from django.db.models import Prefetch, ProtectedError, prefetch_related_objects
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import actions
from agents.api import actions_docs
from agents.api.actions_docs import ParametersField
from agents.api.base import action_of, not_saved
from agents.models import ActionVersion, CustomAction, Tool
from chatzuri.api import ApiView, Problem
from webhooks.api import moment

DESCRIPTION = "What it does, and when the agent should use it and when not. A model decides by this."
CODE = "The body of an async function. `params`, `credentials` and `config` are in scope."
INSTALLS = Prefetch("installs", Tool.objects.select_related("agent").order_by("pk"))


class ActionChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, help_text="What a model calls it, for example send_lead.")
    title = serializers.CharField(required=False, help_text="What people see.")
    description = serializers.CharField(
        required=False,
        help_text="What it does, and when the agent should use it and when not. A model decides by this.",
    )
    code = serializers.CharField(required=False, trim_whitespace=False, help_text=CODE)
    parameters = ParametersField(required=False, help_text="What the agent fills in at call time.")
    note = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Why, for whoever reads the versions."
    )


class NewActionSerializer(ActionChangeSerializer):
    name = serializers.CharField(help_text="What a model calls it, for example send_lead.")
    title = serializers.CharField(help_text="What people see.")
    description = serializers.CharField(max_length=1000, help_text=DESCRIPTION)
    code = serializers.CharField(trim_whitespace=False, help_text=CODE)
    parameters = ParametersField(
        default=list,  # type: ignore[arg-type]
        help_text="What the agent fills in at call time.",
    )


class Actions(ApiView):
    @extend_schema(**actions_docs.LIST)
    def get(self, request: Request) -> Response:
        rows = CustomAction.objects.of(self.team).select_related("current").prefetch_related(INSTALLS)
        return Response({"actions": [summary(action) for action in rows.order_by("name")]})

    @extend_schema(**actions_docs.CREATE, request=NewActionSerializer)
    def post(self, request: Request) -> Response:
        asked = NewActionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        saved = save(team=self.team, author=None, **asked.validated_data)
        where = request.build_absolute_uri(reverse("api-action", args=[saved.action.public_id]))
        return Response(outcome(saved), status=201, headers={"Location": where})


class ActionDetail(ApiView):
    @extend_schema(**actions_docs.DETAIL)
    def get(self, request: Request, action_id: str) -> Response:
        return Response(detail(action_of(self.team, action_id)))

    @extend_schema(**actions_docs.CHANGE, request=ActionChangeSerializer)
    def patch(self, request: Request, action_id: str) -> Response:
        action = action_of(self.team, action_id)
        asked = ActionChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        saved = save(team=self.team, author=None, action=action, **asked.validated_data)
        return Response(outcome(saved))

    @extend_schema(**actions_docs.DELETE)
    def delete(self, request: Request, action_id: str) -> Response:
        action = action_of(self.team, action_id)
        try:
            action.delete()
        except ProtectedError:
            raise in_use(action) from None
        return Response(status=204)


class ActionVersions(ApiView):
    @extend_schema(**actions_docs.VERSIONS)
    def get(self, request: Request, action_id: str) -> Response:
        action = action_of(self.team, action_id)
        rows = action.versions.select_related("author").defer("code", "parameters").order_by("-number")
        return Response({"versions": [version_line(action, version) for version in rows]})


class ActionVersionDetail(ApiView):
    @extend_schema(**actions_docs.VERSION)
    def get(self, request: Request, action_id: str, number: int) -> Response:
        action = action_of(self.team, action_id)
        version = action.versions.select_related("author").filter(number=number).first()
        if version is None:
            raise no_version()
        content = {"code": version.code, "parameters": version.parameters}
        return Response(version_line(action, version) | content)


class ActionVersionRestore(ApiView):
    @extend_schema(**actions_docs.RESTORE, request=None)
    def post(self, request: Request, action_id: str, number: int) -> Response:
        action = action_of(self.team, action_id)
        try:
            return Response(outcome(actions.restore(action=action, number=number)))
        except ActionVersion.DoesNotExist:
            raise no_version() from None


def save(**fields: Any) -> actions.Saved:
    try:
        return actions.save(**fields)
    except actions.ActionRefused as refusal:
        raise not_saved(refusal) from None


def in_use(action: CustomAction) -> Problem:
    where = agents_of(action)
    names = ", ".join(agent["name"] for agent in where)
    words = f"This action is installed on {names}. Uninstall it there first."
    return Problem(409, "Action in use", words, agents=where)


def no_version() -> exceptions.NotFound:
    return exceptions.NotFound("This action has no version with this number.")


# --- rendering -------------------------------------------------------------------------------------------------------


def agents_of(action: CustomAction) -> list[dict[str, str]]:
    prefetch_related_objects([action], INSTALLS)
    return [{"id": tool.agent.public_id, "name": tool.agent.name} for tool in action.installs.all()]


def summary(action: CustomAction) -> dict[str, Any]:
    """Without the code. Load `current`, and INSTALLS where there are many."""
    current = action.current
    return {
        "id": action.public_id,
        "name": action.name,
        "title": action.title,
        "description": action.description,
        "version": current.number if current else None,
        "parameters": current.parameters if current else [],
        "agents": agents_of(action),
        "created_at": moment(action.created_at),
        "changed_at": moment(action.changed_at),
    }


def detail(action: CustomAction) -> dict[str, Any]:
    return summary(action) | {"code": action.current.code if action.current else ""}


def outcome(saved: actions.Saved) -> dict[str, Any]:
    return detail(saved.action) | {"is_new_version": saved.is_new_version, "warning": saved.warning or None}


def version_line(action: CustomAction, version: ActionVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "is_current": version.pk == action.current_id,
        "note": version.note,
        "author": str(version.author) if version.author else None,
        "created_at": moment(version.created_at),
    }
