"""Sending again what an endpoint missed: a range of deliveries, fixed when it is asked for."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from chatzuri.fields import PublicIdField
from chatzuri.models import Team
from webhooks.models.delivery import Delivery
from webhooks.models.endpoint import Endpoint


class ReplayQuerySet(models.QuerySet["Replay"]):
    def of(self, team: Team) -> "ReplayQuerySet":
        return self.filter(team=team)

    def running(self) -> "ReplayQuerySet":
        return self.filter(state=Replay.State.RUNNING)


class Replay(models.Model):
    """Deliveries of one endpoint, sent again once each, in the background. What is in it stands in `items`."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        FINISHED = "finished", "Finished"
        CANCELLED = "cancelled", "Cancelled"

    class Body(models.TextChoices):
        SAME = "same", "The same bytes"
        REBUILT = "rebuilt", "Rebuilt from the event"

    public_id = PublicIdField(prefix="rpl")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="replays")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="replays")
    accepted_from = models.DateTimeField()
    accepted_to = models.DateTimeField()
    outcomes = models.JSONField(default=list)
    body = models.CharField(max_length=8, choices=Body, default=Body.SAME)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    trouble = models.CharField(max_length=300, blank=True, default="")
    form_token = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    moved_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = ReplayQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(done__lte=models.F("total")), name="a_replay_sends_no_more_than_it_holds"
            ),
        ]
        indexes = [models.Index("moved_at", name="replays_running", condition=models.Q(state="running"))]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.RUNNING, self.State.PAUSED)

    def pause(self) -> bool:
        return self._move(self.State.PAUSED, only_from=[self.State.RUNNING])

    def go_on(self) -> bool:
        return self._move(self.State.RUNNING, only_from=[self.State.PAUSED])

    def cancel(self) -> bool:
        """What was sent stays sent; the rest is left alone."""
        return self._move(self.State.CANCELLED, only_from=[self.State.RUNNING, self.State.PAUSED])

    def _move(self, state: str, *, only_from: list[str]) -> bool:
        """A conditional update: a chunk in flight ends first, and nobody wakes what is finished. False: too late."""
        row = Replay.objects.filter(pk=self.pk, state__in=only_from)
        ended = Now() if state == self.State.CANCELLED else None
        return bool(row.update(state=state, trouble="", moved_at=Now(), finished_at=ended))


class ReplayItem(models.Model):
    """One delivery of a replay, and what was made of it. Written in one transaction with what it made."""

    replay = models.ForeignKey(Replay, on_delete=models.CASCADE, related_name="items")
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="replay_items")
    made = models.OneToOneField(Delivery, on_delete=models.CASCADE, null=True, related_name="made_by_replay")

    class Meta:
        constraints = [models.UniqueConstraint("replay", "delivery", name="a_replay_holds_a_delivery_once")]
        indexes = [models.Index("replay", "id", name="replay_items_to_send", condition=models.Q(made=None))]

    def __str__(self) -> str:
        return f"{self.delivery_id} in {self.replay_id}"
