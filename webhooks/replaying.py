"""Range replay: count first, fix what is in it, then send each delivery again once, in chunks.

A chunk is one transaction: new deliveries and the marks that they were made stand or fall together. Whatever kills a
worker, the next one goes on where the last commit left it.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef
from django.db.models.functions import Now

from chatzuri.fields import NotReadable
from chatzuri.models import User
from webhooks import publishing
from webhooks.bodies import BodyRefused
from webhooks.models import Delivery, Endpoint, Replay, ReplayItem
from webhooks.models.delivery import DeliveryQuerySet

State = Delivery.State
CAP = 10_000
CHUNK = 200
FORGOTTEN_AFTER = timedelta(seconds=20)

# What an endpoint missed: everything that ended and was not accepted by the receiver. What a person discarded stays so.
MISSED = (State.NOT_SENT, State.BLOCKED, State.REJECTED, State.NO_ANSWER, State.INTERRUPTED, State.EXPIRED)
CHOICES = (*MISSED, State.CANCELLED, State.DELIVERED)
GOT_OR_COMING = (State.DELIVERED, *Delivery.UNFINISHED)


class TooMany(ValueError):
    """More deliveries than one replay may hold; the message says what to do."""


@dataclass(frozen=True)
class Range:
    """Which deliveries of an endpoint: accepted from (inclusive) to (exclusive), with these outcomes."""

    endpoint: Endpoint
    accepted_from: datetime
    accepted_to: datetime
    outcomes: Sequence[str]

    def deliveries(self) -> DeliveryQuerySet:
        """Every event once, by its latest delivery, and not where the endpoint has got it meanwhile."""
        own = Delivery.objects.filter(team=self.endpoint.team_id, endpoint=self.endpoint)
        chosen = [state for state in self.outcomes if state in CHOICES]
        in_time = own.filter(accepted_at__gte=self.accepted_from, accepted_at__lt=self.accepted_to)
        inside = in_time.filter(state__in=chosen).exclude(event__type=publishing.TEST_EVENT)
        same_event = {"event": OuterRef("event"), "pk__gt": OuterRef("pk")}
        found = inside.exclude(Exists(inside.filter(**same_event)))
        if State.DELIVERED in chosen:
            return found
        return found.exclude(Exists(own.filter(event=OuterRef("event"), state__in=GOT_OR_COMING)))


@dataclass(frozen=True)
class Preview:
    """What a replay would send. `maybe` and `yes` count what the receiver may have, or has, seen already."""

    total: int
    maybe: int = 0
    yes: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def is_too_many(self) -> bool:
        return self.total > CAP


def preview(chosen: Range) -> Preview:
    capped = chosen.deliveries().order_by()[: CAP + 1].values_list("state", flat=True)
    counts: dict[str, int] = {}
    for state in capped:
        counts[state] = counts.get(state, 0) + 1
    seen = [(Delivery.SEEN.get(State(state), "no"), number) for state, number in counts.items()]
    return Preview(
        total=sum(counts.values()),
        maybe=sum(number for word, number in seen if word == "maybe"),
        yes=sum(number for word, number in seen if word == "yes"),
        outcomes={str(State(state).label): number for state, number in sorted(counts.items())},
    )


def start(*, chosen: Range, body: str, created_by: User | None, form_token: uuid.UUID) -> Replay:
    """Fix what is in it and begin. The same `form_token` gives back the replay it made. Raises `TooMany`."""
    with transaction.atomic():
        replay, is_new = Replay.objects.get_or_create(
            form_token=form_token,
            defaults={
                "team_id": chosen.endpoint.team_id,
                "endpoint": chosen.endpoint,
                "accepted_from": chosen.accepted_from,
                "accepted_to": chosen.accepted_to,
                "outcomes": list(chosen.outcomes),
                "body": body,
                "created_by": created_by,
            },
        )
        if is_new:
            _fill(replay, chosen)
    return replay


def _fill(replay: Replay, chosen: Range) -> None:
    keys = list(chosen.deliveries().order_by("pk").values_list("pk", flat=True)[: CAP + 1])
    if len(keys) > CAP:
        raise TooMany(f"These are more than {CAP:,} deliveries. Choose a shorter time and replay the rest afterwards.")
    ReplayItem.objects.bulk_create([ReplayItem(replay=replay, delivery_id=pk) for pk in keys], batch_size=2000)
    replay.total = len(keys)
    replay.save(update_fields=["total"])
    transaction.on_commit(partial(wake, replay_id=replay.pk))


def wake(*, replay_id: int) -> None:
    publishing.enqueue("webhooks.tasks.replay", replay_id=replay_id)


def advance(*, replay_id: int) -> None:
    """Send the next chunk, and wake a worker for the one after it. Does nothing where another worker is at it."""
    try:
        if _advance(replay_id):
            wake(replay_id=replay_id)
    except (BodyRefused, NotReadable) as error:
        # Nothing of this chunk was kept. Somebody has to look before it goes on.
        Replay.objects.running().filter(pk=replay_id).update(state=Replay.State.PAUSED, trouble=str(error)[:300])


def _advance(replay_id: int) -> bool:
    with transaction.atomic():
        mine = Replay.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=replay_id)
        replay = mine.running().select_related("endpoint__credential").first()
        if replay is None:
            return False
        items = list(replay.items.filter(made=None).order_by("pk")[:CHUNK])
        for item in items:
            _send_again(replay, item)
        is_over = len(items) < CHUNK
        _note_progress(replay, sent=len(items), is_over=is_over)
        if items and replay.endpoint.is_active:
            transaction.on_commit(publishing.wake_drain)
    return not is_over


def _note_progress(replay: Replay, *, sent: int, is_over: bool) -> None:
    ended = {"state": Replay.State.FINISHED, "finished_at": Now()} if is_over else {}
    Replay.objects.filter(pk=replay.pk).update(done=F("done") + sent, moved_at=Now(), **ended)


def _send_again(replay: Replay, item: ReplayItem) -> None:
    delivery = Delivery.objects.select_related("event").get(pk=item.delivery_id)
    delivery.endpoint = replay.endpoint
    body = publishing.rebuilt(delivery) if replay.body == Replay.Body.REBUILT else None
    item.made = publishing.resend(delivery, body=body, wake=False, caused_by=replay.public_id)
    item.save(update_fields=["made"])


def sweep() -> int:
    """Wake what should be running and has not moved: its wake-up was lost, or its worker was. Returns how many."""
    forgotten = Replay.objects.running().filter(moved_at__lt=Now() - FORGOTTEN_AFTER)
    keys = list(forgotten.values_list("pk", flat=True)[:100])
    for pk in keys:
        wake(replay_id=pk)
    return len(keys)


def receipt(replay: Replay) -> list[tuple[str, int]]:
    """What became of what was sent again: outcome and number, the most frequent first."""
    made = Delivery.objects.filter(made_by_replay__replay=replay).order_by()
    counts = made.values_list("state").annotate(number=Count("pk")).order_by("-number", "state")
    return [(str(state), int(number)) for state, number in counts]


def is_settled(replay: Replay) -> bool:
    """Nothing to wait for any more: it is over, and everything it sent has its outcome."""
    waiting = Delivery.objects.filter(made_by_replay__replay=replay, state__in=[State.QUEUED, State.SENDING])
    return not replay.is_open and not waiting.exists()
