"""Running custom actions: the rows are the queue, a run is claimed once, and nobody ever runs it again.

A worker of the queue *actions* claims the next run of the team that has least running, executes it in the sandbox, and
writes down what came of it. Whoever wants the result waits through Redis, and finds the same in the row.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from agents import fetches, sandbox
from agents.models import ActionRun, ActionVersion, Agent, Conversation, CustomAction, Tool, ToolCall
from agents.waking import listen, wake
from chatzuri import relay
from chatzuri.fields import NotReadable
from chatzuri.models import Credential, Team
from webhooks.masking import Masker

logger = logging.getLogger(__name__)

State = ActionRun.State
Purpose = ActionRun.Purpose
TASK = "agents.tasks.run_actions"

# Longer than a run can take in all: waiting for a sandbox, the code, and the last answers that are still written down.
BEYOND_THE_CODE = timedelta(seconds=20)
REAPING_MARGIN = timedelta(seconds=10)
FORGOTTEN_AFTER = timedelta(seconds=10)
# Somebody waits for a run; after this long in the queue nobody does any more, and it is not begun.
QUEUED_AT_MOST = timedelta(seconds=120)
# More of one team may not wait: a queue that nobody can wait for is a way to lose things slowly.
MOST_WAITING = 20
CHECK_PATIENCE = 8.0

NO_WORKER = (
    "This run was not begun in time: no worker was free for it, or the team's other actions kept running. "
    "Nothing was sent."
)
BROKE = "The sandbox could not be used. Nothing of the code was executed."
TOO_MANY = "Too many actions of this team are waiting right now. Nothing was sent; try again in a moment."
DELETED = "This run was deleted, with its action, while it was waiting or running."
VANISHED = "The worker that ran this vanished. What it had sent until then is in the delivery log."

LIMITS = sandbox.Limits()

# One claim at a time, so that a team's limit is exact. The team with least running comes first, then the oldest run.
CLAIM_LOCK = 0x61637473
CLAIM = """
WITH RECURSIVE waiting(team_id) AS (
    (SELECT team_id FROM agents_actionrun WHERE state = 'queued' ORDER BY team_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.team_id FROM agents_actionrun r
            WHERE r.state = 'queued' AND r.team_id > w.team_id ORDER BY r.team_id LIMIT 1)
    FROM waiting w WHERE w.team_id IS NOT NULL
), busy AS MATERIALIZED (
    SELECT team_id, count(*) AS running FROM agents_actionrun
    WHERE state = 'running' AND deadline_at > now() GROUP BY team_id
), next AS (
    SELECT oldest.id FROM waiting w LEFT JOIN busy b ON b.team_id = w.team_id
    CROSS JOIN LATERAL (SELECT r.id FROM agents_actionrun r WHERE r.state = 'queued' AND r.team_id = w.team_id
                        ORDER BY r.id LIMIT 1) oldest
    WHERE coalesce(b.running, 0) < %(most)s ORDER BY coalesce(b.running, 0), oldest.id LIMIT 1
)
UPDATE agents_actionrun a SET state = 'running', token = gen_random_uuid(), began_at = clock_timestamp(),
       deadline_at = clock_timestamp() + %(lifetime)s
FROM next WHERE a.id = next.id AND a.state = 'queued' RETURNING a.id"""


_stopping = threading.Event()


def stop_claiming() -> None:
    """This process was told to stop: what runs is finished, nothing new is begun."""
    _stopping.set()


class TooManyWaiting(Exception):
    """The team has as many runs waiting as it may; nothing was queued."""


@dataclass(frozen=True)
class Wanted:
    """What shall run, with what, and for whom. `code` is only for tests: otherwise `version` says it."""

    team: Team
    purpose: str = Purpose.CALL
    action: CustomAction | None = None
    version: ActionVersion | None = None
    code: str = ""
    tool: Tool | None = None
    credential: Credential | None = None
    config: Mapping[str, Any] | None = None
    params: Mapping[str, Any] | None = None
    agent: Agent | None = None
    conversation: Conversation | None = None
    started_by: Any = None


# --- for whoever wants a run -----------------------------------------------------------------------------------------


def accept(wanted: Wanted) -> ActionRun:
    """Queue a run in the caller's transaction; a worker is woken after the commit. Raises `TooManyWaiting`.

    Code and configuration are those of this moment: a later edit does not change a run. So is the credential; its
    values are read when the run begins.
    """
    waiting = ActionRun.objects.filter(team=wanted.team, state=State.QUEUED)
    if waiting[:MOST_WAITING].count() >= MOST_WAITING:
        raise TooManyWaiting(TOO_MANY)
    run = ActionRun.objects.create(
        team=wanted.team,
        purpose=wanted.purpose,
        action=wanted.action,
        version=wanted.version,
        draft=wanted.code,
        tool=wanted.tool,
        credential=wanted.credential,
        config=dict(wanted.config or {}),
        params=dict(wanted.params or {}),
        agent=wanted.agent,
        conversation=wanted.conversation,
        started_by=wanted.started_by,
    )
    transaction.on_commit(partial(wake, TASK))
    return run


def wait(run: ActionRun, *, timeout: float | None = None) -> ActionRun:
    """The run when it is over. One that nobody began in time is cancelled, so that it cannot begin later."""
    seconds = timeout if timeout is not None else settings.ACTION_SECONDS + BEYOND_THE_CODE.total_seconds()

    def is_over() -> bool:
        return not ActionRun.objects.filter(pk=run.pk, state__in=ActionRun.UNFINISHED).exists()

    if not is_over():
        for _ in listen(f"run:{run.public_id}", is_over=is_over, timeout=seconds):
            pass
    if run.is_gone():
        run.state, run.kind, run.error = State.CANCELLED, "unavailable", DELETED
    elif run.state == State.QUEUED:
        run.finish(state=State.CANCELLED, kind="unavailable", error=NO_WORKER)
    return run


def check(*, team: Team, code: str) -> ActionRun | None:
    """What a worker says about the syntax, or None where none answered. Nothing of the code is executed."""
    try:
        with transaction.atomic():
            run = accept(Wanted(team=team, purpose=Purpose.CHECK, code=code))
    except TooManyWaiting:
        return None
    done = wait(run, timeout=CHECK_PATIENCE)
    ActionRun.objects.filter(pk=run.pk).exclude(state=State.RUNNING).delete()
    return done if done.state in (State.SUCCEEDED, State.FAILED) else None


# --- for workers -----------------------------------------------------------------------------------------------------


def run_queued() -> int:
    """Run what is queued, one after the other, until nothing may be begun. Returns how many. Not in a transaction."""
    done = 0
    while not _stopping.is_set() and (run := _claim()) is not None:
        _execute(run)
        done += 1
    return done


def _claim() -> ActionRun | None:
    arguments = {
        "most": settings.ACTIONS_PER_TEAM,
        "lifetime": timedelta(seconds=settings.ACTION_SECONDS) + BEYOND_THE_CODE,
    }
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
        cursor.execute(CLAIM, arguments)
        found = cursor.fetchone()
    if found is None:
        return None
    related = ("team", "action", "version", "tool", "credential", "agent", "conversation")
    return ActionRun.objects.select_related(*related).get(pk=found[0])


def _execute(run: ActionRun) -> None:
    """Whatever happens in here ends in the row. What it cannot write down, the reaper calls *interrupted*."""
    try:
        secrets = run.credential.secret_values() if run.credential else []
        values = run.credential.reveal() if run.credential else None
        hosts = run.credential.allowed_hosts() if run.credential else frozenset[str]()
    except NotReadable as error:
        _end(run, State.FAILED, kind="credential", error=f"The credential cannot be read. {error}"[:2000])
        return
    if run.credential:
        Credential.objects.filter(pk=run.credential.pk).note_use()
    job = sandbox.Job(
        code=run.code,
        params=run.params,
        credentials=values,
        config=run.config,
        only_check=run.purpose == Purpose.CHECK,
    )
    fetcher = fetches.RunFetcher(run, secrets=secrets, hosts=hosts)
    try:
        result = pool().run(job, fetcher, seconds=settings.ACTION_SECONDS)
    except Exception:
        logger.exception("%s could not be executed.", run.public_id)
        _end(run, State.FAILED, kind="unavailable", error=BROKE)
        return
    _write_down(run, result, Masker(secrets))


def _write_down(run: ActionRun, result: sandbox.Result, masker: Masker) -> None:
    """With every secret of the credential masked: in the result, the error and every console line."""
    if result.diagnostics:
        level = logging.ERROR if result.kind in ("protocol", "crashed", "unavailable") else logging.INFO
        logger.log(level, "%s ended %s: %s", run.public_id, result.kind, masker.text(result.diagnostics))
    _end(
        run,
        State.FAILED if result.kind else State.SUCCEEDED,
        kind=result.kind,
        error=_masked(masker, result.error, is_cut=len(result.error) >= LIMITS.error)[: LIMITS.error],
        line=result.line,
        result=masker.value(result.value),
        console=[
            [level, _masked(masker, text, is_cut=len(text.encode()) >= LIMITS.line_bytes)]
            for level, text in result.console
        ],
        milliseconds=round(result.milliseconds, 1),
    )


def _masked(masker: Masker, text: str, *, is_cut: bool) -> str:
    """The sandbox cuts before anybody masks: half of a secret may stand at the end of what it cut."""
    return masker.ended(text) if is_cut else masker.text(text)


def _end(run: ActionRun, state: str, **facts: Any) -> None:
    if not run.finish(state=state, **facts):
        logger.error("What came of %s was not ours to write.", run.public_id)
    _tell(run)


def _tell(run: ActionRun) -> None:
    """Whoever waits for this run may go on: a listener, and the call that it belongs to."""
    relay.tell(f"run:{run.public_id}", {"type": "done", "state": run.state})
    if run.purpose != Purpose.CALL:
        return
    waiting = ToolCall.objects.filter(run=run.pk, status=ToolCall.Status.RUNNING)
    for key in waiting.values_list("pk", flat=True):
        wake("agents.tasks.run_tool_call", tool_call_id=key)


@cache
def pool() -> sandbox.Pool:
    """One for the process, made when the first run comes."""
    return sandbox.Pool(settings.SANDBOX_WARM, relaxed=settings.SANDBOX_RELAXED)


# --- looking after ---------------------------------------------------------------------------------------------------


def sweep() -> None:
    """Wake a worker for runs that nobody came for; cancel those that nobody waits for any more. Runs nothing."""
    queued = ActionRun.objects.filter(state=State.QUEUED)
    for run in queued.filter(queued_at__lt=Now() - QUEUED_AT_MOST).order_by("pk")[:500]:
        if run.finish(state=State.CANCELLED, kind="unavailable", error=NO_WORKER):
            _tell(run)
    if queued.filter(queued_at__lt=Now() - FORGOTTEN_AFTER).exists():
        wake(TASK)


def reap() -> int:
    """Call *interrupted* what a vanished worker left running. Never runs it. Returns how many."""
    overdue = ActionRun.objects.filter(state=State.RUNNING, deadline_at__lt=Now() - REAPING_MARGIN)
    reaped = 0
    for run in overdue.order_by("pk")[:500]:
        reaped += run.finish(state=State.INTERRUPTED, kind="interrupted", error=VANISHED)
        _tell(run)
    return reaped
