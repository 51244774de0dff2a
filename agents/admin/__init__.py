"""The agents' side of the admin."""

from agents.admin.actions import CustomActionAdmin
from agents.admin.agent import AgentAdmin
from agents.admin.history import ConversationAdmin, CustomerAdmin, ToolCallAdmin
from agents.admin.runs import ActionRunAdmin

__all__ = [
    "ActionRunAdmin",
    "AgentAdmin",
    "ConversationAdmin",
    "CustomActionAdmin",
    "CustomerAdmin",
    "ToolCallAdmin",
]
