"""The ledger of decisions: one wish of a brain or a caller becomes one call, and the same call is made once.

Two keys guard it, both unique in the database. The *call key* (turn, step, ordinal; or what the API caller sent)
stops the same step from running twice. The *intent* (scope, tool, digest of the arguments) stops a brain that says the
same thing again under a new id. Call, intent and delivery are written in one transaction before anything leaves, so a
worker that dies leaves either nothing at all or a delivery whose outcome can be looked up.
"""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from agents import budgets, tools
from agents.arguments import digest, faults
from agents.awaiting import announce, wait
from agents.leases import UNFINISHED
from agents.models import Agent, Conversation, Intent, Message, Tool, ToolCall, Turn
from agents.telling import tell
from agents.tools import PREPARE, left
from agents.tools.failures import ToolFailed
from agents.tools.results import customer_text
from agents.waking import wake
from agents.wishes import Wish, read_wish

__all__ = ["accept", "approve", "begin", "call", "complete", "is_error", "refuse", "rehearse", "request", "run", "wait"]
Status = ToolCall.Status
HELD = "A person of the team has to approve this first. Nothing was sent yet."
FORGOTTEN_AFTER = timedelta(seconds=20)
# What completing a call reads of its row, and of those it points at.
NEEDED = (
    *("public_id", "agent", "conversation", "turn", "tool", "tool_name", "status", "result", "delivery", "run"),
    *("duplicate_of", "judged_at", "finished_at", "agent__public_id", "agent__team", "tool__title"),
)


class KeyReused(Exception):
    """This key already stands for another call. Use a new key for a new wish, the old one to ask again."""


class NotWaiting(Exception):
    """This call does not wait for approval: somebody was faster, or it never had to."""


class InsideTransaction(RuntimeError):
    """A tool was to run inside a transaction; whatever it sends must be on disk first."""


# --- for everybody ---------------------------------------------------------------------------------------------------


def call(
    *,
    agent: Agent,
    tool_name: str,
    arguments: str | Mapping[str, Any],
    key: str,
    conversation: Conversation | None = None,
    turn: Turn | None = None,
    dry_run: bool = False,
    reason: str = "",
) -> ToolCall:
    """Make a call and see it through; for workers only. What a model does wrong comes back as a refused call.

    A custom action comes back running: its call is completed when its run is over. `wait` waits for that.

    `arguments` may be the text a model wrote. A call whose key is known gives the stored outcome. Raises `KeyReused`
    where that key stands for something else, and nothing else on purpose.
    """
    if dry_run:
        return rehearse(read_wish(agent, tool_name, arguments), conversation=conversation)
    begun = begin(
        agent=agent,
        tool_name=tool_name,
        arguments=arguments,
        key=key,
        conversation=conversation,
        turn=turn,
        reason=reason,
    )
    return complete(begun)


def request(
    *,
    agent: Agent,
    tool_name: str,
    arguments: Mapping[str, Any],
    key: str = "",
    conversation: Conversation | None = None,
) -> ToolCall:
    """What `accept` does, for a wish that was not read yet."""
    return accept(read_wish(agent, tool_name, arguments), key=key, conversation=conversation)


def accept(wish: Wish, *, key: str = "", conversation: Conversation | None = None, reason: str = "") -> ToolCall:
    """For web threads: accept a call, so that a worker runs it after the commit. Opens no socket; then `wait` for it.

    Everything that will be sent is written down here; the task carries the call's id only. Raises `KeyReused`.
    """
    with transaction.atomic():
        begun = _begin(wish, key=key, conversation=conversation, turn=None, reason=reason)
        if begun.status == Status.RUNNING:
            transaction.on_commit(partial(wake, "agents.tasks.run_tool_call", tool_call_id=begun.pk))
    return begun


def is_error(done: ToolCall) -> bool:
    return bool((done.result or {}).get("is_error", done.status in (Status.FAILED, Status.REFUSED)))


def rehearse(wish: Wish, *, conversation: Conversation | None = None) -> ToolCall:
    """What would happen, without a row and without a delivery. The call that comes back is not saved."""
    would = ToolCall(
        agent=wish.agent, conversation=conversation, tool=wish.tool, tool_name=wish.tool_name, arguments=wish.arguments
    )
    would.status = Status.REFUSED if wish.refusal else Status.FIRED
    structured = {"dry_run": True} if wish.refusal else {"dry_run": True, "would_send": wish.arguments}
    text = wish.refusal or "Dry run: this would be sent. Nothing left."
    would.result = {"text": text, "structured": structured, "is_error": bool(wish.refusal)}
    return would


# --- beginning: all of it in one transaction -------------------------------------------------------------------------


def begin(
    *,
    agent: Agent,
    tool_name: str,
    arguments: str | Mapping[str, Any],
    key: str = "",
    conversation: Conversation | None = None,
    turn: Turn | None = None,
    reason: str = "",
) -> ToolCall:
    """Write the call down with its decision: refused, a repeat, or a delivery that is ready to be sent."""
    wish = read_wish(agent, tool_name, arguments)
    with transaction.atomic():
        return _begin(wish, key=key, conversation=conversation, turn=turn, reason=reason)


def _begin(wish: Wish, *, key: str, reason: str, conversation: Conversation | None, turn: Turn | None) -> ToolCall:
    row = ToolCall(
        agent=wish.agent,
        conversation=conversation,
        turn=turn,
        tool=wish.tool,
        tool_name=wish.tool_name,
        key=key or f"once:{uuid.uuid4().hex}",
        arguments=wish.arguments,
        reason=reason[:500],
    )
    if not key:
        row.save(force_insert=True)  # under a key of its own, which nobody else can have
    elif known := _write_down(row):
        return _the_same(known, wish)
    _decide(row, wish)
    return row


def _write_down(row: ToolCall) -> ToolCall | None:
    """Insert the row; or give the one that has its key already. A racing insert waits for the other's commit here."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        known = ToolCall.objects.filter(key=row.key).first()
        if known is None:
            raise
        return _loaded(known.pk)
    return None


def _the_same(known: ToolCall, wish: Wish) -> ToolCall:
    asked = (known.agent_id, known.tool_name, digest(known.arguments))
    if asked != (wish.agent.pk, wish.tool_name, wish.digest):
        raise KeyReused("This key was used for a call with other arguments.")
    return known


def _decide(row: ToolCall, wish: Wish) -> None:
    if wish.refusal or wish.tool is None:
        _refuse(row, wish.refusal)
        return
    intent = None if wish.tool.repeats == Tool.Repeats.ALLOW else _locked_intent(row, wish.tool, wish.digest)
    if intent and (first := _still_counts(intent, wish.tool)):
        row.duplicate_of = first
        row.save(update_fields=["duplicate_of"])
        return
    if over := budgets.exceeded(row, wish.tool):
        _refuse(row, over.sentence, outcome="over_budget", retry_after=over.retry_after)
        return
    if wish.tool.needs_approval:
        _hold(row)
    elif not _prepare(row, wish.tool):
        return
    if intent:
        Intent.objects.filter(pk=intent.pk).update(call=row, fired_at=Now())


def _prepare(row: ToolCall, tool: Tool) -> bool:
    """Write down what will leave. False where the tool could not, and then it has written nothing: it is refused."""
    try:
        PREPARE[tool.kind](row, tool)
    except ToolFailed as failure:
        _refuse(row, str(failure))
        return False
    row.save(update_fields=["delivery", "run"])
    return True


def _hold(row: ToolCall) -> None:
    row.status = Status.HELD
    row.result = {"text": HELD, "structured": {"success": False, "outcome": "held"}, "is_error": False}
    row.save(update_fields=["status", "result"])
    tell(row)


def _refuse(row: ToolCall, sentence: str, *, outcome: str = "refused", **facts: Any) -> None:
    structured = {"success": False, "outcome": outcome, **facts}
    with transaction.atomic():
        if row.finish(status=Status.REFUSED, result={"text": sentence, "structured": structured, "is_error": True}):
            tell(row)


def _locked_intent(row: ToolCall, tool: Tool, arguments_digest: str) -> Intent:
    """Whoever asks for the same at the same moment waits here until this transaction is over."""
    scope = row.conversation.public_id if row.conversation else row.agent.public_id
    intent, _ = Intent.objects.select_for_update().get_or_create(scope=scope, tool=tool, digest=arguments_digest)
    return intent


def _still_counts(intent: Intent, tool: Tool) -> ToolCall | None:
    """The first call, unless the tool's policy or that call's fate allows another one."""
    if intent.call_id is None:
        return None
    recent = (
        Q() if tool.repeats == Tool.Repeats.ONCE else Q(fired_at__gt=Now() - timedelta(minutes=tool.repeat_minutes))
    )
    if not Intent.objects.filter(recent, pk=intent.pk).exists():
        return None
    first = _loaded(intent.call_id)
    return first if first.status in (Status.RUNNING, Status.HELD) or left(first) else None


# --- approving -------------------------------------------------------------------------------------------------------


def approve(held: ToolCall, *, by: Any = None) -> ToolCall:
    """Let a call run that waits for it; a worker takes it after the commit. Raises `NotWaiting`."""
    with transaction.atomic():
        row = _waiting(held)
        if sentence := _outdated(row):
            _judge(row, by)
            _refuse(row, sentence)
        else:
            row.status, row.result = Status.RUNNING, None
            _judge(row, by)
            assert row.tool is not None
            _prepare(row, row.tool)
        if row.status == Status.RUNNING:
            transaction.on_commit(partial(wake, "agents.tasks.run_tool_call", tool_call_id=row.pk))
        else:
            _tell_conversation(row)
    return row


def _outdated(row: ToolCall) -> str:
    """Why a call that a person approves cannot run any more; empty where it can."""
    if row.tool is None or not row.tool.is_active:
        return "It was approved, but the tool is switched off by now. Nothing was sent."
    if not row.agent.is_active:
        return "It was approved, but the agent is switched off by now. Nothing was sent."
    if faults(row.arguments, row.tool.schema()):
        return "It was approved, but the tool asks for something else by now. Nothing was sent; ask again."
    return ""


def refuse(held: ToolCall, *, by: Any = None, reason: str = "") -> ToolCall:
    """Say no to a call that waits for approval. Raises `NotWaiting`."""
    with transaction.atomic():
        row = _waiting(held)
        _judge(row, by)
        why = f" {reason.strip()[:300]}" if reason.strip() else ""
        _refuse(row, f"A person of the team did not approve this.{why} Nothing was sent.", outcome="not_approved")
        _tell_conversation(row)
    announce(row)
    return row


def _waiting(held: ToolCall) -> ToolCall:
    row = ToolCall.objects.select_for_update().filter(pk=held.pk, status=Status.HELD).first()
    if row is None:
        raise NotWaiting("This call does not wait for approval any more.")
    return _loaded(row.pk)


def _judge(row: ToolCall, by: Any) -> None:
    row.judged_by, row.judged_at = by, timezone.now()
    row.save(update_fields=["status", "result", "judged_by", "judged_at"])


def _tell_conversation(row: ToolCall) -> None:
    """The customer was told that a colleague has to look at it; this is what became of it."""
    if row.conversation is not None and row.judged_at is not None:
        title = row.tool.title if row.tool else row.tool_name
        row.conversation.say(role=Message.Role.SYSTEM, text=f"{title}: {customer_text(row)}")


# --- completing: outside of every transaction ------------------------------------------------------------------------


def run(*, tool_call_id: int) -> None:
    """A worker's part of `request`, and of whoever ends a run. Running it twice changes nothing."""
    done = complete(_running().get(pk=tool_call_id))
    if done.status == Status.RUNNING:
        return
    for repeat in ToolCall.objects.filter(duplicate_of=done.pk, status=Status.RUNNING).values_list("pk", flat=True):
        wake("agents.tasks.run_tool_call", tool_call_id=repeat)
    if done.turn_id is not None:
        wake("agents.tasks.take_turn", turn_id=done.turn_id)


def complete(begun: ToolCall) -> ToolCall:
    """See a call through, as far as it goes now. A finished one comes back as it is.

    One whose code is still running comes back running: whoever ends the run wakes a worker for the call.
    """
    if begun.status != Status.RUNNING:
        return begun
    if connection.in_atomic_block:
        raise InsideTransaction("complete() lets a tool send something: call it outside of transactions.")
    if begun.duplicate_of_id is not None:
        first = complete(_loaded(begun.duplicate_of_id))
        if first.status == Status.RUNNING:
            return begun
        _repeat(begun, first)
    else:
        result = tools.run(begun)
        if result is None:
            return begun
        with transaction.atomic():
            if begun.finish(status=Status.FIRED if result.success else Status.FAILED, result=result.as_json()):
                tell(begun)
                _tell_conversation(begun)
    announce(begun)
    return begun


def _repeat(row: ToolCall, first: ToolCall) -> None:
    """The first receipt again: asked twice, sent once."""
    receipt = first.result or {}
    text = f"This was asked before and is not sent again. What became of it: {receipt.get('text', 'unknown.')}"
    row.finish(status=Status.REPEATED, result=receipt | {"text": text})


def _running() -> QuerySet[ToolCall]:
    """Calls with what is needed to see them through, and no more: somebody waits. The rest is read when asked for."""
    return ToolCall.objects.select_related("agent", "tool").only(*NEEDED)


def _loaded(pk: int) -> ToolCall:
    """With what every call needs; what only some need is fetched when it is asked for."""
    return ToolCall.objects.select_related("agent", "tool", "delivery").defer("delivery__body").get(pk=pk)


# --- sweeping --------------------------------------------------------------------------------------------------------


def sweep() -> int:
    """Wake a worker for accepted calls that nobody came for. Calls of a turn that goes on come back with their turn."""
    left_alone = Q(turn=None) | Q(judged_at__isnull=False) | ~Q(turn__state__in=UNFINISHED)
    running = ToolCall.objects.filter(left_alone, status=Status.RUNNING)
    forgotten = running.annotate(since=Coalesce("judged_at", "created_at")).filter(since__lt=Now() - FORGOTTEN_AFTER)
    keys = list(forgotten.order_by(F("pk")).values_list("pk", flat=True)[:500])
    for key in keys:
        wake("agents.tasks.run_tool_call", tool_call_id=key)
    return len(keys)
