"""Who is in which segment: judged anew whenever something else is known of a customer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from agents import events
from agents.conditions import judge
from agents.events import Happening
from agents.models import Customer, Lead, Segment, SegmentMember

CHUNK = 500


def rejudge(customer: Customer) -> list[Happening]:
    """Let a customer enter and leave the team's segments; says which ones began to hold, for the caller to tell.

    In the caller's transaction, with the customer's row locked: so nobody enters the same segment twice.
    """
    segments = list(Segment.objects.filter(team=customer.team_id).order_by("pk"))
    if not segments:
        return []
    facts = _facts([customer.pk])[customer.pk]
    before = set(SegmentMember.objects.filter(customer=customer).values_list("segment_id", flat=True))
    now = timezone.now()
    holding = [segment for segment in segments if judge(segment.condition, facts, at=now).matched]
    entered = [segment for segment in holding if segment.pk not in before]
    SegmentMember.objects.bulk_create([SegmentMember(segment=segment, customer=customer) for segment in entered])
    if left := before - {segment.pk for segment in holding}:
        SegmentMember.objects.filter(customer=customer, segment__in=left).delete()
    return [Happening("customer.matched", {"segment": segment.name}, customer=customer) for segment in entered]


def fill(segment: Segment) -> int:
    """After its condition was saved: who is in it now. Tells nothing, since nothing happened to these customers.

    Returns how many are in it. Not inside of a transaction: it may go through all customers of a team.
    """
    after, now = 0, timezone.now()
    while keys := _next_customers(segment, after):
        _fill(segment, keys, now)
        after = keys[-1]
    return segment.members.count()


def _next_customers(segment: Segment, after: int) -> list[int]:
    rows = Customer.objects.filter(team=segment.team_id, merged_into=None, pk__gt=after)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK])


def _fill(segment: Segment, keys: list[int], now: datetime) -> None:
    with transaction.atomic():
        locked = Customer.objects.filter(pk__in=keys, merged_into=None).order_by("pk").select_for_update(no_key=True)
        facts = _facts([customer.pk for customer in locked])
        holding = [key for key, known in facts.items() if judge(segment.condition, known, at=now).matched]
        segment.members.filter(customer__in=keys).exclude(customer__in=holding).delete()
        members = [SegmentMember(segment=segment, customer_id=key) for key in holding]
        SegmentMember.objects.bulk_create(members, ignore_conflicts=True)


def _facts(customers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What a segment may ask of each customer. Segments are the team's, so the lead is their newest with any agent."""
    newest = Lead.objects.filter(customer=OuterRef("customer")).order_by("-pk").values("pk")[:1]
    leads = Lead.objects.filter(customer__in=customers, pk=Subquery(newest)).values("customer_id", *events.LEAD)
    by_customer = {row["customer_id"]: events.lead_facts(row) for row in leads}
    people = events.customers(customers)
    return {key: {"customer": person, "lead": by_customer.get(key)} for key, person in people.items()}
