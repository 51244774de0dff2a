from agents.api.base import AgentView
from channels_inbound.connecting import ConnectRefused
from channels_inbound.models import Channel
from chatzuri.api import Problem, find

# What an event says of who did it.
BY = "the API"


class ChannelView(AgentView):
    """A view under /api/v1/agents/<agent_id>/channels/<channel_id>."""

    def channel(self, agent_id: str, channel_id: str) -> Channel:
        rows = Channel.objects.filter(agent=self.agent(agent_id)).select_related("agent", "credential")
        return find(rows, channel_id, what="channel of this agent")


def not_saved(refused: ConnectRefused) -> Problem:
    """One JSON pointer per fault."""
    errors = [{"pointer": f"/{name}", "detail": sentence} for name, sentence in refused.fields.items()]
    return Problem(422, "Not saved", "This cannot be saved as it is. Nothing was changed.", errors=errors)
