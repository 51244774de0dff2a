import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from chatzuri.fields import PublicIdField
from chatzuri.models import Team

KEPT_FOR = timedelta(days=7)


def _key() -> str:
    return secrets.token_hex(16)


def _expiry() -> datetime:
    return timezone.now() + KEPT_FOR


class Bin(models.Model):
    """A private address that catches requests, checks their signature and answers as told."""

    CAP = 500

    public_id = PublicIdField(prefix="bin")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="bins")
    name = models.CharField(max_length=100)
    key = models.CharField(max_length=32, unique=True, default=_key, editable=False)
    answer_status = models.PositiveSmallIntegerField(
        "answer with status", default=200, validators=[MinValueValidator(200), MaxValueValidator(599)]
    )
    answer_delay = models.PositiveSmallIntegerField(
        "answer after (seconds)", default=0, validators=[MaxValueValidator(12)], help_text="At most 12 seconds."
    )
    answer_body = models.TextField("answer with body", blank=True, default='{"ok": true}', max_length=4096)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=_expiry, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """What to paste as destination. 128 random bits: whoever does not hold it cannot find it."""
        origin = settings.INSPECTOR_ORIGIN or settings.PUBLIC_URL
        return f"{origin}/inspector/{self.key}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at < timezone.now()

    def catch(self, **request: Any) -> "CaughtRequest":
        """Keep one request, and drop the oldest beyond the cap."""
        caught = self.requests.create(**request)
        surplus = self.requests.order_by("-pk").values_list("pk", flat=True)[self.CAP : self.CAP + 100]
        self.requests.filter(pk__in=list(surplus)).delete()
        return caught


class CaughtRequest(models.Model):
    """One request that reached a bin, as it came, and what a receiver would have said of its signature."""

    class Verdict(models.TextChoices):
        VALID = "valid", "Signature valid"
        INVALID = "invalid", "Signature invalid"
        UNSIGNED = "unsigned", "Not signed"
        UNKNOWN = "unknown", "No signing secret to check with"

    bin = models.ForeignKey(Bin, on_delete=models.CASCADE, related_name="requests")
    received_at = models.DateTimeField(auto_now_add=True)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=2048)
    headers = models.JSONField(default=list)
    body = models.BinaryField(default=b"")
    body_cut = models.BooleanField(default=False)
    answered = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index("bin", models.F("id").desc(), name="requests_of_a_bin")]

    def __str__(self) -> str:
        return f"{self.method} {self.received_at:%H:%M:%S}"
