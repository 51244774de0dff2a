"""The one door out: every request to an address that a customer chose leaves through here, and only through here.

`requests` is the client. What may not be left to any client is done by `Exchange`, the transport that the session
sends through: one fresh connection, to an address that was checked, and nothing a second time. There are no options
for being careless: no redirects, proxies of the environment, cookies, netrc, retries or unverified certificates.
"""

import errno
import functools
import io
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from time import perf_counter
from typing import Any

import certifi
import requests
from requests.adapters import BaseAdapter

from webhooks import addresses, answers, bodies, proxy
from webhooks.deadlines import Deadline
from webhooks.failures import BadAnswer, Blocked, NoAnswer, NotSent, SendFailed, Timings
from webhooks.headers import check_fetched, check_headers, check_syntax, merge
from webhooks.networks import Address

__all__ = [
    "DELIVERY",
    "FETCH",
    "Answer",
    "BadAnswer",
    "Blocked",
    "Limits",
    "NoAnswer",
    "NotSent",
    "SendFailed",
    "Timings",
    "check",
    "check_headers",
    "post",
    "request",
]

DEADLINE = 10.0
CONNECT_SECONDS = 3.0
LOOKUP_SECONDS = 5.0
# The clock outside cuts the connection; the socket's own timeout is only there in case that clock is not.
GRACE = 1.0

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DEFAULTS = {"User-Agent": "Chatzuri", "Accept": "*/*"}
_WIRE = {"Accept-Encoding": "identity", "Connection": "close"}

_NOT_SENT = {
    "connect": "The receiver did not accept the connection.",
    "connect_timeout": "The receiver did not accept the connection in time.",
    "network_unreachable": "There is no way from here to the network of the receiver.",
    "wrong_peer": "The connection led to another address than the one that was checked.",
    "tls": "No secure connection (TLS 1.2 or newer) could be agreed on with the receiver.",
    "tls_timeout": "The receiver did not finish the secure connection (TLS) in time.",
}
_NO_ANSWER = {
    "closed": "The receiver ended the connection without an answer.",
    "deadline": "The receiver did not answer in time.",
}
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
# OpenSSL's numbers for why a certificate was refused.
_CERTIFICATE = {
    9: "The receiver's certificate is not valid yet.",
    10: "The receiver's certificate has expired. Renew it.",
    18: "The receiver's certificate is self-signed. Use one from a public authority.",
    19: "The receiver's certificate is from an authority that is not public.",
    20: "The receiver's certificate is from an unknown authority, or an intermediate certificate is missing.",
    23: "The receiver's certificate was revoked.",
    62: "The receiver's certificate is for another name.",
    64: "The receiver's certificate is for another address.",
}
_CERTIFICATE_OTHERWISE = "The receiver's certificate could not be verified."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may be: bytes of its body, bytes of the answer's that are read, and whose headers it carries."""

    request_body: int
    response_body: int
    check_headers: Callable[[Mapping[str, str]], None]


DELIVERY = Limits(bodies.MAX_BODY, answers.MAX_BODY, check_headers)
FETCH = Limits(1024 * 1024, 2 * 1024 * 1024, check_fetched)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as it came: nothing is decoded, and everything has a limit. `reason` is the status in words."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    body_cut: bool
    timings: Timings
    address: str
    reason: str = ""


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    platform_headers: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
    limits: Limits = DELIVERY,
) -> Answer:
    return request(
        "POST", url, body=body, headers=headers, platform_headers=platform_headers, deadline=deadline, limits=limits
    )


def request(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    platform_headers: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
    limits: Limits = DELIVERY,
) -> Answer:
    """Send one request, at most once, and return the answer whatever its status. Raises SendFailed otherwise.

    `headers` are a customer's and are checked as such; `platform_headers` are ours and win over them.
    """
    destination = check(
        method, url, body=body, headers=headers or {}, platform_headers=platform_headers or {}, limits=limits
    )
    prepared = _prepare(method, destination, headers or {}, platform_headers or {}, body)
    with Deadline(deadline) as clock, _Session() as session:
        exchange = Exchange(destination, clock, limits)
        session.mount(destination.origin, exchange)
        try:
            response = session.send(prepared, stream=True, allow_redirects=False, proxies={})
        except SendFailed as failure:
            failure.timings, failure.address = exchange.timings(), exchange.address
            raise
        return Answer(
            status=response.status_code,
            headers=exchange.headers,
            body=response.content,
            body_cut=exchange.body_cut,
            timings=exchange.timings(),
            address=exchange.address,
            reason=str(response.reason),
        )


def check(
    method: str,
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    platform_headers: Mapping[str, str],
    limits: Limits = DELIVERY,
) -> addresses.Destination:
    """All that can be judged of a request without sending it, nor asking for its name. Raises Blocked."""
    destination = addresses.parse(url)
    if method not in _METHODS:
        raise Blocked("method", f"Use one of the methods {', '.join(sorted(_METHODS))}.")
    if len(body) > limits.request_body:
        raise Blocked("body_too_large", f"The body is larger than {limits.request_body // 1024} KB. Send less.")
    limits.check_headers(headers)
    for name, value in platform_headers.items():
        check_syntax(name, value)
    return destination


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """Verifies chain and name. There is no switch to turn that off. Tests put their own authority here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _prepare(
    method: str,
    destination: addresses.Destination,
    headers: Mapping[str, str],
    platform_headers: Mapping[str, str],
    body: bytes,
) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.prepare_method(method)
    # Not prepare_url(): it would decode, encode and shorten what was checked, shown and perhaps signed.
    prepared.url = destination.url
    prepared.prepare_headers(merge(_DEFAULTS, headers, platform_headers, _WIRE))
    prepared.prepare_body(body, None)
    prepared.prepare_hooks({})
    return prepared


class _Session(requests.Session):
    """Ignores the environment, has no transport of its own, and never looks at where an answer points to."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Even with redirects off, requests would read the Location and prepare the next request."""


class Exchange(BaseAdapter):
    """One request and its answer over one fresh connection. Its failures say whether any byte of the request left."""

    def __init__(self, destination: addresses.Destination, deadline: Deadline, limits: Limits) -> None:
        super().__init__()
        self.address = ""
        self.headers: list[tuple[str, str]] = []
        self.body_cut = False
        self._destination = destination
        self._deadline = deadline
        self._limits = limits
        self._socket: socket.socket | None = None
        self._began = perf_counter()
        self._spent: dict[str, float] = {}

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """requests calls this once; nothing in here is done again."""
        self._connect()
        assert self._socket is not None
        with self._socket.makefile("rb") as stream:
            with self._phase("first_byte"):
                self._write(self._socket, _wire(request, self._destination))
                head = self._read_head(stream)
            with self._phase("body"):
                most = self._limits.response_body
                body, is_cut = answers.read_body(stream, head, method=str(request.method), most=most)
        self.headers = head.headers
        # A body without a length ends with the connection, and so would one that our clock cut.
        self.body_cut = is_cut or self._deadline.passed
        response = requests.Response()
        response.request, response.url = request, str(request.url)
        response.status_code, response.reason, response.raw = head.status, head.reason, io.BytesIO(body)
        response.headers.update(head.headers)
        return response

    def close(self) -> None:
        if self._socket is not None:
            self._deadline.release()
            self._socket.close()
            self._socket = None

    def timings(self) -> Timings:
        return Timings(**self._spent, total=(perf_counter() - self._began) * 1000)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            self._spent[name] = self._spent.get(name, 0.0) + (perf_counter() - began) * 1000

    # --- getting there -----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """To the first address that works. Trying the next one is safe: nothing has been written yet."""
        with self._phase("dns"):
            timeout = min(LOOKUP_SECONDS, self._deadline.remaining())
            found = addresses.resolve(self._destination, timeout=timeout)
        *others, last = found
        for ip in others:
            with suppress(NotSent):
                self._open(ip)
                return
        self._open(last)

    def _open(self, ip: Address) -> None:
        self.close()
        self.address = str(ip)
        with self._phase("connect"):
            self._dial(ip)
        if self._destination.scheme == "https":
            with self._phase("tls"):
                self._secure()

    def _dial(self, ip: Address) -> None:
        way = None if addresses.is_inspector(self._destination) else proxy.configured()
        if way is not None:
            self._dial_through(way, ip)
            return
        try:
            connection = socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
            self._hold(connection)
            connection.settimeout(self._patience())
            connection.connect((str(ip), self._destination.port))
            peer = connection.getpeername()[0]
        except OSError as error:
            raise _not_sent(self._why_no_connection(error)) from None
        if ip_address(peer) != ip:
            raise _not_sent("wrong_peer")
        self._ready(connection)

    def _dial_through(self, way: proxy.Proxy, ip: Address) -> None:
        """To the checked address by way of the operator's proxy, whose own name the operator answers for."""
        try:
            connection = socket.create_connection((way.host, way.port), timeout=self._patience())
        except OSError:
            raise proxy.failed() from None
        self._hold(connection)
        proxy.tunnel(connection, ip, self._destination.port)
        self._ready(connection)

    def _patience(self) -> float:
        return max(min(CONNECT_SECONDS, self._deadline.remaining()), 0.001)

    def _ready(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self._deadline.remaining() + GRACE)

    def _why_no_connection(self, error: OSError) -> str:
        if isinstance(error, TimeoutError) or not self._deadline.remaining():
            return "connect_timeout"
        return "network_unreachable" if error.errno in _UNREACHABLE else "connect"

    def _secure(self) -> None:
        """The certificate must be for the name, whatever address we are connected to."""
        assert self._socket is not None
        host = self._destination.host
        try:
            # The handshake comes afterwards, so that the clock holds the socket it happens on.
            secured = ssl_context().wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
            self._hold(secured)
            secured.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise NotSent("certificate", _CERTIFICATE.get(error.verify_code, _CERTIFICATE_OTHERWISE)) from None
        except (OSError, ValueError):
            raise _not_sent("tls" if self._deadline.remaining() else "tls_timeout") from None

    def _hold(self, connection: socket.socket) -> None:
        self._socket = connection
        # Unbound: an SSLSocket's own shutdown() takes its TLS state apart under the thread that is using it.
        self._deadline.guard(functools.partial(socket.socket.shutdown, connection, socket.SHUT_RDWR))

    # --- the request and its answer ----------------------------------------------------------------------------------

    def _write(self, connection: socket.socket, data: bytes) -> None:
        """Write everything, or as much as the receiver takes: one that answers early may stop listening."""
        # TLS may have sent a part before it reports that it could not send all.
        has_written = isinstance(connection, ssl.SSLSocket)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[connection.send(rest) :]
                has_written = True
        except OSError:
            if not has_written:
                raise _not_sent("connect") from None

    def _read_head(self, stream: io.BufferedReader) -> answers.Head:
        try:
            return answers.read_head(stream)
        except NoAnswer:
            code = "closed" if self._deadline.remaining() else "deadline"
            raise NoAnswer(code, _NO_ANSWER[code]) from None


def _wire(request: requests.PreparedRequest, destination: addresses.Destination) -> bytes:
    """The bytes of the request. The target is written exactly as it was stored."""
    lines = [f"{request.method} {destination.target} HTTP/1.1", f"Host: {destination.authority}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body or b""
    assert isinstance(body, bytes)
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _not_sent(code: str) -> NotSent:
    return NotSent(code, _NOT_SENT[code])
