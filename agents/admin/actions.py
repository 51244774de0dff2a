"""Custom actions of the team: the list, and the page where one is written, tested and saved."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents import actions, parameters
from agents.admin.action_tests import ActionTests
from agents.admin.drafts import CELLS, Draft, Row
from agents.admin.installs import put_on
from agents.admin.ready import ReadyActions
from agents.admin.run_words import describe
from agents.admin.runs import light
from agents.admin.snippets import SNIPPETS, credential_fields
from agents.admin.versions import Versions
from agents.models import ActionRun, ActionVersion, Agent, CustomAction
from chatzuri.admin import TeamScopedAdmin
from chatzuri.admin.wall import rows_of_team, team_of
from chatzuri.models import Credential
from webhooks.admin.showing import badge

TEMPLATE = "admin/agents/action/editor.html"
SPARE_ROWS = 2  # for those who work without scripts


@admin.register(CustomAction)
class CustomActionAdmin(ActionTests, Versions, ReadyActions, TeamScopedAdmin):
    list_display = ["title", "code_name", "version", "installed_on", "last_run"]
    list_display_links = ["title"]
    list_select_related = ["current"]
    search_fields = ["title", "name", "description", "public_id"]
    search_help_text = "Search by title, name or description"
    ordering = ["title"]
    sortable_by = ["title"]
    list_before_template = "admin/agents/action/ways_on.html"

    class Media:
        css = {"all": ["agents/agents.css", "agents/actions.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomAction]:
        latest = ActionRun.objects.filter(action=OuterRef("pk")).exclude(purpose=ActionRun.Purpose.CHECK)
        return super().get_queryset(request).annotate(latest_run=Subquery(latest.order_by("-pk").values("pk")[:1]))

    # --- the list ---

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Names of agents and last runs are read once for the page, and kept on the rows it shows."""
        if self.has_view_permission(request) and not self.get_queryset(request).exists():
            context = self.page_context(request, title="Custom actions", media=self.media)
            return TemplateResponse(request, "admin/agents/action/none_yet.html", context)
        response = super().changelist_view(request, extra_context)
        listed = getattr(response, "context_data", {}).get("cl")
        if listed is not None:
            _add_runs_and_agents(listed.result_list)
        return response

    @display(description="Name")
    def code_name(self, action: CustomAction) -> SafeString:
        return format_html("<code>{}</code>", action.name)

    @display(description="Version")
    def version(self, action: CustomAction) -> str:
        return str(action.current.number) if action.current else "–"

    @display(description="Installed on")
    def installed_on(self, action: CustomAction) -> str:
        names = action.__dict__.get("agent_names", [])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(names[:3]) + more if names else "No agent yet"

    @display(description="Last run")
    def last_run(self, action: CustomAction) -> str | SafeString:
        run = action.__dict__.get("run_shown")
        if run is None:
            return "Never ran"
        told = describe(run)
        link = reverse("admin:agents_actionrun_change", args=[run.pk])
        label, at = badge(told.label, told.tone), f"{run.queued_at:%Y-%m-%d %H:%M}"
        return format_html('<a href="{}">{}</a> {}', link, label, at)

    # --- pages ---

    def get_urls(self) -> list[URLPattern]:
        return [*self.test_urls(), *self.version_urls(), *self.ready_urls(), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise Http404
        return self._edit(request, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._edit(request, self.own_row(request, object_id, to_change=True))

    def _edit(self, request: HttpRequest, action: CustomAction | None) -> HttpResponse:
        if request.method == "POST":
            return self._save(request, action)
        return self._editor(request, action, Draft.of(action) if action else Draft())

    def _save(self, request: HttpRequest, action: CustomAction | None) -> HttpResponse:
        team = team_of(request)
        assert team is not None
        agent = self.wanted_agent(request)
        draft = Draft.posted(request.POST)
        declared = draft.judge(team, action)
        if draft.has_errors:
            return self._editor(request, action, draft, agent=agent)
        before = action.current if action else None
        try:
            saved = actions.save(
                team=team,
                name=draft.name,
                title=draft.title,
                description=draft.description,
                code=draft.code,
                parameters=declared,
                author=request.user,
                action=action,
                note=draft.note,
            )
        except actions.ActionRefused as refused:
            draft.take(refused.faults, line=refused.line)
            return self._editor(request, action, draft, agent=agent)
        self._log_saved(request, saved, is_new=action is None)
        _tell(request, saved, before)
        return self.saved_response(request, saved.action, agent)

    def _log_saved(self, request: HttpRequest, saved: actions.Saved, *, is_new: bool) -> None:
        log = self.log_addition if is_new else self.log_change
        log(request, saved.action, f"Saved as version {saved.version.number}.")

    def saved_response(self, request: HttpRequest, action: CustomAction, agent: Agent | None) -> HttpResponse:
        """Back to the agent it is written for, with the action on it; otherwise on with writing."""
        if agent is None:
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[action.pk]))
        return HttpResponseRedirect(put_on(request, agent=agent, action=action))

    def _editor(
        self, request: HttpRequest, action: CustomAction | None, draft: Draft, *, agent: Agent | None = None
    ) -> HttpResponse:
        context = self.page_context(
            request,
            title=action.title if action else "New custom action",
            action=action,
            original=action,
            tab="editor",
            draft=draft,
            agent=agent or self.wanted_agent(request),
            rows=[*draft.rows, *[Row() for _ in range(SPARE_ROWS)]],
            empty_row=Row(),
            cells=CELLS,
            types=parameters.TYPES,
            formats=parameters.FORMAT_CHOICES,
            filled=parameters.FILLED.items(),
            snippets=SNIPPETS,
            kinds=credential_fields(),
            credentials=self.credentials(request),
            installs=action.installs.select_related("agent").order_by("agent__name") if action else [],
            based_on=request.POST.get("based_on") or (action.current.number if action and action.current else ""),
            media=self.media,
        )
        return TemplateResponse(request, TEMPLATE, context)

    # --- rows that were named in the query or the form: the team's own or none ---

    def credentials(self, request: HttpRequest) -> QuerySet[Credential]:
        """By name; the values stay where they are."""
        return rows_of_team(Credential, request=request, site=self.admin_site).defer("values").order_by("name")

    def wanted_credential(self, request: HttpRequest) -> Credential | None:
        """The posted one. 404 where the team has none of that number."""
        return _named(self.credentials(request).defer(None), request.POST.get("credential", ""))

    def wanted_agent(self, request: HttpRequest) -> Agent | None:
        number = request.POST.get("agent") or request.GET.get("agent", "")
        return _named(rows_of_team(Agent, request=request, site=self.admin_site), number)


def _named(rows: QuerySet[Any], number: str) -> Any:
    if not number:
        return None
    found = rows.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise Http404
    return found


def _tell(request: HttpRequest, saved: actions.Saved, before: ActionVersion | None) -> None:
    number = saved.version.number
    if not saved.is_new_version:
        messages.success(request, "Saved. Code and parameters are as they were, so there is no new version.")
    else:
        messages.success(request, f"Saved as version {number}. Agents that have it use it from now on.")
    based_on = request.POST.get("based_on", "")
    if before is not None and based_on and based_on != str(before.number):
        messages.warning(
            request,
            f"Somebody saved version {before.number} while you were writing. Yours came after it: compare the two "
            "under Versions.",
        )
    if saved.warning:
        messages.warning(request, saved.warning)


def _add_runs_and_agents(rows: Any) -> None:
    """Two queries for the whole page, whatever it shows."""
    keys = [row.pk for row in rows]
    runs = {
        run.pk: run
        for run in light(ActionRun.objects.filter(pk__in=[row.latest_run for row in rows if row.latest_run]))
    }
    names: dict[int, list[str]] = {key: [] for key in keys}
    installs = Agent.objects.filter(tools__action__in=keys).order_by("name").values_list("tools__action", "name")
    for key, name in installs:
        if key in names:
            names[key].append(name)
    for row in rows:
        row.run_shown, row.agent_names = runs.get(row.latest_run), names[row.pk]
