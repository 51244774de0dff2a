"""Custom actions on the tab Tools & Actions: each install is a row with one switch."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse

from agents import actions
from agents.admin.credential_use import misfit, uses_credential
from agents.admin.forms import InstallForm
from agents.models import Agent, CustomAction, Tool
from chatzuri.admin.wall import rows_of_team
from chatzuri.models import Credential

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object


class Installs(Base):
    def install_urls(self) -> list[URLPattern]:
        base = "<int:object_id>/actions/<int:action_id>/"
        return [
            self.page(base, self.save_install_view, "save_install"),
            self.page(f"{base}install/", self.install_view, "install"),
            self.page(f"{base}uninstall/", self.uninstall_view, "uninstall"),
        ]

    def install_forms(self, request: HttpRequest, agent: Agent, posted: InstallForm | None = None) -> list[InstallForm]:
        """One for each install, by title; `posted` stands in for its own row, with what was typed."""
        tools = agent.tools.filter(action__isnull=False).select_related("action__current", "credential", "agent")
        choices = self._credentials(request)
        forms = [InstallForm(instance=tool, credentials=choices) for tool in tools.order_by("title")]
        return [posted if posted and posted.instance.pk == form.instance.pk else form for form in forms]

    def _credentials(self, request: HttpRequest) -> Any:
        return rows_of_team(Credential, request=request, site=self.admin_site).defer("values").order_by("name")

    def save_install_view(self, request: HttpRequest, object_id: int, action_id: int) -> HttpResponse:
        agent, tool = self._installed(request, object_id, action_id)
        if request.method != "POST":
            return self._to_tools(agent)
        form = InstallForm(request.POST, instance=tool, credentials=self._credentials(request))
        if form.is_valid() and (saved := form.install()):
            self.log_change(request, agent, f"Saved the tool “{saved.title}”.")
            _tell_saved(request, saved)
            return self._to_tools(agent)
        return self.tools_page(request, agent, posted=form)

    def install_view(self, request: HttpRequest, object_id: int, action_id: int) -> HttpResponse:
        """Put an action of the team on the agent; what needs a credential waits for it switched off."""
        agent = self.own_row(request, object_id, to_change=True)
        action = rows_of_team(CustomAction, request=request, site=self.admin_site).filter(pk=action_id).first()
        if action is None:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        address = put_on(request, agent=agent, action=action)
        self.log_change(request, agent, f"Installed the action “{action.title}”.")
        return HttpResponseRedirect(address)

    def uninstall_view(self, request: HttpRequest, object_id: int, action_id: int) -> HttpResponse:
        agent, tool = self._installed(request, object_id, action_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        title = tool.title
        with transaction.atomic():
            actions.uninstall(tool)
            self.log_change(request, agent, f"Uninstalled “{title}”.")
        messages.success(request, f"“{title}” is off this agent. The action itself and its runs are kept.")
        return self._to_tools(agent)

    def _installed(self, request: HttpRequest, object_id: int, action_id: int) -> tuple[Agent, Tool]:
        agent = self.own_row(request, object_id, to_change=True)
        tool = agent.tools.filter(action=action_id).select_related("action__current", "agent").first()
        if tool is None:
            raise Http404
        return agent, tool

    def _to_tools(self, agent: Agent) -> HttpResponse:
        """To the top of the page: that is where it says how it went."""
        return HttpResponseRedirect(reverse(self.url_name("tools"), args=[agent.pk]))


def _tell_saved(request: HttpRequest, tool: Tool) -> None:
    _tell_how_it_is(request, tool)
    _tell_misfit(request, tool)


def _tell_misfit(request: HttpRequest, tool: Tool) -> None:
    """The code may know better than its text tells, so this is a warning and no refusal."""
    wrong = misfit(tool.action, tool.credential) if tool.action and tool.credential else ""
    if wrong:
        messages.warning(request, f"The credential of “{tool.title}” does not seem to fit. {wrong}")


def _tell_how_it_is(request: HttpRequest, tool: Tool) -> None:
    if not tool.is_active:
        messages.success(request, f"“{tool.title}” is saved. It is switched off, so the agent does not use it.")
    elif tool.agent.brain == Agent.Brain.OFFLINE and not tool.phrases:
        messages.warning(
            request,
            f"“{tool.title}” is switched on, but without example phrases the offline matcher never uses it. Add some.",
        )
    else:
        messages.success(request, f"“{tool.title}” is switched on. Try it in the playground.")


def put_on(request: HttpRequest, *, agent: Agent, action: CustomAction, credential: Credential | None = None) -> str:
    """Install it, say so, and give the address to go on at. What needs a credential waits for it, switched off."""
    page = reverse("admin:agents_agent_tools", args=[agent.pk])
    waits = credential is None and uses_credential(action)
    try:
        tool = actions.install(agent=agent, action=action, credential=credential, is_active=not waits)
    except actions.ActionRefused as refused:
        messages.error(request, f"“{action.title}” was not installed: {sentences(refused)}")
        return page
    if waits:
        messages.warning(
            request, f"“{action.title}” is on {agent}, switched off: choose its credential, then switch it on."
        )
    else:
        messages.success(request, f"“{action.title}” is on {agent} and switched on. Try it in the playground.")
    _tell_misfit(request, tool)
    return page


def sentences(refused: actions.ActionRefused) -> str:
    return " ".join(fault.detail for fault in refused.faults)
