"""The ways a request can fail, sorted by what the receiver knows about it."""

from dataclasses import asdict, dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds spent in each phase; a phase that did not happen took none."""

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    body: float = 0.0
    total: float = 0.0

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


class SendFailed(Exception):
    """There is no usable answer. `seen` says whether the receiver saw the request: "no", "maybe" or "yes"."""

    seen: ClassVar[str] = "maybe"

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = str(code)
        self.sentence = sentence
        self.timings = Timings()
        self.address = ""

    def __str__(self) -> str:
        return self.sentence


class Blocked(SendFailed):
    """We refuse to send this; no packet left for any address."""

    seen = "no"


class NotSent(SendFailed):
    """No byte of the request left this machine; sending again is safe."""

    seen = "no"


class NoAnswer(SendFailed):
    """Bytes of the request left, and no status came back: the receiver may have acted."""

    seen = "maybe"


class BadAnswer(SendFailed):
    """Something came back that is not an HTTP answer within our limits: the receiver was reached."""

    seen = "yes"

    def __init__(self, code: str, sentence: str, status: int | None = None) -> None:
        super().__init__(code, sentence)
        self.status = status
