"""Where deliveries go: the address, its signing secret, pause and resume, a test."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse, reverse_lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from chatzuri.admin import TeamScopedAdmin
from chatzuri.admin.wall import is_manager
from webhooks import addresses, sending
from webhooks.admin import showing
from webhooks.admin.deliveries import form_token, handed_over
from webhooks.admin.endpoint_form import EndpointForm
from webhooks.admin.receiver_test import ReceiverTestPages
from webhooks.admin.replays import ReplayPages
from webhooks.admin.signing import SigningPages
from webhooks.models import Delivery, Endpoint

TEST_DATA = {"message": "A test from Chatzuri. Nothing happened to a customer."}


@admin.register(Endpoint)
class EndpointAdmin(SigningPages, ReceiverTestPages, ReplayPages, TeamScopedAdmin):
    form = EndpointForm
    empty_sentence = "An endpoint is the address your deliveries go to. Without a server, use one of the Inspector."
    list_display = ("name", "address", "status", "changed_at")
    list_select_related = ("credential",)
    list_filter = ("state",)
    search_fields = ("name", "url")
    search_help_text = "Search by name or address"
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "url", "credential")}),
        (
            "Advanced",
            {
                "fields": ("custom_headers", "concurrency", "rate_per_minute", "is_ordered"),
                "classes": ("collapse",),
                "description": "For receivers that want more headers, or fewer requests at a time.",
            },
        ),
    )
    change_form_outer_before_template = "admin/webhooks/endpoint/panel.html"
    change_form_outer_after_template = "admin/webhooks/endpoint/signing.html"

    @admin.display(description="Address")
    def address(self, endpoint: Endpoint) -> str:
        url = endpoint.url or "from the credential"
        return url if len(url) <= 60 else url[:59] + "…"

    @admin.display(description="State")
    def status(self, endpoint: Endpoint) -> SafeString:
        return showing.badge("active", "good") if endpoint.is_active else showing.badge("paused", "warn")

    def get_urls(self) -> list[URLPattern]:
        posts = {
            "test": self.send_test,
            "pause": self.pause,
            "resume": self.resume,
            "release": self.release,
            "discard": self.discard,
            "secret": self.rotate,
            "end_overlap": self.end_overlap,
        }
        pages = [self.page(f"<path:object_id>/{name}/", require_POST(view), name) for name, view in posts.items()]
        own = {"replay": self.replay, "receiver": self.test_receiver}
        pages += [self.page(f"<path:object_id>/{name}/", view, name) for name, view in own.items()]
        return [self.page("check/", self.check_address, "check"), *pages, *super().get_urls()]

    # --- the form ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change=change, **options)
        form.by_manager = is_manager(request)  # the class was made for this request
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **options)
        if field is not None and db_field.name == "credential":
            field.queryset = field.queryset.filter(kind="webhook")
        return field

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None and db_field.name == "url":
            field.widget.attrs |= {
                "hx-get": reverse_lazy(self.url_name("check")),
                "hx-trigger": "change",
                "hx-target": "next .cz-check",
                "inputmode": "url",
                "placeholder": "https://",
            }
            field.help_text = SafeString('Where deliveries go. <span class="cz-check" role="status"></span>')
        return field

    def check_address(self, request: HttpRequest) -> HttpResponse:
        """What the guard says about an address, as soon as the field is left."""
        if not self.has_add_permission(request):
            raise Http404
        url = request.GET.get("url", "").strip()
        try:
            tone, sentence = "good", "This address may be used." if url and addresses.parse(url) else ""
        except addresses.Blocked as refusal:
            tone, sentence = "bad", refusal.sentence
        return HttpResponse(format_html('<span data-tone="{}">{}</span>', tone, sentence) if sentence else "")

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        extra = {**(extra_context or {}), "form_token": uuid.uuid4()}
        if object_id and (endpoint := self.get_object(request, object_id)):
            deliveries = Delivery.objects.of(endpoint.team).filter(endpoint=endpoint)
            extra["held"] = deliveries.held().count()
            latest = deliveries.select_related("event", "attempt").defer("body", "attempt__response_body")
            rows = latest.order_by("-pk")[:5]
            extra["latest"] = [(row, showing.outcome_badge(row)) for row in rows]
            extra |= self.signing_context(endpoint)
        return super().changeform_view(request, object_id, form_url, extra)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        if "_popup" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        return self.show_secret(request, obj, obj.signing_secret, f"“{obj}” is ready")

    # --- pause, resume, test ---

    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.own_row(request, object_id, to_change=True)
        endpoint.pause()
        return self._done(request, endpoint, "Paused. New deliveries wait here until you release or discard them.")

    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.own_row(request, object_id, to_change=True)
        endpoint.resume()
        return self._done(request, endpoint, "Active again. What was held still waits: release or discard it.")

    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.own_row(request, object_id, to_change=True)
        with transaction.atomic():
            count = Delivery.objects.of(endpoint.team).filter(endpoint=endpoint).release()
            transaction.on_commit(sending.wake_drain)
        return self._done(request, endpoint, f"Released: {count}. They are being sent now.")

    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.own_row(request, object_id, to_change=True)
        count = Delivery.objects.of(endpoint.team).filter(endpoint=endpoint).discard()
        return self._done(request, endpoint, f"Discarded: {count}. They stay in the list as cancelled.")

    def _done(self, request: HttpRequest, endpoint: Endpoint, sentence: str) -> HttpResponse:
        self.log_change(request, endpoint, sentence)
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[endpoint.pk]))

    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One press, one request: the form's token finds the delivery a double click already made."""
        endpoint = self.own_row(request, object_id, to_change=True)
        delivery = sending.publish(
            endpoint=endpoint,
            event_type="test.ping",
            data=TEST_DATA,
            caused_by="test",
            form_token=form_token(request),
            wake=False,
        )
        return handed_over(delivery, team_id=endpoint.team_id, page=f"{self.admin_site.name}:webhooks_delivery_change")
