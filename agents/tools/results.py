from dataclasses import dataclass
from typing import Any

from agents.models import ToolCall

NOT_FOR_CUSTOMERS = "This did not work. The team can see why."


@dataclass(frozen=True)
class ToolResult:
    """What a tool says when it is through: a sentence for team and brain, and the facts behind it."""

    success: bool
    text: str
    structured: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "structured": self.structured, "is_error": not self.success}


def customer_text(call: ToolCall) -> str:
    """What a customer may read of a call. Why code failed is the program's or its author's word, and not for them."""
    result = call.result or {}
    is_of_a_run = "run" in result.get("structured", {})
    return NOT_FOR_CUSTOMERS if is_of_a_run and result.get("is_error") else str(result.get("text", ""))
