"""How what people try with an action may end, in words that the table of cases is written in."""

from dataclasses import dataclass
from typing import Any

MEBIBYTE = 1024 * 1024

ERRORS = frozenset({"thrown", "syntax", "result", "timeout", "memory", "exit"})
TIMEOUT = frozenset({"timeout"})
MEMORY = frozenset({"memory", "thrown", "timeout"})
THROWN = frozenset({"thrown"})
RETURNED = frozenset({""})
SYNTAX = frozenset({"syntax"})
NOT_JSON = frozenset({"result"})
# What code may return that looked for something forbidden: nothing, in any of its disguises.
NOTHING = (None, "", "blocked", "none", "undefined", "undefinedundefined", "undefinedundefinedundefined", 0, False, [])


@dataclass(frozen=True)
class Case:
    """`kinds` are the endings that are right, "" being a value: one of `values`, where there are any."""

    id: str
    code: str
    kinds: frozenset[str]
    values: tuple[Any, ...] | None = None
    says: tuple[str, ...] = ()  # one of these is in the error, whatever its case
    lines: int = 200  # of the console at most
    megabytes: int = 420  # of memory at most

    def fault(self, *, kind: str, value: Any, error: str, console: list[tuple[str, str]], peak: int = 0) -> str:
        """What is wrong with how it ended; empty where nothing is."""
        if kind not in self.kinds:
            return f"ended as {kind or 'a value'}: {error or value!r}"
        if kind == "" and self.values is not None and not any(_same(value, right) for right in self.values):
            return f"returned {value!r}"
        if kind and self.says and not any(words.lower() in error.lower() for words in self.says):
            return f"says {error!r}"
        if len(error) > 2000 or "/agents/sandbox/" in error or "bootstrap" in error:
            return f"says too much: {error[:200]!r}"
        if len(console) > self.lines or sum(len(text) for _, text in console) > 80 * 1024:
            return f"logged {len(console)} lines"
        if peak > self.megabytes * MEBIBYTE:
            return f"took {peak // MEBIBYTE} MiB"
        return ""


def _same(value: Any, right: Any) -> bool:
    """`0` is not `False` here, and `1` not `1.0`."""
    return type(value) is type(right) and value == right


def ends_as(kinds: frozenset[str], id_: str, code: str, *values: Any, **more: Any) -> Case:
    return Case(id_, code, kinds, values or None, **more)


def times_out(id_: str, code: str) -> Case:
    return ends_as(TIMEOUT, id_, code)


def runs_out(id_: str, code: str) -> Case:
    """Of memory: the process is stopped, or the code is told."""
    return ends_as(MEMORY, id_, code)


def fails(id_: str, code: str, *says: str) -> Case:
    return ends_as(ERRORS, id_, code, says=says)


def throws(id_: str, code: str, *says: str) -> Case:
    return ends_as(THROWN, id_, code, says=says)


def returns(id_: str, code: str, *values: Any) -> Case:
    return ends_as(RETURNED, id_, code, *values)


def finds_nothing(id_: str, code: str) -> Case:
    """An error, or nothing in one of its disguises."""
    return ends_as(ERRORS | RETURNED, id_, code, *NOTHING)


def survives(id_: str, code: str, *values: Any) -> Case:
    """Any ending that is an ending."""
    return ends_as(ERRORS | RETURNED, id_, code, *values)
