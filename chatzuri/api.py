"""What every API view shares: the team's key as proof, JSON in and out, errors as RFC 9457 problem details."""

import json
import logging
import math
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatzuri.models import ApiKey, Team

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
MAX_BODY = 1024 * 1024
MAX_DEPTH = 100

Row = TypeVar("Row", bound=Model)


# --- what goes wrong -------------------------------------------------------------------------------------------------


class Problem(exceptions.APIException):
    """An error with its own status, title and machine-readable extras (`errors`, say)."""

    def __init__(self, status_code: int, title: str, detail: str, **extras: Any) -> None:
        super().__init__(detail)
        self.status_code, self.title, self.extras = status_code, title, extras


def wrong_parameter(name: str, detail: str) -> Problem:
    """For the query string, which JSON pointers cannot point into."""
    fault = {"parameter": name, "detail": detail}
    return Problem(400, "Malformed request", f"The parameter {name!r} is not right. {detail}", errors=[fault])


TITLES = {
    400: "Malformed request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    413: "Body too large",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "Something broke on our side",
}
NOTHING_HERE = "There is nothing at this address."
BROKEN = "The error was logged. Nothing about it can be mended by changing the request."


def problem(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: everything becomes `application/problem+json`; the unexpected is logged, not shown."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        request = context.get("request")
        logger.error("API: %s %s broke", getattr(request, "method", ""), getattr(request, "path", ""), exc_info=error)
        error = Problem(500, TITLES[500], BROKEN)
    response = Response(describe(error), status=error.status_code, content_type=PROBLEM_TYPE)
    if auth_header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = auth_header
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(math.ceil(wait))
    return response


def describe(error: exceptions.APIException) -> dict[str, Any]:
    code = error.status_code
    body: dict[str, Any] = {"type": "about:blank", "title": _title(code), "status": code}
    if isinstance(error, Problem):
        return body | {"title": error.title, "detail": str(error.detail)} | error.extras
    if isinstance(error, exceptions.ValidationError):
        faults = list(_faults(error.get_full_details(), ""))
        return body | {"detail": "Some fields are not right.", "errors": faults}
    if isinstance(error, exceptions.NotFound) and error.detail == exceptions.NotFound.default_detail:
        return body | {"detail": NOTHING_HERE}
    return body | {"detail": str(error.detail)}


def _title(code: int) -> str:
    return TITLES.get(code) or HTTPStatus(code).phrase


def _faults(details: Any, pointer: str) -> Iterator[dict[str, str]]:
    """One `{pointer, detail}` per fault, from DRF's nested dictionaries and lists."""
    if isinstance(details, dict) and isinstance(details.get("message"), str) and "code" in details:
        yield {"pointer": pointer, "detail": details["message"]}
    elif isinstance(details, dict):
        for name, inner in details.items():
            yield from _faults(inner, f"{pointer}/{name}" if name != "non_field_errors" else pointer)
    elif isinstance(details, list):
        for inner in details:
            yield from _faults(inner, pointer)


def bare_problem(status: int, detail: str) -> JsonResponse:
    """The same problem for errors that happen before or outside of a view."""
    body = {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}
    return JsonResponse(body, status=status, content_type=PROBLEM_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler400` of the URLs: Django refused the request before a view saw it (a foreign Host, say)."""
    if request.path.startswith("/api/"):
        return bare_problem(400, "This request was refused before it was read.")
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """`handler500` of the URLs: for what breaks outside of a view. Django has logged it."""
    if request.path.startswith("/api/"):
        return bare_problem(500, BROKEN)
    return defaults.server_error(request)


# --- what comes in and goes out --------------------------------------------------------------------------------------


class TooLarge(exceptions.APIException):
    status_code = 413
    default_detail = f"Send at most {MAX_BODY // 1024} KB."


class JsonParser(BaseParser):
    """JSON that PostgreSQL can store and a renderer can write again. Everything else is refused here, with a reason.

    DRF's own parser reads without a limit, runs out of stack on deep nesting, and lets NUL, half characters and
    1e999 through, each of which breaks later and further from the person who can mend it.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        raw = _read(stream)
        try:
            data = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite)
            _storable(data, 0)
        except UnicodeDecodeError:
            raise exceptions.ParseError("The body is not UTF-8.") from None
        except UnicodeEncodeError:
            raise exceptions.ParseError("A text in the body holds half of a character (a lone surrogate).") from None
        except RecursionError:
            raise exceptions.ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
        except ValueError as error:
            raise exceptions.ParseError(f"The body is not acceptable JSON: {_short(error)}") from None
        return data


def _read(stream: Any) -> bytes:
    try:
        raw: bytes = stream.read(MAX_BODY + 1)
    except OSError:
        raise exceptions.ParseError("The body broke off before its end.") from None
    if len(raw) > MAX_BODY:
        raise TooLarge
    return raw


def _short(error: ValueError) -> str:
    """Python's advice on long integers names a function of ours to call; a caller can do nothing with it."""
    return str(error).split("; use sys.")[0][:200]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _storable(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("a text holds a NUL character")
        value.encode()
    elif isinstance(value, dict):
        for name, inner in value.items():
            _storable(name, depth + 1)
            _storable(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _storable(inner, depth + 1)


class AlwaysJson(BaseContentNegotiation):
    """An unusual `Accept` is no reason to refuse: the API speaks JSON, and event streams where a view says so."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        wanted = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == wanted), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """The base of every view under /api/."""

    parser_classes = [JsonParser]
    content_negotiation_class = AlwaysJson

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Over WSGI a chunked body cannot be told from none; saying so beats "this field is required".
        if request.headers.get("Transfer-Encoding") and not request.headers.get("Content-Length"):
            raise Problem(411, "Length required", "Send the body with a Content-Length, not in chunks.")

    @property
    def team(self) -> Team:
        """The team of the key: the wall around everything a view may look up."""
        key: ApiKey = self.request.auth  # type: ignore[assignment]
        return key.team


def find(rows: QuerySet[Row], public_id: str, *, what: str) -> Row:
    """The row with this public id, or 404. `rows` is already cut to the team, so foreign is the same as unknown."""
    row = rows.filter(public_id=public_id).first() if public_id.isprintable() else None
    if row is None:
        raise exceptions.NotFound(f"There is no {what} with this id.")
    return row


@extend_schema(exclude=True)
class UnknownPath(ApiView):
    """The last pattern under /api/: a wrong address is answered in the language of the API, key or not."""

    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        raise exceptions.NotFound
