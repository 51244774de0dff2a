import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.places import temporary_folder
from dev.servers import Servers, start


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that the user who runs PostgreSQL can reach."""
    folder = temporary_folder(prefix="chatzuri-test-")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def started(folder: Path) -> Iterator[Callable[..., Servers]]:
    """Starts servers (not durable: faster) in `folder`, and stops at the end whatever a test left running."""
    running: list[Servers] = []

    def start_them(directory: Path = folder) -> Servers:
        running.append(start(directory, durable=False))
        return running[-1]

    yield start_them
    for servers in running:
        servers.stop()
