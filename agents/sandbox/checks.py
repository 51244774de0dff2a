"""Whether actions are safe to run here: said by `manage.py check --deploy`.

To know it, a sandbox has to be started. That is too much for every command of Django, and those who run migrations or
a shell are not those who run actions; so the check belongs to the ones that are made before a deployment goes live.
"""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning, register

from agents.sandbox.contract import SandboxUnavailable
from agents.sandbox.walls import REQUIRED, layers, missing


@register(deploy=True)
def actions_run_behind_walls(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """One line on each wall; an error where one is missing that production needs."""
    try:
        walls = layers()
    except SandboxUnavailable as reason:
        return [_serious(f"No sandbox for custom actions can be started: {reason}", id="sandbox.E001")]
    absent = missing(walls)
    findings = [
        _serious(
            f"Custom actions do not run: a wall around their sandbox is missing, {name} ({walls.get(name, 'absent')}).",
            id="sandbox.E002",
        )
        for name in absent
    ]
    return findings + [_line(name, state) for name, state in walls.items() if name not in absent]


def _line(name: str, state: str) -> CheckMessage:
    if state.startswith("unavailable"):
        hint = "The required walls stand without it. A newer kernel or a less narrow container may allow it."
        return Warning(f"Sandbox of custom actions: {name} is {state}.", hint=hint, id="sandbox.W001")
    return Info(f"Sandbox of custom actions: {name}: {state}.", id="sandbox.I001")


def _serious(text: str, *, id: str) -> CheckMessage:
    """A warning only where somebody asked for fewer walls, or develops."""
    hint = f"Required are: {', '.join(REQUIRED)}. They need Linux on x86_64 or aarch64, with seccomp."
    if settings.DEBUG or settings.SANDBOX_RELAXED:
        return Warning(text, hint=hint + " SANDBOX_RELAXED or DEBUG is on, so this is no error.", id=id)
    return Error(text, hint=hint + " For development elsewhere there is SANDBOX_RELAXED.", id=id)
