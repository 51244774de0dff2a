"""Sandboxes kept ready: how many, for how long, and that nothing is left of them."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.sandbox import Job, Pool, Result
from agents.sandbox import pool as pools
from agents.sandbox import process as processes
from agents.sandbox.contract import SandboxUnavailable
from tests.agents.sandbox.receiver import Door, Receiver

ROOT = Path(__file__).resolve().parents[3]
DOOR = Door("http://nowhere.invalid")


def job(code: str) -> Job:
    return Job(code, {}, None, {})


def run(pool: Pool, code: str = "return 1", seconds: float = 5.0) -> Result:
    return pool.run(job(code), DOOR, seconds=seconds)


@pytest.fixture
def make() -> Iterator[Callable[..., Pool]]:
    made = []

    def make(size: int = 1) -> Pool:
        made.append(Pool(size))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def children() -> set[int]:
    """All processes below this one, zombies too."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {os.getpid()}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_500_runs_leave_nothing_behind(customer: Receiver) -> None:
    gc.collect()
    processes_before, descriptors_before, threads_before = children(), descriptors(), threading.active_count()
    pool, door = Pool(2), Door(customer.origin)
    fetching = Job("return (await fetch(credentials.url)).status", {}, {"url": customer.origin}, {})
    for _ in range(20):
        assert run(pool).value == 1
        assert pool.run(fetching, door).value == 200
    memory_before = memory()

    def some(_: int) -> None:
        for _ in range(110):
            assert run(pool).value == 1
        for _ in range(10):
            assert run(pool, "throw 1").kind == "thrown"
        for _ in range(5):
            assert pool.run(fetching, Door(customer.origin)).value == 200

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(some, range(4)))
    grown = memory() - memory_before
    pool.close()

    wait_until(lambda: threading.active_count() <= threads_before)
    gc.collect()
    assert children() - processes_before == set()
    assert descriptors() <= descriptors_before
    assert grown < 32 * 1024 * 1024


def test_nothing_is_started_before_the_first_run(make: Callable[..., Pool]) -> None:
    before = children(), descriptors(), threading.active_count()

    make(2)

    assert (children(), descriptors(), threading.active_count()) == before


def test_so_many_are_kept_ready(make: Callable[..., Pool]) -> None:
    pool = make(3)
    run(pool)

    wait_until(lambda: len(pool._ready) == 3)


def test_each_run_has_a_process_of_its_own(make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    pool, used = make(1), []
    bury = pool._bury
    monkeypatch.setattr(pool, "_bury", lambda child: (used.append(child.pid), bury(child)))

    for _ in range(5):
        run(pool)

    assert len(set(used)) == 5


def test_one_that_died_while_it_waited_is_not_used(make: Callable[..., Pool]) -> None:
    pool = make(1)
    run(pool)
    wait_until(lambda: len(pool._ready) == 1)
    os.kill(pool._ready[0].pid, signal.SIGKILL)
    time.sleep(0.2)

    assert run(pool).value == 1


def test_one_that_waited_too_long_is_replaced(make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make(1)
    run(pool)
    wait_until(lambda: len(pool._ready) == 1)
    old = pool._ready[0].pid
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.1)
    time.sleep(0.2)
    pool._wake()

    wait_until(lambda: not Path(f"/proc/{old}").exists())
    monkeypatch.undo()
    assert run(pool).value == 1


def test_a_launcher_that_died_is_replaced(make: Callable[..., Pool]) -> None:
    pool = make(1)
    run(pool)
    os.kill(pool._litters[-1]._launcher.pid, signal.SIGKILL)
    time.sleep(0.2)

    wait_until(lambda: run(pool).value == 1)


def test_a_launcher_that_died_is_closed_without_a_word() -> None:
    litter = processes.Litter(relaxed=True)
    litter._launcher.kill()
    litter._launcher.wait()
    with pytest.raises(SandboxUnavailable):
        litter.start()

    litter.close()  # what the launcher did not take is not written now


def test_too_many_who_wait_are_sent_away(make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST_WAITING", 2)
    monkeypatch.setattr(Pool, "_start", lambda self: None)
    monkeypatch.setattr(pools, "WAITING_SECONDS", 1.0)
    pool = make(1)

    with ThreadPoolExecutor(3) as threads:
        results = [future.result() for future in [threads.submit(run, pool) for _ in range(3)]]

    assert [result.kind for result in results] == ["busy"] * 3
    assert sorted(result.milliseconds for result in results) == [0.0] * 3


def test_where_none_can_be_started_runs_are_told_at_once(
    make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = processes.command
    monkeypatch.setattr(processes, "command", lambda: ("/nonexistent/deno",))
    pool = make(1)

    result = run(pool)
    assert (result.kind, "No such file" in result.diagnostics, "deno" in result.error) == ("unavailable", True, False)

    monkeypatch.setattr(processes, "command", real)
    wait_until(lambda: run(pool).value == 1)


def test_a_sandbox_with_a_permission_is_not_used(make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    usual = processes.command()
    monkeypatch.setattr(processes, "command", lambda: (*usual[:-1], "--allow-env", usual[-1]))

    result = run(make(1))

    assert result.kind == "unavailable" and "env" in result.diagnostics


def test_a_sandbox_in_which_code_could_be_made_is_not_used(
    make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = [part.replace(",--disallow-code-generation-from-strings", "") for part in processes.command()]
    monkeypatch.setattr(processes, "command", lambda: tuple(usual))

    result = run(make(1))

    assert result.kind == "unavailable" and "new Function() can be used" in result.diagnostics


def test_a_closed_pool_runs_nothing(make: Callable[..., Pool]) -> None:
    pool = make(1)
    run(pool)
    pool.close()

    assert run(pool).kind == "unavailable"


def test_closing_waits_for_the_run_that_is_under_way(make: Callable[..., Pool]) -> None:
    pool = make(1)
    run(pool)
    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(run, pool, "await new Promise((r) => setTimeout(r, 500)); return 'done'")
        time.sleep(0.25)
        pool.close()

        assert under_way.result().value == "done"


def test_a_greedy_run_steps_back(make: Callable[..., Pool]) -> None:
    pool = make(1)
    run(pool)
    wait_until(lambda: len(pool._ready) == 1)
    pid = pool._ready[0].pid
    before = os.getpriority(os.PRIO_PROCESS, 0)
    niceness = []

    def look() -> None:
        for _ in range(2):
            niceness.append(os.getpriority(os.PRIO_PROCESS, pid) - before)
            time.sleep(0.9)

    watcher = threading.Thread(target=look)
    watcher.start()
    assert run(pool, "for (;;);", seconds=1.5).kind == "timeout"
    watcher.join()

    assert niceness == [5, 15 - before]


def test_greedy_runs_do_not_slow_their_neighbours_down(make: Callable[..., Pool]) -> None:
    pool = make(2)
    run(pool)
    with ThreadPoolExecutor(2) as threads:
        greedy = [threads.submit(run, pool, "for (;;);", 4.0) for _ in range(2)]
        time.sleep(1.0)
        wait_until(lambda: len(pool._ready) == 2)
        neighbour = run(pool)

        assert not any(future.done() for future in greedy)
        assert neighbour.value == 1 and neighbour.milliseconds < 1000
        assert [future.result().kind for future in greedy] == ["timeout"] * 2


def test_a_forked_process_gets_sandboxes_of_its_own() -> None:
    script = """
import os, sys
from agents.sandbox import Job, Pool
pool, job = Pool(1), Job("return 1", {}, None, {})
assert pool.run(job, None).value == 1
while not pool._ready: pass
parents = pool._ready[0].pid
child = os.fork()
if child == 0:
    assert not pool._ready and pool._keeper is None
    ok = pool.run(job, None).value == 1
    pool.close()
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0, "the child could not run anything"
assert os.path.exists(f"/proc/{parents}"), "the child killed a sandbox of its parent"
assert pool.run(job, None).value == 1
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=30, check=True)


def test_sandboxes_die_with_their_host() -> None:
    script = """
import os, signal, threading, time
from agents.sandbox import Job, Pool
pool = Pool(2)
assert pool.run(Job("return 1", {}, None, {}), None).value == 1
while len(pool._ready) < 2: pass
pids = [child.pid for child in pool._ready] + [litter._launcher.pid for litter in pool._litters]
threading.Thread(target=pool.run, args=(Job("for (;;);", {}, None, {}), None), daemon=True).start()
time.sleep(0.3)
print(*pids, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=30, capture_output=True, text=True)
    pids = [int(word) for word in ended.stdout.split()]

    assert len(pids) == 3
    wait_until(lambda: not any(_lives(pid) for pid in pids))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
