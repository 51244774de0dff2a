from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from chatzuri.admin.base import TeamScopedAdmin
from chatzuri.admin.wall import team_of
from chatzuri.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(TeamScopedAdmin):
    """Made, shown once, revoked; never changed and never deleted, so that a used key stays on record."""

    managers_only = True
    empty_sentence = "A key lets your own programs chat with your agents and read deliveries."
    list_display = ("name", "beginning", "status", "created_by", "created_at", "last_used_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix")
    search_help_text = "Search by name or by the beginning of the key"
    actions = ("revoke_selected",)
    change_form_outer_before_template = "admin/chatzuri/apikey/revoke.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<path:object_id>/revoke/", require_POST(self.revoke), "revoke"), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "beginning", "status", "created_by", "created_at", "last_used_at") if obj else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_work(request)

    @admin.display(description="Key")
    def beginning(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @display(description="Status", label={"Live": "success", "Revoked": "danger"})
    def status(self, key: ApiKey) -> str:
        return "Live" if key.is_live else "Revoked"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.team, obj.created_by = team_of(request), request.user
        obj.secret = obj.issue()

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        context = self.page_context(
            request,
            title="New API key",
            heading=f"API key “{obj.name}”",
            sentence="Send it with every call: Authorization: Bearer, a blank, and the key.",
            secret=obj.secret,
            next_url=reverse(self.url_name("changelist")),
        )
        return TemplateResponse(request, "admin/shown_once.html", context)

    @admin.action(description="Revoke selected keys", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        live = [key for key in keys if key.is_live]
        for key in live:
            self._revoke(request, key)
        messages.success(request, f"Keys revoked: {len(live)}. Calls with them are refused from now on.")

    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.own_row(request, object_id)
        if key.is_live:
            self._revoke(request, key)
        messages.success(request, f"{key.name} is revoked. Calls with it are refused from now on.")
        return HttpResponseRedirect(reverse(self.url_name("changelist")))

    def _revoke(self, request: HttpRequest, key: ApiKey) -> None:
        key.revoke()
        self.log_change(request, key, "Revoked.")
