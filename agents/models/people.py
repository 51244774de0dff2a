"""What a business learns about the people it talks to: leads, feedback, calls for a human, segments and word lists."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from agents.models.agent import Agent
from agents.models.conversation import Conversation, Customer, Message
from chatzuri.fields import PublicIdField
from chatzuri.models import Team


class Lead(models.Model):
    """What a customer told one agent about themselves. Submitted once the agent's required fields are complete."""

    class Source(models.TextChoices):
        FORM = "form", "Lead form"
        CHAT = "chat", "Found in the chat"

    public_id = PublicIdField(prefix="lead")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="leads")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="leads")
    conversation = models.ForeignKey(Conversation, on_delete=models.SET_NULL, null=True, related_name="leads")
    source = models.CharField(max_length=4, choices=Source, default=Source.CHAT)
    channel = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=20, blank=True)
    answers = models.JSONField(default=dict, help_text="Whatever else was asked: country, company, budget …")
    score = models.IntegerField(null=True, validators=[MinValueValidator(0), MaxValueValidator(100)])
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, editable=False)
    qualified_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint("agent", "customer", name="one_lead_of_a_customer_per_agent")]
        indexes = [models.Index("agent", models.F("id").desc(), name="leads_of_an_agent")]

    def __str__(self) -> str:
        return self.name or self.email or self.phone or self.public_id


class Feedback(models.Model):
    """A customer's rating of one reply, 1 (bad) to 5 (good). A later rating of the same reply replaces it."""

    public_id = PublicIdField(prefix="fbk")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="feedback")
    rating = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    comment = models.TextField(blank=True, max_length=2000)
    submitted_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.CheckConstraint(condition=models.Q(rating__gte=1, rating__lte=5), name="a_rating_is_from_1_to_5")
        ]

    def __str__(self) -> str:
        return f"{self.rating} of 5"


class Escalation(models.Model):
    """A conversation that needs a person: asked for, taken, resolved. At most one is open per conversation."""

    class Trigger(models.TextChoices):
        TOOL = "tool", "The agent decided"
        PHRASE = "phrase", "The customer asked for a person"
        REPEATED = "repeated", "The same question came again"
        BUTTON = "button", "Somebody of the team pressed the button"
        API = "api", "The API"

    class State(models.TextChoices):
        REQUESTED = "requested", "Waits for a person"
        ACCEPTED = "accepted", "Taken"
        RESOLVED = "resolved", "Resolved"

    public_id = PublicIdField(prefix="esc")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="escalations")
    trigger = models.CharField(max_length=10, choices=Trigger)
    reason = models.CharField(max_length=500, blank=True)
    summary = models.TextField(blank=True, max_length=4000)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requested_at = models.DateTimeField(db_default=Now())
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    resolved_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "conversation", condition=~models.Q(state="resolved"), name="one_open_escalation_per_conversation"
            )
        ]

    def __str__(self) -> str:
        return self.public_id


class Segment(models.Model):
    """A saved question about customers: *who matches this?* Entering it is the event `customer.matched`."""

    public_id = PublicIdField(prefix="seg")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="segments")
    name = models.CharField(max_length=100)
    condition = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("team", "name", name="segment_names_are_unique_in_a_team")]

    def __str__(self) -> str:
        return self.name


class SegmentMember(models.Model):
    """A customer is in a segment now. The row is made when it begins to hold and deleted when it ends to."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="members")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="segments")
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("segment", "customer", name="a_customer_is_in_a_segment_once")]

    def __str__(self) -> str:
        return f"{self.customer_id} in {self.segment_id}"


class WordList(models.Model):
    """Words and phrases to listen for; finding one in a customer's message is the event `keyword.matched`."""

    public_id = PublicIdField(prefix="wrd")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="word_lists")
    name = models.CharField(max_length=100)
    words = models.TextField(max_length=10_000, help_text="One word or phrase a line.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("team", "name", name="word_list_names_are_unique_in_a_team")]

    def __str__(self) -> str:
        return self.name

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.words.splitlines() if line.strip()]
