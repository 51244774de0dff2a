from agents.models.action import ActionRun, ActionVersion, CustomAction
from agents.models.agent import Agent, Tool
from agents.models.conversation import Conversation, Customer, Message
from agents.models.turn import Intent, Step, ToolCall, Turn

__all__ = [
    "ActionRun",
    "ActionVersion",
    "Agent",
    "Conversation",
    "CustomAction",
    "Customer",
    "Intent",
    "Message",
    "Step",
    "Tool",
    "ToolCall",
    "Turn",
]
