"""The agents' side of the admin."""

from agents.admin.agent import AgentAdmin
from agents.admin.history import ConversationAdmin, CustomerAdmin, ToolCallAdmin

__all__ = ["AgentAdmin", "ConversationAdmin", "CustomerAdmin", "ToolCallAdmin"]
