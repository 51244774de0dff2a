"""Which brain thinks for an agent, and a way to try it. The turn loop knows nothing below this line."""

from agents.brains.base import Answer, Ask, Brain, BrainFailed, Entry, OnText, ToolSpec, clean
from agents.brains.offline import OfflineBrain
from agents.models import Agent

__all__ = [
    "BRAINS",
    "Answer",
    "Ask",
    "Brain",
    "BrainFailed",
    "Entry",
    "OnText",
    "ToolSpec",
    "brain_for",
    "check",
    "clean",
    "describe",
]


def _language_model() -> Brain:
    # Its libraries take seconds to import and 80 MB: only a worker that needs them pays for that.
    from agents.brains.openai_compatible import OpenAICompatible

    return OpenAICompatible()


BRAINS = {"offline": OfflineBrain, "llm": _language_model}


def brain_for(agent: Agent) -> Brain:
    return BRAINS[agent.brain]()


def describe(agent: Agent) -> str:
    """What an agent's page says about its brain."""
    if agent.brain == Agent.Brain.LANGUAGE_MODEL:
        return f"Language model: {agent.llm_model} via {agent.llm_base_url}"
    return OfflineBrain.describe()


PROBE = ToolSpec(
    name="connection_test",
    title="Connection test",
    description="Confirms that tools can be called. Call it when asked to.",
    schema={
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    },
)
REQUEST = 'This is a connection test. Call the tool connection_test with the word "ready".'


def check(agent: Agent) -> str:
    """Ask the agent's brain for one tool call, for real, and say what came back. Raises `BrainFailed`."""
    if agent.brain == Agent.Brain.OFFLINE:
        return OfflineBrain.describe()
    asked: list[Entry] = [{"kind": "said", "role": "customer", "text": REQUEST}]
    answer = brain_for(agent).answer(agent=agent, tools=[PROBE], history=asked, on_text=None)
    if any(ask.name == PROBE.name for ask in answer.asks):
        return f"{agent.llm_model} answered and called the test tool. It can use tools."
    return (
        f"{agent.llm_model} answered, but it did not call the test tool. It can talk; it may be unable to use tools. "
        f"It said: {answer.text[:200] or '(nothing)'}"
    )
