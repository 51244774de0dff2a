"""The single attempt: what is known afterwards, and no more than that."""

import logging
import time
from collections.abc import Callable

from django.conf import settings

from webhooks import http
from webhooks.claiming import Claimed, Outcome
from webhooks.models import Delivery

logger = logging.getLogger(__name__)

State = Delivery.State
# A claim that could not begin within this time (every thread was busy, the process was stopped) goes back.
BEGIN_WITHIN = 3.0

FAILED = {"no": State.NOT_SENT, "maybe": State.NO_ANSWER, "yes": State.REJECTED}


def transmit(claimed: Claimed) -> Outcome:
    """The single attempt. Never raises: whatever happens here is an outcome."""
    if claimed.refusal:
        return claimed.refusal
    if time.monotonic() - claimed.claimed_at > BEGIN_WITHIN:
        return Outcome(State.QUEUED)
    outcome, _ = once(claimed.public_id, lambda: _post(claimed))
    return outcome


def once(public_id: str, send: Callable[[], http.Answer]) -> tuple[Outcome, str]:
    """Send, and what became of it, with the reason phrase of the answer. Never raises."""
    try:
        answer = send()
    except http.SendFailed as failure:
        return failed(failure), ""
    except Exception:
        logger.exception("Sending %s broke", public_id)
        broken = Outcome(State.INTERRUPTED, code="internal_error", detail="Our own client broke while sending.")
        return broken, ""
    return _answered(answer), answer.reason


def failed(failure: http.SendFailed) -> Outcome:
    """The outcome where there is no answer to speak of."""
    state = State.BLOCKED if isinstance(failure, http.Blocked) else FAILED[failure.seen]
    return Outcome(
        state,
        code=str(failure.code),
        detail=failure.sentence,
        status_code=getattr(failure, "status", None),
        address=failure.address,
        timings=failure.timings.as_dict(),
    )


def _post(claimed: Claimed) -> http.Answer:
    return http.post(
        claimed.url,
        body=claimed.body,
        headers=claimed.own_headers,
        platform_headers=claimed.headers,
        deadline=settings.DELIVERY_DEADLINE,
    )


def _answered(answer: http.Answer) -> Outcome:
    return Outcome(
        State.DELIVERED if 200 <= answer.status < 300 else State.REJECTED,
        code="body_cut" if answer.body_cut else "",
        status_code=answer.status,
        address=answer.address,
        headers=answer.headers,
        body=answer.body,
        body_cut=answer.body_cut,
        timings=answer.timings.as_dict(),
    )
