"""Trigger rules of the team: the list of all of them, the builder, and what one click does to a rule."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from agents import catalogue, conditions, rules
from agents.admin import rule_preview, rule_words
from agents.admin.rule_drafts import Draft
from agents.admin.rule_rows import Group, Row
from agents.models import Agent, TriggerRule
from chatzuri.admin import TeamScopedAdmin
from chatzuri.admin.wall import rows_of_team
from webhooks.admin.deliveries import CappedPaginator
from webhooks.admin.showing import badge
from webhooks.models import Endpoint

BUILDER = "admin/agents/rules/builder.html"
SPARE_ROWS = 2  # for those who work without scripts
DAYS = 30
SAID = {
    "live": "“{}” is live: from now on it sends.",
    "watching": "“{}” is watching: it judges and records, and sends nothing.",
    "off": "“{}” is off: it judges nothing.",
}


@admin.register(TriggerRule)
class TriggerRuleAdmin(TeamScopedAdmin):
    team_path = "agent__team"
    empty_sentence = "A rule belongs to an agent. Open one and choose its tab Trigger rules."
    list_display = ["name", "agent", "state_label", "says", "last_changed"]
    list_select_related = ["agent", "endpoint"]
    list_filter = ["agent", "state"]
    search_fields = ["public_id", "name"]
    search_help_text = "Search by name, or by the id of a rule"
    ordering = ["agent__name", "position", "pk"]
    sortable_by = ["name", "agent"]
    paginator = CappedPaginator

    class Media:
        css = {"all": ["agents/agents.css", "agents/actions.css", "agents/rules.css"]}

    # --- the list ---

    @admin.display(description="State")
    def state_label(self, rule: TriggerRule) -> SafeString:
        return badge(rule_words.STATE_WORDS[rule.state], rule_words.STATE_TONES[rule.state])

    @admin.display(description="What it does")
    def says(self, rule: TriggerRule) -> str:
        return rule_words.sentence(rule)

    @admin.display(description="Changed (UTC)")
    def last_changed(self, rule: TriggerRule) -> str:
        return f"{rule.changed_at:%Y-%m-%d %H:%M}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[TriggerRule]:
        return super().get_queryset(request).select_related("agent__team", "endpoint")

    # --- pages ---

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:object_id>/state/", self.state_view, "state"),
            self.page("<int:object_id>/move/", self.move_view, "move"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A rule of one agent; where none was named, the page asks for which."""
        if not self.has_add_permission(request):
            raise Http404
        agents = rows_of_team(Agent, request=request, site=self.admin_site).order_by("name")
        agent = _named(agents, request.GET.get("agent", ""))
        if agent is None:
            context = self.page_context(request, title="New trigger rule", agents=agents[:200], media=self.media)
            context["begun"] = urlencode({key: request.GET[key] for key in ("event", "list") if key in request.GET})
            return TemplateResponse(request, "admin/agents/rules/choose_agent.html", context)
        return self._edit(request, agent, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        rule = self.own_row(request, object_id, to_change=True)
        return self._edit(request, rule.agent, rule)

    def _edit(self, request: HttpRequest, agent: Agent, rule: TriggerRule | None) -> HttpResponse:
        if request.method == "POST":
            return self._save(request, agent, rule)
        return self._builder(request, agent, rule, Draft.of(rule) if rule else _first_draft(request))

    def _save(self, request: HttpRequest, agent: Agent, saved: TriggerRule | None) -> HttpResponse:
        """Save the page, and with it the state whose button was pressed: both or neither."""
        draft = Draft.posted(request.POST)
        rule = draft.rule(agent, saved, self._endpoints(request))
        endpoint, is_new = draft.make_endpoint(agent) if draft.new_url else (rule.endpoint, False)
        # An endpoint that is still to be made has no key, which a live rule must not be without.
        rule.endpoint = (saved.endpoint if saved else None) if is_new else endpoint
        wanted = _wanted_state(request) or rule.state
        rule.state = rule.state if is_new else wanted
        draft.judge(rule)
        if draft.has_errors:
            return self._builder(request, agent, saved, draft)
        rule.state = wanted
        try:
            warning = _save_with(rule, endpoint if is_new else None, starts_anew=draft.starts_anew)
        except rules.RuleRefused as refused:
            draft.take(refused.faults)
            return self._builder(request, agent, saved, draft)
        self._tell_saved(request, rule, warning, is_first=saved is None)
        if is_new and endpoint is not None:
            # Shown in the answer to the very request that made it, so that it is stored nowhere on its way.
            shown = {"made": endpoint, "secret": endpoint.signing_secret}
            return self._builder(request, agent, rule, Draft.of(rule), **shown)
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[rule.pk]))

    def _tell_saved(self, request: HttpRequest, rule: TriggerRule, warning: str, *, is_first: bool) -> None:
        log = self.log_addition if is_first else self.log_change
        log(request, rule, f"Saved the trigger rule “{rule}” of {rule.agent}.")
        if state := _wanted_state(request):
            messages.success(request, f"Saved. {SAID[state].format(rule)}")
        elif is_first:
            messages.success(request, f"“{rule}” is saved, and it is watching. Rehearse it, then set it live.")
        else:
            messages.success(request, f"“{rule}” is saved.")
        if warning:
            messages.warning(request, warning)

    def _builder(
        self, request: HttpRequest, agent: Agent, rule: TriggerRule | None, draft: Draft, **extra: Any
    ) -> HttpResponse:
        kind = catalogue.EVENTS.get(draft.event_type)
        context = self.page_context(
            request,
            title=rule.name if rule else "New trigger rule",
            agent=agent,
            original=agent,
            tab="rules",
            rule=rule,
            draft=draft,
            kinds=rule_words.events(),
            kind=kind,
            sentence=rule_words.sentence(rule) if rule else "",
            state_tone=rule_words.STATE_TONES[rule.state] if rule else "",
            state_word=rule_words.STATE_WORDS[rule.state] if rule else "",
            is_changeable=True,
            fires=TriggerRule.Fires.choices,
            scopes=TriggerRule.Scope.choices,
            endpoints=self._endpoints(request),
            days=DAYS,
            media=self.media,
            **rows_context(draft.condition.groups, kind.fields if kind else ()),
            suggestions=rule_words.suggestions(agent.team, agent).items(),
            builder_data=rule_words.builder_data(),
            **rule_preview.shown(agent, draft, rule),
            **extra,
        )
        return TemplateResponse(request, BUILDER, context)

    def _endpoints(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return rows_of_team(Endpoint, request=request, site=self.admin_site).order_by("name")

    # --- one click ---

    def state_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rule = self.own_row(request, object_id, to_change=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        state = _wanted_state(request)
        if not state:
            raise Http404
        try:
            rules.set_state(rule, state)
        except rules.RuleRefused as refused:
            messages.error(request, f"“{rule}”: {refused.faults[0].detail}")
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[rule.pk]))
        self.log_change(request, rule, SAID[state].format(rule))
        messages.success(request, SAID[state].format(rule))
        return _back(request, rule, self.url_name("change"))

    def move_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rule = self.own_row(request, object_id, to_change=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        rules.move(rule, up=request.POST.get("direction") == "up")
        return _back(request, rule, self.url_name("change"))


def rows_context(groups: list[Group], fields: Any) -> dict[str, Any]:
    """What the templates of condition rows need, here and for segments."""
    number = str(max((int(group.number) for group in groups if group.number.isdecimal()), default=0) + 1)
    return {
        "fields": rule_words.grouped(fields),
        "known_paths": {each.path for each in fields},
        "operators": rule_words.operator_choices(),
        "units": conditions.UNITS,
        "spare_rows": [Row() for _ in range(SPARE_ROWS)],
        "spare_group": Group(number),
        "empty_row": Row(),
    }


def _save_with(rule: TriggerRule, endpoint: Endpoint | None, *, starts_anew: bool) -> str:
    """Save the rule with an endpoint made for it; where the rule is refused, nobody ever knew of the endpoint.

    Not in one transaction: a worker looks at the JavaScript meanwhile. Raises `rules.RuleRefused`.
    """
    if endpoint is None:
        return rules.save(rule, starts_anew=starts_anew)
    endpoint.save()
    rule.endpoint = endpoint
    try:
        return rules.save(rule, starts_anew=starts_anew)
    except rules.RuleRefused:
        endpoint.delete()
        raise


def _first_draft(request: HttpRequest) -> Draft:
    return Draft.new(request.GET.get("event", ""), request.GET.get("list", "")[:100])


def _wanted_state(request: HttpRequest) -> str:
    """The state whose button was pressed, empty where it was another button. 404 for one that there is not."""
    state = request.POST.get("state", "")
    if state and state not in TriggerRule.State.values:
        raise Http404
    return state


def _back(request: HttpRequest, rule: TriggerRule, builder: str) -> HttpResponse:
    """To the page that the button was pressed on."""
    if request.POST.get("from") == "list":
        return HttpResponseRedirect(f"{reverse('admin:agents_agent_rules', args=[rule.agent_id])}#rule-{rule.pk}")
    return HttpResponseRedirect(reverse(builder, args=[rule.pk]))


def _named(rows: QuerySet[Any], number: str) -> Any:
    """The row of that number. None without one, 404 where the team has none."""
    if not number:
        return None
    found = rows.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise Http404
    return found
