"""Runs of custom actions without a sandbox and without a worker, for tests of what is around them."""

from typing import Any

import pytest

from agents import fetches, running, sandbox


class FakePool:
    """Stands in for the sandbox, which has tests of its own: answers `result`, and remembers the jobs."""

    def __init__(self) -> None:
        self.result = sandbox.Result(value={"success": True}, milliseconds=1.5)
        self.jobs: list[sandbox.Job] = []

    def run(self, job: sandbox.Job, fetcher: Any, *, seconds: float) -> sandbox.Result:
        self.jobs.append(job)
        return sandbox.Result() if job.only_check and not self.result.kind else self.result


def run_at_once(monkeypatch: pytest.MonkeyPatch) -> FakePool:
    """What is queued runs at its commit, in this very process."""
    fake = FakePool()
    monkeypatch.setattr(running, "pool", lambda: fake)
    monkeypatch.setattr(fetches, "RunFetcher", lambda run, **_: None)  # nobody fetches here
    monkeypatch.setattr(running, "wake", lambda task, **_: running.run_queued() if task == running.TASK else None)
    return fake
