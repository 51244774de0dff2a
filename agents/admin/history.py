"""What chats leave behind: read, never typed into."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from unfold.decorators import display

from agents.admin.approvals import Approvals
from agents.admin.escalations import Escalations, PersonFilter, escalation_badge, open_escalation, with_escalation
from agents.models import Conversation, Customer, ToolCall
from agents.transcripts import SHOWN, Line, brain_words, calls, lines, receipt
from chatzuri.admin import ReadOnlyAdmin, TeamScopedAdmin


def link(page: str, key: int, text: object) -> str:
    address = reverse(f"admin:{page}_change", args=[key])
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', address, text)


class ChannelFilter(admin.SimpleListFilter):
    """A fixed list: Django's own filter would offer the values of every team."""

    title = parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("api", "API"), ("playground", "Playground")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(channel=self.value()) if self.value() else queryset


@admin.register(Conversation)
class ConversationAdmin(Escalations, ReadOnlyAdmin):
    team_path = "agent__team"
    list_display = ["customer", "agent", "channel", "state_label", "person", "last_message_at"]
    list_filter = ["agent", PersonFilter, ChannelFilter, "state"]
    list_select_related = ["agent", "customer"]
    search_fields = ["public_id", "customer__name", "customer__email", "customer__external_id"]
    search_help_text = "Search by conversation id, or by the customer's name, e-mail address or id"
    ordering = ["-last_message_at"]
    change_form_template = "admin/agents/conversation/change_form.html"

    class Media:
        css = {"all": ["agents/agents.css", "agents/actions.css"]}

    @display(description="State", label={"Open": "success"})
    def state_label(self, conversation: Conversation) -> str:
        return conversation.get_state_display()

    @display(description="Person")
    def person(self, conversation: Conversation) -> str:
        return escalation_badge(conversation.escalation_state)  # type: ignore[attr-defined]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return with_escalation(super().get_queryset(request))

    def get_urls(self) -> list[URLPattern]:
        return [*self.escalation_urls(), *super().get_urls()]

    def lines(self, conversation: Conversation) -> list[Line]:
        """The transcript. Whoever knows channels adds what became of each line there."""
        return lines(conversation)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        conversation = self.own_row(request, object_id)
        context = {
            "title": f"Conversation with {conversation.customer}",
            "conversation": conversation,
            "lines": self.lines(conversation),
            "escalation": open_escalation(conversation),
            "escalation_badge": escalation_badge(conversation.escalation_state),
            "shown": SHOWN,
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)


@admin.register(Customer)
class CustomerAdmin(TeamScopedAdmin):
    team_path = "team"
    list_display = ["__str__", "email", "phone", "external_id", "created_at"]
    search_fields = ["public_id", "name", "email", "phone", "external_id"]
    ordering = ["-pk"]
    readonly_fields = ["public_id", "created_at", "conversations"]
    fields = ["name", "email", "phone", "external_id", "public_id", "created_at", "conversations"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Latest conversations")
    def conversations(self, customer: Customer) -> str:
        latest = customer.conversations.select_related("agent").order_by("-last_message_at")[:10]
        rows = [
            link("agents_conversation", one.pk, f"{one.agent}, {one.last_message_at:%Y-%m-%d %H:%M} UTC")
            for one in latest
        ]
        return format_html("{}" + "<br>{}" * (len(rows) - 1), *rows) if rows else "None yet"


@admin.register(ToolCall)
class ToolCallAdmin(Approvals, ReadOnlyAdmin):
    team_path = "agent__team"
    list_display = ["created_at", "tool_name", "agent", "status_label", "outcome"]
    list_display_links = ["created_at", "tool_name"]
    list_filter = ["agent", "status"]
    search_fields = ["public_id", "conversation__public_id", "delivery__public_id", "run__public_id"]
    search_help_text = "Search by the id of a tool call, a conversation, a delivery or a run"
    ordering = ["-pk"]
    change_form_outer_before_template = "admin/agents/toolcall/approval.html"

    class Media:
        css = {"all": ["agents/agents.css", "agents/actions.css"]}

    fieldsets = [
        ("What happened", {"fields": ["status_label", "outcome", "result_text", "created_at", "finished_at"]}),
        ("Why", {"fields": ["why", "reason", "judged", "conversation_link"]}),
        ("What was asked", {"fields": ["agent", "tool_name", "public_id", "arguments_json"]}),
    ]
    readonly_fields = [name for _, options in fieldsets for name in options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolCall]:
        mine = super().get_queryset(request).order_by().values("pk")
        return calls().filter(pk__in=mine).select_related("conversation", "judged_by")

    def get_urls(self) -> list[URLPattern]:
        return [*self.approval_urls(), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        call = self.own_row(request, object_id)
        context = {"held_arguments": receipt(call).arguments, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @display(
        description="Status",
        label={
            "Fired": "success",
            "Asked again, sent once": "success",
            "Failed": "danger",
            "Refused": "danger",
            "Running": "info",
            "Waits for approval": "warning",
        },
    )
    def status_label(self, call: ToolCall) -> str:
        return call.get_status_display()

    @display(description="Outcome")
    def outcome(self, call: ToolCall) -> str:
        found = receipt(call)
        if found.run is not None:
            return link("agents_actionrun", found.run.pk, found.sentence)
        if found.delivery is None:
            return found.sentence or "–"
        return link("webhooks_delivery", found.delivery.pk, found.sentence)

    @display(description="What the agent was told")
    def result_text(self, call: ToolCall) -> str:
        return (call.result or {}).get("text", "") or "–"

    @display(description="Decided by")
    def why(self, call: ToolCall) -> str:
        reply = call.turn.reply if call.turn else None
        return brain_words(reply.brain if reply else None) or "A call over the API, without a brain."

    @display(description="Approval")
    def judged(self, call: ToolCall) -> str:
        if call.judged_at is None:
            return "Waits for a person" if call.status == ToolCall.Status.HELD else "Nobody was asked"
        return f"Decided by {call.judged_by or 'a person who is gone'}, {call.judged_at:%Y-%m-%d %H:%M} UTC"

    @display(description="Conversation")
    def conversation_link(self, call: ToolCall) -> str:
        if call.conversation is None:
            return "–"
        return link("agents_conversation", call.conversation.pk, call.conversation)

    @display(description="Arguments")
    def arguments_json(self, call: ToolCall) -> str:
        text = receipt(call).arguments
        return format_html('<pre class="cz-code">{}</pre>', text)
