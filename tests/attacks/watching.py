"""Sees every TCP connection this process opens, by the interpreter's own audit events; nothing is replaced for it."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_seen: list[tuple[str, int]] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or _seen is None:
        return
    connection, address = arguments
    if connection.family in (socket.AF_INET, socket.AF_INET6) and connection.type == socket.SOCK_STREAM:
        _seen.append((address[0], address[1]))


sys.addaudithook(_hook)  # cannot be taken away again, so it only looks while somebody asks it to


@contextmanager
def connections() -> Iterator[list[tuple[str, int]]]:
    """`with connections() as seen:` collects (address, port) of every thread."""
    global _seen
    _seen = seen = []
    try:
        yield seen
    finally:
        _seen = None
