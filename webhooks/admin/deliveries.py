"""What left, and what became of it."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from chatzuri.admin import ReadOnlyAdmin
from webhooks import fetching, publishing, sending
from webhooks.admin import showing
from webhooks.models import Attempt, Delivery, Replay
from webhooks.outcomes import receiver_of

WHY = {
    "test": "Somebody pressed “Send test event”.",
    "resend": "Somebody pressed “Resend”.",
    "signature test": "Somebody pressed “Test my receiver”.",
}

NOT_AGAIN = (
    "A custom action's code made this request, and its secrets are kept nowhere, so it cannot be sent again from here. "
    "Run the action again instead."
)


class CappedPaginator(Paginator[Any]):
    """Counts to the cap and no further: nobody turns to page 200, and a million rows must open fast."""

    CAP = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: self.CAP].count())


class ReplayFilter(admin.SimpleListFilter):
    """Where a replay's receipt leads to. Listed only while it is chosen."""

    title = "replay"
    parameter_name = "replay"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = request.GET.get(self.parameter_name, "")
        return [(known, "This replay")] if known.isdecimal() else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        is_id = chosen.isdecimal() and len(chosen) < 19
        return queryset.filter(made_by_replay__replay=int(chosen)) if is_id else queryset


class FetchFilter(admin.SimpleListFilter):
    title = "sent by"
    parameter_name = "sent_by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("endpoint", "Deliveries to endpoints"), ("fetch", "Fetches by custom actions")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(endpoint__isnull=chosen == "fetch") if chosen in ("endpoint", "fetch") else queryset


class AcceptedFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name = "accepted"
    SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = self.SPANS.get(self.value() or "")
        return queryset.filter(accepted_at__gte=timezone.now() - span) if span else queryset


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    empty_sentence = "Open an endpoint and press “Send test event”: the first delivery appears here."
    list_display = ("public_id", "outcome", "event_type", "receiver", "accepted")
    list_select_related = ("event", "endpoint", "attempt")
    list_filter = (("state", admin.ChoicesFieldListFilter), "endpoint", FetchFilter, AcceptedFilter, ReplayFilter)
    search_fields = ("public_id",)
    search_help_text = "Search by delivery id, event id or event type"
    ordering = ("-pk",)
    sortable_by = ()
    paginator = CappedPaginator

    @admin.display(description="Outcome")
    def outcome(self, delivery: Delivery) -> SafeString:
        return showing.outcome_badge(delivery)

    @admin.display(description="Event")
    def event_type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @admin.display(description="Endpoint")
    def receiver(self, delivery: Delivery) -> SafeString:
        """The endpoint, or the host that an action's code chose."""
        if delivery.endpoint_id:
            return format_html("{}", receiver_of(delivery))
        return format_html('<span class="cz-weak">fetch</span> {}', showing.plain(receiver_of(delivery)))

    @admin.display(description="Accepted (UTC)")
    def accepted(self, delivery: Delivery) -> str:
        return f"{delivery.accepted_at:%Y-%m-%d %H:%M:%S}"

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        """Exact words by their index: a search inside every row would not open fast."""
        term = term.strip()
        if not term:
            return rows, False
        if term.startswith("dlv_"):
            return rows.filter(public_id=term), False
        return rows.filter(event__public_id=term) if term.startswith("evt_") else rows.filter(event__type=term), False

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<path:object_id>/live/", self.live, "live"),
            self.page("<path:object_id>/resend/", self.resend, "resend"),
            *super().get_urls(),
        ]

    # --- the delivery page ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        context = self._context(request, self.own_row(request, object_id))
        return TemplateResponse(request, "admin/webhooks/delivery/page.html", context)

    def live(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The changing part of the page; it asks for itself again until the delivery is finished."""
        context = self._context(request, self.own_row(request, object_id))
        return TemplateResponse(request, "admin/webhooks/delivery/live.html", context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the bytes: fifty of them would be fifty bodies. The page of one fetches its own."""
        rows = super().get_queryset(request).select_related("event", "endpoint", "attempt")
        return rows.defer("body", "event__data", "attempt__response_body")

    def _context(self, request: HttpRequest, delivery: Delivery) -> dict[str, Any]:
        attempt: Attempt | None = getattr(delivery, "attempt", None)
        sent = (attempt.request_headers if attempt else None) or delivery.headers
        return self.page_context(
            request,
            title=f"Delivery {delivery.public_id}",
            delivery=delivery,
            attempt=attempt,
            told=sending.describe(delivery),
            why=WHY.get(delivery.caused_by, "" if delivery.caused_by.startswith("rpl_") else delivery.caused_by),
            cause=_cause(delivery.caused_by),
            followed=_followed(delivery),
            not_again=NOT_AGAIN,
            address=showing.plain(delivery.url),
            method=showing.plain(delivery.method),
            request_headers=showing.headers(sent),
            request_body=showing.body(bytes(delivery.body), is_cut=fetching.request_is_cut(delivery)),
            curl=showing.curl(delivery, sent),
            phases=showing.phases(delivery, attempt) if attempt and attempt.timings else [],
            from_replay=Replay.objects.filter(items__made=delivery).first(),
            resends=delivery.replays.order_by("pk"),
            **(_answer(attempt) if attempt else {}),
        )

    # --- sending again ---

    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks first; a double click finds the delivery the first one made."""
        delivery = self.own_row(request, object_id)
        if delivery.endpoint_id is None:
            messages.warning(request, NOT_AGAIN)
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[delivery.pk]))
        if not delivery.is_finished:
            messages.warning(request, "It is not finished yet. Wait for its outcome before you send it again.")
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[delivery.pk]))
        if request.method != "POST":
            context = self._context(request, delivery) | {"title": "Send it again?", "form_token": uuid.uuid4()}
            return TemplateResponse(request, "admin/webhooks/delivery/resend.html", context)
        body = publishing.rebuilt(delivery) if request.POST.get("body") == Replay.Body.REBUILT else None
        made = sending.resend(delivery, body=body, form_token=form_token(request), wake=False)
        response = handed_over(made, team_id=delivery.team_id, page=self.url_name("change"))
        self.log_change(request, delivery, f"Sent again as {made.public_id}.")
        return response


def handed_over(delivery: Delivery, *, team_id: int, page: str) -> HttpResponse:
    """To the interactive queue, then to its page. A token that somebody else used made somebody else's delivery."""
    if delivery.team_id != team_id:
        raise Http404
    if delivery.state == Delivery.State.QUEUED:
        sending.send_and_wait(delivery, timeout=5)
    return HttpResponseRedirect(reverse(page, args=[delivery.pk]))


# Where whatever made a delivery can be looked at. It lives above deliveries, which know the names of pages and no more.
CAUSES = {
    "run_": ("admin:agents_actionrun_changelist", "Run of the action", "code"),
    "rul_": ("admin:agents_triggerrule_changelist", "Trigger rule", "rule"),
    "call_": ("admin:agents_toolcall_changelist", "Tool call", "bolt"),
}


def _cause(caused_by: str) -> dict[str, str] | None:
    """A link to what made this delivery: a list that is cut to it. None where nobody has such a list."""
    for prefix, (page, label, icon) in CAUSES.items():
        if caused_by.startswith(prefix):
            try:
                return {"url": f"{reverse(page)}?{urlencode({'q': caused_by})}", "label": label, "icon": icon}
            except NoReverseMatch:
                return None
    return None


def _followed(delivery: Delivery) -> Delivery | None:
    """The delivery whose answer, a redirect, led to this one."""
    before = delivery.headers.get(fetching.FOLLOWS) if delivery.endpoint_id is None else None
    rows = Delivery.objects.filter(team=delivery.team_id, public_id=before)
    return rows.only("public_id").first() if before else None


def _answer(attempt: Attempt) -> dict[str, Any]:
    return {
        "response_headers": showing.headers(attempt.response_headers),
        "response_body": showing.body(bytes(attempt.response_body), is_cut=attempt.response_cut),
    }


def form_token(request: HttpRequest) -> uuid.UUID:
    """The page's own number; a form without one counts as a new one."""
    try:
        return uuid.UUID(request.POST.get("form_token", ""))
    except ValueError:
        return uuid.uuid4()
