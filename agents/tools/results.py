from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ToolResult:
    """What a tool says when it is through: a sentence for everybody, and the facts behind it."""

    success: bool
    text: str
    structured: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "structured": self.structured, "is_error": not self.success}
