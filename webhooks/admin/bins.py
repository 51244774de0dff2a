"""The inspector: an address that shows what reaches it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from chatzuri.admin import TeamScopedAdmin
from webhooks.admin import showing
from webhooks.models import Bin, CaughtRequest, Endpoint
from webhooks.models.inspector import KEPT_FOR

SHOWN_AT_ONCE = 50
TONES = {"valid": "good", "invalid": "bad", "unsigned": "warn", "unknown": "wait"}


@admin.register(Bin)
class BinAdmin(TeamScopedAdmin):
    empty_sentence = "An inspector gives you an address and shows live what reaches it."
    list_display = ("name", "address", "status", "created_at")
    search_fields = ("name",)
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("name",)}),
        (
            "Answer with",
            {
                "fields": ("answer_status", "answer_delay", "answer_body"),
                "description": "Try failures: a 503, a slow answer, a body your receiver would send.",
            },
        ),
    )
    change_form_outer_before_template = "admin/webhooks/bin/panel.html"

    @admin.display(description="State")
    def status(self, bin: Bin) -> SafeString:
        return showing.badge("expired", "bad") if bin.is_expired else showing.badge("listening", "good")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else [(None, {"fields": ("name",)})]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<path:object_id>/requests/", self.newer, "requests"),
            self.page("<path:object_id>/clear/", require_POST(self.clear), "clear"),
            self.page("<path:object_id>/keep/", require_POST(self.keep), "keep"),
            self.page("<path:object_id>/use/", require_POST(self.use), "use"),
            *super().get_urls(),
        ]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        if object_id and (bin := self.get_object(request, object_id)):
            extra |= caught(bin.requests.all())
            extra["endpoints"] = Endpoint.objects.of(bin.team).filter(url=bin.address).order_by("name")
        return super().changeform_view(request, object_id, form_url, extra)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[obj.pk]))

    def newer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What came after the last one the page knows; above it, the piece that asks again."""
        bin = self.own_row(request, object_id)
        known = request.GET.get("after", "")
        after = int(known) if known.isdecimal() and len(known) < 19 else 0
        context = {"original": bin, **caught(bin.requests.filter(pk__gt=after), after=after)}
        return TemplateResponse(request, "admin/webhooks/bin/requests.html", context)

    def clear(self, request: HttpRequest, object_id: str) -> HttpResponse:
        bin = self.own_row(request, object_id, to_change=True)
        bin.requests.all().delete()
        return self._back(request, bin, "Cleared.")

    def keep(self, request: HttpRequest, object_id: str) -> HttpResponse:
        bin = self.own_row(request, object_id, to_change=True)
        bin.expires_at = timezone.now() + KEPT_FOR
        bin.save(update_fields=["expires_at"])
        return self._back(request, bin, f"It listens until {bin.expires_at:%d %B, %H:%M} UTC.")

    def use(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """An endpoint that leads here, in one click; a second click finds it."""
        bin = self.own_row(request, object_id, to_change=True)
        endpoints = Endpoint.objects.of(bin.team)
        endpoint = endpoints.filter(url=bin.address).first()
        if endpoint is None:
            name = bin.name if not endpoints.filter(name=bin.name).exists() else f"{bin.name} ({bin.key[:6]})"
            endpoint = Endpoint(team=bin.team, name=name[:100], url=bin.address)
            try:
                endpoint.full_clean()
            except ValidationError as refused:
                messages.error(request, " ".join(refused.messages))
                return HttpResponseRedirect(reverse(self.url_name("change"), args=[bin.pk]))
            endpoint.save()
            self.log_change(request, bin, f"Endpoint {endpoint.public_id} made.")
            messages.success(request, "The endpoint is ready. Send a test event, then look at the inspector.")
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:webhooks_endpoint_change", args=[endpoint.pk]))

    def _back(self, request: HttpRequest, bin: Bin, sentence: str) -> HttpResponse:
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[bin.pk]))


def caught(rows: QuerySet[CaughtRequest], *, after: int = 0) -> dict[str, Any]:
    """The newest requests as the template shows them."""
    newest = list(rows.order_by("-pk")[:SHOWN_AT_ONCE])
    return {"last": newest[0].pk if newest else after, "requests": [_shown(each) for each in newest]}


def _shown(caught: CaughtRequest) -> dict[str, Any]:
    return {
        "row": caught,
        "path": showing.plain(caught.path),
        "badge": showing.badge(caught.get_verdict_display(), TONES[caught.verdict]),
        "headers": showing.headers(caught.headers),
        "body": showing.body(bytes(caught.body), is_cut=caught.body_cut),
    }
