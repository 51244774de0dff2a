"""`/api/v1/agents/<agent>/chat/<channel>`: where providers call. What they prove is theirs, not a key of a team."""

import codecs
import logging
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from channels_inbound import draining, finding, forms, receiving
from channels_inbound.adapters import SLUGS
from channels_inbound.adapters.base import FORM_TYPE, Adapter, Form, Incoming, Response
from channels_inbound.storing import StoreDown
from chatzuri.api import UnknownPath

logger = logging.getLogger(__name__)

MULTIPART = "multipart/form-data"
# What JSON and forms of the providers come in; a name nobody knows must not raise where it is used.
CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252"})


class Refused(Exception):
    """Answered before anything was read: with this status, and these headers."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


class AsItComes(BaseContentNegotiation):
    """Providers ask for whatever they like, and get what their contract says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ChannelInbound(APIView):
    """No login and no throttle: a provider that is told 401 or 429 for that comes back for days."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = AsItComes

    @property
    def default_response_headers(self) -> dict[str, str]:
        """The adapter knows which methods there are."""
        return {}

    @extend_schema(exclude=True)
    def get(self, request: Request, agent_id: str, slug: str) -> HttpResponse:
        return answer(request, agent_id, slug)

    @extend_schema(exclude=True)
    def post(self, request: Request, agent_id: str, slug: str) -> HttpResponse:
        return answer(request, agent_id, slug)

    put = patch = delete = head = options = trace = post  # type: ignore[assignment]


def now() -> datetime:
    """When a request arrived: what its signature's time is held against."""
    return datetime.now(UTC)


def answer(request: Request, agent_id: str, slug: str) -> HttpResponse:
    adapter = SLUGS.get(slug)
    if adapter is None:
        return nothing_here(request)
    if request.method not in adapter.methods:
        return _bare(405, Allow=", ".join(adapter.methods))
    try:
        return _receive(request, adapter, agent_id)
    except Refused as refused:
        return _bare(refused.status, **refused.headers)


def _receive(request: Request, adapter: Adapter, agent_id: str) -> HttpResponse:
    try:
        channel = finding.channel(agent_id=agent_id, kind=adapter.kind)
    except StoreDown:
        return _without_store(request, adapter, agent_id)
    if channel is None:
        return nothing_here(request)
    incoming = read(request, adapter, url=channel.inbound_url)
    try:
        outcome = receiving.receive(adapter=adapter, channel=channel, incoming=incoming)
    except StoreDown:
        outcome = receiving.down(adapter, incoming, agent_id=agent_id)
    return _answered(outcome)


def _without_store(request: Request, adapter: Adapter, agent_id: str) -> HttpResponse:
    """Not even the channel can be looked up: whoever never asks again is written down, to be proved later."""
    url = f"{settings.PUBLIC_URL}/api/v1/agents/{agent_id}/chat/{adapter.kind}"
    incoming = Incoming() if adapter.retries else read(request, adapter, url=url)
    return _answered(receiving.down(adapter, incoming, agent_id=agent_id))


def _answered(outcome: receiving.Outcome) -> HttpResponse:
    if outcome.verdict == "spooled":
        draining.begin()
    return _http(outcome.response)


def nothing_here(request: Request) -> HttpResponse:
    """The same words for every reason, and the same as for any address that does not exist."""
    return UnknownPath.as_view()(request._request, unknown="")


# --- reading the request ---------------------------------------------------------------------------------------------


def read(request: Request, adapter: Adapter, *, url: str) -> Incoming:
    """The request as the adapter sees it. Raises `Refused`: too large, or in no form that it takes."""
    http = request._request
    if request.method == "GET":
        query = http.META.get("QUERY_STRING", "")
        return Incoming(method="GET", url=url, query=query, headers=_headers(http.META), at=now())
    length = _length(http.META, adapter)
    is_form = _check_type(http.META, adapter)
    body, form = b"", None
    if is_form:
        form = _form(http, adapter, length)
    else:
        body = _body(http, adapter, length)
    query = http.META.get("QUERY_STRING", "")
    return Incoming(
        method=request.method or "",
        url=f"{url}?{query}" if query else url,
        path=http.path,
        query=query,
        headers=_headers(http.META),
        body=body,
        form=form,
        at=now(),
    )


def _headers(meta: dict[str, Any]) -> dict[str, str]:
    found = {name[5:].replace("_", "-").lower(): value for name, value in meta.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if meta.get(name):
            found[name.replace("_", "-").lower()] = meta[name]
    return found


def _length(meta: dict[str, Any], adapter: Adapter) -> int | None:
    """As announced; None where it comes in chunks. Raises `Refused`."""
    if meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise Refused(415)
    announced = meta.get("CONTENT_LENGTH") or ""
    if not announced:
        return None if "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower() else 0
    if not (announced.isascii() and announced.isdigit()):
        raise Refused(400)
    if len(announced) > 12 or int(announced) > adapter.max_body:
        raise Refused(413)
    return int(announced)


def _check_type(meta: dict[str, Any], adapter: Adapter) -> bool:
    """Whether it is a multipart form that goes to disk. Raises `Refused`."""
    kind, _, parameters = meta.get("CONTENT_TYPE", "").partition(";")
    kind = kind.strip().lower()
    if kind == MULTIPART and adapter.streams_form:
        return True
    if kind not in adapter.content_types or not _is_known_charset(parameters):
        raise Refused(415)
    return False


def _is_known_charset(parameters: str) -> bool:
    for each in parameters.split(";"):
        name, _, value = each.partition("=")
        if name.strip().lower() == "charset":
            try:
                return codecs.lookup(value.strip().strip("\"'")).name in CHARSETS
            except (LookupError, ValueError):
                return False
    return True


def _body(http: Any, adapter: Adapter, length: int | None) -> bytes:
    """Not `request.body`: its limit is one for all, and of a body in chunks it would see nothing."""
    stream = http.META["wsgi.input"] if length is None else http
    try:
        body = bytes(stream.read(adapter.max_body + 1) if length is None else stream.read(length))
    except OSError:
        raise Refused(400) from None
    if len(body) > adapter.max_body:
        raise Refused(413)
    if length is not None and len(body) < length:
        raise Refused(400)
    return body


def _form(http: Any, adapter: Adapter, length: int | None) -> Form:
    stream = http.META["wsgi.input"] if length is None else http
    try:
        return forms.parse_form(stream, http.META.get("CONTENT_TYPE", ""), limit=adapter.max_body)
    except forms.TooLarge:
        raise Refused(413) from None
    except (forms.NotAForm, OSError):
        raise Refused(400) from None


# --- answering -------------------------------------------------------------------------------------------------------


def _http(response: Response) -> HttpResponse:
    """Exactly this, and never anything that a browser would take for a page."""
    http = HttpResponse(response.body, status=response.status, content_type=response.content_type)
    for name, value in response.headers.items():
        http[name] = value
    http["X-Content-Type-Options"] = "nosniff"
    return http


def _bare(status: int, **headers: str) -> HttpResponse:
    return _http(Response(status=status, headers=headers))


__all__ = ["FORM_TYPE", "ChannelInbound", "read"]
