"""The table of attacks, against sandboxes from a pool. Half of them end at their limit, so they run side by side."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

import pytest

from agents.sandbox import Job, Pool, Result
from tests.agents.sandbox.cases import CASES, LEAVE_BEHIND, LOOK_FOR_IT, OVERTIME, SECONDS, SECRET, Case
from tests.agents.sandbox.conftest import Run
from tests.agents.sandbox.receiver import Door, Receiver

AT_ONCE = 4


def attack(pool: Pool, door: Door, case: Case) -> tuple[Result, float]:
    began = monotonic()
    job = Job(case.code, {}, {"url": door.origin, "secret": SECRET}, {})
    result = pool.run(job, door, seconds=SECONDS)
    return result, monotonic() - began


@pytest.fixture(scope="module")
def endings(pool: Pool, customer: Receiver) -> Iterator[dict[str, Future[tuple[Result, float]]]]:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {case.id: threads.submit(attack, pool, Door(customer.origin), case) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_attack_ends_as_it_must(case: Case, endings: dict[str, Future[tuple[Result, float]]]) -> None:
    result, seconds = endings[case.id].result()

    assert not case.fault(
        kind=result.kind,
        value=result.value,
        error=result.error,
        console=result.console,
        peak=result.peak_memory,
    ), result
    assert result.milliseconds / 1000 < SECONDS + OVERTIME
    assert seconds < SECONDS + OVERTIME + 15, "the wait for a sandbox is bounded too"


def test_a_second_run_finds_nothing_of_the_first(run: Run) -> None:
    assert run(LEAVE_BEHIND).value == 1
    assert run(LOOK_FOR_IT).value == ""


def test_of_a_flood_only_the_allowed_number_arrives(run: Run, door: Door, customer: Receiver) -> None:
    case = next(case for case in CASES if case.id == "fetch_flood")

    assert run(case.code).value == 50

    assert len([path for path in customer.paths if path.startswith("/ok?")]) == 50
    assert len(door.begun) == len(door.finished) == 50
