"""What rules said: the history of one rule, and for one event what every rule said of it."""

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agents.admin import rule_facts
from agents.admin.rule_words import OUTCOME_TONES, event_title, events, reasons
from agents.models import Conversation, Customer, Evaluation, Firing
from chatzuri.admin import ReadOnlyAdmin
from webhooks.admin import showing
from webhooks.admin.deliveries import CappedPaginator
from webhooks.models import Event

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

SHOWN = 50


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    """Judgements of rules, newest first."""

    team_path = "rule__agent__team"
    empty_sentence = "A rule that is live or watching judges every event it listens to: the first one appears here."
    list_display = ("judged", "rule_name", "outcome_label", "why", "event_type", "about")
    list_display_links = ("judged",)
    list_filter = (("outcome", admin.ChoicesFieldListFilter), "rule")
    search_fields = ("event__public_id",)
    search_help_text = "Search by the id of a rule, an event, a conversation or a customer"
    ordering = ("-pk",)
    sortable_by = ()
    paginator = CappedPaginator

    class Media:
        css = {"all": ["agents/agents.css", "agents/rules.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("rule__agent", "event").defer("event__data")

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        """Exact ids by their index."""
        term = term.strip()
        names = {"rul_": "rule__public_id", "evt_": "event__public_id"}
        return (rows.filter(**{names.get(term[:4], "subject"): term}) if term else rows), False

    @admin.display(description="When (UTC)")
    def judged(self, evaluation: Evaluation) -> str:
        return f"{evaluation.judged_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Rule")
    def rule_name(self, evaluation: Evaluation) -> str:
        return evaluation.rule.name

    @admin.display(description="Outcome")
    def outcome_label(self, evaluation: Evaluation) -> SafeString:
        tone = OUTCOME_TONES[Evaluation.Outcome(evaluation.outcome)]
        return showing.badge(evaluation.get_outcome_display(), tone)

    @admin.display(description="Why")
    def why(self, evaluation: Evaluation) -> str:
        """The rows that did not hold, or else how many did."""
        lines = reasons(evaluation.explanation, evaluation.event.type)
        failed = [line.text for line in lines if not line.held]
        if failed and not evaluation.matched:
            more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
            return showing.plain(failed[0]) + more
        return f"{sum(line.held for line in lines)} of {len(lines)} rows held" if lines else "It asks nothing"

    @admin.display(description="Event")
    def event_type(self, evaluation: Evaluation) -> str:
        return evaluation.event.type

    @admin.display(description="About")
    def about(self, evaluation: Evaluation) -> SafeString:
        return format_html('<code class="cz-weak">{}</code>', evaluation.subject)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        evaluation = self.own_row(request, object_id)
        firing = Firing.objects.filter(rule=evaluation.rule_id, event=evaluation.event_id)
        fired = firing.select_related("delivery__attempt", "delivery__endpoint").first()
        context = self.page_context(
            request,
            title=f"What “{evaluation.rule}” said",
            evaluation=evaluation,
            agent=evaluation.rule.agent,
            original=evaluation.rule.agent,
            tab="rules",
            one=rule_facts.said(evaluation, evaluation.event.type, fired.delivery if fired else None),
            title_of_event=event_title(evaluation.event.type),
            media=self.media,
        )
        return TemplateResponse(request, "admin/agents/rules/evaluation.html", context)


class RuleEvents(Base):
    """Pages of an agent: what happened, and why a rule did not fire."""

    def event_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:object_id>/events/", self.events_view, "events"),
            self.page("<int:object_id>/events/<slug:event_ref>/", self.event_view, "event"),
        ]

    def events_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Newest first, `?type=` of one kind, `?before=` further back."""
        agent = self.own_row(request, object_id)
        type, before = request.GET.get("type", ""), request.GET.get("before", "")
        after = int(before) if before.isdecimal() and len(before) < 19 else 0
        rows = rule_facts.latest(agent, types=[type] if type else (), before=after, limit=SHOWN + 1)
        context = self.page_context(
            request,
            title=f"What happened on {agent}",
            agent=agent,
            original=agent,
            tab="rules",
            facts=rule_facts.told(rows[:SHOWN]),
            older=rows[SHOWN - 1].pk if len(rows) > SHOWN else None,
            is_further_back=bool(after),
            chosen=type,
            kinds=events(),
            media=self.media,
        )
        return TemplateResponse(request, "admin/agents/rules/events.html", context)

    def event_view(self, request: HttpRequest, object_id: int, event_ref: str) -> HttpResponse:
        agent = self.own_row(request, object_id)
        event = Event.objects.filter(team=agent.team_id, agent_ref=agent.public_id, public_id=event_ref).first()
        if event is None:
            raise Http404
        [fact] = rule_facts.told([event])
        judged = [one.rule.pk for one in fact.said]
        conversation = Conversation.objects.filter(agent=agent, public_id=event.conversation_ref).first()
        context = self.page_context(
            request,
            title=f"{fact.title}: what the rules said",
            agent=agent,
            original=agent,
            tab="rules",
            event=event,
            fact=fact,
            unasked=rule_facts.not_asked(agent, event, judged, waits=fact.waits),
            conversation=conversation,
            customer=Customer.objects.filter(team=agent.team_id, public_id=event.customer_ref).first(),
            content=showing.plain(json.dumps(event.data, indent=2, ensure_ascii=False)),
            deliveries=f"{reverse('admin:webhooks_delivery_changelist')}?q={event.public_id}",
            media=self.media,
        )
        return TemplateResponse(request, "admin/agents/rules/event.html", context)
