"""What a team sets up: an agent, its brain, and the tools it may use."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from agents import parameters
from chatzuri.fields import EncryptedTextField, PublicIdField
from chatzuri.models import Credential, Team
from webhooks import addresses
from webhooks.models import Endpoint

TOOL_NAME = RegexValidator(
    r"^[a-z][a-z0-9_]{0,63}$",
    "Use lower-case letters, digits and underscores, starting with a letter, at most 64 characters.",
)

WEBHOOK_SCHEMA = {
    "type": "object",
    "properties": {
        "payload": {"type": "object", "description": "The JSON object to send, exactly as it shall arrive."},
        "event": {
            "type": "string",
            "maxLength": 100,
            "description": "A short name for what happened, for example lead.captured.",
        },
    },
    "required": ["payload"],
    "additionalProperties": False,
}

ESCALATION_SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 500, "description": "Why a person is needed, in one sentence."},
        "summary": {
            "type": "string",
            "maxLength": 4000,
            "description": "What the person should know: what was asked, what was tried, what you would do next.",
        },
    },
    "required": ["reason"],
    "additionalProperties": False,
}


class Agent(models.Model):
    """A chat agent: what it is told, which brain it thinks with, and (through Tool) what it may do."""

    class Brain(models.TextChoices):
        OFFLINE = "offline", "Offline matcher"
        LANGUAGE_MODEL = "llm", "Language model"

    public_id = PublicIdField(prefix="agt")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="agents")
    name = models.CharField(max_length=100)
    instructions = models.TextField(
        blank=True, help_text="Who the agent is and how it should answer. Only a language model reads this."
    )
    greeting = models.CharField(max_length=300, blank=True, default="Hello! How can I help?")
    brain = models.CharField(max_length=10, choices=Brain, default=Brain.OFFLINE)
    llm_base_url = models.CharField(
        "model address",
        max_length=2048,
        blank=True,
        help_text="An OpenAI-compatible address, for example https://api.openai.com/v1.",
    )
    llm_model = models.CharField("model name", max_length=100, blank=True, help_text="For example gpt-4.1-mini.")
    llm_api_key = EncryptedTextField("model API key", blank=True, default="", editable=False)
    max_steps = models.PositiveSmallIntegerField(
        default=6,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="How often the brain may be asked in one turn.",
    )
    lead_fields = models.JSONField(
        "required lead fields",
        default=list,
        db_default=[],
        blank=True,
        help_text="What makes a lead complete, for example name and email. Empty: an e-mail address or a phone number.",
    )
    qualifying_score = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text="A lead with at least this score is qualified. Leave empty to qualify leads by hand or by API.",
    )
    escalation_phrases = models.TextField(
        blank=True,
        default="",
        db_default="",
        max_length=4000,
        help_text="One phrase a line that means: I want to talk to a person. Some are known without this.",
    )
    idle_minutes = models.PositiveIntegerField(
        "end after so many silent minutes",
        default=1440,
        db_default=1440,
        validators=[MinValueValidator(5), MaxValueValidator(43_200)],
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.brain != self.Brain.LANGUAGE_MODEL:
            return
        if not self.llm_base_url or not self.llm_model:
            raise ValidationError({"llm_base_url": "A language model needs an address and a model name."})
        try:
            addresses.parse_language_model(self.llm_base_url)
        except addresses.Blocked as refusal:
            raise ValidationError({"llm_base_url": refusal.sentence}) from None


class ToolQuerySet(models.QuerySet["Tool"]):
    def on(self) -> "ToolQuerySet":
        """Switched on, with what a brain reads about each."""
        return self.filter(is_active=True).select_related("action__current")


class Tool(models.Model):
    """Something an agent may do: a built-in, or a custom action that is installed on it.

    For `webhook_trigger` the model writes the JSON, never the address or the headers; for a custom action it fills in
    the parameters, and code, credential and `config` are the team's.
    """

    class Kind(models.TextChoices):
        WEBHOOK_TRIGGER = "webhook_trigger", "Trigger a webhook"
        CUSTOM_ACTION = "custom_action", "Custom action"
        ESCALATE = "escalate_to_human", "Hand over to a person"

    class Repeats(models.TextChoices):
        WINDOW = "window", "Not the same again within some minutes"
        ONCE = "once", "The same only once per conversation"
        ALLOW = "allow", "Allow repeats"

    public_id = PublicIdField(prefix="tool")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="tools")
    kind = models.CharField(max_length=40, choices=Kind, default=Kind.WEBHOOK_TRIGGER)
    name = models.CharField(max_length=64, default="webhook_trigger", validators=[TOOL_NAME])
    title = models.CharField(
        max_length=100, default="Notify the team", help_text="What customers see, for example: Ask for a call back."
    )
    is_active = models.BooleanField("switched on", default=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, null=True, blank=True, related_name="tools")
    action = models.ForeignKey(
        "CustomAction", on_delete=models.PROTECT, null=True, blank=True, related_name="installs", editable=False
    )
    credential = models.ForeignKey(
        Credential,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tools",
        help_text="What the code reads as `credentials`. Without one it is null.",
    )
    config = models.JSONField(
        default=dict,
        blank=True,
        help_text="Fixed values for this agent, which the code reads as `config`. Not for secrets.",
    )
    needs_approval = models.BooleanField(
        default=False,
        help_text="A person of the team looks at each call, and it runs only when they approve it.",
    )
    calls_per_conversation = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How often it may be used in one conversation. Leave empty for no limit.",
    )
    calls_per_day = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="How often this agent may use it within 24 hours. Leave empty for no limit.",
    )
    when_to_use = models.TextField(
        blank=True,
        max_length=1000,
        help_text="When the agent should use this tool, and when not. A language model reads this.",
    )
    example_phrases = models.TextField(
        blank=True,
        max_length=4000,
        help_text="One message a line that should lead to this tool. The offline matcher compares with these.",
    )
    repeats = models.CharField(max_length=10, choices=Repeats, default=Repeats.WINDOW)
    repeat_minutes = models.PositiveIntegerField(default=10, validators=[MaxValueValidator(1440)])
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ToolQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("agent", "name", name="tool_names_are_unique_on_an_agent"),
            models.CheckConstraint(
                condition=models.Q(is_active=False)
                | models.Q(endpoint__isnull=False)
                | models.Q(action__isnull=False)
                | models.Q(kind="escalate_to_human"),
                name="a_tool_that_is_switched_on_has_something_to_do",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="custom_action") & models.Q(action__isnull=False)
                | ~models.Q(kind="custom_action") & models.Q(action__isnull=True),
                name="a_custom_action_tool_has_an_action_and_no_other_does",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def phrases(self) -> list[str]:
        return [line.strip() for line in self.example_phrases.splitlines() if line.strip()]

    def schema(self) -> dict[str, Any]:
        """What the brain may fill in. The destination is not among it: a prompt must not choose where data goes.

        For a custom action load `action__current` with the tool.
        """
        if self.kind == self.Kind.CUSTOM_ACTION:
            return parameters.schema(self.declared())
        return ESCALATION_SCHEMA if self.kind == self.Kind.ESCALATE else WEBHOOK_SCHEMA

    def declared(self) -> list[dict[str, Any]]:
        """The parameters of the action that is installed here, as they are now."""
        current = self.action.current if self.action else None
        return current.parameters if current else []

    def description(self) -> str:
        if self.action is not None:
            return f"{self.title}. {self.action.description} {self.when_to_use}".strip()[:1000]
        head = "Sends one HTTP POST with your JSON to the system this business connected. It is sent at most once."
        if self.kind == self.Kind.ESCALATE:
            head = "Asks a person of the team to take over this conversation."
        return f"{self.title}. {head} {self.when_to_use}".strip()[:1000]
