"""The *Test* button of a language model: a worker makes one real tool call and says in a sentence how it went."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import URLPattern

from agents.models import Agent
from agents.waking import listen, wake

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

NO_WORKER = "No worker answered in time. Start it with make run, then test again."


class BrainTest(Base):
    def brain_test_urls(self) -> list[URLPattern]:
        return [self.page("<int:object_id>/test-brain/", self.test_brain_view, "test_brain")]

    def test_brain_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What is saved is tested: a key that was only typed must not travel through the queue."""
        agent = self.own_row(request, object_id, to_change=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        ok, sentence = ask_worker(agent, timeout=settings.LANGUAGE_MODEL_TIMEOUT + 5)
        return render(request, "admin/agents/agent/brain_test_result.html", {"ok": ok, "sentence": sentence})


def ask_worker(agent: Agent, *, timeout: float) -> tuple[bool, str]:
    """Whether the brain answered a worker, and the worker's sentence about it."""
    channel = f"brain:{uuid.uuid4().hex}"
    wake("agents.tasks.test_brain", agent_id=agent.pk, channel=channel)
    for message in listen(channel, is_over=lambda: False, timeout=timeout):
        return bool(message["ok"]), str(message["sentence"])
    return False, NO_WORKER
