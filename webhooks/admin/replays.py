"""Range replay: asked for on an endpoint, counted first, watched on a page of its own."""

import uuid
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from chatzuri.admin import ReadOnlyAdmin
from webhooks import replaying
from webhooks.admin import showing
from webhooks.models import Delivery, Endpoint, Replay

TONES = {"running": "wait", "paused": "warn", "finished": "good", "cancelled": "bad"}
OUTCOME_TONES = {"delivered": "good", "held": "wait", "queued": "wait", "sending": "wait", "no_answer": "warn"}


class MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__({"class": "cz-input", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")


class RangeForm(forms.Form):
    """From when to when, and which outcomes. Times are UTC, like everywhere in the admin."""

    accepted_from = forms.DateTimeField(label="Accepted from (UTC)", widget=MomentInput())
    accepted_to = forms.DateTimeField(label="to, not included (UTC)", widget=MomentInput())
    outcomes = forms.MultipleChoiceField(
        label="Outcomes",
        widget=forms.CheckboxSelectMultiple,
        choices=[(str(state), state.label) for state in replaying.CHOICES],
        error_messages={"required": "Choose at least one outcome."},
    )
    body = forms.ChoiceField(
        label="Body",
        choices=Replay.Body.choices,
        widget=forms.Select({"class": "cz-input"}),
        required=False,
    )

    def clean_body(self) -> str:
        return str(self.cleaned_data["body"] or Replay.Body.SAME)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("accepted_from"), data.get("accepted_to")
        if start and end and start >= end:
            self.add_error("accepted_to", "The end must be after the beginning.")
        return data

    @staticmethod
    def missed_lately() -> dict[str, Any]:
        """What did this endpoint miss within the last hour?"""
        now = timezone.now().replace(microsecond=0) + timedelta(seconds=1)
        missed = [str(state) for state in replaying.MISSED]
        hour = {"accepted_from": now - timedelta(hours=1), "accepted_to": now}
        return {**hour, "outcomes": missed, "body": Replay.Body.SAME}

    def range(self, endpoint: Endpoint) -> replaying.Range:
        data = self.cleaned_data
        return replaying.Range(endpoint, data["accepted_from"], data["accepted_to"], data["outcomes"])


class ReplayPages:
    """Part of the endpoint's admin."""

    own_row: Any
    log_change: Any
    page_context: Any
    admin_site: Any

    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET counts and asks, POST begins. The same button pressed twice leads to the same replay."""
        endpoint = self.own_row(request, object_id, to_change=True)
        asked = request.POST if request.method == "POST" else request.GET
        form = RangeForm(asked if "accepted_from" in asked else None, initial=RangeForm.missed_lately())
        valid = form.is_valid()
        if request.method == "POST" and valid:
            return self._begin(request, endpoint, form)
        context = self.page_context(
            request,
            title="Replay",
            endpoint=endpoint,
            form=form,
            preview=replaying.preview(form.range(endpoint)) if valid else None,
            cap=replaying.CAP,
            form_token=uuid.uuid4(),
            earlier=Replay.objects.of(endpoint.team).filter(endpoint=endpoint).order_by("-pk")[:10],
        )
        return TemplateResponse(request, "admin/webhooks/replay/ask.html", context)

    def _begin(self, request: HttpRequest, endpoint: Endpoint, form: RangeForm) -> HttpResponse:
        try:
            replay = replaying.start(
                chosen=form.range(endpoint),
                body=form.cleaned_data["body"],
                created_by=request.user,  # type: ignore[arg-type]
                form_token=_token(request),
            )
        except replaying.TooMany as refused:
            messages.error(request, str(refused))
            return HttpResponseRedirect(f"{request.path}?{request.POST.urlencode()}")
        if replay.team_id != endpoint.team_id:
            raise Http404
        self.log_change(request, endpoint, f"Replay {replay.public_id} of {replay.total} deliveries.")
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:webhooks_replay_change", args=[replay.pk]))


def _token(request: HttpRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("form_token", ""))
    except ValueError:
        return uuid.uuid4()


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    empty_sentence = "Open an endpoint and press “Replay…” to send again what it missed."
    list_display = ("public_id", "endpoint", "status", "progress", "created_at")
    list_select_related = ("endpoint",)
    list_filter = ("endpoint",)
    ordering = ("-pk",)
    sortable_by = ()

    @admin.display(description="State")
    def status(self, replay: Replay) -> SafeString:
        return showing.badge(replay.get_state_display().lower(), TONES[replay.state])

    @admin.display(description="Sent again")
    def progress(self, replay: Replay) -> str:
        return f"{replay.done} of {replay.total}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("endpoint", "created_by")

    def get_urls(self) -> list[URLPattern]:
        posts = {"pause": self.pause, "go_on": self.go_on, "cancel": self.cancel}
        pages = [self.page(f"<path:object_id>/{name}/", require_POST(view), name) for name, view in posts.items()]
        return [self.page("<path:object_id>/live/", self.live, "live"), *pages, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        context = self._context(request, self.own_row(request, object_id))
        return TemplateResponse(request, "admin/webhooks/replay/page.html", context)

    def live(self, request: HttpRequest, object_id: str) -> HttpResponse:
        context = self._context(request, self.own_row(request, object_id))
        return TemplateResponse(request, "admin/webhooks/replay/live.html", context)

    def _context(self, request: HttpRequest, replay: Replay) -> dict[str, Any]:
        counts = [
            (state, Delivery.State(state).label, number, OUTCOME_TONES.get(state, "bad"))
            for state, number in replaying.receipt(replay)
        ]
        return self.page_context(
            request,
            title=f"Replay {replay.public_id}",
            replay=replay,
            badge=self.status(replay),
            counts=counts,
            chosen=[Delivery.State(state).label.lower() for state in replay.outcomes],
            is_settled=replaying.is_settled(replay),
        )

    # --- stop, go on, give up ---

    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        replay = self._row_to_act_on(request, object_id)
        return self._said(request, replay, replay.pause(), "Paused. What was handed over before goes out all the same.")

    def go_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        replay = self._row_to_act_on(request, object_id)
        done = replay.go_on()
        if done:
            replaying.wake(replay_id=replay.pk)
        return self._said(request, replay, done, "It goes on.")

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        replay = self._row_to_act_on(request, object_id)
        return self._said(request, replay, replay.cancel(), "Cancelled. What was handed over before stays sent.")

    def _row_to_act_on(self, request: HttpRequest, object_id: str) -> Replay:
        replay: Replay = self.own_row(request, object_id)
        return replay

    def _said(self, request: HttpRequest, replay: Replay, done: bool, sentence: str) -> HttpResponse:
        if done:
            self.log_change(request, replay, sentence)
            messages.success(request, sentence)
        else:
            messages.warning(request, "Too late: it is not in that state any more.")
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[replay.pk]))
