"""What leaves: an event, owed to an endpoint as a delivery, tried once as an attempt."""

import uuid
from datetime import UTC, timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from chatzuri.fields import PublicIdField
from chatzuri.models import Team
from webhooks.models.endpoint import Endpoint


class Event(models.Model):
    """A fact: type, data, when. Immutable. Whoever it is about stands as a public id, in plain text.

    `is_owed`: accepted together with its first delivery. A fact of the chat owes nothing until a rule says so.
    `depth`: how many rules led to it, one after the other.
    """

    public_id = PublicIdField(prefix="evt")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="events", db_index=False)
    type = models.CharField(max_length=100)
    data = models.JSONField()
    agent_ref = models.CharField(max_length=40, blank=True)
    conversation_ref = models.CharField(max_length=40, blank=True)
    customer_ref = models.CharField(max_length=40, blank=True, default="", db_default="")
    version = models.PositiveSmallIntegerField(default=1, db_default=1)
    caused_by = models.CharField(max_length=60, blank=True, default="", db_default="")
    depth = models.PositiveSmallIntegerField(default=0, db_default=0)
    is_test = models.BooleanField(default=False, db_default=False)
    is_owed = models.BooleanField(default=True, db_default=True)
    occurred_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index("team", models.F("id").desc(), name="events_of_a_team"),
            models.Index("agent_ref", "type", "id", name="facts_of_an_agent", condition=models.Q(is_owed=False)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"

    def envelope(self) -> dict[str, Any]:
        """The documented body of an event delivery; `id` is the receiver's dedupe key, equal over resends."""
        return {
            "id": self.public_id,
            "event": self.type,
            "timestamp": self.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "agent_id": self.agent_ref or None,
            "data": self.data,
        }


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def of(self, team: Team) -> "DeliveryQuerySet":
        return self.filter(team=team)

    def waiting(self) -> "DeliveryQuerySet":
        return self.filter(state=Delivery.State.QUEUED)

    def forgotten(self, *, older_than: timedelta) -> "DeliveryQuerySet":
        """Queued, and nobody came for them: their wake-up was lost."""
        return self.waiting().filter(queued_at__lt=Now() - older_than)

    def overdue(self, *, margin: timedelta) -> "DeliveryQuerySet":
        """Claimed by a process that has not recorded an outcome although its deadline passed."""
        return self.filter(state=Delivery.State.SENDING, deadline_at__lt=Now() - margin)

    def failed_lately(self) -> "DeliveryQuerySet":
        """Ended within the last hour in anything but *delivered*, by an attempt of ours."""
        return self.filter(state__in=Delivery.UNDELIVERED, finished_at__gt=Now() - timedelta(hours=1))

    def held(self) -> "DeliveryQuerySet":
        return self.filter(state=Delivery.State.HELD)

    def release(self) -> int:
        """Send what was held: back to the queue. Returns how many."""
        return self.held().update(state=Delivery.State.QUEUED, queued_at=Now())

    def discard(self) -> int:
        """Cancel what was held; it stays in the log as never sent. Returns how many."""
        return self.held().update(state=Delivery.State.CANCELLED, finished_at=Now())


class Delivery(models.Model):
    """One event owed to one endpoint: the bytes, the address and the fate. At most one attempt, ever.

    A `fetch` of a custom action is one too: it has an address of its own and no endpoint, it begins in *sending*, and
    what is kept of it (address, headers, body) has the secrets masked, so it cannot be sent again.
    """

    class State(models.TextChoices):
        HELD = "held", "Held"
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        DELIVERED = "delivered", "Delivered"
        REJECTED = "rejected", "Rejected"
        NOT_SENT = "not_sent", "Not sent"
        BLOCKED = "blocked", "Blocked"
        NO_ANSWER = "no_answer", "No answer"
        INTERRUPTED = "interrupted", "Interrupted"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired"

    UNFINISHED = (State.HELD, State.QUEUED, State.SENDING)
    UNDELIVERED = (State.REJECTED, State.NOT_SENT, State.BLOCKED, State.NO_ANSWER, State.INTERRUPTED)
    SEEN = {State.DELIVERED: "yes", State.REJECTED: "yes", State.NO_ANSWER: "maybe", State.INTERRUPTED: "maybe"}

    public_id = PublicIdField(prefix="dlv")
    # The indexes below begin with team and endpoint; each index more is paid twice by every delivery.
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, null=True, related_name="deliveries", db_index=False
    )
    method = models.CharField(max_length=7, default="POST", db_default="POST", editable=False)
    url = models.CharField(max_length=2048, editable=False)
    headers = models.JSONField(default=dict, editable=False)
    body = models.BinaryField()
    caused_by = models.CharField(max_length=60, blank=True)
    order_key = models.CharField(max_length=40, blank=True, default="", db_default="", editable=False)
    replay_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="replays", db_index=False)
    form_token = models.UUIDField(null=True, editable=False)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    token = models.UUIDField(null=True, editable=False)
    accepted_at = models.DateTimeField(db_default=Now(), editable=False)
    queued_at = models.DateTimeField(db_default=Now(), editable=False)
    deadline_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="sending") | models.Q(token__isnull=False, deadline_at__isnull=False),
                name="a_delivery_being_sent_has_a_token_and_a_deadline",
            ),
            models.UniqueConstraint(
                "form_token", condition=models.Q(form_token__isnull=False), name="a_button_makes_one_delivery"
            ),
        ]
        indexes = [
            models.Index("team", models.F("id").desc(), name="deliveries_of_a_team"),
            models.Index("endpoint", models.F("id").desc(), name="deliveries_of_an_endpoint"),
            models.Index("replay_of", name="deliveries_sent_again", condition=models.Q(replay_of__isnull=False)),
            models.Index("endpoint", "id", name="deliveries_to_claim", condition=models.Q(state="queued")),
            models.Index(
                "endpoint",
                "order_key",
                "id",
                name="deliveries_in_order",
                condition=models.Q(state__in=["queued", "sending", "held"]) & ~models.Q(order_key=""),
            ),
            models.Index("deadline_at", name="deliveries_being_sent", condition=models.Q(state="sending")),
            models.Index(
                "finished_at",
                name="deliveries_that_failed",
                condition=models.Q(state__in=["rejected", "not_sent", "blocked", "no_answer", "interrupted"]),
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def seen_by_receiver(self) -> str:
        """`yes`, `maybe` or `no`; empty while the outcome is open."""
        return self.SEEN.get(self.State(self.state), "no") if self.is_finished else ""


class Attempt(models.Model):
    """The one try at a delivery, and what came back. The row stands on disk before the socket opens."""

    # Inserted by the very statement that claims the delivery's row: a check of the key would only cost.
    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="attempt", db_constraint=False)
    token = models.UUIDField(default=uuid.uuid4, editable=False)
    began_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    outcome = models.CharField(max_length=12, choices=Delivery.State, blank=True, db_default="")
    code = models.CharField(max_length=40, blank=True, db_default="")
    detail = models.CharField(max_length=500, blank=True, db_default="")
    status_code = models.PositiveSmallIntegerField(null=True)
    address = models.CharField(max_length=45, blank=True, db_default="")
    request_headers = models.JSONField(default=dict, db_default={})
    response_headers = models.JSONField(default=list, db_default=[])
    response_body = models.BinaryField(default=b"", db_default=b"")
    response_cut = models.BooleanField(default=False, db_default=False)
    timings = models.JSONField(default=dict, db_default={})

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome="", finished_at=None)
                | (~models.Q(outcome="") & models.Q(finished_at__isnull=False)),
                name="an_attempt_has_an_outcome_when_it_is_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt at {self.delivery_id}"
