"""What became of a delivery, in words for people. One table, so that every page says the same."""

from dataclasses import dataclass

from webhooks.models import Attempt, Delivery

State = Delivery.State


@dataclass(frozen=True)
class Description:
    """`label` for a badge, `sentence` for what happened, `advice` for what to do next; `tone`: good/warn/bad/wait."""

    label: str
    sentence: str
    advice: str
    tone: str


RECEIVER_DEDUPES = "Send it again only if your receiver ignores an event id it has already seen."
SAFE = "Nothing left this server, so sending it again is safe."

OPEN = {
    State.QUEUED: Description("queued", "It is waiting for a worker.", "", "wait"),
    State.SENDING: Description("sending", "It is being sent right now.", "", "wait"),
    State.HELD: Description(
        "held", "The endpoint is paused, so it waits here.", "Release or discard it on the endpoint's page.", "wait"
    ),
    State.CANCELLED: Description("cancelled", "Somebody discarded it before it was sent.", SAFE, "bad"),
    State.EXPIRED: Description("expired", "It was held for too long and never sent.", SAFE, "bad"),
    State.INTERRUPTED: Description(
        "interrupted",
        "The worker that was sending it vanished. The receiver may have seen it.",
        RECEIVER_DEDUPES,
        "bad",
    ),
}

# Reasons that deserve a shorter word on a badge than their sentence.
WORDS = {
    "dns": "DNS",
    "dns_timeout": "DNS",
    "connect": "connection",
    "connect_timeout": "connection",
    "network_unreachable": "network",
    "tls": "TLS",
    "tls_timeout": "TLS",
    "certificate": "certificate",
    "shutdown": "worker stopped",
    "late": "too late",
    "our_proxy": "our own proxy",
}


def describe(delivery: Delivery) -> Description:
    """The outcome of a delivery whose attempt is loaded (`select_related("attempt")`)."""
    state = State(delivery.state)
    if state in OPEN:
        return OPEN[state]
    return _DESCRIBE[state](getattr(delivery, "attempt", None) or Attempt())


def _delivered(attempt: Attempt) -> Description:
    cut = " The answer was cut off, but its status had arrived." if attempt.response_cut and attempt.code else ""
    return Description("delivered", f"The receiver answered {attempt.status_code}.{cut}", "", "good")


def _rejected(attempt: Attempt) -> Description:
    if attempt.status_code is None:
        return Description("rejected: bad answer", attempt.detail, "The receiver answered, but not in HTTP.", "bad")
    label = f"rejected {attempt.status_code}"
    return Description(label, f"The receiver answered {attempt.status_code}.", _advice(attempt.status_code), "bad")


def _advice(status: int) -> str:
    if 300 <= status < 400:
        return "Redirects are not followed. Enter the final address on the endpoint."
    if status in (401, 403):
        return "Check the secret or signature your receiver expects, then send it again."
    if status in (404, 410):
        return "Check the address on the endpoint, then send it again."
    if status == 429 or status >= 500:
        return "Your receiver was busy or broken. Send it again when it works."
    return "Your receiver refused this request. Its answer below may say why."


def _not_sent(attempt: Attempt) -> Description:
    word = WORDS.get(attempt.code, attempt.code.replace("_", " "))
    return Description(f"not sent: {word}", attempt.detail or "It could not be sent.", SAFE, "bad")


def _blocked(attempt: Attempt) -> Description:
    label = "blocked: " + attempt.code.replace("_", " ")
    return Description(label, attempt.detail or "It was refused.", "Mend this on the endpoint, then send again.", "bad")


def _no_answer(attempt: Attempt) -> Description:
    sentence = (attempt.detail or "The request left, but no answer came.") + " The receiver may have seen it."
    return Description("no answer: receiver may have seen it", sentence, RECEIVER_DEDUPES, "warn")


_DESCRIBE = {
    State.DELIVERED: _delivered,
    State.REJECTED: _rejected,
    State.NOT_SENT: _not_sent,
    State.BLOCKED: _blocked,
    State.NO_ANSWER: _no_answer,
}
