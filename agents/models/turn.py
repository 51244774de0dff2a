"""A turn, the steps it took, and the ledger of what it decided to do."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from agents.models.action import ActionRun
from agents.models.agent import Agent, Tool
from agents.models.conversation import Conversation, Message
from chatzuri.fields import PublicIdField
from webhooks.models import Delivery


class TurnQuerySet(models.QuerySet["Turn"]):
    def forgotten(self, *, older_than: timedelta) -> "TurnQuerySet":
        """Waiting although their wake-up is long gone, or left behind by a worker that died."""
        waiting = models.Q(state=Turn.State.QUEUED, queued_at__lt=Now() - older_than)
        abandoned = models.Q(state=Turn.State.RUNNING, lease_until__lt=Now())
        return self.filter(waiting | abandoned)


class Turn(models.Model):
    """One customer message on its way to a reply. A worker leases it; a dead worker's lease runs out."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    public_id = PublicIdField(prefix="turn")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="turn")
    reply = models.OneToOneField(Message, on_delete=models.SET_NULL, null=True, related_name="answered_turn")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    is_streamed = models.BooleanField(default=False)
    caused_by = models.CharField(max_length=60, blank=True, default="", db_default="", editable=False)
    hops = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    # The task that whoever took the message in wants woken at the end, with this turn's id.
    then = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    lease = models.UUIDField(null=True, editable=False)
    leases = models.PositiveSmallIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    ending = models.CharField(max_length=40, blank=True, help_text="done, cut short, held, out of steps or an error.")
    queued_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = TurnQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index("state", "queued_at", name="turns_by_state"),
            models.Index("then", "finished_at", name="turns_with_a_sequel", condition=~models.Q(then="")),
        ]

    def __str__(self) -> str:
        return self.public_id


class Step(models.Model):
    """One entry of a turn's history: an answer of the brain, or the results of the tools it asked for.

    Written before anything fires, so that a turn that is picked up again goes on where it stood.
    """

    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="steps")
    ordinal = models.PositiveSmallIntegerField()
    entry = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("turn", "ordinal", name="steps_of_a_turn_are_numbered")]

    def __str__(self) -> str:
        return f"step {self.ordinal}"


class ToolCall(models.Model):
    """One use of a tool, with arguments and outcome. `key` is unique: the same step never becomes two calls."""

    class Status(models.TextChoices):
        RUNNING = "running", "Running"
        HELD = "held", "Waits for approval"
        FIRED = "fired", "Fired"
        REPEATED = "repeated", "Asked again, sent once"
        FAILED = "failed", "Failed"
        REFUSED = "refused", "Refused"

    public_id = PublicIdField(prefix="call")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="tool_calls")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, null=True, related_name="tool_calls")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, null=True, related_name="tool_calls")
    tool = models.ForeignKey(Tool, on_delete=models.SET_NULL, null=True, related_name="calls")
    tool_name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, unique=True, editable=False)
    arguments = models.JSONField()
    reason = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    result = models.JSONField(null=True)
    delivery = models.OneToOneField(Delivery, on_delete=models.SET_NULL, null=True, related_name="tool_call")
    run = models.OneToOneField(ActionRun, on_delete=models.SET_NULL, null=True, related_name="tool_call")
    judged_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    judged_at = models.DateTimeField(null=True, help_text="When a person approved or refused it.")
    duplicate_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="repeats")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("conversation", "id", name="tool_calls_of_a_conversation"),
            models.Index("agent", "id", name="tool_calls_to_judge", condition=models.Q(status="held")),
            models.Index("tool", "created_at", name="tool_calls_of_a_tool"),
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.public_id}"

    def finish(self, *, status: str, result: dict[str, Any]) -> bool:
        """End it, once. False where somebody else was faster: then this row says what they wrote."""
        unfinished = ToolCall.objects.filter(pk=self.pk, finished_at=None)
        links = {"delivery": self.delivery, "run": self.run}
        ended = unfinished.update(status=status, result=result, finished_at=Now(), **links)
        self.refresh_from_db(fields=["status", "result", "finished_at"])
        return bool(ended)


class Intent(models.Model):
    """The last call with these very arguments in this scope: what makes *asked twice* come out as *sent once*."""

    scope = models.CharField(max_length=40, help_text="The conversation's public id, or the agent's without one.")
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="intents")
    digest = models.CharField(max_length=64)
    call = models.ForeignKey(ToolCall, on_delete=models.CASCADE, related_name="+", null=True)
    fired_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("scope", "tool", "digest", name="one_intent_per_scope_tool_and_digest")]

    def __str__(self) -> str:
        return f"{self.scope} {self.digest[:8]}"


class ToldFailure(models.Model):
    """A delivery that failed was told of as an event. `mark` says by which of two sweepers, if both came at once."""

    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, primary_key=True, related_name="told_failure")
    mark = models.UUIDField(default=uuid.uuid4, editable=False)
    told_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.delivery_id)
