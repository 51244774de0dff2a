"""Rehearsals: begun from the builder with the rule as it stands there, watched until they are over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from agents import catalogue, conditions, rehearsing
from agents.admin.rule_words import OUTCOME_TONES, Reason, event_title, reasons
from agents.models import Conversation, Evaluation, Rehearsal
from chatzuri.admin import ReadOnlyAdmin
from webhooks.admin.deliveries import CappedPaginator
from webhooks.admin.showing import badge
from webhooks.models import Event

LIVE = "admin/agents/rules/rehearsal_live.html"
TONES = {"running": "wait", "finished": "good", "cancelled": "warn", "failed": "bad"}
PATIENCE = timedelta(seconds=10)
LATEST = 3


@dataclass(frozen=True)
class Found:
    """One firing of a rehearsal. `conversation` is the row to link to, if it is still there."""

    kind: str
    at: datetime | None
    event: str
    conversation: Conversation | None
    customer: str
    outcome: str
    tone: str
    reasons: list[Reason]


@dataclass(frozen=True)
class Asked:
    """A fact that was looked at and did not fire, with the draft's rows about it."""

    event: Event
    reasons: list[Reason]


def found(rehearsal: Rehearsal) -> list[Found]:
    """What it kept, in the order in which it happened."""
    refs = {one["conversation"] for one in rehearsal.found}
    rows = Conversation.objects.filter(agent=rehearsal.agent_id, public_id__in=refs)
    conversations = {row.public_id: row for row in rows}
    type = rehearsal.draft.get("event_type", "")
    return [
        Found(
            kind=one["kind"],
            at=parse_datetime(one["at"]),
            event=one["event"],
            conversation=conversations.get(one["conversation"]),
            customer=one["customer"],
            outcome=Evaluation.Outcome(one["outcome"]).label,
            tone=OUTCOME_TONES[Evaluation.Outcome(one["outcome"])],
            reasons=reasons(one["lines"], type),
        )
        for one in rehearsal.found
    ]


def latest_asked(rehearsal: Rehearsal) -> list[Asked]:
    """The newest facts of this kind, with what the draft's rows say of each: why nothing would have fired."""
    type, condition = rehearsal.draft.get("event_type", ""), rehearsal.draft.get("condition", {})
    facts = Event.objects.filter(agent_ref=rehearsal.agent.public_id, type=type, is_owed=False, team=rehearsal.team_id)
    return [
        Asked(event, reasons(conditions.judge(condition, event.data, at=event.occurred_at).lines, type))
        for event in facts.order_by("-pk")[:LATEST]
    ]


def shown(rehearsal: Rehearsal) -> dict[str, Any]:
    """What the live part of the page needs."""
    is_over = rehearsal.state != Rehearsal.State.RUNNING
    counts = {kind: rehearsal.counts.get(kind, 0) for kind in ("new", "gone", "same", "matched")}
    fires = counts["new"] + counts["same"]
    nobody = not is_over and rehearsal.total == 0 and timezone.now() - rehearsal.moved_at > PATIENCE
    return {
        "rehearsal": rehearsal,
        "is_over": is_over,
        "nobody_works": nobody,
        "badge": state_badge(rehearsal),
        "title_of_event": event_title(rehearsal.draft.get("event_type", "")),
        "counts": counts,
        "kept": rehearsing.KEPT,
        "found": found(rehearsal) if is_over else [],
        "asked": latest_asked(rehearsal) if is_over and not fires and rehearsal.total else [],
        "fires": fires,
        "is_known": rehearsal.draft.get("event_type") in catalogue.EVENTS,
    }


def state_badge(rehearsal: Rehearsal) -> SafeString:
    return badge(rehearsal.get_state_display().lower(), TONES[rehearsal.state])


@admin.register(Rehearsal)
class RehearsalAdmin(ReadOnlyAdmin):
    empty_sentence = "Open a trigger rule and press “Rehearse”: nothing is sent."
    list_display = ("created_at", "agent", "rule_name", "status", "outcome")
    list_display_links = ("created_at",)
    list_select_related = ("agent", "rule")
    list_filter = ("agent",)
    ordering = ("-pk",)
    sortable_by = ()
    paginator = CappedPaginator

    class Media:
        css = {"all": ["agents/agents.css", "agents/rules.css"]}

    @admin.display(description="Rule")
    def rule_name(self, rehearsal: Rehearsal) -> str:
        return str(rehearsal.rule) if rehearsal.rule else "not saved"

    @admin.display(description="State")
    def status(self, rehearsal: Rehearsal) -> SafeString:
        return state_badge(rehearsal)

    @admin.display(description="Would fire")
    def outcome(self, rehearsal: Rehearsal) -> str:
        return str(rehearsal.counts.get("new", 0) + rehearsal.counts.get("same", 0))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("agent", "rule", "created_by")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<path:object_id>/live/", self.live, "live"),
            self.page("<path:object_id>/cancel/", require_POST(self.cancel), "cancel"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        rehearsal = self.own_row(request, object_id)
        facts = {"agent": rehearsal.agent, "original": rehearsal.agent, "tab": "rules", "media": self.media}
        context = self.page_context(request, title="Rehearsal", **facts, **shown(rehearsal))
        return TemplateResponse(request, "admin/agents/rules/rehearsal.html", context)

    def live(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The changing part of the page; it asks for itself again until the rehearsal is over."""
        return TemplateResponse(request, LIVE, shown(self.own_row(request, object_id)))

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rehearsal = self.own_row(request, object_id)
        was_running = rehearsing.cancel(rehearsal)
        if "HX-Request" in request.headers:
            return TemplateResponse(request, LIVE, shown(rehearsal))
        if not was_running:
            messages.info(request, "It was over already.")
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[rehearsal.pk]))
