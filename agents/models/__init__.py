from agents.models.agent import Agent, Tool
from agents.models.conversation import Conversation, Customer, Message
from agents.models.turn import Intent, Step, ToolCall, Turn

__all__ = ["Agent", "Conversation", "Customer", "Intent", "Message", "Step", "Tool", "ToolCall", "Turn"]
