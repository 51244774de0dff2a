"""What became of a delivery, in words for people. One table, so that every page says the same."""

import re
from dataclasses import dataclass, replace

from webhooks.models import Attempt, Delivery

State = Delivery.State
# What a custom action wanted to fetch, and may not, need not be an address.
_HOST = re.compile(r"[a-z]+://([^/?#@]+)(?:[/?#]|$)", re.IGNORECASE)


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


# What to do about a fetch: it is not sent again from here, and what it asks for stands in the code.
MIND_TWICE = "Run the action again only if its receiver does not mind a request that it has already seen."
# What a credential forbids is mended there, as the sentence says already; or the code does without.
OF_THE_CREDENTIAL = {
    "credential_host": "Or leave the secret out in the action's code.",
    "credential_profile": "Or let the action's code only read.",
}


def receiver_of(delivery: Delivery) -> str:
    """Who was to get it, in a word: the endpoint's name, or the host that an action's code chose."""
    if delivery.endpoint is not None:
        return delivery.endpoint.name
    found = _HOST.match(delivery.url)
    return found[1] if found else "no address"


def describe(delivery: Delivery) -> Description:
    """The outcome of a delivery whose attempt is loaded (`select_related("attempt")`)."""
    state, attempt = State(delivery.state), getattr(delivery, "attempt", None) or Attempt()
    described = OPEN[state] if state in OPEN else _DESCRIBE[state](attempt)
    if delivery.endpoint_id is None:
        return replace(described, advice=_advice_to_code(state, attempt))
    return described


def _advice_to_code(state: State, attempt: Attempt) -> str:
    if state in (State.NO_ANSWER, State.INTERRUPTED):
        return MIND_TWICE
    if state == State.NOT_SENT:
        return "Nothing of this request left this server."
    if state == State.BLOCKED:
        return OF_THE_CREDENTIAL.get(attempt.code, "Mend this in the action's code.")
    return _advice_about_status(attempt.status_code) if state == State.REJECTED else ""


def _advice_about_status(status: int | None) -> str:
    if status is None:
        return "The receiver answered, but not in HTTP."
    if 300 <= status < 400:
        return 'Redirects are followed only where the action\'s code asks for it with redirect: "follow".'
    if status in (401, 403):
        return "Check the credential that the action runs with, and how its code sends it."
    if status in (404, 410):
        return "Check the address in the action's code."
    if status == 429 or status >= 500:
        return "The receiver was busy or broken. What to do then is up to the action's code."
    return "The receiver refused this request. Its answer below may say why."


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
