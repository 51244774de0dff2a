"""What a brain or a caller asks for, read and judged before anything is written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.arguments import NotJson, digest, faults, read
from agents.models import Agent, Tool
from agents.parameters import FILLED


@dataclass(frozen=True)
class Wish:
    """What was asked for, read and judged, before anything is written down."""

    agent: Agent
    tool: Tool | None
    tool_name: str
    arguments: dict[str, Any]
    refusal: str = ""

    @property
    def digest(self) -> str:
        return digest(self.arguments)


def find_tool(agent: Agent, name: str) -> Tool | None:
    """Looked up at call time, so that a tool that is switched off stops at once, in open conversations too."""
    return agent.tools.on().filter(name=name).select_related("endpoint__credential", "credential").first()


def read_wish(agent: Agent, tool_name: str, raw: str | Mapping[str, Any]) -> Wish:
    name = tool_name[:200]
    tool = find_tool(agent, name)
    try:
        arguments = read(raw)
    except NotJson as error:
        return Wish(agent, tool, name, {"unreadable": str(raw)[:2000]}, f"The arguments do not fit: {error}.")
    arguments = {name: value for name, value in arguments.items() if not _is_filled(tool, name)}
    if tool is None:
        kept = {} if faults(arguments, {}) else arguments
        return Wish(agent, None, name, kept, f"There is no tool {name!r}, or it is switched off. Nothing was sent.")
    if found := faults(arguments, tool.schema()):
        kept = {} if faults(arguments, {}) else arguments
        return Wish(agent, tool, name, kept, f"The arguments do not fit: {'; '.join(map(str, found))}")
    return Wish(agent, tool, name, arguments)


def _is_filled(tool: Tool | None, name: str) -> bool:
    """Whether the conversation says this value: then whatever a model says instead is left aside."""
    return name in FILLED and tool is not None and any(one["name"] == name for one in tool.declared())
