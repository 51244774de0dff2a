"""After a backup was restored: what is queued there may have been sent since the backup was made.

No database can know; so a person decides. Everything unfinished is held, to be released or discarded by endpoint.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models.functions import Now

from webhooks.claiming import CLAIM_LOCK
from webhooks.models import Attempt, Delivery
from webhooks.models.delivery import DeliveryQuerySet

logger = logging.getLogger(__name__)

State = Delivery.State


class WorkersAreSending(RuntimeError):
    """A worker is at it right now; what it holds cannot be held."""


@dataclass(frozen=True)
class Held:
    """How many deliveries were held, by the state they were in; `interrupted` counts fetches, which nobody can hold."""

    queued: int
    sending: int
    interrupted: int = 0


def hold_after_restore(*, older_than: datetime) -> Held:
    """Hold what was accepted before that moment and has no end. Raises `WorkersAreSending` and changes nothing.

    What the backup shows in *sending* was begun before the backup was made: it is held too, and its unfinished attempt
    goes, since a delivery has one attempt only and a released one needs it. Its id is logged. A fetch of a custom
    action cannot be released, since what it sent is nowhere: it is *interrupted*, as when its worker vanished.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
        if Delivery.objects.filter(state=State.SENDING, deadline_at__gt=Now()).exists():
            raise WorkersAreSending("Deliveries are being sent right now. Stop all workers first, then run this again.")
        old = Delivery.objects.filter(accepted_at__lt=older_than).order_by()
        fetches = _interrupt_fetches(old)
        begun = dict(old.filter(state=State.SENDING).select_for_update().values_list("pk", "public_id"))
        Attempt.objects.filter(delivery__in=begun, outcome="").delete()
        Delivery.objects.filter(pk__in=begun).update(state=State.HELD, token=None, deadline_at=None)
        queued = old.filter(state=State.QUEUED).update(state=State.HELD)
    for public_id in begun.values():
        logger.warning("%s was being sent when the backup was made; the receiver may have seen it. Held.", public_id)
    return Held(queued=queued, sending=len(begun), interrupted=fetches)


def _interrupt_fetches(old: DeliveryQuerySet) -> int:
    fetches = old.filter(state=State.SENDING, endpoint=None).select_for_update()
    keys = list(fetches.values_list("pk", flat=True))
    Attempt.objects.filter(delivery__in=keys, outcome="").update(
        outcome=State.INTERRUPTED, finished_at=Now(), code="worker_vanished"
    )
    return Delivery.objects.filter(pk__in=keys).update(state=State.INTERRUPTED, finished_at=Now())
