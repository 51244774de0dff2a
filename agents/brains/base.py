"""The port between the turn loop and whatever thinks: a history goes in, an answer comes out.

History is plain JSON, so that it can be stored as steps of a turn and given to any brain. Its entries:

    {"kind": "facts", "conversation_id": …, "channel": …, "customer": {"name", "email", "phone"}}
    {"kind": "said", "role": "customer" | "agent", "text": …, "state": {…}}
    {"kind": "answer", "text", "asks": [{"id", "name", "arguments"}], "finish", "tokens", "brain", "state"}
    {"kind": "results", "results": [{"id", "name", "status", "is_error", "text", "outcome", "delivery"}]}
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from agents.models import Agent, Tool

Entry = dict[str, Any]
OnText = Callable[[str], None]


def clean(text: str) -> str:
    """Text that PostgreSQL can hold: no NUL, no half of a character."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "\ufffd")


@dataclass(frozen=True)
class Ask:
    """The brain wants a tool to run. `arguments` is JSON as the brain wrote it, so perhaps no JSON at all."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """What a brain said: text, wishes, or both. `finish` is stop, tool_call, length or content_filter."""

    text: str = ""
    asks: tuple[Ask, ...] = ()
    finish: str = "stop"
    tokens: dict[str, int] = field(default_factory=lambda: {"input": 0, "output": 0})
    brain: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    def entry(self) -> Entry:
        asks = [{name: clean(value) for name, value in asdict(ask).items()} for ask in self.asks]
        return {
            "kind": "answer",
            "text": clean(self.text),
            "asks": asks,
            "finish": self.finish,
            "tokens": self.tokens,
            "brain": self.brain,
            "state": self.state,
        }


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a brain sees it. There is no address in it: a brain must not know, and cannot change, where it goes."""

    name: str
    title: str
    description: str
    schema: dict[str, Any]
    phrases: list[str] = field(default_factory=list)
    is_free_form: bool = True  # the brain writes the JSON itself; otherwise it fills in what `schema` declares

    @classmethod
    def of(cls, tool: Tool) -> "ToolSpec":
        is_free_form = tool.kind == Tool.Kind.WEBHOOK_TRIGGER
        return cls(tool.name, tool.title, tool.description(), tool.schema(), tool.phrases, is_free_form)


class BrainFailed(Exception):
    """There is no answer. `code` is kept with the turn; `sentence` tells an operator what to do. Neither is secret."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class Brain(Protocol):
    def answer(
        self, *, agent: Agent, tools: Sequence[ToolSpec], history: Sequence[Entry], on_text: OnText | None
    ) -> Answer:
        """The next step. `on_text` gets text as it is written, if the brain can do that. Raises `BrainFailed`."""
        ...
