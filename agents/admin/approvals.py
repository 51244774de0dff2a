"""Calls that wait for a person: what would run, and the two buttons."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, reverse

from agents import ledger
from agents.admin.playground import after_approval
from agents.models import ToolCall
from agents.transcripts import decisions

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object


class Approvals(Base):
    """Every member of the team may judge: whoever may not should not see the call either."""

    def approval_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:object_id>/approve/", self.approve_view, "approve"),
            self.page("<int:object_id>/refuse/", self.refuse_view, "refuse"),
        ]

    def approve_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._judge(request, object_id, ledger.approve, "Approved.")

    def refuse_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._judge(request, object_id, ledger.refuse, "Refused.")

    def _judge(self, request: HttpRequest, object_id: int, judge: Callable[..., ToolCall], word: str) -> HttpResponse:
        call = self.own_row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            judged = judge(call, by=request.user)
        except ledger.NotWaiting:
            messages.warning(request, "Somebody was faster: this call does not wait any more.")
        else:
            self.log_change(request, call, word)
            if "HX-Request" not in request.headers:
                _tell(request, judged, word)
        if "HX-Request" in request.headers and call.turn is not None:
            return _decision(request, call)
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[call.pk]))


def _tell(request: HttpRequest, judged: ToolCall, word: str) -> None:
    if judged.status == ToolCall.Status.RUNNING:
        messages.success(request, f"{word} A worker runs it now; reload to see what came of it.")
    else:
        messages.info(request, (judged.result or {}).get("text", word))


def _decision(request: HttpRequest, call: ToolCall) -> HttpResponse:
    """The playground's card about the turn, as it is now."""
    assert call.turn is not None
    decision = decisions([call.turn])[0]
    context: dict[str, Any] = {"agent": call.agent, "decision": decision, "said": after_approval(decision)}
    return render(request, "admin/agents/playground/decision.html", context)
