"""What an explanation keeps of what was found in an event: enough to understand, never much of a customer's data."""

from typing import Any

from agents.comparing import written

# What stands for what is not shown.
MORE, OBJECT, LIST = "…", "{…}", "[…]"


def excerpt(found: Any, *, longest: int) -> Any:
    """JSON that PostgreSQL can keep: text is cut to `longest` characters, a list to members that take about as many,
    an object is only mentioned.
    """
    if isinstance(found, str):
        return _cut(found, longest)
    if isinstance(found, list):
        return _members(found, longest)
    if isinstance(found, dict):
        return OBJECT
    text = written(found)
    return found if found is None or (text is not None and len(text) <= longest) else _cut(text or MORE, longest)


def _members(found: list[Any], longest: int) -> list[Any]:
    shown: list[Any] = []
    room = longest
    for member in found:
        one = LIST if isinstance(member, list) else excerpt(member, longest=longest)
        room -= len(str(one)) + 2
        if room < 0:
            return [*shown, MORE]
        shown.append(one)
    return shown


def _cut(text: str, longest: int) -> str:
    cut = text if len(text) <= longest else text[: longest - 1] + MORE
    if cut.isascii() and "\0" not in cut:
        return cut
    # Neither half characters nor U+0000 can be kept in PostgreSQL.
    return cut.encode(errors="replace").decode().replace("\0", "�")
