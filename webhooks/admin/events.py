import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatzuri.admin import ReadOnlyAdmin
from webhooks.admin import showing
from webhooks.admin.deliveries import CappedPaginator
from webhooks.models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "type", "agent_ref", "conversation_ref", "occurred_at")
    search_fields = ("public_id",)
    search_help_text = "Search by event id, type, agent id or conversation id"
    ordering = ("-pk",)
    sortable_by = ()
    paginator = CappedPaginator
    fields = ("public_id", "type", "occurred_at", "agent_ref", "conversation_ref", "content", "sent_as")
    readonly_fields = fields

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        term = term.strip()
        names = {"evt_": "public_id", "agt_": "agent_ref", "cnv_": "conversation_ref"}
        return (rows.filter(**{names.get(term[:4], "type"): term}) if term else rows), False

    @admin.display(description="Data")
    def content(self, event: Event) -> SafeString:
        text = showing.plain(json.dumps(event.data, indent=2, ensure_ascii=False))
        return format_html('<pre class="cz-code">{}</pre>', text)

    @admin.display(description="Deliveries")
    def sent_as(self, event: Event) -> str:
        return ", ".join(event.deliveries.order_by("pk").values_list("public_id", flat=True)[:20]) or "None"
