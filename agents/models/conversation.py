"""What a chat leaves behind: who spoke, and what was said."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from agents.models.agent import Agent
from chatzuri.fields import PublicIdField
from chatzuri.models import Team


class Customer(models.Model):
    """A person who talks to agents of one team.

    Recognised by the id their application gives them, then by phone, then by e-mail address, then by the session of
    their browser. Two that turn out to be one are merged: the other row stays and points at the one that is kept.
    """

    public_id = PublicIdField(prefix="cus")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="customers")
    external_id = models.CharField(max_length=200, blank=True, help_text="The id your own application uses.")
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=20, blank=True)
    session_id = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    country = models.CharField(
        max_length=2, blank=True, default="", db_default="", help_text="ISO code, for example KE."
    )
    plan = models.CharField(max_length=100, blank=True, default="", db_default="")
    attributes = models.JSONField(default=dict, db_default={}, blank=True, help_text="Whatever else you know of them.")
    merged_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="merged", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "team", "external_id", condition=~models.Q(external_id=""), name="one_customer_per_external_id"
            )
        ]
        indexes = [
            models.Index("team", "phone", name="customers_by_phone", condition=~models.Q(phone="")),
            models.Index("team", "email", name="customers_by_email", condition=~models.Q(email="")),
            models.Index("team", "session_id", name="customers_by_session", condition=~models.Q(session_id="")),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.phone or self.external_id or self.public_id


class Conversation(models.Model):
    """The thread between one agent and one customer on one channel."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ENDED = "ended", "Ended"

    public_id = PublicIdField(prefix="cnv")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="conversations")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="conversations")
    channel = models.CharField(max_length=40, default="api")
    # Where a channel has several threads of one person (mail, topics) or one of several people (groups): which one.
    thread = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    started_at = models.DateTimeField(auto_now_add=True)
    last_message_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, editable=False)
    ended_by = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="operator, idle or api."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "agent",
                "customer",
                "channel",
                condition=models.Q(state="open", thread=""),
                name="one_open_conversation_a_thread",
            ),
            models.UniqueConstraint(
                "agent",
                "channel",
                "thread",
                condition=models.Q(state="open") & ~models.Q(thread=""),
                name="one_open_conversation_a_named_thread",
            ),
        ]
        indexes = [
            models.Index("agent", models.F("last_message_at").desc(), name="conversations_of_an_agent"),
            models.Index("last_message_at", name="conversations_open", condition=models.Q(state="open")),
        ]

    def __str__(self) -> str:
        return self.public_id

    def say(self, *, role: str, text: str, **extras: Any) -> "Message":
        """Add a line, and remember that the thread moved."""
        message = self.messages.create(role=role, text=text, **extras)
        Conversation.objects.filter(pk=self.pk).update(last_message_at=Now())
        return message


class Message(models.Model):
    class Role(models.TextChoices):
        CUSTOMER = "customer", "Customer"
        AGENT = "agent", "Agent"
        SYSTEM = "system", "System"

    public_id = PublicIdField(prefix="msg")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    role = models.CharField(max_length=10, choices=Role)
    text = models.TextField()
    brain = models.JSONField(null=True, help_text="Which brain wrote it, and for the offline matcher why.")
    tokens = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index("conversation", "id", name="messages_of_a_conversation")]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.text[:60]}"

    def rewrite(self, text: str) -> None:
        """The writer changed it. What events and deliveries told before stays as it was told."""
        self.text = text
        self.save(update_fields=["text"])
