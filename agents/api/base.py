from agents.models import Agent, Conversation
from chatzuri.api import ApiView, Problem, find


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
