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
