"""An agent's presence at a provider, its secrets, and who writes there."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import Agent, Customer
from channels_inbound.adapters import ADAPTERS, Adapter, Connection, Secret, kind_choices
from chatzuri.credentials import mask
from chatzuri.fields import EncryptedTextField, PublicIdField, new_id
from chatzuri.models import Credential

# How long the secret that was replaced goes on being accepted.
OVERLAP = timedelta(hours=24)


class Channel(models.Model):
    """One kind of channel of one agent. Without its secrets it refuses every request.

    `settings` holds what is no secret: ids of the provider's. `secrets` is a list of
    `{id, name, value, added_at, not_after}`: during a rotation two of one name are valid.
    """

    public_id = PublicIdField(prefix="chn")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="channels")
    kind = models.CharField(max_length=20, choices=kind_choices)
    is_active = models.BooleanField("switched on", default=True)
    settings = models.JSONField(default=dict)
    secrets = EncryptedTextField(default="[]", editable=False)
    credential = models.ForeignKey(
        Credential,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="channels",
        help_text="What replies are sent with. Without one, messages come in and are answered, but nothing goes out.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint("agent", "kind", name="one_channel_of_a_kind_per_agent")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.agent}"

    @property
    def team_id(self) -> int:
        return self.agent.team_id

    @property
    def adapter(self) -> Adapter:
        return ADAPTERS[self.kind]

    @property
    def word(self) -> str:
        """What conversations and events call it: three providers of text messages are one channel."""
        return self.adapter.conversation_channel or self.kind

    @property
    def inbound_url(self) -> str:
        """The address to give to the provider."""
        return f"{settings.PUBLIC_URL}/api/v1/agents/{self.agent.public_id}/chat/{self.kind}"

    # --- secrets ---

    def connection(self, now: datetime | None = None) -> Connection:
        """For the adapter: the secrets that are valid now, newest first."""
        at = now or timezone.now()
        valid: dict[str, list[Secret]] = {}
        for each in reversed(self._kept_secrets()):
            if each["not_after"] is None or datetime.fromisoformat(each["not_after"]) > at:
                valid.setdefault(each["name"], []).append(Secret(each["id"], each["value"]))
        return Connection(
            settings={name: str(value) for name, value in self.settings.items()},
            secrets=valid,
            agent_id=self.agent.public_id,
            url=self.inbound_url,
        )

    def put_secret(self, name: str, value: str, *, overlap: timedelta = OVERLAP) -> None:
        """Make this the secret of that name, to be stored by the next `save()`; older ones end after `overlap`."""
        until = timezone.now() + overlap
        kept = [self._ending(each, until) if each["name"] == name else each for each in self._kept_secrets()]
        kept = [
            each
            for each in kept
            if each["not_after"] is None or datetime.fromisoformat(each["not_after"]) > timezone.now()
        ]
        made = {"id": new_id("sec"), "name": name, "value": value, "added_at": timezone.now().isoformat()}
        self.secrets = json.dumps([*kept, made | {"not_after": None}])

    def end_old_secrets(self) -> None:
        """Only the newest of each name stays valid, from the next `save()` on."""
        newest = {each["name"]: each for each in self._kept_secrets()}
        self.secrets = json.dumps(list(newest.values()))

    def secret_facts(self) -> list[dict[str, Any]]:
        """For pages: names, masks and times of every secret that is kept. Never a value."""
        return [
            {"id": each["id"], "name": each["name"], "mask": mask(each["value"])}
            | {key: datetime.fromisoformat(each[key]) if each[key] else None for key in ("added_at", "not_after")}
            for each in self._kept_secrets()
        ]

    def secret_values(self) -> list[str]:
        """What must be cut out of anything that is kept or shown."""
        return [each["value"] for each in self._kept_secrets() if each["value"]]

    def missing_secrets(self) -> list[str]:
        """Labels of required secrets that it has none of: then it refuses everything."""
        connection = self.connection()
        return [each.label for each in self.adapter.secrets if each.is_required and not connection.valid(each.name)]

    def missing_settings(self) -> list[str]:
        return [each.label for each in self.adapter.settings if each.is_required and not self.settings.get(each.name)]

    def _kept_secrets(self) -> list[dict[str, Any]]:
        return list(json.loads(self.secrets or "[]"))

    @staticmethod
    def _ending(secret: dict[str, Any], until: datetime) -> dict[str, Any]:
        ends = datetime.fromisoformat(secret["not_after"]) if secret["not_after"] else until
        return secret | {"not_after": min(ends, until).isoformat()}


class Contact(models.Model):
    """An address at the provider and the customer it belongs to. One person may have several: a number and an id."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="contacts")
    address = models.CharField(max_length=255)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="contacts")
    last_message_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("channel", "address", name="an_address_belongs_to_one_customer")]

    def __str__(self) -> str:
        return self.address


class RefusalManager(models.Manager["Refusal"]):
    def note(self, *, channel: Channel, reason: str) -> None:
        """Count it. One statement; callers see to it that it is not done more than about once a second."""
        row = Refusal(channel=channel, reason=re.sub(r"[^a-z0-9_ ]", "", reason)[:40])
        self.bulk_create([row], ignore_conflicts=True)
        self.filter(channel=channel, reason=row.reason).update(count=F("count") + 1, last_at=Now())


class Refusal(models.Model):
    """Requests that did not prove where they came from: how often, and why. Nothing of them is kept."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="refusals")
    reason = models.CharField(max_length=40)
    count = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(default=timezone.now)

    objects = RefusalManager()

    # Sentences for the codes that adapters give.
    WORDS: ClassVar[Mapping[str, str]] = {
        "no_secret": "This channel has no secret yet, so it refuses everything.",
        "signature": "The signature does not fit. Is the secret here the one that the provider signs with?",
        "no_signature": "The request has no signature at all. It may not be the provider that calls.",
        "timestamp": "The time in the signature is not readable.",
        "stale": "The request was signed too long ago, or its clock is wrong.",
        "malformed": "The signature is not written as the provider writes it.",
        "encoding": "The signature is not written as the provider writes it.",
        "algorithm": "The signature was made in a way that this channel does not know.",
        "unreadable": "The proof in the request could not be read.",
        "token": "The token in the request is not the one of this channel, or not written as the provider writes it.",
        "body": "The proof does not fit the body of the request.",
        "content_type": "The request came in a form in which the provider sends nothing.",
        "verify_token": "The provider asked whether we are here, with another verify token than the one shown here.",
        "handshake": "The provider asked whether we are here, with another verify token than the one shown here.",
        "token_reused": "A proof that was used before came with another content.",
    }

    class Meta:
        constraints = [models.UniqueConstraint("channel", "reason", name="one_count_per_reason_of_a_channel")]

    def __str__(self) -> str:
        return f"{self.count} × {self.reason}"

    @property
    def sentence(self) -> str:
        return self.WORDS.get(self.reason, "The request did not prove that it comes from the provider.")
