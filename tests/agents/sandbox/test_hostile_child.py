"""A sandbox that was taken over may say anything. Whatever it says ends as a result, within the limit."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from agents.sandbox import Job, Limits, Result
from agents.sandbox.process import Child
from agents.sandbox.running import Run
from tests.agents.sandbox.hostile_child import TRICKS
from tests.agents.sandbox.receiver import Door

SECONDS = 0.8
ENDINGS = {
    "a number without end": "result",
    "a number of 5000 digits": "result",
    "never reads": "timeout",
    "a deep result": "result",
    "two results": "",
    "a closed output": "exit",
    "the end": "exit",
    "a crash": "crashed",
    "a flood of complaints": "timeout",
    "half a frame": "timeout",
    "a byte at a time": "timeout",
}


class Nurse:
    """Stands in for a litter: reaps the one process there is."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def reap(self, index: int) -> int:
        return self.process.wait()


@pytest.fixture
def play() -> Iterator[Callable[[str], Result]]:
    """Runs a job in a process that plays a trick."""
    started = []

    def play(trick: str) -> Result:
        pipes = [os.pipe() for _ in range(3)]
        theirs, ours = (pipes[0][0], pipes[1][1], pipes[2][1]), (pipes[0][1], pipes[1][0], pipes[2][0])
        script = Path(__file__).with_name("hostile_child.py")
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), trick],
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            start_new_session=True,
        )
        started.append(process)
        for pipe in theirs:
            os.close(pipe)
        for pipe in ours:
            os.set_blocking(pipe, False)
        nurse: Any = Nurse(process)
        child = Child(nurse, 0, process.pid, {}, ours)
        job = Job("x" * 60_000, {"filler": "y" * 200_000}, None, {})
        return Run(child, job, Door("http://nowhere.invalid"), SECONDS, Limits(), lambda child: None).execute()

    yield play
    for process in started:
        process.wait(10)


@pytest.mark.parametrize("trick", TRICKS)
def test_a_hostile_process_ends_as_a_result(trick: str, play: Callable[[str], Result]) -> None:
    began = monotonic()

    result = play(trick)

    assert result.kind == ENDINGS.get(trick, "protocol"), result
    assert monotonic() - began < SECONDS + 2
    assert len(result.error) <= 2000 and len(result.diagnostics) < 20_000
    assert result.value == (1 if trick == "two results" else None)


def test_hostile_processes_do_not_fill_the_memory_of_the_host(play: Callable[[str], Result]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for trick in ("a flood of lines", "a flood of complaints", "a huge error", "a huge length"):
        play(trick)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
