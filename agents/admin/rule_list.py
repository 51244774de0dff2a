"""The tab Trigger rules of an agent: its rules in their order, recipes, and what the builder asks for as it is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone

from agents import deciding, recipes, rehearsing, rules
from agents.admin import rehearsals, rule_preview
from agents.admin.rule_drafts import Draft
from agents.admin.rule_words import STATE_TONES, sentence
from agents.models import Agent, Firing, Rehearsal, TriggerRule

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

A_PAGE = 50
MOST_DAYS = 365
JUDGED_BY = ("event_type", "condition", "predicate", "fires", "scope", "cooldown_minutes", "most_a_day")
DAYS = f"Choose between 1 and {MOST_DAYS} days."


@dataclass(frozen=True)
class Listed:
    """A rule as the list shows it. Counts are of firings that sent; of a watching rule, of those that would have."""

    rule: TriggerRule
    sentence: str
    tone: str
    today: int
    week: int
    last: datetime | None


def listed(rows: Sequence[TriggerRule]) -> list[Listed]:
    """The rows in their order; their firings are counted with one query for all of them."""
    now = timezone.now()
    midnight = deciding.day_of(now)
    recent = Firing.objects.filter(rule__in=rows, fired_at__gte=now - timedelta(days=7))
    counted = recent.values("rule", "was_live").annotate(
        week=Count("pk"), today=Count("pk", filter=Q(fired_at__gte=midnight))
    )
    counts = {(row["rule"], row["was_live"]): (row["today"], row["week"]) for row in counted.order_by()}
    last = {row["pk"]: (row["watched"], row["sent"]) for row in _last_fired(rows)}
    return [_listed(rule, counts, last) for rule in rows]


def _last_fired(rows: Sequence[TriggerRule]) -> Any:
    """From the end of each rule's index: a rule may have fired a million times."""
    latest = Firing.objects.filter(rule=OuterRef("pk")).order_by("-fired_at").values("fired_at")
    found = TriggerRule.objects.filter(pk__in=[rule.pk for rule in rows])
    return found.annotate(
        watched=Subquery(latest.filter(was_live=False)[:1]), sent=Subquery(latest.filter(was_live=True)[:1])
    ).values("pk", "watched", "sent")


def _listed(rule: TriggerRule, counts: dict[Any, tuple[int, int]], last: dict[int, Any]) -> Listed:
    sends = rule.state != TriggerRule.State.WATCHING
    today, week = counts.get((rule.pk, sends), (0, 0))
    return Listed(rule, sentence(rule), STATE_TONES[rule.state], today, week, last[rule.pk][sends])


class RulesTab(Base):
    def rules_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:object_id>/rules/", self.rules_view, "rules"),
            self.page("<int:object_id>/rules/recipes/<slug:slug>/", self.cook_view, "cook"),
            self.page("<int:object_id>/rules/preview/", self.preview_view, "preview_rule"),
            self.page("<int:object_id>/rules/rehearse/", self.rehearse_view, "rehearse_rule"),
        ]

    def rules_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        agent = self.own_row(request, object_id)
        rows = agent.trigger_rules.select_related("endpoint").order_by("position", "pk")
        number = request.GET.get("page", "1")
        page = Paginator(rows, A_PAGE).get_page(number)
        context = self.page_context(
            request,
            title=str(agent),
            agent=agent,
            original=agent,
            tab="rules",
            page=page,
            rows=listed(list(page.object_list)),
            recipes=recipes.RECIPES.values(),
            states=TriggerRule.State.choices,
            media=self.media,
        )
        return TemplateResponse(request, "admin/agents/rules/list.html", context)

    def cook_view(self, request: HttpRequest, object_id: int, slug: str) -> HttpResponse:
        """One click makes a rule of a recipe, watching, and opens it."""
        agent = self.own_row(request, object_id, to_change=True)
        recipe = recipes.RECIPES.get(slug)
        if recipe is None:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            rule = recipes.cook(recipe, agent=agent)
        except rules.RuleRefused as refused:
            for fault in refused.faults:
                messages.error(request, fault.detail)
            return HttpResponseRedirect(reverse(self.url_name("rules"), args=[agent.pk]))
        self.log_change(request, agent, f"Made the trigger rule “{rule}” from a recipe.")
        messages.success(request, f"“{rule}” is made, and it is watching. {recipe.advice}")
        return HttpResponseRedirect(reverse("admin:agents_triggerrule_change", args=[rule.pk]))

    # --- what the builder asks for ---

    def preview_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What would be sent, for the rule as it stands in the builder."""
        agent, saved = self._posted_rule(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        draft = Draft.posted(request.POST)
        context = rule_preview.shown(agent, draft, saved, request.POST.get("preview_event", ""))
        return TemplateResponse(request, "admin/agents/rules/preview.html", {"agent": agent, **context})

    def rehearse_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Begin a rehearsal of the rule as it stands in the builder, saved or not."""
        agent, saved = self._posted_rule(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        draft = Draft.posted(request.POST)
        rule = draft.rule(agent, saved, [])
        draft.take(fault for fault in rules.check(rule) if _is_about_judging(fault.pointer))
        faults = _judging_errors(draft)
        days = request.POST.get("days", "30").strip()
        if not days.isdecimal() or not 1 <= int(days[:6]) <= MOST_DAYS:
            faults.append(DAYS)
        if faults:
            return TemplateResponse(request, "admin/agents/rules/not_rehearsed.html", {"faults": faults})
        rehearsal = _begin(request, agent, rule, saved, int(days))
        if "HX-Request" in request.headers:
            return TemplateResponse(request, rehearsals.LIVE, rehearsals.shown(rehearsal))
        return HttpResponseRedirect(reverse("admin:agents_rehearsal_change", args=[rehearsal.pk]))

    def _posted_rule(self, request: HttpRequest, object_id: int) -> tuple[Agent, TriggerRule | None]:
        """The agent, and its rule that is being edited. 404 where it has none of that number."""
        agent = self.own_row(request, object_id, to_change=True)
        number = request.POST.get("rule", "")
        if not number:
            return agent, None
        rows = agent.trigger_rules.select_related("endpoint", "agent__team")
        rule = rows.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
        if rule is None:
            raise Http404
        return agent, rule


def _is_about_judging(pointer: str) -> bool:
    """A rule can be rehearsed without a name, an endpoint or a body."""
    return pointer.strip("/").partition("/")[0] in JUDGED_BY


def _judging_errors(draft: Draft) -> list[str]:
    found = [sentence for key in JUDGED_BY for sentence in draft.errors.get(key, [])]
    return [*found, *draft.condition.sentences()]


def _begin(request: HttpRequest, agent: Agent, rule: TriggerRule, saved: TriggerRule | None, days: int) -> Rehearsal:
    """Whoever presses the button again wants the new answer, and not the one before it."""
    mine = Rehearsal.objects.filter(agent=agent, created_by=request.user.pk, state=Rehearsal.State.RUNNING)
    for earlier in mine:
        rehearsing.cancel(earlier)
    draft = deciding.Draft.of(rule)
    return rehearsing.begin(agent=agent, draft=draft, rule=saved, days=days, created_by=request.user)
