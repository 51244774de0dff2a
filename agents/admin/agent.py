from typing import Any

from django.contrib import admin
from django.contrib.admin import VERTICAL
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.decorators import display

from agents.admin.brain_test import BrainTest
from agents.admin.forms import AgentForm
from agents.admin.playground import Playground
from agents.admin.rule_history import RuleEvents
from agents.admin.rule_list import RulesTab
from agents.admin.tools import ToolsPage
from agents.models import Agent, Tool
from chatzuri.admin import TeamScopedAdmin

LANGUAGE_MODEL_FIELDS = ["llm_base_url", "llm_model", "new_api_key", "forget_api_key", "max_steps"]


@admin.register(Agent)
class AgentAdmin(BrainTest, ToolsPage, RulesTab, RuleEvents, Playground, TeamScopedAdmin):
    """An agent, in tabs: Settings is Django's own form, the other tabs are pages beside it."""

    form = AgentForm
    team_path = "team"
    list_display = ["name", "brain_label", "tools_on", "active"]
    list_filter = ["brain", "is_active"]
    search_fields = ["name", "public_id"]
    ordering = ["name"]
    radio_fields = {"brain": VERTICAL}
    change_form_template = "admin/agents/agent/change_form.html"
    conditional_fields = dict.fromkeys(LANGUAGE_MODEL_FIELDS, "brain == 'llm'")
    fieldsets = [
        (None, {"fields": ["name", "greeting", "is_active"]}),
        (
            None,
            {"fields": ["brain", *LANGUAGE_MODEL_FIELDS]},
        ),
        (None, {"fields": ["instructions"]}),
        ("Leads", {"fields": ["lead_fields", "qualifying_score"]}),
        ("People and silence", {"fields": ["escalation_phrases", "idle_minutes"]}),
    ]

    class Media:
        css = {"all": ["agents/agents.css", "agents/actions.css", "agents/rules.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        on = Count("tools", filter=Q(tools__is_active=True))
        return super().get_queryset(request).select_related("team").annotate(switched_on=on)

    @display(description="Brain", label={"Offline matcher": "info", "Language model": "success"})
    def brain_label(self, agent: Agent) -> str:
        return agent.get_brain_display()

    @display(description="Tools switched on")
    def tools_on(self, agent: Agent) -> int:
        return agent.switched_on  # type: ignore[attr-defined]

    @display(description="Active", boolean=True, ordering="is_active")
    def active(self, agent: Agent) -> bool:
        return agent.is_active

    def get_urls(self) -> list[URLPattern]:
        tabs = [*self.tools_urls(), *self.rules_urls(), *self.event_urls(), *self.playground_urls()]
        return [*self.brain_test_urls(), *tabs, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        """A new agent has its `webhook_trigger` from the start, switched off."""
        super().save_model(request, obj, form, change)
        if not change:
            Tool.objects.get_or_create(agent=obj, name=Tool.Kind.WEBHOOK_TRIGGER)

    def response_add(self, request: HttpRequest, obj: Agent, post_url_continue: str | None = None) -> HttpResponse:
        """The next thing anybody does with a new agent is to let it do something."""
        response = super().response_add(request, obj, post_url_continue)
        if {"_addanother", "_popup", "_continue"} & set(request.POST):
            return response
        return HttpResponseRedirect(reverse(self.url_name("tools"), args=[obj.pk]))
