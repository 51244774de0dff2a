"""The forms of an agent: what it is, and what it may do."""

import json
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Case, QuerySet, Value, When
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from agents import actions
from agents.admin.credential_use import fitting_kinds, uses_credential
from agents.admin.drafts import Unreadable, configuration
from agents.brains.offline import OfflineBrain
from agents.models import Agent, Tool
from chatzuri.credentials import mask
from chatzuri.models import Credential
from webhooks.models import Endpoint

LANGUAGE_MODEL = "Language model: any server that speaks the OpenAI format. Messages of your customers are sent to it."

LEAD_FIELDS = [("name", "Name"), ("email", "E-mail address"), ("phone", "Phone number")]


class AgentForm(forms.ModelForm):
    """The stored model key is never shown, and is only ever sent to the address it was typed for."""

    new_api_key = forms.CharField(
        label="Model API key",
        required=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_api_key = forms.BooleanField(label="Forget the stored key", required=False, widget=UnfoldBooleanWidget)
    lead_fields = forms.MultipleChoiceField(
        label="A lead is complete when these are known",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="With none of them: an e-mail address or a phone number.",
    )

    class Meta:
        model = Agent
        fields = [
            *("name", "instructions", "greeting", "brain", "llm_base_url", "llm_model", "max_steps", "is_active"),
            *("lead_fields", "qualifying_score", "escalation_phrases", "idle_minutes"),
        ]
        widgets = {"brain": UnfoldAdminRadioSelectWidget(radio_style=2)}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.llm_api_key if self.instance.pk else ""
        self.stored_for = origin(self.instance.llm_base_url) if stored else ""
        self.has_stored_key = bool(stored)
        if "brain" not in self.fields:
            return  # A page that may only be looked at has no fields.
        self.fields["idle_minutes"].required = False
        self.fields["lead_fields"].choices = lead_choices(self.instance)  # type: ignore[attr-defined]
        self.fields["brain"].choices = [  # type: ignore[attr-defined]
            (Agent.Brain.OFFLINE, OfflineBrain.describe()),
            (Agent.Brain.LANGUAGE_MODEL, LANGUAGE_MODEL),
        ]
        self.fields["new_api_key"].help_text = (
            f"Stored: {mask(stored)}. Leave it empty to keep that key."
            if stored
            else "Kept encrypted and never shown again. Leave it empty if your model needs none."
        )
        if not stored:
            self.fields["forget_api_key"].widget = forms.HiddenInput()

    def clean_idle_minutes(self) -> int:
        """Emptied: as it was."""
        minutes = self.cleaned_data["idle_minutes"]
        return int(self.instance.idle_minutes if minutes is None else minutes)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        typed, forget = cleaned.get("new_api_key", ""), cleaned.get("forget_api_key", False)
        moved = self.has_stored_key and origin(cleaned.get("llm_base_url", "")) != self.stored_for
        if moved and not typed and not forget:
            # Otherwise whoever may edit an agent could have its key sent to a server of their own.
            raise ValidationError(
                {"new_api_key": "The address changed. Type the key for it: a stored key never goes anywhere else."}
            )
        return cleaned

    def save(self, commit: bool = True) -> Agent:
        if typed := self.cleaned_data.get("new_api_key"):
            self.instance.llm_api_key = typed
        elif self.cleaned_data.get("forget_api_key"):
            self.instance.llm_api_key = ""
        agent: Agent = super().save(commit)
        return agent


def lead_choices(agent: Agent) -> list[tuple[str, str]]:
    """What we know of by name, and whatever answers of a form the API asked for."""
    others = [(name, f"the answer “{name}”") for name in agent.lead_fields or [] if name not in dict(LEAD_FIELDS)]
    return [*LEAD_FIELDS, *others]


def origin(url: str) -> str:
    parts = urlsplit(url.strip())
    return f"{parts.scheme}://{parts.netloc}".lower()


# What every kind of tool has.
LIMITS = ["calls_per_conversation", "calls_per_day", "needs_approval"]
USE = ["when_to_use", "example_phrases", "repeats", "repeat_minutes", *LIMITS]
LABELS = {
    "repeats": "When the same is asked for again",
    "repeat_minutes": "Minutes",
    "calls_per_conversation": "At most in one conversation",
    "calls_per_day": "At most in 24 hours",
    "needs_approval": "Ask a person first",
}
HELP_TEXTS = {"repeat_minutes": "For “not the same again within some minutes”."}
WIDGETS: dict[str, Any] = {
    "is_active": UnfoldBooleanSwitchWidget,
    "needs_approval": UnfoldBooleanSwitchWidget,
    "when_to_use": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    "example_phrases": UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    "repeats": UnfoldAdminSelectWidget,
    "repeat_minutes": UnfoldAdminIntegerFieldWidget(attrs={"min": 1, "max": 1440}),
    "calls_per_conversation": UnfoldAdminIntegerFieldWidget(attrs={"min": 1, "placeholder": "No limit"}),
    "calls_per_day": UnfoldAdminIntegerFieldWidget(attrs={"min": 1, "placeholder": "No limit"}),
}


class ToolForm(forms.ModelForm):
    """A tool's row: one switch, and where it sends to: an endpoint of the team, or an address that becomes one."""

    new_url = forms.CharField(
        label="or a new URL",
        required=False,
        max_length=2048,
        help_text="Typing an address here makes an endpoint of it, with a signing secret of its own.",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "https://", "inputmode": "url"}),
    )

    class Meta:
        model = Tool
        fields = ["is_active", "endpoint", "title", *USE]
        labels, help_texts = LABELS, HELP_TEXTS
        widgets = {"endpoint": UnfoldAdminSelectWidget, "title": UnfoldAdminTextInputWidget, **WIDGETS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        endpoints = Endpoint.objects.of(self.instance.agent.team).order_by("name")
        self.fields["endpoint"].queryset = endpoints  # type: ignore[attr-defined]
        self.fields["endpoint"].empty_label = "No endpoint chosen"  # type: ignore[attr-defined]
        self.made: Endpoint | None = None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if url := cleaned.get("new_url"):
            cleaned["endpoint"] = self._endpoint_for(url)
        elif cleaned.get("is_active") and not cleaned.get("endpoint") and "endpoint" not in self.errors:
            self.add_error("endpoint", "Choose an endpoint or type a URL before you switch it on.")
        return cleaned

    def _endpoint_for(self, url: str) -> Endpoint | None:
        """The team's endpoint with this very address, else a new one, judged by the guard that judges all of them."""
        team = self.instance.agent.team
        endpoint = Endpoint(team=team, name=free_name(self.instance.agent), url=url)
        try:
            endpoint.full_clean()
        except ValidationError as refusal:
            for sentence in refusal.messages:
                self.add_error("new_url", sentence)
            return None
        same = Endpoint.objects.of(team).filter(url=endpoint.url, credential=None).order_by("pk").first()
        if same is None:
            self.made = endpoint
        return same or endpoint

    def _get_validation_exclusions(self) -> set[str]:
        # An endpoint that is still to be made, or was refused, has no key, which the constraint would take for "none".
        pending = {"endpoint", "is_active"} if self.made or "new_url" in self.errors else set()
        return super()._get_validation_exclusions() | pending  # type: ignore[misc]

    def save(self, commit: bool = True) -> Tool:
        """Call inside a transaction: the endpoint and the tool are made together or not at all."""
        if self.made is not None:
            self.made.save()
            self.instance.endpoint = self.made
        tool: Tool = super().save(commit)
        return tool


class InstallForm(forms.ModelForm):
    """A custom action on one agent: switch, credential, fixed values, and how it may be used.

    The action's own name, parameters and code are edited on its page, for every agent at once. Its title there is what
    customers read here, until this agent has one of its own.
    """

    config = forms.CharField(
        label="Configuration",
        required=False,
        help_text="A JSON object of fixed values for this agent, which the code reads as config. Not for secrets.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"}),
    )

    class Meta:
        model = Tool
        fields = ["is_active", "title", "credential", *USE]
        labels = {**LABELS, "title": "Title"}
        help_texts = {**HELP_TEXTS, "credential": "What the code reads as credentials. Without one that is null."}
        widgets = {"title": UnfoldAdminTextInputWidget, "credential": UnfoldAdminSelectWidget, **WIDGETS}

    def __init__(self, data: Any = None, *, instance: Tool, credentials: QuerySet[Credential]) -> None:
        config = json.dumps(instance.config, indent=2, ensure_ascii=False) if instance.config else ""
        # Several of these are on one page, so each has ids of its own.
        super().__init__(data, instance=instance, initial={"config": config}, auto_id=f"id_{instance.pk}_%s")
        self.fields["credential"].queryset = _fitting_first(credentials, instance)  # type: ignore[attr-defined]
        self.fields["credential"].empty_label = "None"  # type: ignore[attr-defined]
        self.fields["title"].required = False
        self.fields[
            "title"
        ].help_text = (
            "What customers see, for example: Ask for a call back. Leave it empty for the title of the action."
        )
        self.fitting_kind = next(iter(_kinds_for(instance)), "")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        missing = not cleaned.get("credential") and "credential" not in self.errors
        action = self.instance.action
        if cleaned.get("is_active") and missing and action and uses_credential(action):
            self.add_error("credential", "The code reads credentials. Choose one before you switch it on.")
        return cleaned

    def clean_title(self) -> str:
        """Emptied: the action's, which it then follows again."""
        own: str = self.cleaned_data["title"].strip()
        return own or (self.instance.action.title if self.instance.action else "")

    def clean_config(self) -> dict[str, Any]:
        try:
            return configuration(self.cleaned_data["config"])
        except Unreadable as error:
            raise ValidationError(str(error)) from None

    def install(self) -> Tool | None:
        """Save it. None where it could not be: then the reasons are beside the fields."""
        tool, values = self.instance, self.cleaned_data
        try:
            return actions.install(
                agent=tool.agent,
                action=tool.action,
                credential=values["credential"],
                config=values["config"],
                is_active=values["is_active"],
                **{name: values[name] for name in ("title", *USE)},
            )
        except actions.ActionRefused as refused:
            for fault in refused.faults:
                field = fault.pointer.strip("/")
                self.add_error(field if field in self.fields else None, fault.detail)
            return None


def _kinds_for(tool: Tool) -> list[str]:
    return fitting_kinds(tool.action) if tool.action else []


def _fitting_first(credentials: QuerySet[Credential], tool: Tool) -> QuerySet[Credential]:
    """Those that have what the code reads, then the others, each by name."""
    fits = Case(When(kind__in=_kinds_for(tool), then=Value(0)), default=Value(1))
    return credentials.order_by(fits, "name")


def free_name(agent: Agent) -> str:
    """The agent's name, with a number if the team has an endpoint of that name."""
    taken = set(Endpoint.objects.of(agent.team).values_list("name", flat=True))
    base = agent.name[:90]
    names = (base if number == 1 else f"{base} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
