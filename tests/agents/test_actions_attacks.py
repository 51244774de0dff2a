"""The table of attacks once more, through everything: row, claim, worker's thread, sandbox, bridge, guard, log."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection, transaction

from agents import running, tasks
from agents.models import ActionRun
from agents.sandbox import Pool
from tests.agents.sandbox.cases import CASES, SECONDS, SECRET
from tests.agents.sandbox.receiver import Receiver, _Handler
from tests.factories import make_credential, make_team
from tests.ordinary import NOBODY
from webhooks.models import Attempt, Delivery, Event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

AT_ONCE = 6
# Six at once on a busy machine, and every fetch is written down twice: the sandbox alone takes less.
LIMIT = 2 * SECONDS
ENDED = {"delivered", "rejected", "blocked", "not_sent", "no_answer"}


class _BehindInspector(_Handler):
    """The guard lets loopback through at one origin, and below /inspector/ only."""

    def parse_request(self) -> bool:
        is_read = super().parse_request()
        if is_read:
            self.path = self.path.removeprefix("/inspector")
        return is_read


class InspectedReceiver(Receiver):
    def _handler(self) -> Any:
        return type("Handler", (_BehindInspector,), {"paths": self.paths})


@pytest.fixture
def customer(settings: Any) -> Iterator[Receiver]:
    receiver = InspectedReceiver()
    settings.INSPECTOR_ORIGIN = receiver.origin
    yield receiver
    receiver.stop()


@pytest.fixture
def pool(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Warm sandboxes for this test alone."""
    settings.ACTION_SECONDS = LIMIT
    settings.ACTIONS_PER_TEAM = AT_ONCE
    own = Pool(2, relaxed=settings.SANDBOX_RELAXED)
    monkeypatch.setattr(running, "pool", lambda: own)
    yield own
    own.close()


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "wake", lambda task, **_: None)
    monkeypatch.setattr(running, "MOST_WAITING", 10_000)


def accept(team: Any, code: str, credential: Any = None) -> ActionRun:
    with transaction.atomic():
        return running.accept(running.Wanted(team=team, purpose="test", code=code, credential=credential))


def work(count: int = AT_ONCE) -> None:
    """So many threads of a worker, each taking the task."""

    def one(_: int) -> None:
        try:
            tasks.run_actions()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(one, range(count)))


def credential_for(team: Any, customer: Receiver) -> Any:
    credential = make_credential(
        team=team, kind="generic", values={"url": f"{customer.origin}/inspector", "secret": SECRET}
    )
    credential.hosts = "127.0.0.1"
    credential.save()
    return credential


def faults(runs: dict[str, ActionRun]) -> dict[str, str]:
    found = {}
    for case in CASES:
        run = runs[case.id]
        run.refresh_from_db()
        console = [(level, text) for level, text in run.console]
        fault = case.fault(kind=run.kind, value=run.result, error=run.error, console=console)
        if fault:
            found[case.id] = fault
    return found


def test_every_attack_ends_as_it_must_on_the_whole_way(customer, pool, no_workers):
    team = make_team()
    credential = credential_for(team, customer)
    runs = {case.id: accept(team, case.code, credential) for case in CASES}
    work()
    assert faults(runs) == {}
    assert not ActionRun.objects.exclude(state__in=("succeeded", "failed")).exists()
    assert set(Delivery.objects.values_list("state", flat=True)) <= ENDED
    assert SECRET not in everything_kept()


@pytest.mark.skipif(os.getuid() != 0, reason="these tests run as an ordinary user already: the test above was it")
def test_every_attack_ends_as_it_must_in_a_worker_of_an_ordinary_user(customer, no_workers, start_worker):
    team = make_team()
    credential = credential_for(team, customer)
    runs = {case.id: accept(team, case.code, credential) for case in CASES}
    limits = {"ACTION_SECONDS": str(LIMIT), "ACTIONS_PER_TEAM": str(AT_ONCE)}
    worker = start_worker(is_ordinary=True, inspector_origin=customer.origin, threads=AT_ONCE, **limits)
    assert os.stat(f"/proc/{worker.process.pid}").st_uid == NOBODY
    for _ in range(AT_ONCE):
        current_app.send_task(running.TASK)
    until = time.monotonic() + 120
    while ActionRun.objects.filter(state__in=ActionRun.UNFINISHED).exists():
        assert time.monotonic() < until, "the runs do not end"
        time.sleep(0.2)
    assert faults(runs) == {}
    assert SECRET not in everything_kept()


def everything_kept() -> str:
    """All that a run and its fetches leave behind, as one text."""
    rows = [*ActionRun.objects.values(), *Delivery.objects.values(), *Attempt.objects.values(), *Event.objects.values()]
    readable = [bytes(value) if isinstance(value, memoryview) else value for row in rows for value in row.values()]
    return " ".join(map(str, readable))


def test_two_teams_see_nothing_of_each_other(customer, pool, no_workers):
    """One team leaves marks wherever a mark can be left; the other looks in the same places at the same time."""
    leave = (
        "globalThis.mark = credentials.secret; Object.prototype.mark = credentials.secret;"
        "Array.prototype.mark = credentials.secret; await new Promise(r => setTimeout(r, 300)); return 1"
    )
    look = "return [globalThis.mark ?? null, ({}).mark ?? null, [].mark ?? null, credentials]"
    first, second = make_team(), make_team()
    owner = credential_for(first, customer)
    runs = []
    for _ in range(6):
        accept(first, leave, owner)
        runs.append(accept(second, look))
    work()
    assert [ActionRun.objects.get(pk=run.pk).result for run in runs] == [[None, None, None, None]] * 6


def test_five_hundred_runs_leave_nothing_behind(customer, pool, no_workers):
    team = make_team()
    credential = credential_for(team, customer)
    code = "const r = await fetch(credentials.url + '/echo', {method: 'POST', body: 'x'}); return r.status"
    _many(team, credential, code, 40)
    before = _holdings()
    _many(team, credential, code, 500)
    after = _holdings()
    assert ActionRun.objects.filter(state="succeeded", result=200).count() == 540
    assert Delivery.objects.filter(state="delivered").count() == 540
    assert after["children"] <= before["children"] + 2
    assert after["descriptors"] <= before["descriptors"] + 12
    assert after["megabytes"] <= before["megabytes"] + 40


def _many(team: Any, credential: Any, code: str, count: int) -> None:
    for _ in range(count):
        accept(team, code, credential)
    work(4)


def _children(task: Path) -> int:
    """None of a thread that ended since it was listed: the kernel gave them to another one."""
    try:
        return len((task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _holdings() -> dict[str, float]:
    """What this process has: open descriptors, child processes, memory."""
    own = Path(f"/proc/{os.getpid()}")
    children = sum(_children(task) for task in (own / "task").iterdir())
    pages = int((own / "statm").read_text().split()[1])
    return {"descriptors": len(list((own / "fd").iterdir())), "children": children, "megabytes": pages * 4096 / 1e6}
