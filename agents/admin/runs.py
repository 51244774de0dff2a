"""Runs of custom actions: what went in, what came out, and what left the house."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agents.admin import run_words
from agents.models import ActionRun, ToolCall
from chatzuri.admin import ReadOnlyAdmin
from webhooks.admin.deliveries import CappedPaginator
from webhooks.admin.showing import badge
from webhooks.api import masked_url
from webhooks.models import Delivery
from webhooks.outcomes import Description
from webhooks.outcomes import describe as describe_delivery

State = ActionRun.State
Purpose = ActionRun.Purpose
PATIENCE = timedelta(seconds=5)
HEAVY = ("draft", "result", "console", "config", "params")
RELATED = ("action", "version", "agent", "started_by", "conversation", "credential")

SUCCESS = Q(state=State.SUCCEEDED)
SAID_NO = Q(result__contains={"success": False})
SAID_NOTHING = Q(result__isnull=True)
OUTCOMES = {
    "succeeded": ("Succeeded", SUCCESS & (SAID_NOTHING | ~SAID_NO)),
    "reported": ("Reported failure", SUCCESS & SAID_NO),
    "failed": ("Any failure", Q(state__in=(State.FAILED, State.INTERRUPTED)) | SUCCESS & SAID_NO),
    "thrown": ("Threw an error", Q(state=State.FAILED, kind="thrown")),
    "timeout": ("Timed out", Q(state=State.FAILED, kind="timeout")),
    "interrupted": ("Interrupted", Q(state=State.INTERRUPTED)),
    "not_run": ("Not run", Q(state=State.CANCELLED) | Q(state=State.FAILED, kind__in=("busy", "unavailable"))),
    "open": ("Not finished", Q(state__in=ActionRun.UNFINISHED)),
}


@dataclass(frozen=True)
class Fetch:
    """One `fetch` of a run, which is a row of the delivery log."""

    delivery: Delivery
    told: Description
    url: str
    milliseconds: float | None


def light(rows: QuerySet[ActionRun]) -> QuerySet[ActionRun]:
    """Without what may be large: a list says only whether the code reported a failure."""
    return rows.annotate(said_success=KeyTransform("success", "result")).defer(*HEAVY)


class OutcomeFilter(admin.SimpleListFilter):
    title = parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in OUTCOMES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = OUTCOMES.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


class PurposeFilter(admin.SimpleListFilter):
    title = "started by"
    parameter_name = "purpose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(Purpose.CALL, "Agents"), (Purpose.TEST, "Tests")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(purpose=self.value()) if self.value() in (Purpose.CALL, Purpose.TEST) else queryset


class QueuedFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name = "queued"
    SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = self.SPANS.get(self.value() or "")
        return queryset.filter(queued_at__gte=timezone.now() - span) if span else queryset


@admin.register(ActionRun)
class ActionRunAdmin(ReadOnlyAdmin):
    empty_sentence = "Open a custom action and press “Run”, or let an agent use it: every run appears here."
    list_display = ("public_id", "outcome", "title", "started", "duration", "queued")
    list_filter = (OutcomeFilter, "action", "agent", PurposeFilter, QueuedFilter)
    search_fields = ("public_id",)
    search_help_text = "Search by the id of a run"
    ordering = ("-pk",)
    sortable_by = ()
    paginator = CappedPaginator

    class Media:
        css = {"all": ["agents/agents.css", "agents/actions.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[ActionRun]:
        """Looks at the syntax are nobody's business: they are made by every save and deleted at once."""
        return light(super().get_queryset(request).exclude(purpose=Purpose.CHECK).select_related(*RELATED))

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        term = term.strip()
        return (rows.filter(public_id=term) if term else rows), False

    # --- the list ---

    @admin.display(description="Outcome")
    def outcome(self, run: ActionRun) -> SafeString:
        told = run_words.describe(run)
        return badge(told.label, told.tone)

    @admin.display(description="Action")
    def title(self, run: ActionRun) -> str:
        if run.action is None:
            return "Not saved yet"
        return f"{run.action.title} ({run.version})" if run.version else f"{run.action.title} (as typed)"

    @admin.display(description="Started by")
    def started(self, run: ActionRun) -> str:
        return run_words.started_by(run)

    @admin.display(description="Took")
    def duration(self, run: ActionRun) -> str:
        return f"{run.milliseconds:.0f} ms" if run.milliseconds is not None else "–"

    @admin.display(description="When (UTC)")
    def queued(self, run: ActionRun) -> str:
        return f"{run.queued_at:%Y-%m-%d %H:%M:%S}"

    # --- the page ---

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<int:object_id>/panel/", self.panel_view, "panel"), *super().get_urls()]

    def panel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The changing part, on the run's own page and in the editor; it asks for itself until the run is over."""
        run = self.own_row(request, object_id)
        return TemplateResponse(request, "admin/agents/run/panel.html", shown(run))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        run = self.own_row(request, object_id)
        context = self.page_context(
            request,
            title=f"Run {run.public_id}",
            original=run,
            media=self.media,
            is_page=True,
            call=ToolCall.objects.filter(run=run).first(),
            started=run_words.started_by(run),
            params=run_words.pretty(run.params),
            config=run_words.pretty(run.config),
            versions_link=_versions_link(run),
            **shown(run),
        )
        return TemplateResponse(request, "admin/agents/run/page.html", context)


def _versions_link(run: ActionRun) -> str:
    if run.action is None or run.version is None:
        return ""
    page = reverse("admin:agents_customaction_versions", args=[run.action.pk])
    return format_html("{}?version={}", page, run.version.number)


def shown(run: ActionRun) -> dict[str, Any]:
    """What `run/panel.html` needs. Results and console lines have their secrets masked since they were written."""
    return {
        "run": run,
        "told": run_words.describe(run),
        "result": run_words.result(run),
        "console": run_words.console(run),
        "fetches": fetches(run),
        "nobody_runs": run.state == State.QUEUED and timezone.now() - _queued_at(run) > PATIENCE,
    }


def _queued_at(run: ActionRun) -> Any:
    """The database sets it, so a row that was made just now has it only after a look."""
    if not hasattr(run.queued_at, "tzinfo"):
        run.refresh_from_db(fields=["queued_at"])
    return run.queued_at


def fetches(run: ActionRun) -> list[Fetch]:
    if run.event_id is None:
        return []
    rows = Delivery.objects.filter(event=run.event_id).select_related("attempt", "endpoint").order_by("pk")
    return [_fetch(row) for row in rows.defer("body", "attempt__response_body")[:200]]


def _fetch(delivery: Delivery) -> Fetch:
    attempt = getattr(delivery, "attempt", None)
    took = attempt.timings.get("total") if attempt and attempt.timings else None
    return Fetch(delivery, describe_delivery(delivery), masked_url(delivery), took)
