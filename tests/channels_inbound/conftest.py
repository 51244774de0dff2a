from collections.abc import Iterator
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker

from agents.models import Agent
from channels_inbound.models import Channel
from channels_inbound.waking import FETCH_MEDIA, WORK_OFF, heed_wake
from chatzuri import celery_app
from tests.agents.scripted_model import ScriptedModel
from tests.channels_inbound.doubles import Providers
from tests.channels_inbound.providers import make_channel
from tests.factories import make_agent


@pytest.fixture(autouse=True)
def _folders(settings: Any, tmp_path: Any) -> Iterator[None]:
    """Files and spool of each test are its own. Workers in other processes have those of the run."""
    settings.SPOOL_DIR = str(tmp_path / "spool")
    settings.MEDIA_ROOT = str(tmp_path / "media")
    yield
    for task in (WORK_OFF, FETCH_MEDIA):
        heed_wake(task)


@pytest.fixture
def agent(db: None) -> Agent:
    return make_agent(name="Helper")


@pytest.fixture
def whatsapp(agent: Agent) -> Channel:
    return make_channel(agent=agent, kind="whatsapp")


@pytest.fixture(scope="session")
def _providers() -> Iterator[Providers]:
    providers = Providers()
    yield providers
    providers.stop()


@pytest.fixture
def providers(_providers: Providers, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Providers:
    """The providers' servers, for this process."""
    _providers.reset()
    _providers.let_in(monkeypatch, settings)
    return _providers


@pytest.fixture
def model(settings: Any) -> Iterator[ScriptedModel]:
    scripted = ScriptedModel()
    settings.LANGUAGE_MODEL_ORIGINS = [scripted.origin]
    settings.LANGUAGE_MODEL_TIMEOUT = 10.0
    yield scripted
    scripted.stop()


@pytest.fixture
def worker(_workers: Any, transactional_db: None, settings: Any) -> Iterator[None]:
    """A real Celery worker in a thread of this process, so that it reaches the doubles."""
    _workers.stop()
    settings.INBOUND_DEBOUNCE = 0.2
    queues = ["interactive", "deliveries", "channels", "replies", "rules", "actions"]
    options: dict[str, Any] = {"pool": "solo", "concurrency": 1, "queues": queues, "loglevel": "ERROR"}
    with start_worker(celery_app, perform_ping_check=False, shutdown_timeout=20, **options):
        yield
