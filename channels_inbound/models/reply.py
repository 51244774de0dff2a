"""What goes back out: each part of a reply is sent to the provider once."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from agents.models import Message
from channels_inbound.models.channel import Channel
from channels_inbound.models.inbound import InboundMessage
from chatzuri.fields import PublicIdField
from webhooks.models import Delivery


class Reply(models.Model):
    """One part of an agent's message on its way to the customer.

    *Sent* is what the provider said at once; later its status requests move it forward, never back. A part whose
    worker died while it was sending is *interrupted*: the provider may have it, so nobody sends it again.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waits"
        SENDING = "sending", "Is being sent"
        SENT = "sent", "Sent"
        DELIVERED = "delivered", "Delivered"
        READ = "read", "Read"
        FAILED = "failed", "Not delivered"
        NOT_SENT = "not_sent", "Not sent"
        INTERRUPTED = "interrupted", "May have been sent"

    # A status moves a reply only from a state with a lower rank; failed, not sent and interrupted are decided apart.
    RANK: ClassVar[dict[str, int]] = {"queued": 0, "sending": 0, "interrupted": 0, "sent": 1, "delivered": 2, "read": 3}

    public_id = PublicIdField(prefix="rpl")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="replies")
    answers = models.ForeignKey(InboundMessage, on_delete=models.SET_NULL, null=True, related_name="replies")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="replies")
    address = models.CharField(max_length=255)
    part = models.PositiveSmallIntegerField(default=0)
    text = models.TextField()
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    reason = models.CharField(max_length=500, blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    delivery = models.OneToOneField(Delivery, on_delete=models.SET_NULL, null=True, related_name="reply")
    created_at = models.DateTimeField(db_default=Now())
    began_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("message", "part", name="a_part_of_a_reply_is_sent_once")]
        indexes = [
            models.Index("channel", "provider_id", name="replies_by_provider_id", condition=~models.Q(provider_id="")),
            models.Index("id", name="replies_unfinished", condition=models.Q(state__in=["queued", "sending"])),
            models.Index("channel", models.F("id").desc(), name="replies_of_a_channel"),
        ]

    def __str__(self) -> str:
        return self.public_id
