from collections.abc import Sequence

from rest_framework.request import Request

from agents.actions import ActionRefused
from agents.arguments import Fault
from agents.deciding import MOST_HOPS
from agents.events import Cause
from agents.models import Agent, Conversation, CustomAction
from chatzuri.api import ApiView, Problem, find
from chatzuri.models import Credential, Team


class AgentView(ApiView):
    """A view under /api/v1/agents/<agent_id>/."""

    def agent(self, agent_id: str) -> Agent:
        return find(Agent.objects.filter(team=self.team).select_related("team"), agent_id, what="agent")

    def working_agent(self, agent_id: str) -> Agent:
        """An agent that may act: one that is switched off answers with a conflict, not with silence."""
        agent = self.agent(agent_id)
        if not agent.is_active:
            raise Problem(409, "Agent switched off", f"{agent.name} is switched off. Switch it on in the admin first.")
        return agent


def conversation_of(agent: Agent, conversation_id: str | None) -> Conversation | None:
    if not conversation_id:
        return None
    rows = Conversation.objects.filter(agent=agent).select_related("customer")
    return find(rows, conversation_id, what="conversation of this agent")


def action_of(team: Team, action_id: str) -> CustomAction:
    """With its current version loaded."""
    return find(CustomAction.objects.of(team).select_related("current"), action_id, what="action")


def credential_of(team: Team, credential_id: str | None) -> Credential | None:
    if not credential_id:
        return None
    return find(Credential.objects.filter(team=team), credential_id, what="credential")


def unfit(title: str, detail: str, faults: Sequence[Fault], *, below: str = "") -> Problem:
    """What was sent can be read but not be used: one JSON pointer per fault, all of them `below` this one."""
    errors = [{"pointer": f"{below}{fault.pointer}", "detail": fault.detail} for fault in faults]
    return Problem(422, title, detail, errors=errors)


def not_saved(refusal: ActionRefused) -> Problem:
    problem = unfit("Not saved", "This cannot be saved as it is. Nothing was changed.", refusal.faults)
    if refusal.line is not None:
        problem.extras["line"] = refusal.line
    return problem


def too_many(title: str, detail: str, *, seconds: int | None, **extras: str) -> Problem:
    """429, with `Retry-After` where waiting helps."""
    problem = Problem(429, title, detail, **extras)
    problem.wait = seconds  # type: ignore[attr-defined]
    return problem


def cause_of(request: Request) -> Cause:
    """What a rule's delivery told the caller, handed back: X-Chatzuri-Rule and X-Chatzuri-Hops, or nobody."""
    hops = str(request.headers.get("X-Chatzuri-Hops", "")).strip()
    rule = str(request.headers.get("X-Chatzuri-Rule", "")).strip()
    is_number = hops.isascii() and hops.isdigit()
    return Cause(rule=rule[:40] if rule.isprintable() else "", hops=min(int(hops[:4]), MOST_HOPS) if is_number else 0)
