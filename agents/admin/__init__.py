"""The agents' side of the admin."""

from agents.admin.actions import CustomActionAdmin
from agents.admin.agent import AgentAdmin
from agents.admin.history import ConversationAdmin, CustomerAdmin, ToolCallAdmin
from agents.admin.rehearsals import RehearsalAdmin
from agents.admin.rule_audience import SegmentAdmin, WordListAdmin
from agents.admin.rule_history import EvaluationAdmin
from agents.admin.rules import TriggerRuleAdmin
from agents.admin.runs import ActionRunAdmin

__all__ = [
    "ActionRunAdmin",
    "AgentAdmin",
    "ConversationAdmin",
    "CustomActionAdmin",
    "CustomerAdmin",
    "EvaluationAdmin",
    "RehearsalAdmin",
    "SegmentAdmin",
    "ToolCallAdmin",
    "TriggerRuleAdmin",
    "WordListAdmin",
]
