"""The queue of runs: claimed once, fairly, masked on the way into the log, and never begun again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from agents import running, sandbox
from agents.models import ActionRun
from chatzuri.models import Credential
from tests.factories import make_action, make_credential, make_team

pytestmark = pytest.mark.django_db(transaction=True)

State = ActionRun.State


class FakePool:
    """Stands in for the sandbox, which has tests of its own: answers `result`, and counts."""

    def __init__(self, result=None):
        self.result = result or sandbox.Result(value={"success": True})
        self.jobs = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def run(self, job, fetcher, *, seconds):
        with self.lock:
            self.jobs.append(job)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(10)
        with self.lock:
            self.at_once -= 1
        return self.result


@pytest.fixture
def pool(monkeypatch):
    fake = FakePool()
    monkeypatch.setattr(running, "pool", lambda: fake)
    return fake


@pytest.fixture(autouse=True)
def no_workers(monkeypatch):
    """Only the test runs runs here."""
    monkeypatch.setattr(running, "wake", lambda task, **_: None)


def accept(*, team=None, **fields) -> ActionRun:
    team = team or make_team()
    with transaction.atomic():
        return running.accept(running.Wanted(team=team, purpose="test", code="return 1;", **fields))


def in_threads(count, work):
    def one(number):
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_a_run_is_executed_and_written_down(pool):
    pool.result = sandbox.Result(value={"a": [1]}, console=[("log", "hello")], milliseconds=12.34)
    run = accept(params={"x": 1}, config={"y": 2})
    assert running.run_queued() == 1
    run.refresh_from_db()
    assert (run.state, run.kind, run.result, run.console) == (State.SUCCEEDED, "", {"a": [1]}, [["log", "hello"]])
    assert (run.milliseconds, run.finished_at is not None) == (12.3, True)
    [job] = pool.jobs
    assert (job.code, job.params, job.credentials, job.config) == ("return 1;", {"x": 1}, None, {"y": 2})


def test_twenty_workers_and_the_task_twice_run_it_once(pool):
    accept()
    assert sum(in_threads(20, lambda _: running.run_queued())) == 1
    assert running.run_queued() == 0
    assert len(pool.jobs) == 1


def test_what_runs_is_the_version_of_the_moment_it_was_accepted(pool):
    action = make_action(code="return 'old';")
    with transaction.atomic():
        running.accept(running.Wanted(team=action.team, action=action, version=action.current))
    action.current = action.versions.create(number=2, code="return 'new';")
    action.save()
    running.run_queued()
    assert pool.jobs[0].code == "return 'old';"


def test_no_more_than_its_share_of_a_team_runs_at_once_and_others_go_first(pool, settings):
    settings.ACTIONS_PER_TEAM = 2
    crowd, calm = make_team(), make_team()
    for _ in range(6):
        accept(team=crowd)
    late = accept(team=calm)
    pool.gate.clear()
    threads = [threading.Thread(target=lambda: (running.run_queued(), connection.close())) for _ in range(6)]
    for thread in threads:
        thread.start()
    until = timezone.now() + timedelta(seconds=10)
    while pool.at_once < 3 and timezone.now() < until:
        pass
    began = ActionRun.objects.filter(state=State.RUNNING)
    assert [began.filter(team=team).count() for team in (crowd, calm)] == [2, 1]
    late.refresh_from_db()
    assert late.state == State.RUNNING
    pool.gate.set()
    for thread in threads:
        thread.join()
    running.run_queued()
    assert pool.most_at_once == 3
    assert ActionRun.objects.filter(state=State.SUCCEEDED).count() == 7


def test_a_team_may_not_queue_without_end(pool):
    team = make_team()
    for _ in range(running.MOST_WAITING):
        accept(team=team)
    with pytest.raises(running.TooManyWaiting):
        accept(team=team)
    accept()


def test_every_secret_is_masked_in_result_error_and_console(pool):
    credential = make_credential(
        team=make_team(),
        values={"webhook_url": "https://hooks.example/services/T0/B0/abcdef", "secret": "s3cret-value"},
    )
    pool.result = sandbox.Result(
        kind="thrown",
        error="said s3cret-value",
        value={"s3cret-value": ["s3cret-value", "/services/T0/B0/abcdef"]},
        console=[("log", "s3cret-value"), ("error", "to https://hooks.example/services/T0/B0/abcdef")],
        diagnostics="s3cret-value",
    )
    run = accept(team=credential.team, credential=credential)
    running.run_queued()
    row = ActionRun.objects.filter(pk=run.pk).values().get()
    assert "s3cret-value" not in str(row)
    assert "abcdef" not in str(row)
    assert row["error"].startswith("said ")


def test_a_worker_that_vanished_leaves_an_interrupted_run_that_nobody_repeats(pool):
    run = accept()
    assert running._claim() == run
    ActionRun.objects.update(deadline_at=timezone.now() - timedelta(minutes=1))
    assert running.reap() == 1
    run.refresh_from_db()
    assert (run.state, run.error) == (State.INTERRUPTED, running.VANISHED)
    assert running.run_queued() == 0


def test_a_result_that_comes_after_the_reaper_changes_nothing(pool):
    accept()
    claimed = running._claim()
    ActionRun.objects.update(deadline_at=timezone.now() - timedelta(minutes=1))
    running.reap()
    running._write_down(claimed, sandbox.Result(value=1), running.Masker([]))
    claimed.refresh_from_db()
    assert (claimed.state, claimed.result) == (State.INTERRUPTED, None)


def test_who_waits_in_vain_cancels_it_so_that_it_cannot_begin_later(pool):
    run = running.wait(accept(), timeout=0.2)
    assert (run.state, run.error) == (State.CANCELLED, running.NO_WORKER)
    assert running.run_queued() == 0


def test_a_run_that_nobody_waits_for_any_more_is_cancelled_and_forgotten_ones_are_woken_for(pool, monkeypatch):
    woken = []
    monkeypatch.setattr(running, "wake", woken.append)
    old, forgotten = accept(), accept()
    ActionRun.objects.filter(pk=old.pk).update(queued_at=timezone.now() - timedelta(minutes=2))
    ActionRun.objects.filter(pk=forgotten.pk).update(queued_at=timezone.now() - timedelta(seconds=20))
    woken.clear()
    running.sweep()
    old.refresh_from_db()
    assert (old.state, woken) == (State.CANCELLED, [running.TASK])


def test_a_rolled_back_change_runs_nothing(pool):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        running.accept(running.Wanted(team=make_team(), code="return 1;"))
        raise ZeroDivisionError
    assert running.run_queued() == 0


def test_a_credential_that_cannot_be_read_is_an_outcome(pool, settings):
    run = accept(credential=make_credential(team=make_team()))
    settings.FIELD_ENCRYPTION_KEYS = [("other", b"x" * 32)]
    running.run_queued()
    run.refresh_from_db()
    assert (run.state, run.kind) == (State.FAILED, "credential")
    assert pool.jobs == []


def test_a_claim_and_a_cancellation_at_once_end_it_once(pool):
    waiting = accept()
    assert running._claim() == waiting
    assert waiting.finish(state=State.CANCELLED) is False
    assert ActionRun.objects.get(pk=waiting.pk).state == State.RUNNING


def test_racing_claims_keep_to_the_limit_of_the_team(pool, settings):
    settings.ACTIONS_PER_TEAM = 2
    team = make_team()
    for _ in range(10):
        accept(team=team)
    claimed = in_threads(10, lambda _: running._claim())
    assert sum(run is not None for run in claimed) == 2


def test_a_sandbox_that_breaks_is_an_outcome_and_the_next_run_is_taken(pool, monkeypatch):
    def breaks(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(pool, "run", breaks)
    first, second = accept(), accept()
    assert running.run_queued() == 2
    for run in (first, second):
        run.refresh_from_db()
        assert (run.state, run.kind, run.error) == (State.FAILED, "unavailable", running.BROKE)


def test_a_run_that_is_deleted_while_it_runs_stops_nobody(pool, monkeypatch):
    action = make_action()
    with transaction.atomic():
        run = running.accept(running.Wanted(team=action.team, action=action, version=action.current))
    next_one = accept(team=action.team)
    real = pool.run

    def deletes(*args, **options):
        action.delete()
        monkeypatch.setattr(pool, "run", real)
        return sandbox.Result(value=1)

    monkeypatch.setattr(pool, "run", deletes)
    assert running.run_queued() == 2
    next_one.refresh_from_db()
    assert next_one.state == State.SUCCEEDED
    assert running.wait(run, timeout=0.1).error == running.DELETED


@pytest.mark.parametrize("place", ["console", "error"])
def test_a_secret_across_the_cut_does_not_survive_in_part(pool, place):
    secret = "sk_live_0123456789abcdefghijklmnopqrstuvwx"
    credential = make_credential(team=make_team(), values={"webhook_url": "https://a.example/", "secret": secret})
    size = {"console": running.LIMITS.line_bytes, "error": running.LIMITS.error}[place]
    cut = "x" * (size - len(secret) + 1) + secret[:-1]
    line = ("log", cut + " …")
    pool.result = sandbox.Result(kind="thrown", error=cut if place == "error" else "", console=[line])
    run = accept(team=credential.team, credential=credential)
    running.run_queued()
    run.refresh_from_db()
    kept = run.error if place == "error" else run.console[0][1]
    assert secret[:8] not in kept
    assert kept.startswith("xxxx")


def test_a_run_that_is_handed_a_credential_notes_its_use_to_the_minute(pool):
    used, idle = make_credential(team=(team := make_team())), make_credential(team=team)
    accept(team=team, credential=used)
    running.run_queued()
    used.refresh_from_db()
    first = used.last_used_at
    assert timezone.now() - first < timedelta(minutes=1)

    accept(team=team, credential=used)
    running.run_queued()
    used.refresh_from_db()
    idle.refresh_from_db()
    assert (used.last_used_at, idle.last_used_at) == (first, None), "not a write per run"

    Credential.objects.update(last_used_at=first - timedelta(minutes=2))
    accept(team=team, credential=used)
    running.run_queued()
    used.refresh_from_db()
    assert used.last_used_at > first - timedelta(minutes=1)
