from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatzuri import celery_app
from tests.faults.system import System, states, use_broker

_tally: dict[str, Counter[str]] = {}


@pytest.fixture(scope="session")
def _system(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("faults"))
    yield system
    system.close()


@pytest.fixture
def system(_system: System, _workers: Any, transactional_db: None, settings: Any) -> Iterator[System]:
    """A receiver, a Redis of their own, and as many workers and beats as the test starts."""
    _workers.stop()
    before = celery_app.conf.broker_url
    settings.INSPECTOR_ORIGIN, settings.REDIS_URL = _system.origin, _system.redis_url
    use_broker(_system.redis_url)
    yield _system
    _system.clean()
    if not _system.redis.is_running():
        _system.start_redis()
    celery_app.control.purge()
    use_broker(before)


@pytest.fixture
def tally(request: pytest.FixtureRequest, system: System) -> Callable[..., None]:
    """Count what happened under the row's name; the sums are printed at the end of the run."""

    def count(*, runs: int = 1) -> None:
        name = request.node.callspec.id if hasattr(request.node, "callspec") else request.node.name
        name = name.removeprefix("test_").split("_")[0].split("-")[0].upper()
        sums = _tally.setdefault(name, Counter())
        sums.update({"runs": runs, "requests": system.received().total(), **states()})

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _tally:
        terminalreporter.section("faults: what was seen")
    for name in sorted(_tally, key=lambda key: int("".join(filter(str.isdigit, key)) or 0)):
        terminalreporter.write_line(f"{name:5} " + "  ".join(f"{key} {value}" for key, value in _tally[name].items()))
