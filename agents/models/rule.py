"""Trigger rules: when this event type and these facts, then that endpoint; what each judged, and what it fired."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from agents.models.agent import Agent
from chatzuri.fields import PublicIdField
from chatzuri.models import Team
from webhooks.models import Delivery, Endpoint, Event


class TriggerRuleQuerySet(models.QuerySet["TriggerRule"]):
    def judging(self) -> "TriggerRuleQuerySet":
        """Live or watching: these judge the events they are for."""
        return self.exclude(state=TriggerRule.State.OFF)


class TriggerRule(models.Model):
    """One delivery when it becomes true. New rules are *watching*: they judge and record, and send nothing."""

    class State(models.TextChoices):
        LIVE = "live", "Live"
        WATCHING = "watching", "Watching: judges, sends nothing"
        OFF = "off", "Off"

    class Fires(models.TextChoices):
        BECOMES_TRUE = "becomes_true", "When it becomes true"
        FIRST = "first", "Only the first time"
        EVERY = "every", "Every time"

    class Scope(models.TextChoices):
        CONVERSATION = "conversation", "For each conversation"
        CUSTOMER = "customer", "For each customer"
        AGENT = "agent", "For the agent as a whole"

    public_id = PublicIdField(prefix="rul")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="trigger_rules")
    name = models.CharField(max_length=100)
    event_type = models.CharField(max_length=100)
    condition = models.JSONField(default=dict, blank=True, help_text="Rows in all/any groups; empty matches always.")
    predicate = models.TextField(
        blank=True,
        default="",
        help_text="JavaScript for what rows cannot say, for example return event.data.score > 70;",
    )
    fires = models.CharField(max_length=12, choices=Fires, default=Fires.BECOMES_TRUE)
    scope = models.CharField(max_length=12, choices=Scope, default=Scope.CONVERSATION)
    cooldown_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(525_600)],
        help_text="Not again for the same one within so many minutes. Leave empty for no pause.",
    )
    most_a_day = models.PositiveIntegerField(
        "at most a day",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="How often this rule may fire from midnight to midnight (UTC). Leave empty for no limit.",
    )
    state = models.CharField(max_length=8, choices=State, default=State.WATCHING)
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, null=True, blank=True, related_name="trigger_rules"
    )
    payload = models.JSONField(
        null=True, blank=True, help_text="A JSON tree with {{ paths }}. Empty: the event itself."
    )
    leaves_out_missing = models.BooleanField(
        default=False, help_text="Leave a key out where its value is missing, instead of sending null."
    )
    position = models.PositiveIntegerField(default=0, help_text="Where it stands in the list. Order hides no match.")
    fault = models.CharField(max_length=300, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = TriggerRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("agent", "name", name="rule_names_are_unique_on_an_agent"),
            models.CheckConstraint(
                condition=~models.Q(state="live") | models.Q(endpoint__isnull=False), name="a_live_rule_has_an_endpoint"
            ),
        ]
        indexes = [models.Index("agent", "event_type", name="rules_for_an_event")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.endpoint and self.endpoint.team_id != self.agent.team_id:
            raise ValidationError({"endpoint": "Choose an endpoint of this team."})
        if self.state == self.State.LIVE and self.endpoint is None:
            raise ValidationError({"endpoint": "Choose an endpoint before the rule goes live."})


class RuleState(models.Model):
    """What a rule remembers about one conversation, customer or agent. Locked while an event about it is judged."""

    rule = models.ForeignKey(TriggerRule, on_delete=models.CASCADE, related_name="states")
    subject = models.CharField(max_length=40, help_text="Public id of what the rule's scope says.")
    was_true = models.BooleanField(default=False)
    transitions = models.PositiveIntegerField(default=0)
    last_event = models.BigIntegerField(default=0, help_text="Key of the latest event judged.")
    first_fired_at = models.DateTimeField(null=True)
    last_fired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("rule", "subject", name="one_state_per_rule_and_subject")]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject}"


class Evaluation(models.Model):
    """One rule's judgement of one event, with a reason for each row: the answer to *why did it not fire?*"""

    class Outcome(models.TextChoices):
        FIRED = "fired", "Fired"
        WATCHED = "watched", "Would have fired"
        NO_MATCH = "no_match", "Did not match"
        STILL_TRUE = "still_true", "Was true before"
        NOT_FIRST = "not_first", "Fired before"
        COOLING = "cooling", "Within the pause"
        CAPPED = "capped", "Daily limit reached"
        LOOP = "loop", "Caused by a rule itself"
        FAULTY = "faulty", "The rule is faulty"

    rule = models.ForeignKey(TriggerRule, on_delete=models.CASCADE, related_name="evaluations", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=40)
    matched = models.BooleanField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    explanation = models.JSONField(
        default=list, help_text="One entry a row: what was asked, what was found, whether it held."
    )
    judged_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("rule", "event", name="a_rule_judges_an_event_once")]
        indexes = [models.Index("rule", models.F("id").desc(), name="evaluations_of_a_rule")]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.get_outcome_display()}"


class Firing(models.Model):
    """A rule fired for an event: once per event, and once per transition of what it is about."""

    rule = models.ForeignKey(TriggerRule, on_delete=models.CASCADE, related_name="firings")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=40)
    transition = models.PositiveIntegerField()
    was_live = models.BooleanField(help_text="False: the rule was watching, and nothing was sent.")
    delivery = models.OneToOneField(Delivery, on_delete=models.SET_NULL, null=True, related_name="firing")
    fired_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint("rule", "event", name="a_rule_fires_once_per_event"),
            models.UniqueConstraint("rule", "subject", "transition", name="a_rule_fires_once_per_transition"),
        ]
        indexes = [models.Index("rule", "fired_at", name="firings_of_a_rule")]

    def __str__(self) -> str:
        return f"{self.rule_id} fired"


class PendingEvent(models.Model):
    """An event that rules have not judged yet. Written with the event, deleted with the judgement."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, primary_key=True, related_name="+")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+", db_index=False)
    waiting_since = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return str(self.event_id)


class Rehearsal(models.Model):
    """A rule as it stands in the editor, judged over the past, with nothing sent."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    public_id = PublicIdField(prefix="reh")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="rehearsals")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="rehearsals")
    rule = models.ForeignKey(TriggerRule, on_delete=models.CASCADE, null=True, related_name="rehearsals")
    draft = models.JSONField(help_text="What the rule would be: event_type, condition, predicate, fires, scope …")
    days = models.PositiveSmallIntegerField(default=30, validators=[MinValueValidator(1), MaxValueValidator(365)])
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="{new: n, gone: n, same: n, matched: n}")
    found = models.JSONField(
        default=list, help_text="The firings that differ, and some that do not, each with reasons."
    )
    trouble = models.CharField(max_length=300, blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index("moved_at", name="rehearsals_running", condition=models.Q(state="running"))]

    def __str__(self) -> str:
        return self.public_id

    def advance(self, **facts: Any) -> bool:
        """Move on while it is still running. False where a person cancelled it meanwhile."""
        row = Rehearsal.objects.filter(pk=self.pk, state=self.State.RUNNING)
        moved = bool(row.update(moved_at=Now(), **facts))
        self.refresh_from_db()
        return moved
