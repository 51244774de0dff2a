"""Runs of custom actions over the API: what went in, what came out, and what was sent meanwhile."""

from typing import Any

from django.db.models import F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api import paging, runs_docs
from agents.api.base import action_of
from agents.models import ActionRun, Agent
from agents.tools.custom_action import reported_failure
from chatzuri.api import ApiView, find, wrong_parameter
from chatzuri.models import Team
from webhooks.api import moment
from webhooks.masking import MASK
from webhooks.models import Delivery
from webhooks.outcomes import describe

State = ActionRun.State
Purpose = ActionRun.Purpose
PURPOSES = (Purpose.CALL.value, Purpose.TEST.value)
RELATED = ("action", "version", "credential", "agent", "conversation")
# A hundred lines must not bring a hundred results of a megabyte with them, only what of each makes its outcome.
LONG = ("version__code", "draft", "console", "params", "config", "result")
SAID = {"said_success": F("result__success"), "said_error": F("result__error")}
LONGEST_ERROR = 2000


def runs_of(team: Team) -> QuerySet[ActionRun]:
    """A look at the syntax is no run: nothing was executed."""
    return ActionRun.objects.of(team).filter(purpose__in=PURPOSES)


class RunList(ApiView):
    @extend_schema(**runs_docs.LIST)
    def get(self, request: Request) -> Response:
        known = runs_of(self.team)
        rows = self._chosen(request, known).select_related(*RELATED).defer(*LONG).annotate(**SAID)
        page, cursor = paging.page(request, rows, within=known)
        lines = [summary(run, {"success": run.said_success, "error": run.said_error}) for run in page]
        return Response({"runs": lines, "next_cursor": cursor})

    def _chosen(self, request: Request, rows: QuerySet[ActionRun]) -> QuerySet[ActionRun]:
        asked = request.query_params
        if action := asked.get("action"):
            rows = rows.filter(action=action_of(self.team, action))
        if agent := asked.get("agent"):
            rows = rows.filter(agent=find(Agent.objects.filter(team=self.team), agent, what="agent"))
        for name, values in (("state", State.values), ("purpose", PURPOSES)):
            if value := asked.get(name):
                if value not in values:
                    raise wrong_parameter(name, f"Choose one of {', '.join(values)}.")
                rows = rows.filter(**{name: value})
        return rows


class RunDetail(ApiView):
    @extend_schema(**runs_docs.DETAIL)
    def get(self, request: Request, run_id: str) -> Response:
        return Response(detail(find(runs_of(self.team).select_related(*RELATED), run_id, what="run")))


# --- rendering -------------------------------------------------------------------------------------------------------


def outcome_of(run: ActionRun, result: Any) -> str | None:
    """A word for programs; null until it is over. A failure that the code reported itself is one of its own."""
    if not run.is_finished:
        return None
    if run.state != State.SUCCEEDED:
        return run.kind or run.state
    return "reported_failure" if reported_failure(result) else "returned"


def error_of(run: ActionRun, result: Any) -> dict[str, Any] | None:
    outcome = outcome_of(run, result)
    if outcome in (None, "returned"):
        return None
    if outcome == "reported_failure":
        words = result.get("error")
        message = words[:LONGEST_ERROR] if isinstance(words, str) else ""
        return {"kind": outcome, "message": message or "The action gave no reason.", "line": None}
    return {"kind": outcome, "message": run.error, "line": run.line}


def summary(run: ActionRun, result: Any) -> dict[str, Any]:
    """A line of the list. Needs RELATED loaded; of `result` it reads `success` and `error`."""
    return {
        "id": run.public_id,
        "purpose": run.purpose,
        "state": run.state,
        "outcome": outcome_of(run, result),
        "error": error_of(run, result),
        "action": {"id": run.action.public_id, "name": run.action.name} if run.action else None,
        "version": run.version.number if run.version else None,
        "agent_id": run.agent.public_id if run.agent else None,
        "conversation_id": run.conversation.public_id if run.conversation else None,
        "credential_id": run.credential.public_id if run.credential else None,
        "milliseconds": run.milliseconds,
        "queued_at": moment(run.queued_at),
        "finished_at": moment(run.finished_at),
    }


def detail(run: ActionRun) -> dict[str, Any]:
    return summary(run, run.result) | {
        "params": run.params,
        "result": run.result,
        "console": [{"level": level, "text": text} for level, text in run.console],
        "fetches": [fetch(delivery) for delivery in fetches_of(run)],
    }


def fetches_of(run: ActionRun) -> list[Delivery]:
    if run.event_id is None:
        return []
    rows = Delivery.objects.filter(event_id=run.event_id).select_related("attempt").order_by("pk")
    return list(rows.defer("body", "headers", "attempt__response_body", "attempt__response_headers"))


def fetch(delivery: Delivery) -> dict[str, Any]:
    attempt = getattr(delivery, "attempt", None)
    words = describe(delivery)
    return {
        "delivery_id": delivery.public_id,
        "method": delivery.method,
        "origin": origin_of(delivery.url),
        "outcome": delivery.state if delivery.is_finished else None,
        "label": words.label,
        "sentence": words.sentence,
        "status_code": attempt.status_code if attempt else None,
        "seen_by_receiver": delivery.seen_by_receiver or None,
        "milliseconds": (attempt.timings or {}).get("total") if attempt else None,
    }


def origin_of(url: str) -> str:
    """Scheme and host. What was refused need not be an address; of a secret one the rest is masked, slash and all."""
    address = url.partition("#")[0].partition("?")[0]
    return "/".join(address.split("/")[:3]).removesuffix(MASK)
