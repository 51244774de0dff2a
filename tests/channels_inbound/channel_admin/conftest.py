from typing import Any

import pytest
from django.test import Client

from chatzuri.models import Team
from tests.factories import make_agent, make_team, make_user


@pytest.fixture(autouse=True)
def _at_once(settings: Any) -> None:
    settings.INBOUND_DEBOUNCE = 0


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def agent(team: Team) -> Any:
    return make_agent(team=team, name="Helper")


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client
