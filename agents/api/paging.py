"""Lists over the API, newest first: one page, and how to get the next one."""

from typing import Any

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from chatzuri.api import wrong_parameter

PAGE = 50
LONGEST_PAGE = 100
PARAMETERS = [
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
    OpenApiParameter("limit", int, description=f"1 to {LONGEST_PAGE} a page; {PAGE} unless told."),
]


def page(request: Request, rows: QuerySet[Any], *, within: QuerySet[Any]) -> tuple[list[Any], str | None]:
    """The rows of this page and the cursor of the next. `within` is everything of the team that a cursor may name.

    The last row seen is the cursor: always a walk down one index, and nothing about the rows of other teams.
    """
    limit = _limit(request)
    if cursor := request.query_params.get("cursor"):
        rows = rows.filter(pk__lt=_position(within, cursor))
    found = list(rows.order_by("-pk")[: limit + 1])
    return found[:limit], found[limit - 1].public_id if len(found) > limit else None


def _position(within: QuerySet[Model], cursor: str) -> int:
    known = within.filter(public_id=cursor).first() if cursor.isprintable() else None
    if known is None:
        raise wrong_parameter("cursor", "This cursor is not known any more. Begin again without one.")
    return int(known.pk)


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", str(PAGE))
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= LONGEST_PAGE):
        raise wrong_parameter("limit", f"Give a number from 1 to {LONGEST_PAGE}.")
    return int(given)
