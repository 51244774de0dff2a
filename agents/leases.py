"""A turn belongs to one worker at a time, and only for as long as that worker keeps saying so."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from agents.models import Step, Turn

MAX_LEASES = 3
UNFINISHED = (Turn.State.QUEUED, Turn.State.RUNNING)


class LeaseLost(Exception):
    """Another worker has this turn now. Whoever lost it writes nothing more."""


def lifetime() -> timedelta:
    """Longer than the longest single thing a worker does between two renewals, by the database's clock."""
    return timedelta(seconds=max(settings.LANGUAGE_MODEL_TIMEOUT, settings.DELIVERY_DEADLINE + 10) + 30)


@dataclass(frozen=True)
class Lease:
    turn_id: int
    token: uuid.UUID
    count: int

    @classmethod
    def take(cls, turn_id: int) -> "Lease | None":
        """The turn for this worker; None while it is taken, finished, or an earlier turn of its thread is not."""
        token = uuid.uuid4()
        free = Q(state=Turn.State.QUEUED) | Q(state=Turn.State.RUNNING, lease_until__lt=Now())
        earlier = Turn.objects.filter(
            conversation=OuterRef("conversation"), pk__lt=OuterRef("pk"), state__in=UNFINISHED
        )
        taken = (
            Turn.objects.filter(free, pk=turn_id)
            .filter(~Exists(earlier))
            .update(state=Turn.State.RUNNING, lease=token, lease_until=Now() + lifetime(), leases=F("leases") + 1)
        )
        if not taken:
            return None
        return cls(turn_id, token, Turn.objects.values_list("leases", flat=True).get(pk=turn_id))

    @property
    def is_last_chance_over(self) -> bool:
        """Three workers died over this turn, or it broke three times. It will not get better."""
        return self.count > MAX_LEASES

    def renew(self) -> None:
        if not self._ours().update(lease_until=Now() + lifetime()):
            raise LeaseLost(str(self.turn_id))

    def let_go(self) -> None:
        """Something broke here: let the sweeper give the turn to another worker without waiting for the clock."""
        self._ours().update(lease_until=Now())

    def suspend(self) -> None:
        """The turn waits for something that is running; whoever ends that wakes it. No lease was used up by this."""
        back = {"lease": None, "lease_until": None, "leases": F("leases") - 1, "queued_at": Now()}
        self._ours().update(state=Turn.State.QUEUED, **back)

    def save_step(self, *, ordinal: int, entry: dict[str, Any]) -> None:
        with self.held():
            Step.objects.create(turn_id=self.turn_id, ordinal=ordinal, entry=entry)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A transaction in which nobody else can take the turn. Raises `LeaseLost` if somebody has."""
        with transaction.atomic():
            self.renew()
            yield

    def _ours(self) -> Any:
        return Turn.objects.filter(pk=self.turn_id, lease=self.token, state=Turn.State.RUNNING)
