"""Custom actions: JavaScript of a team's own, its versions, and what came of each run."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from agents.models.agent import TOOL_NAME, Agent, Tool
from agents.models.conversation import Conversation
from chatzuri.fields import PublicIdField
from chatzuri.models import Credential, Team
from webhooks.models import Event


class CustomActionQuerySet(models.QuerySet["CustomAction"]):
    def of(self, team: Team) -> "CustomActionQuerySet":
        return self.filter(team=team)


class CustomAction(models.Model):
    """The body of an async JavaScript function that a team wrote once, to be installed on any of its agents.

    What runs is a version; the action itself only says which one is current, and when a model should call it.
    """

    public_id = PublicIdField(prefix="act")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="custom_actions")
    name = models.CharField(
        max_length=64,
        validators=[TOOL_NAME],
        help_text="What a model calls it, for example send_lead: lower-case letters, digits and underscores.",
    )
    title = models.CharField(max_length=100, help_text="What people see, for example: Send the lead to our CRM.")
    description = models.TextField(
        max_length=1000,
        help_text="What it does, when the agent should use it, and when not. A model decides by this.",
    )
    current = models.OneToOneField(
        "ActionVersion", on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = CustomActionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("team", "name", name="action_names_are_unique_in_a_team")]

    def __str__(self) -> str:
        return self.title


class ActionVersion(models.Model):
    """One saved state of an action's code and parameters. Never changed: a run points at the one it ran."""

    action = models.ForeignKey(CustomAction, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    code = models.TextField()
    parameters = models.JSONField(default=list, help_text="[{name, type, description, required, enum, default}]")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.CharField(max_length=200, blank=True, help_text="Why it was changed, or which version it restores.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("action", "number", name="versions_of_an_action_are_numbered")]

    def __str__(self) -> str:
        return f"version {self.number}"


class ActionRunQuerySet(models.QuerySet["ActionRun"]):
    def of(self, team: Team) -> "ActionRunQuerySet":
        return self.filter(team=team)


class ActionRun(models.Model):
    """One execution of a custom action: what went in, what came out, and every line it wrote, with secrets masked.

    Queued by whoever wants it, claimed once by a worker, never run again. Its fetches are deliveries of its event.
    """

    class Purpose(models.TextChoices):
        CALL = "call", "An agent's call"
        TEST = "test", "A test"
        CHECK = "check", "A look at the syntax"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted"
        CANCELLED = "cancelled", "Not run"

    UNFINISHED = (State.QUEUED, State.RUNNING)

    public_id = PublicIdField(prefix="run")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="action_runs", db_index=False)
    purpose = models.CharField(max_length=5, choices=Purpose, default=Purpose.CALL)
    action = models.ForeignKey(CustomAction, on_delete=models.CASCADE, null=True, related_name="runs", db_index=False)
    version = models.ForeignKey(ActionVersion, on_delete=models.SET_NULL, null=True, related_name="+")
    draft = models.TextField(blank=True, default="", help_text="The code of a test that is not saved as a version.")
    tool = models.ForeignKey(Tool, on_delete=models.SET_NULL, null=True, related_name="runs")
    credential = models.ForeignKey(Credential, on_delete=models.SET_NULL, null=True, related_name="+")
    config = models.JSONField(default=dict)
    params = models.JSONField(default=dict)
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="action_runs")
    conversation = models.ForeignKey(Conversation, on_delete=models.SET_NULL, null=True, related_name="action_runs")
    event = models.OneToOneField(Event, on_delete=models.SET_NULL, null=True, related_name="+")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    token = models.UUIDField(null=True, editable=False)
    kind = models.CharField(max_length=20, blank=True, default="", help_text="Why it failed: thrown, timeout, …")
    error = models.CharField(max_length=2000, blank=True, default="")
    line = models.PositiveIntegerField(null=True, help_text="The line of the code at which it failed.")
    result = models.JSONField(null=True)
    console = models.JSONField(default=list, help_text="[[level, text], …]")
    milliseconds = models.FloatField(null=True)
    queued_at = models.DateTimeField(db_default=Now(), editable=False)
    began_at = models.DateTimeField(null=True, editable=False)
    deadline_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = ActionRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="running") | models.Q(token__isnull=False, deadline_at__isnull=False),
                name="a_run_that_runs_has_a_token_and_a_deadline",
            ),
        ]
        indexes = [
            models.Index("team", models.F("id").desc(), name="runs_of_a_team"),
            models.Index("action", models.F("id").desc(), name="runs_of_an_action"),
            models.Index("state", "team", "id", name="runs_to_do", condition=models.Q(state__in=["queued", "running"])),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def code(self) -> str:
        """What is, or was, executed."""
        return self.version.code if self.version else self.draft

    def finish(self, *, state: str, **facts: Any) -> bool:
        """End it under its token, or while nobody has begun it. False where somebody was faster, or deleted it."""
        mine = ActionRun.objects.filter(pk=self.pk, token=self.token, state__in=self.UNFINISHED)
        changed = mine.update(state=state, finished_at=Now(), **facts)
        self.is_gone()
        return bool(changed)

    def is_gone(self) -> bool:
        """Whether the row was deleted, with its action; otherwise this says what stands in it now."""
        try:
            self.refresh_from_db()
        except ActionRun.DoesNotExist:
            return True
        return False
