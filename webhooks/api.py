"""Reading deliveries over the API: everything the developer of a receiver needs, and no secret."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from chatzuri.api import ApiView, find, wrong_parameter
from chatzuri.api_docs import problems
from webhooks import api_docs, fetching
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.outcomes import describe

PAGE = 50
LONGEST_PAGE = 100
MASK = "…"

State = Delivery.State
# May it be sent again without harm? The receiver's side decides where the receiver has, or may have, seen it.
SAFE_TO_RESEND: dict[str, str] = {
    State.SENDING: "no",
    State.DELIVERED: "no",
    State.REJECTED: "receiver_decides",
    State.NOT_SENT: "yes",
    State.BLOCKED: "after_mending",
    State.NO_ANSWER: "if_receiver_dedupes",
    State.INTERRUPTED: "if_receiver_dedupes",
    State.CANCELLED: "yes",
    State.EXPIRED: "yes",
}
# What a custom action fetched was made by its code, and only its code can make it again.
NOT_OFFERED = "not_offered"


# --- rendering -------------------------------------------------------------------------------------------------------


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def masked_url(delivery: Delivery) -> str:
    """Where it went, without what an address may carry as proof.

    Query values are masked. Of an address that came from a credential only the origin is shown: credentials are
    never readable again.
    """
    # Not urlsplit(): what a custom action wanted to fetch, and may not, need not be an address.
    address, _, query = delivery.url.partition("#")[0].partition("?")
    endpoint = delivery.endpoint
    if endpoint and endpoint.credential_id and delivery.url != endpoint.url:
        return "/".join([*address.split("/")[:3], MASK])
    names = [pair.partition("=") for pair in query.split("&")] if query else []
    query = "&".join(name + ("=" + MASK if equals else "") for name, equals, _ in names)
    return address + (f"?{query}" if query else "")


def summary(delivery: Delivery) -> dict[str, Any]:
    """A line of the list. Needs `attempt`, `endpoint` and `event` loaded."""
    attempt: Attempt | None = getattr(delivery, "attempt", None)
    words, endpoint = describe(delivery), delivery.endpoint
    return {
        "id": delivery.public_id,
        "event": {"id": delivery.event.public_id, "type": delivery.event.type},
        "endpoint": {"id": endpoint.public_id, "name": endpoint.name} if endpoint else None,
        "state": delivery.state,
        "outcome": delivery.state if delivery.is_finished else None,
        "label": words.label,
        "sentence": words.sentence,
        "advice": words.advice,
        "seen_by_receiver": delivery.seen_by_receiver or None,
        "safe_to_resend": SAFE_TO_RESEND.get(delivery.state) if endpoint else NOT_OFFERED,
        "status_code": attempt.status_code if attempt else None,
        "caused_by": delivery.caused_by or None,
        "replay_of": delivery.replay_of.public_id if delivery.replay_of else None,
        "accepted_at": moment(delivery.accepted_at),
        "finished_at": moment(delivery.finished_at),
    }


def detail(delivery: Delivery) -> dict[str, Any]:
    attempt: Attempt | None = getattr(delivery, "attempt", None)
    body = bytes(delivery.body)
    headers: Mapping[str, str] = attempt.request_headers if attempt else {}
    return summary(delivery) | {
        "occurred_at": moment(delivery.event.occurred_at),
        "queued_at": moment(delivery.queued_at),
        "began_at": moment(attempt.began_at if attempt else None),
        "reason": (attempt.code or None) if attempt else None,
        "timings": attempt.timings if attempt else {},
        "replays": list(delivery.replays.order_by("pk").values_list("public_id", flat=True)),
        "request": {
            "method": delivery.method,
            "url": masked_url(delivery),
            "address": (attempt.address or None) if attempt else None,
            "headers": [{"name": name, "value": value} for name, value in headers.items()],
            "body": body.decode(errors="replace"),
            "size": len(body),
            "is_cut": fetching.request_is_cut(delivery),
        },
        "response": response(attempt) if attempt and attempt.status_code else None,
    }


def response(attempt: Attempt) -> dict[str, Any]:
    body = bytes(attempt.response_body)
    return {
        "status_code": attempt.status_code,
        "headers": [{"name": name, "value": value} for name, value in attempt.response_headers],
        "body": body.decode(errors="replace"),
        "size": len(body),
        "is_cut": attempt.response_cut,
    }


# --- views -----------------------------------------------------------------------------------------------------------


class DeliveryDetail(ApiView):
    @extend_schema(
        operation_id="get_delivery",
        tags=["deliveries"],
        summary="What became of a delivery",
        description="The request as it left, the answer as it came, and the outcome in words. Secrets are masked: "
        "header `X-Webhook-Secret`, the values of the query, and whatever of them the receiver echoed. A `fetch` of a "
        "custom action is a delivery without an endpoint; of its request and of the answer the first 64 KB are kept.",
        responses={
            200: OpenApiResponse(api_docs.DeliverySerializer, examples=[api_docs.DELIVERED]),
            **problems(_404="No delivery of this team has this id."),
        },
    )
    def get(self, request: Request, delivery_id: str) -> Response:
        rows = Delivery.objects.of(self.team).select_related("attempt", "endpoint", "event", "replay_of")
        return Response(detail(find(rows, delivery_id, what="delivery")))


class DeliveryList(ApiView):
    @extend_schema(
        operation_id="list_deliveries",
        tags=["deliveries"],
        summary="Deliveries, newest first",
        description="One page, and in `next_cursor` how to get the next one. Bodies are left out; ask for a single "
        "delivery to read them.",
        parameters=[
            OpenApiParameter("endpoint", str, description="Only deliveries to the endpoint with this id."),
            OpenApiParameter("state", str, enum=State.values, description="Only deliveries in this state."),
            OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
            OpenApiParameter("limit", int, description=f"1 to {LONGEST_PAGE} deliveries a page; {PAGE} unless told."),
        ],
        responses={
            200: api_docs.DeliveryPageSerializer,
            **problems(_400="A parameter is not right.", _404="No endpoint of this team has this id."),
        },
    )
    def get(self, request: Request) -> Response:
        limit = self._limit(request)
        found = list(self._rows(request)[: limit + 1])
        page = found[:limit]
        more = page[-1].public_id if len(found) > limit else None
        return Response({"deliveries": [summary(row) for row in page], "next_cursor": more})

    def _rows(self, request: Request) -> Any:
        """Keyset paging: always a walk down one index, however deep, and never a count."""
        rows = Delivery.objects.of(self.team)
        if cursor := request.query_params.get("cursor"):
            rows = rows.filter(pk__lt=self._position(cursor))
        if state := request.query_params.get("state"):
            if state not in State.values:
                raise wrong_parameter("state", f"Choose one of {', '.join(State.values)}.")
            rows = rows.filter(state=state)
        if endpoint := request.query_params.get("endpoint"):
            rows = rows.filter(endpoint=find(Endpoint.objects.of(self.team), endpoint, what="endpoint"))
        rows = rows.select_related("attempt", "endpoint", "event", "replay_of")
        return rows.defer("body", "attempt__response_body", "replay_of__body").order_by("-pk")

    def _position(self, cursor: str) -> int:
        """The last delivery seen is the cursor: it says nothing about other teams' rows, as a number would."""
        known = cursor.isprintable() and Delivery.objects.of(self.team).filter(public_id=cursor).first()
        if not known:
            raise wrong_parameter("cursor", "This cursor is not known any more. Begin again without one.")
        return known.pk

    def _limit(self, request: Request) -> int:
        given = request.query_params.get("limit", str(PAGE))
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= LONGEST_PAGE):
            raise wrong_parameter("limit", f"Give a number from 1 to {LONGEST_PAGE}.")
        return int(given)
