"""What the sandbox and whoever uses it say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Limits:
    """What one run may use, in bytes where nothing else is said. The sandbox and the host both enforce them."""

    fetches: int = 50
    fetches_at_once: int = 6
    url: int = 8 * 1024
    headers: int = 100  # of a request, each of them no longer than:
    header: int = 16 * 1024
    request_body: int = 1024 * 1024
    response_body: int = 2 * 1024 * 1024
    lines: int = 200
    log_bytes: int = 64 * 1024
    line_bytes: int = 8 * 1024
    result: int = 1024 * 1024
    error: int = 2000  # characters
    code: int = 64 * 1024
    frames: int = 2000
    frame: int = 4 * 1024 * 1024


@dataclass(frozen=True)
class Job:
    """The body of an async function, and its three arguments. `params` and `config` hold JSON values."""

    code: str
    params: Mapping[str, Any]
    credentials: Mapping[str, str] | None  # None: `credentials` is null in the code
    config: Mapping[str, Any]
    only_check: bool = False  # read the body and stop: nothing of it is executed


@dataclass(frozen=True)
class FetchRequest:
    """What the code asked for. Only its shape was checked: whether it may be sent is for the fetcher to say."""

    number: int  # 1, 2, 3 … within the run
    method: str
    url: str
    redirect: str  # "follow" only where the code says so; otherwise "manual" or "error"
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class FetchReply:
    """What the code gets. With an `error`, its fetch rejects with TypeError("fetch failed: " + error)."""

    error: str = ""
    status: int = 0
    status_text: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    redirected: bool = False
    body: bytes = b""


class Fetcher(Protocol):
    """The host's side of fetch.

    `begin` and `finish` run in the thread of the run, so they may use its database connection. `perform` runs in
    another thread and only speaks HTTP. What was begun is performed once, and finished once with what `perform`
    returned, also where the run ended in between: then nobody reads the reply, but the outcome is written down.
    """

    def begin(self, request: FetchRequest, /) -> Any | FetchReply:
        """Something to perform, or a refusal at once."""

    def perform(self, begun: Any, /, *, seconds: float) -> Any:
        """Send it and wait for the answer, for as long as is left. Zero seconds: too late, nothing is to be sent."""

    def finish(self, begun: Any, answer: Any, /) -> Any | FetchReply:
        """The reply for the code, or the next thing to perform: a redirect that is followed."""


@dataclass(frozen=True)
class Result:
    """How a run ended. `kind` is empty where the code returned.

    Otherwise: thrown, syntax, result (what was returned is not JSON), timeout, memory, exit (the process ended by
    itself), crashed, protocol (the process said something it must not), busy (too many wait), unavailable (no sandbox
    can be started). In the last two nothing of the code was executed.
    """

    kind: str = ""
    value: Any = None
    error: str = ""
    name: str = ""  # of the error's class, such as TypeError
    line: int | None = None
    console: list[tuple[str, str]] = field(default_factory=list)  # (level, text)
    milliseconds: float = 0.0
    fetches: int = 0
    peak_memory: int = 0  # bytes
    diagnostics: str = ""  # for the logs of operators, never for customers


class SandboxUnavailable(Exception):
    """No sandbox can be started here; the message says what is missing."""
