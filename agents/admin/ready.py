"""The library: actions that are ready to be used, each with its code, one click away from an agent."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse

from agents import actions, library
from agents.admin import run_words
from agents.admin.drafts import row_of
from agents.admin.installs import put_on, sentences
from agents.models import Agent
from chatzuri.admin.wall import rows_of_team, team_of
from chatzuri.credentials import KINDS
from chatzuri.models import Credential

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object


class ReadyActions(Base):
    def ready_urls(self) -> list[URLPattern]:
        return [
            self.page("library/", self.library_view, "library"),
            self.page("library/<slug:slug>/", self.ready_view, "ready"),
        ]

    def library_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise Http404
        agent = self.wanted_agent(request)
        cards = [
            {
                "ready": one,
                "kind": KINDS.get(one.credential_kind),
                "credential": self._obvious(request, one.credential_kind),
            }
            for one in library.READY.values()
        ]
        installed = agent.tools.filter(action__isnull=False).values("action") if agent else []
        context = self.page_context(
            request,
            title="Library of ready actions",
            cards=cards,
            agent=agent,
            ours=self.get_queryset(request).exclude(pk__in=installed).order_by("title") if agent else [],
            media=self.media,
        )
        return TemplateResponse(request, "admin/agents/action/library.html", context)

    def ready_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Shows it with its code; a POST adds it to the team and, where one was chosen, puts it on an agent."""
        ready = library.READY.get(slug)
        if ready is None or not self.has_add_permission(request):
            raise Http404
        agent = self.wanted_agent(request)
        if request.method == "POST":
            return self._add(request, slug, agent)
        context = self.page_context(
            request,
            title=ready.title,
            ready=ready,
            kind=KINDS.get(ready.credential_kind),
            rows=[row_of(one) for one in ready.parameters],
            config=run_words.pretty(ready.config_example) if ready.config_example else "",
            agent=agent,
            agents=rows_of_team(Agent, request=request, site=self.admin_site).order_by("name"),
            credentials=self._fitting(request, ready.credential_kind),
            obvious=self._obvious(request, ready.credential_kind),
            media=self.media,
        )
        return TemplateResponse(request, "admin/agents/action/ready.html", context)

    def _fitting(self, request: HttpRequest, kind: str) -> Any:
        return self.credentials(request).filter(kind=kind)

    def _obvious(self, request: HttpRequest, kind: str) -> Credential | None:
        """The only one of a provider. Of plain webhooks none is obvious: each leads to a place of its own."""
        fitting = self._fitting(request, kind)[:2] if kind in KINDS and KINDS[kind].hosts else []
        return fitting[0] if len(fitting) == 1 else None

    def _add(self, request: HttpRequest, slug: str, agent: Agent | None) -> HttpResponse:
        credential = self.wanted_credential(request)
        team = team_of(request)
        assert team is not None
        try:
            saved = library.add(team=team, slug=slug, author=request.user)
        except actions.ActionRefused as refused:
            messages.error(request, sentences(refused))
            return HttpResponseRedirect(reverse(self.url_name("library")))
        self.log_addition(request, saved.action, f"Added from the library: {slug}.")
        if agent is not None:
            return HttpResponseRedirect(put_on(request, agent=agent, action=saved.action, credential=credential))
        messages.success(request, f"“{saved.action.title}” is yours now: test it here, then install it on an agent.")
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[saved.action.pk]))
