from collections.abc import Iterator
from typing import Any

import pytest

from agents.models import Agent
from channels_inbound.models import Channel
from tests.channels_inbound.providers import make_channel
from tests.factories import make_agent


@pytest.fixture(autouse=True)
def _folders(settings: Any, tmp_path: Any) -> Iterator[None]:
    """Files and spool of each test are its own. Workers in other processes have those of the run."""
    settings.SPOOL_DIR = str(tmp_path / "spool")
    settings.MEDIA_ROOT = str(tmp_path / "media")
    yield


@pytest.fixture
def agent(db: None) -> Agent:
    return make_agent(name="Helper")


@pytest.fixture
def whatsapp(agent: Agent) -> Channel:
    return make_channel(agent=agent, kind="whatsapp")
