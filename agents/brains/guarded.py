"""The way out to a language model: the address is read, resolved and checked here, and only that is connected to.

A base URL is typed by a team, so it is as little trusted as an endpoint. Names are looked up once per connection by
`webhooks.addresses`; certificates are verified against the name; no redirect, no environment, and no proxy but the
operator's own.
"""

import io
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio.to_thread
import certifi
import httpcore2
import httpx2

from webhooks import addresses, answers, proxy
from webhooks.failures import BadAnswer, NoAnswer, SendFailed
from webhooks.networks import Address

LOOKUP_SECONDS = 5.0
# A reply of a model is some kilobytes; more than this is no reply.
LARGEST_ANSWER = 8 * 1024 * 1024


class Backend(httpcore2.AsyncNetworkBackend):
    """Opens connections for the client, to the one destination it was made for."""

    def __init__(self, destination: addresses.Destination) -> None:
        self._destination = destination
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        if (host.strip("[]").lower(), port) != (self._destination.host, self._destination.port):
            raise httpcore2.ConnectError("Another host than the one that was checked.")
        last: Exception = httpcore2.ConnectError("No address.")
        for ip in await anyio.to_thread.run_sync(self._resolve):
            try:
                return await self._reach(ip, port, timeout)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last

    async def _reach(self, ip: Address, port: int, timeout: float | None) -> httpcore2.AsyncNetworkStream:
        way = None if addresses.is_listed_model(self._destination) else proxy.configured()
        if way is None:
            return await self._network.connect_tcp(str(ip), port, timeout=timeout)
        try:
            stream = await self._network.connect_tcp(way.host, way.port, timeout=timeout)
            await stream.write(proxy.request(ip, port), timeout=timeout)
            head = await _head(stream, timeout)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, BadAnswer, NoAnswer):
            raise proxy.failed() from None
        proxy.judge(head)
        return stream

    def _resolve(self) -> list[Any]:
        return list(addresses.resolve_language_model(self._destination, timeout=LOOKUP_SECONDS))


async def _head(stream: httpcore2.AsyncNetworkStream, timeout: float | None) -> answers.Head:
    """What the proxy answers. Nothing follows it before we have written, so nothing is read too far."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) <= answers.MAX_HEAD:
        piece = await stream.read(4096, timeout=timeout)
        if not piece:
            break
        data += piece
    return answers.read_head(io.BufferedReader(io.BytesIO(data)))


class Transport(httpx2.AsyncHTTPTransport):
    """httpx's own transport over a pool that connects through `Backend`, and with an end to every answer."""

    def __init__(self, destination: addresses.Destination) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(cafile=certifi.where()),
            network_backend=Backend(destination),
            max_connections=2,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = Limited(response.stream)
        return response


class Limited(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise httpx2.ReadError("The answer is too large.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def client(base_url: str, *, timeout: float) -> httpx2.AsyncClient:
    """An HTTP client for exactly this address. Raises `webhooks.failures.Blocked`."""
    destination = addresses.parse_language_model(base_url)
    return httpx2.AsyncClient(
        transport=Transport(destination), trust_env=False, follow_redirects=False, timeout=timeout
    )


def refusal(error: BaseException | None) -> SendFailed | None:
    """Our own refusal, however deep a client has wrapped it."""
    while error is not None:
        if isinstance(error, SendFailed):
            return error
        error = error.__cause__ or error.__context__
    return None
