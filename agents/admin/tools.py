"""The tab Tools & Actions of an agent: each tool is a row with one switch. Custom actions: `installs.py`."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse

from agents.admin.forms import InstallForm, ToolForm
from agents.admin.installs import Installs
from agents.models import Agent, Tool
from webhooks import sending
from webhooks.models import Delivery, Endpoint

# Every tool an agent can have; each is offered as a row, made or not.
OFFERED = [Tool.Kind.WEBHOOK_TRIGGER]


def tool_of(agent: Agent, name: str) -> Tool:
    """The agent's tool of this name, or a new one that is switched off and not saved yet."""
    if name not in OFFERED:
        raise Http404
    return agent.tools.select_related("endpoint").filter(name=name).first() or Tool(agent=agent, name=name, kind=name)


class ToolsPage(Installs):
    def tools_urls(self) -> list[URLPattern]:
        return [
            *self.install_urls(),
            self.page("<int:object_id>/tools/", self.tools_view, "tools"),
            self.page("<int:object_id>/tools/<slug:tool_name>/", self.save_tool_view, "save_tool"),
            self.page("<int:object_id>/tools/<slug:tool_name>/send-test/", self.send_test_view, "send_test"),
        ]

    def tools_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        agent = self.own_row(request, object_id, to_change=True)
        return self.tools_page(request, agent)

    def save_tool_view(self, request: HttpRequest, object_id: int, tool_name: str) -> HttpResponse:
        agent = self.own_row(request, object_id, to_change=True)
        tool = tool_of(agent, tool_name)
        if request.method != "POST":
            return HttpResponseRedirect(reverse(self.url_name("tools"), args=[agent.pk]))
        form = ToolForm(request.POST, instance=tool)
        if not form.is_valid():
            return self.tools_page(request, agent, {tool_name: form})
        with transaction.atomic():
            tool = form.save()
            self.log_change(request, agent, f"Saved the tool “{tool.title}”.")
        messages.success(request, saved_sentence(tool))
        if form.made:
            return self._show_secret_once(request, agent, form.made)
        return HttpResponseRedirect(reverse(self.url_name("tools"), args=[agent.pk]))

    def _show_secret_once(self, request: HttpRequest, agent: Agent, endpoint: Endpoint) -> HttpResponse:
        """Shown in the answer to the very request that made it, so that it is stored nowhere on its way."""
        return self.tools_page(request, agent, made=endpoint, secret=endpoint.signing_secret)

    def send_test_view(self, request: HttpRequest, object_id: int, tool_name: str) -> HttpResponse:
        """One marked test event to the tool's endpoint, through the same door as everything else."""
        agent = self.own_row(request, object_id, to_change=True)
        tool = tool_of(agent, tool_name)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if tool.endpoint is None:
            messages.error(request, "Choose an endpoint and save before you send a test.")
            return HttpResponseRedirect(reverse(self.url_name("tools"), args=[agent.pk]))
        delivery = sending.send_and_wait(send_test(tool, token=_token(request)))
        return HttpResponseRedirect(reverse("admin:webhooks_delivery_change", args=[delivery.pk]))

    def tools_page(
        self,
        request: HttpRequest,
        agent: Agent,
        forms: Mapping[str, ToolForm] | None = None,
        posted: InstallForm | None = None,
        **extra: Any,
    ) -> HttpResponse:
        """The page; `forms` and `posted` are rows that were refused, with what was typed into them."""
        rows = [(forms or {}).get(name) or ToolForm(instance=tool_of(agent, name)) for name in OFFERED]
        installs = self.install_forms(request, agent, posted)
        context = self.page_context(
            request,
            title=str(agent),
            agent=agent,
            original=agent,
            tab="tools",
            rows=rows,
            installs=installs,
            media=self.media,
            form_token=uuid.uuid4(),
            has_errors=any(row.errors for row in [*rows, *installs]),
            **extra,
        )
        return TemplateResponse(request, "admin/agents/agent/tools.html", context)


def saved_sentence(tool: Tool) -> str:
    if tool.is_active:
        return f"“{tool.title}” is switched on and sends to {tool.endpoint}. Try it in the playground."
    return f"“{tool.title}” is saved. It is switched off, so the agent does not use it."


def _token(request: HttpRequest) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.POST.get("form_token", ""))
    except ValueError:
        return None


def send_test(tool: Tool, *, token: uuid.UUID | None) -> Delivery:
    """Accept a test event for the tool's endpoint. A form token that was used gives back what it made."""
    assert tool.endpoint is not None
    agent = tool.agent
    try:
        return sending.publish(
            endpoint=tool.endpoint,
            event_type="test.ping",
            data={"message": f"This is a test of “{tool.title}”.", "test": True},
            agent_ref=agent.public_id,
            caused_by="test",
            headers={"X-Chatzuri-Agent-Id": agent.public_id},
            form_token=token,
            wake=False,
        )
    except IntegrityError:
        return Delivery.objects.of(agent.team).get(form_token=token)
