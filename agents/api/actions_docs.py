"""Words and shapes of `actions.py` and `installs.py` for the OpenAPI document. Nothing is rendered with these."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers

from agents.api.chat_docs import AGENT_ID
from agents.models import Tool
from agents.parameters import FORMAT_CHOICES, TYPES
from chatzuri.api import PROBLEM_TYPE, Problem
from chatzuri.api_docs import problems, refused


class ParameterSerializer(serializers.Serializer[Any]):
    name = serializers.RegexField(r"^[A-Za-z][A-Za-z0-9_]{0,63}$", help_text="Read as `params.<name>`.")
    type = serializers.ChoiceField(TYPES, default="string")
    description = serializers.CharField(required=False, help_text="For the model: what belongs here.")
    required = serializers.BooleanField(  # type: ignore[assignment]
        required=False, help_text="Without it the agent asks the customer first."
    )
    enum = serializers.ListField(required=False, help_text="The only allowed values.")
    default = serializers.JSONField(required=False, help_text="What the code gets where the agent says nothing.")
    format = serializers.ChoiceField(FORMAT_CHOICES, required=False, help_text="Checked for text.")


@extend_schema_field(ParameterSerializer(many=True))
class ParametersField(serializers.JSONField):
    """Taken as it comes: `parameters.read` says what is wrong, with a pointer for each fault."""


class AgentReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class ActionLineSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField(help_text="What a model calls it; unique in the team.")
    title = serializers.CharField(help_text="What people see.")
    description = serializers.CharField(help_text="A model decides by this.")
    version = serializers.IntegerField(allow_null=True, help_text="The current version: what runs from now on.")
    parameters = ParameterSerializer(many=True)
    agents = AgentReferenceSerializer(many=True, help_text="Where it is installed.")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class CustomActionSerializer(ActionLineSerializer):
    code = serializers.CharField()


class SavedActionSerializer(CustomActionSerializer):
    is_new_version = serializers.BooleanField(help_text="False where neither code nor parameters changed.")
    warning = serializers.CharField(allow_null=True, help_text="Saved, but nobody could look at the syntax.")


class ActionListSerializer(serializers.Serializer[Any]):
    actions = ActionLineSerializer(many=True)


class VersionLineSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    is_current = serializers.BooleanField()
    note = serializers.CharField()
    author = serializers.CharField(allow_null=True, help_text="null where it was saved over the API.")
    created_at = serializers.DateTimeField()


class VersionListSerializer(serializers.Serializer[Any]):
    versions = VersionLineSerializer(many=True)


class VersionSerializer(VersionLineSerializer):
    code = serializers.CharField()
    parameters = ParameterSerializer(many=True)


class ActionReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    title = serializers.CharField()


class InstallSerializer(serializers.Serializer[Any]):
    action = ActionReferenceSerializer()
    agent_id = serializers.CharField()
    title = serializers.CharField(help_text="What customers read on this agent.")
    is_active = serializers.BooleanField(help_text="Switched on: listed among the agent's tools.")
    credential = serializers.CharField(allow_null=True, help_text="Id of the credential the code reads.")
    config = serializers.DictField(help_text="What the code reads as `config`.")
    when_to_use = serializers.CharField()
    example_phrases = serializers.ListField(child=serializers.CharField())
    repeats = serializers.ChoiceField(Tool.Repeats.choices)
    repeat_minutes = serializers.IntegerField()
    needs_approval = serializers.BooleanField()
    calls_per_conversation = serializers.IntegerField(allow_null=True)
    calls_per_day = serializers.IntegerField(allow_null=True)


class InstallListSerializer(serializers.Serializer[Any]):
    actions = InstallSerializer(many=True)


# --- words -----------------------------------------------------------------------------------------------------------

ACTION_ID = OpenApiParameter("action_id", str, OpenApiParameter.PATH, description="act_…, from the list of actions.")
NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="Versions are numbered from 1.")
NO_ACTION = "No action of this team has this id."
NO_VERSION = "No action of this team has this id, or it has no version of this number."
CODE = (
    "const r = await fetch(credentials.webhook_url, {\n"
    "  method: 'POST',\n"
    "  headers: { 'Content-Type': 'application/json' },\n"
    "  body: JSON.stringify({ email: params.email }),\n"
    "});\n"
    "if (!r.ok) throw new Error(`CRM ${r.status}`);\n"
    "return { success: true };"
)
EMAIL = {
    "name": "email",
    "type": "string",
    "description": "The customer's e-mail address.",
    "required": True,
    "format": "email",
}
NEW = OpenApiExample(
    "Send a lead",
    request_only=True,
    value={
        "name": "send_lead",
        "title": "Send the lead to our CRM",
        "description": "Use it when a customer left an e-mail address and wants to be contacted.",
        "code": CODE,
        "parameters": [EMAIL],
        "note": "First version",
    },
)
CHANGED = OpenApiExample("Only the title", request_only=True, value={"title": "Tell sales about the lead"})
SAVED = {
    "id": "act_06fhnm2b3c4d5e6f7g8h9j0k1m",
    "name": "send_lead",
    "title": "Send the lead to our CRM",
    "description": "Use it when a customer left an e-mail address and wants to be contacted.",
    "version": 1,
    "parameters": [EMAIL],
    "agents": [],
    "created_at": "2026-11-25T08:15:04.120Z",
    "changed_at": "2026-11-25T08:15:04.120Z",
    "code": CODE,
    "is_new_version": True,
    "warning": None,
}
MADE = OpenApiExample("Saved", response_only=True, status_codes=["201"], value=SAVED)
UNREADABLE = Problem(
    422,
    "Not saved",
    "This cannot be saved as it is. Nothing was changed.",
    errors=[{"pointer": "/code", "detail": "The code cannot be read (line 2): Unexpected token '}'"}],
    line=2,
)
NOT_SAVED = {
    (422, PROBLEM_TYPE): refused(
        "It cannot be saved: one pointer per fault, and `line` where the code cannot be read.", example=UNREADABLE
    )
}
IN_USE = Problem(
    409,
    "Action in use",
    "This action is installed on Sales. Uninstall it there first.",
    agents=[{"id": "agt_06fhnm2b3c4d5e6f7g8h9j0k1m", "name": "Sales"}],
)
LIST: dict[str, Any] = {
    "operation_id": "list_actions",
    "tags": ["actions"],
    "summary": "The team's custom actions",
    "description": "All of them, by name (a team has at most 200). The code is left out; ask for one to read it.",
    "responses": {200: ActionListSerializer, **problems()},
}
CREATE: dict[str, Any] = {
    "operation_id": "create_action",
    "tags": ["actions"],
    "summary": "Make an action",
    "description": "Saves version 1. A worker looks at the syntax first; nothing of the code is executed. To let an "
    "agent use it, install it there.",
    "examples": [NEW],
    "responses": {
        201: OpenApiResponse(SavedActionSerializer, "Saved; `Location` says where.", examples=[MADE]),
        **problems(_400="A field is missing, too long, or not of its type."),
        **NOT_SAVED,
    },
}
DETAIL: dict[str, Any] = {
    "operation_id": "get_action",
    "tags": ["actions"],
    "summary": "An action with its current code",
    "description": "What would run if an agent called it now.",
    "parameters": [ACTION_ID],
    "responses": {200: CustomActionSerializer, **problems(_404=NO_ACTION)},
}
CHANGE: dict[str, Any] = {
    "operation_id": "change_action",
    "tags": ["actions"],
    "summary": "Change an action",
    "description": "Only what you send changes. A change of code or parameters makes a new version, which every agent "
    "uses from its next call on; runs that have begun go on with theirs.",
    "parameters": [ACTION_ID],
    "examples": [CHANGED],
    "responses": {
        200: SavedActionSerializer,
        **problems(_400="A field is too long or not of its type.", _404=NO_ACTION),
        **NOT_SAVED,
    },
}
DELETE: dict[str, Any] = {
    "operation_id": "delete_action",
    "tags": ["actions"],
    "summary": "Delete an action",
    "description": "With its versions and its runs. What it sent stays in the delivery log. Refused while an agent "
    "has it.",
    "parameters": [ACTION_ID],
    "responses": {
        204: OpenApiResponse(description="Gone."),
        **problems(_404=NO_ACTION),
        (409, PROBLEM_TYPE): refused("It is installed; `agents` says where.", example=IN_USE),
    },
}
VERSIONS: dict[str, Any] = {
    "operation_id": "list_action_versions",
    "tags": ["actions"],
    "summary": "Versions of an action, newest first",
    "description": "A version is never changed: a run points at the one that it ran.",
    "parameters": [ACTION_ID],
    "responses": {200: VersionListSerializer, **problems(_404=NO_ACTION)},
}
VERSION: dict[str, Any] = {
    "operation_id": "get_action_version",
    "tags": ["actions"],
    "summary": "One version with its code",
    "description": "Code and parameters as they were saved.",
    "parameters": [ACTION_ID, NUMBER],
    "responses": {200: VersionSerializer, **problems(_404=NO_VERSION)},
}
RESTORE: dict[str, Any] = {
    "operation_id": "restore_action_version",
    "tags": ["actions"],
    "summary": "Go back to a version",
    "description": "Saves its code and parameters as a new version; history is never rewritten.",
    "parameters": [ACTION_ID, NUMBER],
    "responses": {200: SavedActionSerializer, **problems(_404=NO_VERSION)},
}
INSTALLED = OpenApiExample(
    "With a credential and a daily limit",
    request_only=True,
    value={
        "credential": "crd_06fhnm2b3c4d5e6f7g8h9j0k1m",
        "config": {"list": "leads"},
        "title": "Ask for an offer",
        "when_to_use": "Only after the customer agreed to be contacted.",
        "example_phrases": ["Please call me back", "I would like a demo"],
        "calls_per_day": 200,
    },
)
NOT_INSTALLED = "No such agent or action in this team, or the action is not installed there."
INSTALLS: dict[str, Any] = {
    "operation_id": "list_installed_actions",
    "tags": ["actions"],
    "summary": "The actions that are installed on an agent",
    "description": "Switched on or not, by name.",
    "parameters": [AGENT_ID],
    "responses": {200: InstallListSerializer, **problems(_404="No agent of this team has this id.")},
}
INSTALL: dict[str, Any] = {
    "operation_id": "install_action",
    "tags": ["actions"],
    "summary": "Install an action on an agent, or change how it is installed",
    "description": "The body says how it shall be: what you leave out is set to its default, and the same request "
    "twice is the same as once. From then on it is one of the agent's tools, under its name.",
    "parameters": [AGENT_ID, ACTION_ID],
    "examples": [INSTALLED],
    "responses": {
        200: OpenApiResponse(InstallSerializer, "It was installed before."),
        201: OpenApiResponse(InstallSerializer, "Installed."),
        **problems(
            _400="A field is too long or not of its type.",
            _404="No such agent, action or credential in this team.",
        ),
        (422, PROBLEM_TYPE): refused("It cannot be installed like this: one pointer per fault."),
    },
}
INSTALL_DETAIL: dict[str, Any] = {
    "operation_id": "get_installed_action",
    "tags": ["actions"],
    "summary": "How an action is installed on an agent",
    "description": "Its credential (by id), its `config`, its limits, and when the agent is told to use it.",
    "parameters": [AGENT_ID, ACTION_ID],
    "responses": {200: InstallSerializer, **problems(_404=NOT_INSTALLED)},
}
UNINSTALL: dict[str, Any] = {
    "operation_id": "uninstall_action",
    "tags": ["actions"],
    "summary": "Take an action off an agent",
    "description": "At once, in open conversations too. The action itself and what it did stay.",
    "parameters": [AGENT_ID, ACTION_ID],
    "responses": {204: OpenApiResponse(description="Off."), **problems(_404=NOT_INSTALLED)},
}
