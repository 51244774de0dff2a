from typing import Any

import pytest
from django.core.checks import Error, Info, Warning
from django.core.management import call_command

from agents.sandbox import SandboxUnavailable, checks


@pytest.fixture
def walls(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Walls as somebody else's machine may have them."""
    walls = {"deno permissions": "none granted", "rlimits": "on", "landlock": "on, version 7", "seccomp": "on"}
    monkeypatch.setattr(checks, "layers", lambda: walls)
    return walls


@pytest.fixture(autouse=True)
def _production(settings: Any) -> None:
    settings.DEBUG = settings.SANDBOX_RELAXED = False


def test_each_wall_that_stands_is_named(walls: dict[str, str]) -> None:
    found = checks.actions_run_behind_walls(None)

    assert {type(message) for message in found} == {Info}
    assert [message.msg for message in found] == [
        f"Sandbox of custom actions: {name}: {state}." for name, state in walls.items()
    ]


@pytest.mark.parametrize("name", ["deno permissions", "rlimits", "seccomp"])
def test_a_required_wall_that_is_missing_is_an_error(name: str, walls: dict[str, str]) -> None:
    walls[name] = "unavailable: Function not implemented"

    (error,) = [message for message in checks.actions_run_behind_walls(None) if not isinstance(message, Info)]

    assert isinstance(error, Error) and name in error.msg


@pytest.mark.parametrize("setting", ["DEBUG", "SANDBOX_RELAXED"])
def test_whoever_develops_is_only_warned(setting: str, walls: dict[str, str], settings: Any) -> None:
    setattr(settings, setting, True)
    walls["seccomp"] = "unavailable: darwin has none"

    (warning,) = [message for message in checks.actions_run_behind_walls(None) if not isinstance(message, Info)]

    assert isinstance(warning, Warning) and warning.id == "sandbox.E002"


def test_another_wall_that_is_missing_is_a_warning(walls: dict[str, str]) -> None:
    walls["landlock"] = "unavailable: Operation not supported"

    found = checks.actions_run_behind_walls(None)

    assert [message.id for message in found if isinstance(message, Warning)] == ["sandbox.W001"]
    assert not [message for message in found if isinstance(message, Error)]


def test_no_sandbox_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here() -> dict[str, str]:
        raise SandboxUnavailable("The package deno has no program for this system.")

    monkeypatch.setattr(checks, "layers", none_here)

    (error,) = checks.actions_run_behind_walls(None)
    assert isinstance(error, Error) and "has no program" in error.msg


def test_a_usual_command_starts_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    def called() -> dict[str, str]:
        raise AssertionError("a sandbox was started")

    monkeypatch.setattr(checks, "layers", called)

    call_command("check")
    with pytest.raises(AssertionError, match="a sandbox was started"):
        call_command("check", deploy=True)
