"""A real name server on loopback, over UDP and TCP, whose answers a test writes down."""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer


def records(*values: str) -> list[Any]:
    """`1.2.3.4`, `::1`, or `-> name` for an alias."""
    return [A(v) if v[0].isdigit() and ":" not in v else CNAME(v[3:]) if v[:2] == "->" else AAAA(v) for v in values]


class NameServer(BaseResolver):
    """`names["a.example"] = ["8.8.8.8", "::1"]`; an error code; a function of the kind asked for; or an iterator of
    such things, one for each look-up.

    Names it was not told about have the addresses in `otherwise`.
    """

    def __init__(self) -> None:
        self.reset()
        self._servers = [DNSServer(self, port=0, address="127.0.0.1", logger=DNSLogger("-request,-reply,-truncated"))]
        self.port: int = self._servers[0].server.server_address[1]
        self._servers.append(
            DNSServer(self, port=self.port, address="127.0.0.1", tcp=True, logger=DNSLogger("-request,-reply"))
        )
        for server in self._servers:
            server.start_thread()

    def reset(self) -> None:
        self.names: dict[str, Any] = {}
        self.otherwise: list[str] = ["127.0.0.1"]
        self.asked: list[tuple[str, str]] = []

    @property
    def setting(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", self.port)]

    def stop(self) -> None:
        for server in self._servers:
            server.stop()
            server.server.server_close()

    def resolve(self, request: DNSRecord, handler: Any) -> DNSRecord:
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        self.asked.append((name, kind))
        answer = self.names.get(name, self.otherwise)
        if isinstance(answer, Iterator):
            answer = next(answer) if kind == "A" else []
        if callable(answer):
            answer = answer(kind)
        return self._reply(request, name, answer, kind)

    def _reply(self, request: DNSRecord, name: str, answer: list[str] | str, kind: str) -> DNSRecord:
        reply = request.reply()
        if isinstance(answer, str):
            reply.header.rcode = getattr(RCODE, answer)
            return reply
        owner = name
        for record in records(*answer):
            made = type(record).__name__
            if made in (kind, "CNAME"):
                reply.add_answer(RR(owner, getattr(QTYPE, made), ttl=0, rdata=record))
            if made == "CNAME":
                owner = str(record.label).rstrip(".")
        return reply


def silence(seconds: float) -> Callable[[str], str]:
    """Never answers, as far as anybody can tell who waits less long."""

    def wait(kind: str) -> str:
        time.sleep(seconds)
        return "SERVFAIL"

    return wait


@functools.cache
def shared() -> NameServer:
    """One for the whole test process; `reset()` it before use."""
    return NameServer()
