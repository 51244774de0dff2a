from typing import Any

import pytest
from django.test import Client

from agents import running
from tests.agents.admin.pages import logged_in
from tests.factories import make_agent, make_team, make_user


@pytest.fixture(autouse=True)
def nobody_looks_at_the_syntax(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is running for most of these tests: do not wait for one."""
    monkeypatch.setattr(running, "CHECK_PATIENCE", 0.05)


@pytest.fixture
def team() -> Any:
    return make_team(name="Alpha")


@pytest.fixture
def owner(team: Any) -> Client:
    return logged_in(make_user(team=team, name="Olga"))


@pytest.fixture
def agent(team: Any) -> Any:
    return make_agent(team=team, name="Front desk")


@pytest.fixture
def client(team: Any) -> Client:
    return logged_in(make_user(team=team))
