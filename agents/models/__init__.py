from agents.models.action import ActionRun, ActionVersion, CustomAction
from agents.models.agent import Agent, Tool
from agents.models.conversation import Conversation, Customer, Message
from agents.models.people import Escalation, Feedback, Lead, Segment, SegmentMember, WordList
from agents.models.rule import Evaluation, Firing, PendingEvent, Rehearsal, RuleState, TriggerRule
from agents.models.turn import Intent, Step, ToldFailure, ToolCall, Turn

__all__ = [
    "ActionRun",
    "ActionVersion",
    "Agent",
    "Conversation",
    "CustomAction",
    "Customer",
    "Escalation",
    "Evaluation",
    "Feedback",
    "Firing",
    "Intent",
    "Lead",
    "Message",
    "PendingEvent",
    "Rehearsal",
    "RuleState",
    "Segment",
    "SegmentMember",
    "Step",
    "ToldFailure",
    "Tool",
    "ToolCall",
    "TriggerRule",
    "Turn",
    "WordList",
]
