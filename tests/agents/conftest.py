import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agents.scripted_model import ScriptedModel


@pytest.fixture
def model(settings: Any) -> Iterator[ScriptedModel]:
    """A language model at `model.url`, reachable from this process although it is on loopback."""
    scripted = ScriptedModel()
    settings.LANGUAGE_MODEL_ORIGINS = [scripted.origin]
    settings.LANGUAGE_MODEL_TIMEOUT = 10.0
    yield scripted
    scripted.stop()


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(autouse=True)
def unfit_events() -> Iterator[list[str]]:
    """Events that do not fit the catalogue are logged and told all the same; whatever tests are about, none may."""
    kept = Kept()
    logger = logging.getLogger("agents.events")
    logger.addHandler(kept)
    yield kept.lines
    logger.removeHandler(kept)
    assert kept.lines == []
