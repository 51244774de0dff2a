from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.sandbox import Job, Limits, Pool, Result
from tests.agents.sandbox.cases import SECRET
from tests.agents.sandbox.receiver import Door, Receiver

Run = Callable[..., Result]


@pytest.fixture(scope="package")
def customer() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="package")
def pool() -> Iterator[Pool]:
    pool = Pool(2)
    yield pool
    pool.close()


@pytest.fixture
def door(customer: Receiver) -> Door:
    customer.paths.clear()
    return Door(customer.origin)


@pytest.fixture
def run(pool: Pool, door: Door, customer: Receiver) -> Run:
    """Runs code with `credentials` {"url": the customer's receiver, "secret"} and two seconds."""

    def run(code: str, *, seconds: float = 2.0, limits: Limits | None = None, **more: Any) -> Result:
        credentials = {"url": customer.origin, "secret": SECRET}
        job = Job(code, **({"params": {}, "credentials": credentials, "config": {}} | more))
        return pool.run(job, door, seconds=seconds, limits=limits or Limits())

    return run
