"""What arrived: every request that proved itself, as it came, with what was in it; read again where that helps."""

import json
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from channels_inbound import processing, receiving, replaying
from channels_inbound.admin.channels import request_badge
from channels_inbound.admin.trying import became
from channels_inbound.models import Attachment, Channel, InboundMessage, InboundRequest
from channels_inbound.standing import is_readable
from chatzuri.admin import ReadOnlyAdmin
from chatzuri.admin.wall import team_of
from webhooks.admin import showing
from webhooks.admin.deliveries import CappedPaginator
from webhooks.masking import Masker

State = InboundRequest.State
# More than the page shows, so that a body that goes on is seen to.
READ = showing.SHOWN + 1
MOST_AT_ONCE = 200


class ReceivedFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name = "received"
    SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = self.SPANS.get(self.value() or "")
        return queryset.filter(received_at__gte=timezone.now() - span) if span else queryset


@admin.register(InboundRequest)
class InboundRequestAdmin(ReadOnlyAdmin):
    team_path = "channel__agent__team"
    empty_sentence = "Open a channel and press “Send me a test”: the first request appears here."
    list_display = ["received", "channel", "verdict", "things", "again", "size", "id_of_it"]
    list_display_links = ["received"]
    list_select_related = ["channel__agent"]
    list_filter = [("state", admin.ChoicesFieldListFilter), "channel", ReceivedFilter]
    search_fields = ["public_id"]
    search_help_text = "Search by the id of a request, or by the provider’s id of a message"
    ordering = ["-pk"]
    sortable_by: list[str] = []
    paginator = CappedPaginator
    actions = ["replay_selected"]  # type: ignore[assignment]

    class Media:
        css = {"all": ["agents/agents.css", "channels_inbound/channels.css"]}

    # --- the list ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundRequest]:
        """By the keys of the team's channels, of which there are few: so the newest rows come from their index."""
        team = team_of(request)
        channels = list(Channel.objects.filter(agent__team=team).values_list("pk", flat=True)) if team else []
        rows = InboundRequest.objects.filter(channel__in=channels).select_related("channel__agent")
        has_news = Exists(InboundMessage.objects.filter(request=OuterRef("pk")))
        return rows.annotate(has_news=has_news).defer("body", "headers").order_by(*self.ordering)

    @admin.display(description="Received (UTC)")
    def received(self, row: InboundRequest) -> str:
        return f"{row.received_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Verdict")
    def verdict(self, row: InboundRequest) -> SafeString:
        return request_badge(row)

    @admin.display(description="Found")
    def things(self, row: Any) -> str:
        return f"{row.found}, known already" if row.found and not row.has_news else str(row.found)

    @admin.display(description="Repeats")
    def again(self, row: InboundRequest) -> str:
        return str(row.repeats) if row.repeats else "–"

    @admin.display(description="Size")
    def size(self, row: InboundRequest) -> str:
        return filesizeformat(row.body_size)

    @admin.display(description="Id")
    def id_of_it(self, row: InboundRequest) -> str:
        return row.public_id

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        """Exact ids by their index: a search inside every body would not open fast."""
        term = term.strip()
        if not term:
            return rows, False
        if term.startswith("inr_"):
            return rows.filter(public_id=term), False
        channels = Channel.objects.filter(agent__team=team_of(request)).values_list("pk", flat=True)
        found = InboundMessage.objects.filter(channel__in=list(channels), provider_id=term[:255])
        return rows.filter(pk__in=list(found.order_by("pk").values_list("request", flat=True)[:500])), False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.may_work(request)

    @admin.action(description="Replay selected", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, rows: QuerySet[InboundRequest]) -> HttpResponse | None:
        """Asks first. Those in quarantine come first: they are why anybody replays."""
        chosen = list(rows.order_by("pk")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            messages.error(request, f"Choose at most {MOST_AT_ONCE} requests at a time. Nothing was replayed.")
            return None
        if request.POST.get("confirmed") != "yes":
            return self._ask(request, chosen)
        chosen.sort(key=lambda row: row.state != State.QUARANTINED)
        found = [outcome for row in chosen if (outcome := self._replayed(request, row)) is not None]
        left = sum(outcome.verdict == State.QUARANTINED for outcome in found)
        new = sum(outcome.stored for outcome in found)
        messages.success(request, f"{_count(len(found), 'request')} read again, {_count(new, 'new thing')} found.")
        if left:
            messages.warning(request, f"{_count(left, 'request')} still cannot be read.")
        return None

    def _replayed(self, request: HttpRequest, row: InboundRequest) -> receiving.Outcome | None:
        """None where there is nothing left to read; the reader is told."""
        try:
            outcome = replaying.replay(row)
        except replaying.NothingToRead as why:
            messages.warning(request, f"{row}: {why}")
            return None
        self.log_change(request, row, "Replayed.")
        return outcome

    def _ask(self, request: HttpRequest, chosen: list[InboundRequest]) -> HttpResponse:
        context = self.page_context(
            request,
            title="Replay these requests?",
            rows=[(row, request_badge(row)) for row in chosen],
            quarantined=sum(row.state == State.QUARANTINED for row in chosen),
            media=self.media,
        )
        return TemplateResponse(request, "admin/channels_inbound/request/ask.html", context)

    # --- the page of one ---

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:object_id>/replay/", require_POST(self.replay_view), "replay"),
            self.page("<int:object_id>/messages/<int:message_id>/", require_POST(self.retry_view), "retry"),
            self.page("<int:object_id>/files/<int:attachment_id>/", self.file_view, "file"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        row = self.own_row(request, object_id)
        found = became(row)
        context = self.page_context(
            request,
            title=f"Inbound request {row.public_id}",
            row=row,
            channel=row.channel,
            badge=request_badge(row),
            secret=_secret_words(row),
            headers=showing.headers(row.headers),
            query=showing.plain(row.query),
            became=found,
            is_cut=row.found > len(found),
            waits=any(not each.is_over for each in found) and _is_fresh(row),
            media=self.media,
            **_body(row),
        )
        return TemplateResponse(request, "admin/channels_inbound/request/page.html", context)

    def replay_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self.own_row(request, object_id)
        self._must_work(request)
        outcome = self._replayed(request, row)
        if outcome is None:
            return self._to_page(row)
        if outcome.verdict == State.QUARANTINED:
            messages.warning(request, f"It was read again, and still cannot be read. {outcome.reason}")
        elif outcome.stored:
            messages.success(request, f"It was read again: {_count(outcome.stored, 'new thing')} found.")
        else:
            messages.success(request, "It was read again. Everything in it was known already, so nothing changed.")
        return self._to_page(row)

    def retry_view(self, request: HttpRequest, object_id: int, message_id: int) -> HttpResponse:
        row = self.own_row(request, object_id)
        self._must_work(request)
        message = row.messages.filter(pk=message_id).first()
        if message is None:
            raise Http404
        processing.retry(message)
        self.log_change(request, row, f"Tried {message} again.")
        messages.success(request, "It waits for a worker again.")
        return self._to_page(row)

    def _must_work(self, request: HttpRequest) -> None:
        if not self.may_work(request):
            raise Http404

    def _to_page(self, row: InboundRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[row.pk]))

    def file_view(self, request: HttpRequest, object_id: int, attachment_id: int) -> Any:
        """A stranger's file: always a download, never anything that a browser would open as a page of ours."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        row = self.own_row(request, object_id)
        attachment = Attachment.objects.filter(
            inbound_message__request=row, pk=attachment_id, state=Attachment.State.STORED
        ).first()
        if attachment is None or not attachment.file or not default_storage.exists(attachment.file):
            raise Http404
        file = default_storage.open(attachment.file, "rb")
        name = attachment.filename or attachment.public_id
        response = FileResponse(file, as_attachment=True, filename=name, content_type="application/octet-stream")
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response["Cache-Control"] = "private, no-store"
        return response


def _body(row: InboundRequest) -> dict[str, Any]:
    """The start of it, with this channel's secrets masked once more: one may have been added since."""
    masker = Masker(_secrets_of(row.channel))
    try:
        raw = _start(row)
    except FileNotFoundError:
        raw = b""
    if row.body_size and not raw:
        return {"is_gone": True}
    data = masker.data(raw)
    is_cut = row.body_size > len(raw)
    fields = _fields(data) if row.is_form and not is_cut else None
    return {"body": showing.body(data, is_cut=is_cut), "fields": fields}


def _start(row: InboundRequest) -> bytes:
    if not row.body_file:
        return bytes(row.body)
    with default_storage.open(row.body_file) as file:
        return bytes(file.read(READ))


def _fields(data: bytes) -> list[tuple[str, str]] | None:
    try:
        return [(showing.plain(str(name)), showing.plain(str(value))) for name, value in json.loads(data)]
    except (ValueError, TypeError):
        return None


def _secrets_of(channel: Channel) -> list[str]:
    return channel.secret_values() if is_readable(channel) else []


def _secret_words(row: InboundRequest) -> str:
    """Which secret proved it: its label and mask. It may be gone since."""
    if not row.secret_ref or not is_readable(row.channel):
        return ""
    fact = next((each for each in row.channel.secret_facts() if each["id"] == row.secret_ref), None)
    if fact is None:
        return "a secret that is not kept any more"
    labels = {each.name: each.label for each in row.channel.adapter.secrets}
    return f"{labels.get(fact['name'], fact['name'])} {fact['mask']}"


def _is_fresh(row: InboundRequest) -> bool:
    return timezone.now() - row.received_at < timedelta(minutes=2)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
