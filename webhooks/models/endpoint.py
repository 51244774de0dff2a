import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.utils import timezone

from chatzuri.fields import EncryptedTextField, PublicIdField
from chatzuri.models import Credential, Team
from webhooks import addresses, signatures
from webhooks.headers import check_headers

LONGEST_OVERLAP = timedelta(days=7)


class RotationRefused(ValueError):
    """This signing secret cannot be put in place of the present one; the message says why and what to do."""


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def of(self, team: Team) -> "EndpointQuerySet":
        return self.filter(team=team)


class Endpoint(models.Model):
    """A URL of the customer's, with its signing secret.

    With a `webhook` credential bound, its secret is sent as X-Webhook-Secret, and its address is used where `url` is
    left empty.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        FAILING = "failing", "Failing: will be held when the countdown ends"
        PAUSED = "paused", "Paused: new deliveries are held"
        HELD = "held", "Held after failing: new deliveries wait"

    public_id = PublicIdField(prefix="ep")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="endpoints")
    name = models.CharField(max_length=100)
    url = models.CharField("URL", max_length=2048, blank=True, help_text="Where deliveries go, for example https://…")
    credential = models.ForeignKey(
        Credential,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="endpoints",
        help_text="A webhook credential: its secret is sent as X-Webhook-Secret.",
    )
    headers = EncryptedTextField(default="", blank=True, editable=False)
    signing_secret = EncryptedTextField(default=signatures.new_secret, editable=False)
    previous_secret = EncryptedTextField(default="", blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    concurrency = models.PositiveSmallIntegerField(
        "at the same time",
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(32)],
        help_text="How many deliveries may be on their way to this endpoint at once. More wait; none is dropped.",
    )
    rate_per_minute = models.PositiveIntegerField(
        "at most per minute",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(60_000)],
        help_text="Leave empty for no limit. More wait; none is dropped.",
    )
    is_ordered = models.BooleanField(
        "in order",
        default=False,
        help_text="Deliveries of one conversation go out one after the other, in the order they were accepted.",
    )
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    hold_at = models.DateTimeField(null=True, editable=False)
    slow_until = models.DateTimeField(null=True, editable=False)
    next_send_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("team", "name", name="endpoint_names_are_unique_in_a_team")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Whether new deliveries are sent rather than held."""
        return self.state in (self.State.ACTIVE, self.State.FAILING)

    def clean(self) -> None:
        """The same code judges the address here and again when a delivery is sent."""
        if self.credential is not None:
            self._check_credential(self.credential)
        if not self.url and self.credential is None:
            raise ValidationError({"url": "Give an address, or choose a webhook credential that has one."})
        try:
            self.url = addresses.parse(self.url).url if self.url else ""
        except addresses.Blocked as refusal:
            raise ValidationError({"url": refusal.sentence}) from None

    def _check_credential(self, credential: Credential) -> None:
        if credential.team_id != self.team_id or credential.kind != "webhook":
            raise ValidationError({"credential": "Choose a webhook credential of your team."})

    def destination(self) -> str:
        """The address a delivery accepted now shall go to."""
        return self.url or (self.credential.reveal()["webhook_url"] if self.credential else "")

    def shared_secret(self) -> str:
        """What goes into X-Webhook-Secret; empty where no header shall be sent."""
        return self.credential.reveal().get("secret", "") if self.credential else ""

    @property
    def overlap_ends_at(self) -> datetime | None:
        """Until when the previous secret signs too; None where only one does."""
        until = self.previous_secret_until
        return until if until is not None and until > timezone.now() else None

    def signing_secrets(self) -> list[str]:
        """What a delivery is signed with now, newest first; two while a rotation overlaps."""
        previous = self.previous_secret if self.overlap_ends_at else ""
        return [self.signing_secret, *([previous] if previous else [])]

    def custom_headers(self) -> dict[str, str]:
        """The customer's own headers, with their values."""
        return dict(json.loads(self.headers or "{}"))

    def secrets(self) -> list[str]:
        """Everything that must be masked in what this endpoint answers."""
        shared = self.shared_secret()
        # A short header value, "1" say, would mask half of an answer and protects nothing.
        typed = [value for value in self.custom_headers().values() if len(value) >= 8]
        return [*self.signing_secrets(), *([shared] if shared else []), *typed]

    def pause(self) -> None:
        """Stop at once: what is queued is held, and so is what comes."""
        self._stop(self.State.PAUSED)

    def hold(self) -> None:
        """The same, because it kept failing."""
        self._stop(self.State.HELD)

    def _stop(self, state: str) -> None:
        self.state = state
        self.save(update_fields=["state", "changed_at"])
        self.deliveries.waiting().update(state="held")

    def resume(self) -> None:
        """New deliveries go out again; the held ones wait until they are released or discarded by hand."""
        self.state = self.State.ACTIVE
        self.consecutive_failures, self.failing_since, self.hold_at = 0, None, None
        self.save(update_fields=["state", "consecutive_failures", "failing_since", "hold_at", "changed_at"])

    # --- what a person replaces ---

    def rotate_signing_secret(self, *, keep_for: timedelta, secret: str = "") -> str:
        """A new secret, given or generated. The present one goes on signing beside it for `keep_for`.

        Raises `RotationRefused`: two secrets at a time are enough for any receiver, and all that is promised.
        """
        new = secret or signatures.new_secret()
        with transaction.atomic():
            row = Endpoint.objects.select_for_update().get(pk=self.pk)
            row._check_rotation(new, keep_for)
            row.previous_secret = row.signing_secret if keep_for else ""
            row.previous_secret_until = timezone.now() + keep_for if keep_for else None
            row.signing_secret = new
            row._save_secrets()
        self.refresh_from_db(fields=["signing_secret", "previous_secret", "previous_secret_until"])
        return new

    def _check_rotation(self, new: str, keep_for: timedelta) -> None:
        if until := self.overlap_ends_at:
            raise RotationRefused(
                f"The previous secret is valid until {until:%d %B, %H:%M} UTC, and no more than two are valid at a "
                "time. End the overlap first, or wait."
            )
        if not timedelta(0) <= keep_for <= LONGEST_OVERLAP:
            raise RotationRefused(f"The previous secret may stay valid for at most {LONGEST_OVERLAP.days} days.")
        try:
            signatures.check_secret(new)
        except ValueError as error:
            raise RotationRefused(str(error)) from None
        if new in (self.signing_secret, self.previous_secret):
            raise RotationRefused("This secret was used here before. Give another one, or let us generate it.")

    def end_overlap(self) -> None:
        """From now on only the newest secret signs."""
        self.previous_secret, self.previous_secret_until = "", None
        self._save_secrets()

    def _save_secrets(self) -> None:
        self.save(update_fields=["signing_secret", "previous_secret", "previous_secret_until", "changed_at"])

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Put these in place of all custom headers, unsaved. Raises `Blocked`, which never repeats a value."""
        check_headers(headers)
        self.headers = json.dumps(dict(headers))

    def replace_headers(self, headers: Mapping[str, str]) -> None:
        self.set_headers(headers)
        self.save(update_fields=["headers", "changed_at"])
