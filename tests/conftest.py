import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db.backends.postgresql.operations import DatabaseOperations

from chatzuri import celery_app
from tests.processes import Worker
from tests.receiver import Receiver
from webhooks import publishing


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: their driver leaves an event loop running, and a language model is asked in a new one."""
    items.sort(key=lambda item: "browser" in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """After a test with transactions of its own its few rows are deleted: to truncate every table there is, which is
    Django's way, makes new files for each table and index and takes longer than most tests."""
    original = DatabaseOperations.sql_flush

    def delete(self: Any, style: Any, tables: Any, *, reset_sequences: bool = False, **options: Any) -> Any:
        if reset_sequences:
            return original(self, style, tables, reset_sequences=True, **options)
        return ["; ".join(f"DELETE FROM {self.quote_name(table)}" for table in tables)] if tables else []

    DatabaseOperations.sql_flush = delete
    yield
    DatabaseOperations.sql_flush = original


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def receiver(_receiver: Receiver, settings: Any) -> Receiver:
    """A customer's server at `receiver.url`, reachable from this process and from `worker`."""
    _receiver.reset()
    settings.INSPECTOR_ORIGIN = _receiver.origin
    return _receiver


@pytest.fixture(autouse=True)
def _wake_nobody(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unless a test asks for a worker, its tasks go to a queue that no worker reads."""
    awake = {"worker", "live_worker", "start_worker", "system"} & set(request.fixturenames)
    routes, queue = celery_app.conf.task_routes, celery_app.conf.task_default_queue
    if not awake:
        _route({}, "nobody")
    yield
    _route(routes, queue)
    for slow in (False, True):
        publishing.heed_wake(slow=slow)


def _route(routes: Any, queue: str) -> None:
    celery_app.conf.task_routes, celery_app.conf.task_default_queue = routes, queue
    celery_app.amqp.flush_routes()
    celery_app.amqp.router = celery_app.amqp.Router()


class Workers:
    """At most one shared worker at a time, started again when another origin must be reachable."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers, self.shared = folder, itertools.count(), None

    def start(self, **options: Any) -> Worker:
        return Worker(log=self.folder / f"worker{next(self.numbers)}.log", **options)

    def share(self, *, inspector_origin: str) -> Worker:
        current: Worker | None = self.shared
        if current and current.is_running and current.inspector_origin == inspector_origin:
            return current
        self.stop()
        self.shared = self.start(inspector_origin=inspector_origin)
        return self.shared

    def stop(self) -> None:
        if self.shared:
            self.shared.stop()
        self.shared = None


@pytest.fixture(scope="session")
def _workers(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    workers = Workers(tmp_path_factory.mktemp("workers"))
    yield workers
    workers.stop()


@pytest.fixture
def worker(_workers: Workers, receiver: Receiver, transactional_db: None) -> Worker:
    """A real worker process on the test database that can reach `receiver`."""
    return _workers.share(inspector_origin=receiver.origin)


@pytest.fixture
def live_worker(_workers: Workers, live_server: Any, transactional_db: None, settings: Any) -> Worker:
    """A real worker process that can reach the inspector of `live_server`."""
    settings.INSPECTOR_ORIGIN = settings.PUBLIC_URL = live_server.url
    return _workers.share(inspector_origin=live_server.url)


@pytest.fixture
def start_worker(_workers: Workers, receiver: Receiver, transactional_db: None) -> Iterator[Callable[..., Worker]]:
    """For tests that kill: workers of their own, with the shared one out of the way."""
    _workers.stop()
    started: list[Worker] = []

    def start(**options: Any) -> Worker:
        started.append(_workers.start(**{"inspector_origin": receiver.origin, **options}))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def broker(settings: Any) -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)
