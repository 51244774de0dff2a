"""What arrives: a request as it came, and each thing in it, seen once."""

from typing import Any

from django.db import models
from django.db.models.fields.json import KT
from django.db.models.functions import Now

from agents.models import Conversation, Message
from channels_inbound.models.channel import Channel
from chatzuri.fields import PublicIdField


class InboundRequest(models.Model):
    """One authentic POST from a provider. What was refused is never here; what could not be read is in quarantine.

    `body` is the raw body, with this channel's secrets masked where the provider sends them in it; over 256 KB it lies
    in the file store under `body_file`. Of a multipart form the fields are kept as JSON and its files beside them.
    """

    class State(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        QUARANTINED = "quarantined", "In quarantine"
        SET_ASIDE = "set_aside", "Set aside"

    public_id = PublicIdField(prefix="inr")
    # Each request of a provider would pay for the index and the check of a foreign key; those below do for an index.
    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, related_name="requests", db_index=False, db_constraint=False
    )
    received_at = models.DateTimeField(db_default=Now())
    content_type = models.CharField(max_length=200, blank=True)
    query = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    body_file = models.CharField(max_length=200, blank=True)
    body_size = models.PositiveIntegerField()
    body_sha256 = models.CharField(max_length=64)
    is_form = models.BooleanField(default=False)
    secret_ref = models.CharField(max_length=40, blank=True, help_text="Which secret proved it.")
    signed_at = models.DateTimeField(null=True)
    once_key = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    repeats = models.PositiveIntegerField(default=0, help_text="How often it came again with the same content.")
    state = models.CharField(max_length=12, choices=State, default=State.ACCEPTED)
    reason = models.CharField(max_length=500, blank=True)
    found = models.PositiveIntegerField(default=0, help_text="How many things were in it.")
    was_spooled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "channel", "once_key", condition=~models.Q(once_key=""), name="a_proof_is_used_for_one_content"
            )
        ]
        indexes = [
            models.Index("channel", models.F("id").desc(), name="requests_of_a_channel"),
            models.Index("received_at", name="requests_by_age"),
            models.Index("channel", "id", name="requests_in_quarantine", condition=models.Q(state="quarantined")),
        ]

    def __str__(self) -> str:
        return self.public_id


class InboundMessage(models.Model):
    """One thing in a request: a message, a status, a payment. The database lets each in once.

    The rows in state `received` are the queue of the workers. `facts` is everything else the adapter found (see
    `adapters.base.Arrival`); `extra` is the provider's own element, unchanged.
    """

    class State(models.TextChoices):
        RECEIVED = "received", "Waits"
        DONE = "done", "Done"
        IGNORED = "ignored", "Nothing to do"
        FAILED = "failed", "Failed"

    public_id = PublicIdField(prefix="inm")
    request = models.ForeignKey(InboundRequest, on_delete=models.CASCADE, related_name="messages", db_constraint=False)
    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, related_name="inbound_messages", db_index=False, db_constraint=False
    )
    dedupe_key = models.CharField(max_length=255)
    second_key = models.CharField(max_length=255, blank=True, help_text="Another key of the same thing.")
    kind = models.CharField(max_length=20)
    event_type = models.CharField(max_length=100, blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    thread_key = models.CharField(max_length=255)
    text = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    extra = models.JSONField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    starts_agent = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    reason = models.CharField(max_length=500, blank=True, help_text="Why nothing was done, or what went wrong.")
    attempts = models.PositiveSmallIntegerField(default=0)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    message = models.OneToOneField(Message, on_delete=models.SET_NULL, null=True, related_name="inbound_message")
    worked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("channel", "dedupe_key", name="inbound_message_seen_once"),
            models.UniqueConstraint(
                "channel",
                "second_key",
                condition=~models.Q(second_key=""),
                name="inbound_message_seen_once_by_its_second_key",
            ),
        ]
        indexes = [
            models.Index(
                "channel",
                "thread_key",
                "received_at",
                name="inbound_messages_waiting",
                condition=models.Q(state="received"),
            ),
            models.Index("channel", "provider_id", name="inbound_messages_by_id", condition=~models.Q(provider_id="")),
            models.Index(
                "channel", KT("facts__payment__fact_id"), name="payments_by_fact", condition=models.Q(kind="event")
            ),
            models.Index(
                "conversation", "id", name="inbound_of_a_conversation", condition=models.Q(conversation__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class Attachment(models.Model):
    """A file that came with a message. Workers fetch it, from the provider's own hosts only."""

    class State(models.TextChoices):
        PENDING = "pending", "Waits to be fetched"
        STORED = "stored", "Stored"
        REFUSED = "refused", "Not stored"

    public_id = PublicIdField(prefix="att")
    inbound_message = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, related_name="attachments")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, null=True, related_name="attachments")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=20)
    described = models.JSONField(default=dict, help_text="What the provider said of it.")
    filename = models.CharField(max_length=200, blank=True)
    mime_type = models.CharField(max_length=100, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    file = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=500, blank=True)
    lease_until = models.DateTimeField(null=True)
    stored_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("inbound_message", "position", name="attachments_are_numbered")]
        indexes = [
            models.Index("id", name="attachments_to_fetch", condition=models.Q(state="pending")),
            models.Index("message", "position", name="attachments_of_a_message"),
        ]

    def __str__(self) -> str:
        return self.filename or self.public_id

    def facts(self) -> dict[str, Any]:
        """For the API and the transcript."""
        return {
            "id": self.public_id,
            "kind": self.kind,
            "filename": self.filename or None,
            "mime_type": self.mime_type or None,
            "size": self.size,
            "state": self.state,
        }
