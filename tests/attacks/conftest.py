from collections.abc import Iterator
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker

from chatzuri import celery_app
from tests import nameserver
from tests.attacks.cases import ANSWERS
from tests.attacks.namespace import Namespace, NotPermitted
from tests.nameserver import NameServer
from tests.webhooks.receivers import OK, Receiver, answering


@pytest.fixture
def server(settings: Any) -> NameServer:
    """The name server that this process asks, with the answers of the attack list."""
    server = nameserver.shared()
    server.reset()
    server.names = {name: answer for name, (_, answer) in ANSWERS.items()}
    settings.DNS_SERVERS, settings.INSPECTOR_ORIGIN = server.setting, ""
    return server


@pytest.fixture
def worker(_workers: Any, transactional_db: None) -> Iterator[None]:
    """A real Celery worker in a thread of this process, so that what it connects to can be watched from here."""
    _workers.stop()
    queues = ["interactive", "deliveries"]
    options: dict[str, Any] = {"pool": "solo", "concurrency": 1, "queues": queues, "loglevel": "ERROR"}
    with start_worker(celery_app, perform_ping_check=False, shutdown_timeout=20, **options):
        yield


@pytest.fixture
def canaries() -> Iterator[list[Receiver]]:
    """Listen on loopback where nobody may ever connect."""
    with Receiver(answering(OK)) as four, Receiver(answering(OK), host="::1") as six:
        yield [four, six]
        assert (four.connections, six.connections) == (0, 0)


@pytest.fixture(scope="session")
def _namespace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace | str]:
    try:
        namespace = Namespace(tmp_path_factory.mktemp("namespace") / "connections")
    except NotPermitted as reason:
        yield f"no network namespace can be made here: {reason}"
        return
    yield namespace
    namespace.stop()


@pytest.fixture
def namespace(_namespace: Namespace | str) -> Namespace:
    if isinstance(_namespace, str):
        pytest.skip(_namespace)
    return _namespace
