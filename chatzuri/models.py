"""The floor: who owns things, and their secrets."""

import hashlib
import json
import secrets
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone

from chatzuri import credentials
from chatzuri.fields import EncryptedTextField, PublicIdField


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person; logs in with an e-mail address. What they may do is decided by their memberships."""

    email = models.EmailField("e-mail address")
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    is_staff = True  # every person works in the admin; the team wall decides what they see there

    objects = UserManager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email_address")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email


class TeamQuerySet(models.QuerySet["Team"]):
    def open_to(self, user: Any) -> "TeamQuerySet":
        """Teams this person may act in: their own, and every team for an operator."""
        return self if user.is_superuser else self.filter(memberships__user=user)


class Team(models.Model):
    """Who owns agents, credentials and endpoints; the wall between customers."""

    public_id = PublicIdField(prefix="team")
    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TeamQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        ADMIN = "admin", "Admin"
        MEMBER = "member", "Member"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("team", "user", name="one_membership_per_person_and_team")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"

    @property
    def is_manager(self) -> bool:
        """May keep credentials, API keys and members."""
        return self.role in (self.Role.OWNER, self.Role.ADMIN)


class CredentialQuerySet(models.QuerySet["Credential"]):
    def note_use(self) -> None:
        """Last use to the minute: a busy credential must not cost a write per batch or run."""
        self.exclude(last_used_at__gt=Now() - timedelta(minutes=1)).update(last_used_at=Now())


class Credential(models.Model):
    """A team's named secrets, used by tools, endpoints and channels. Values go in and never come out on a page."""

    class Operations(models.TextChoices):
        READ_ONLY = "read_only", "Read only"
        READ_WRITE = "read_write", "Read and write"
        FULL_ACCESS = "full_access", "Full access"

    public_id = PublicIdField(prefix="crd")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(max_length=100, help_text="A name you will recognise, for example stripe-live.")
    kind = models.CharField(max_length=40, choices=credentials.kind_choices)
    allowed_operations = models.CharField(max_length=12, choices=Operations, default=Operations.READ_ONLY)
    values = EncryptedTextField(default="{}", editable=False)
    hosts = models.TextField(
        "may be sent to",
        max_length=2000,
        blank=True,
        default="",
        db_default="",
        help_text="Host names, one a line, for example api.openweathermap.org. Custom actions may send these secrets "
        "only there, to the provider, and to the address above.",
    )
    last_used_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("team", "name", name="credential_names_are_unique_in_a_team")]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()})"

    def reveal(self) -> dict[str, str]:
        """The plain values, for a tool at the moment it runs. Never for a page, a log or a task argument."""
        return dict(json.loads(self.values))

    def replace_values(self, values: dict[str, str]) -> None:
        """Set the values to be stored by the next `save()`; empty ones are left out."""
        self.values = json.dumps({name: value for name, value in values.items() if value})

    def allowed_hosts(self) -> frozenset[str]:
        """Where code that holds this credential may send its secrets to."""
        return credentials.hosts_of(self.kind, self.reveal(), self.hosts)

    def allowed_methods(self) -> frozenset[str] | None:
        """The HTTP methods that its profile allows; None where its kind has no profile."""
        if not credentials.KINDS[self.kind].has_profile:
            return None
        return frozenset(credentials.METHODS[self.allowed_operations])

    def masked(self) -> dict[str, str]:
        """What a page may show: every value masked, secret or not (an address often carries a token)."""
        return {name: credentials.mask(value) for name, value in self.reveal().items()}

    def secret_values(self) -> list[str]:
        """What must be cut out of anything a receiver or a script sends back."""
        values = self.reveal()
        secrets = [value for name, value in values.items() if credentials.field_of(self.kind, name).is_secret]
        tails = [credentials.tail_of(values[name]) for name in credentials.ADDRESSES if name in values]
        return [value for value in (*secrets, *tails) if value]


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self) -> "ApiKeyQuerySet":
        return self.filter(revoked_at=None)

    def for_secret(self, key: str) -> "ApiKey | None":
        """The live key with this secret. Looked up by its SHA-256, so no comparison leaks a prefix."""
        return self.live().select_related("team").filter(digest=_digest(key)).first()


class ApiKey(models.Model):
    """A team's key to the API: 256 random bits, stored as a hash and shown once."""

    public_id = PublicIdField(prefix="key")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None

    def issue(self) -> str:
        """Save this new key and return its secret, the only time it exists in readable form."""
        secret = "czk_" + secrets.token_urlsafe(32)
        self.prefix, self.digest = secret[:10], _digest(secret)
        self.save()
        return secret

    def revoke(self) -> None:
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at"])

    def mark_used(self) -> None:
        """Keep the last use to the minute: a busy key must not cost a write per request."""
        now = timezone.now()
        if self.last_used_at is None or (now - self.last_used_at).total_seconds() > 60:
            self.last_used_at = now
            self.save(update_fields=["last_used_at"])


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
