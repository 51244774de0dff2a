"""One stored tool, written down in the five ways that agent back ends read."""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from agents.models import Tool


def mcp(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    return [
        {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description(),
            "inputSchema": tool.schema(),
            "annotations": _annotations(tool),
        }
        for tool in tools
    ]


def _annotations(tool: Tool) -> dict[str, Any]:
    """Hints by which MCP clients decide whether to ask a person first.

    A webhook adds a request at the receiver and takes nothing away, so it is not destructive; what a team's own code
    does, nobody knows. A call is idempotent only where the ledger keeps the first receipt for good; a window of
    minutes ends.
    """
    return {
        "title": tool.title,
        "readOnlyHint": False,
        "destructiveHint": tool.kind == Tool.Kind.CUSTOM_ACTION,
        "idempotentHint": tool.repeats == Tool.Repeats.ONCE,
        "openWorldHint": True,
    }


def openai(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description(), "parameters": tool.schema()},
        }
        for tool in tools
    ]


def openai_responses(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    # Strict mode would close the free-form payload: no key could be sent that the schema does not name.
    return [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description(),
            "parameters": tool.schema(),
            "strict": False,
        }
        for tool in tools
    ]


def anthropic(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    return [{"name": tool.name, "description": tool.description(), "input_schema": tool.schema()} for tool in tools]


def gemini(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Gemini wants one entry that holds all declarations, and none at all where there is nothing to declare."""
    declarations = [
        {"name": tool.name, "description": tool.description(), "parametersJsonSchema": tool.schema()} for tool in tools
    ]
    return [{"functionDeclarations": declarations}] if declarations else []


DIALECTS: dict[str, Callable[[Iterable[Tool]], list[dict[str, Any]]]] = {
    "mcp": mcp,
    "openai": openai,
    "openai-responses": openai_responses,
    "anthropic": anthropic,
    "gemini": gemini,
}


def version(tools: Iterable[Tool]) -> str:
    """Changes when anything changes that a model or a client can see of the tools; the same in every dialect."""
    seen = json.dumps(mcp(tools), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(seen.encode()).hexdigest()[:16]
