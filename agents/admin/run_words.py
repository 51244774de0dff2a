"""What came of a run, in words for people. One table, so that the list, the page and the test panel say the same."""

import json
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from agents.models import ActionRun
from agents.tools.custom_action import reported_failure
from webhooks.admin.showing import plain
from webhooks.outcomes import Description

State = ActionRun.State
SHOWN_RESULT = 64 * 1024

SENT_BEFORE = "What it had sent until then may have arrived: look at the fetches."
SENT_NOTHING = "Until then it had sent nothing."
MEND = "Mend the code, test it, and save it as a new version."

OPEN = {
    State.QUEUED: Description("queued", "It waits for a worker.", "", "wait"),
    State.RUNNING: Description("running", "It is running right now.", "", "wait"),
    State.INTERRUPTED: Description("interrupted", "The worker that ran it vanished.", SENT_BEFORE, "bad"),
    State.CANCELLED: Description(
        "not run", "It was not begun, so nothing was sent.", "It is safe to start again.", "bad"
    ),
}
# kind → label, sentence, advice. `{error}` and `{line}` are filled in; `{line}` is empty where none is known.
KINDS = {
    "thrown": ("threw an error", "The code threw an error{line}: {error}", "The fetches and the console say more."),
    "syntax": ("syntax error", "The code cannot be read{line}: {error}", MEND),
    "timeout": ("timed out", "It was not through after {seconds} seconds and was ended.", SENT_BEFORE),
    "memory": ("out of memory", "It needed more memory than an action may have, and was ended.", SENT_BEFORE),
    "result": (
        "bad result",
        "What the code returned cannot be kept: {error}",
        "Return plain values: text, numbers, lists.",
    ),
    "exit": ("no result", "The code ended without returning a value.", SENT_BEFORE),
    "crashed": ("crashed", "The sandbox crashed. This is our fault; we have been told.", SENT_BEFORE),
    "protocol": ("stopped", "The sandbox stopped the code, because it did something no action may do.", SENT_BEFORE),
    "busy": ("not run", "Too many actions were running, so it was not begun.", "Nothing was sent. Start it again."),
    "unavailable": (
        "not run",
        "No sandbox could be started, so it was not begun.",
        "Nothing was sent. Start it again.",
    ),
    "credential": ("no credential", "{error}", "Nothing was sent. Choose or renew the credential."),
}
FAILED = ("failed", "{error}", MEND)


@dataclass(frozen=True)
class ConsoleLine:
    level: str
    text: str


def describe(run: ActionRun) -> Description:
    """The outcome. A list annotates `said_success`, so that it need not load every result."""
    if run.state in OPEN:
        return OPEN[State(run.state)]
    if run.state == State.FAILED:
        return _as_sent(_failed(run), run)
    if reports_failure(run):
        sentence = f"The code ran to its end and said that it failed: {said_error(run)}"
        return Description("reported failure", sentence, "The fetches below say what the other side answered.", "warn")
    return Description("succeeded", "The code ran to its end.", "", "good")


def _as_sent(told: Description, run: ActionRun) -> Description:
    """A run that was ended by its worker has an event if it fetched; one whose worker vanished may miss it."""
    return replace(told, advice=SENT_NOTHING) if told.advice == SENT_BEFORE and run.event_id is None else told


def reports_failure(run: ActionRun) -> bool:
    if run.state != State.SUCCEEDED:
        return False
    said = run.__dict__.get("said_success", ...)
    return said is False if said is not ... else reported_failure(run.result)


def said_error(run: ActionRun) -> str:
    if "result" in run.get_deferred_fields() or not isinstance(run.result, dict):
        return ""
    error = run.result.get("error")
    return as_sentence(error if isinstance(error, str) else json.dumps(error) if error else "")


def as_sentence(error: str) -> str:
    """What code threw often has no full stop, and a sentence of ours follows it."""
    text = plain(error.strip()) or "it gave no reason"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _failed(run: ActionRun) -> Description:
    label, sentence, advice = KINDS.get(run.kind, FAILED)
    where = f" in line {run.line}" if run.line else ""
    words = {
        "error": as_sentence(run.error),
        "line": where,
        "seconds": f"{settings.ACTION_SECONDS:g}",
    }
    return Description(label, sentence.format(**words), advice, "bad")


def result(run: ActionRun) -> str:
    """The returned value as indented JSON, cut where nobody reads on."""
    return pretty(run.result) if run.state == State.SUCCEEDED else ""


def pretty(value: Any) -> str:
    text = plain(json.dumps(value, indent=2, ensure_ascii=False))
    return text if len(text) <= SHOWN_RESULT else text[:SHOWN_RESULT] + "\n… (the rest is not shown)"


def console(run: ActionRun) -> list[ConsoleLine]:
    return [ConsoleLine(str(level), plain(str(text))) for level, text in run.console]


def started_by(run: ActionRun) -> str:
    if run.purpose == ActionRun.Purpose.TEST:
        return f"A test by {run.started_by}" if run.started_by else "A test"
    return f"A call of {run.agent}" if run.agent else "A call of an agent that is gone"
