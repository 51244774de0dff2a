"""Custom actions as a team keeps them: what may be saved, versions, and installs on agents.

A save that changes code or parameters makes a new version; nothing a run points at is ever changed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from agents import parameters, running
from agents.arguments import Fault
from agents.models import ActionVersion, Agent, CustomAction, Tool
from chatzuri.models import Credential, Team

MAX_CODE = 64 * 1024
MOST_OF_A_TEAM = 200
UNCHECKED = "No worker looked at the syntax in time, so it was saved as it stands."
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class ActionRefused(ValueError):
    """This cannot be saved. `faults` say what is wrong and where: JSON pointers such as /code or /parameters/0/name."""

    def __init__(self, faults: Sequence[Fault], *, line: int | None = None) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = list(faults)
        self.line = line


@dataclass(frozen=True)
class Saved:
    """The action as it stands now. `is_new_version` is False where neither code nor parameters changed."""

    action: CustomAction
    version: ActionVersion
    is_new_version: bool
    warning: str = ""


def save(
    *,
    team: Team,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    code: str | None = None,
    parameters: Any = None,
    author: Any = None,
    action: CustomAction | None = None,
    note: str = "",
) -> Saved:
    """Make an action, or a new version of `action`. Raises `ActionRefused` and then nothing was saved.

    What is left out of a change stays as it is when the change is written, whoever changed it meanwhile. The syntax is
    judged by a worker in the sandbox, where nothing of the code is executed.
    """
    before = action.current if action else None
    given = _checked(
        code if code is not None else before.code if before else "",
        parameters if parameters is not None else before.parameters if before else [],
    )
    is_new_code = code is not None and not (before and before.code == code)
    warning = _check_syntax(team, code) if is_new_code and code is not None else ""
    with transaction.atomic():
        if action is None:
            _make_room(team)
            action = CustomAction(team=team)
        else:
            action = CustomAction.objects.select_for_update().get(pk=action.pk)
        old_title, now = action.title, action.current
        for field, text in (("name", name), ("title", title), ("description", description)):
            setattr(action, field, (text if text is not None else getattr(action, field)).strip())
        _store(action, old_title)
        written = code if code is not None else now.code if now else ""
        declared = given if parameters is not None or now is None else now.parameters
        return _add_version(action, written, declared, author, note, warning)


def restore(*, action: CustomAction, number: int, author: Any = None) -> Saved:
    """An old version again, as a new one: history is never rewritten. Raises `ActionVersion.DoesNotExist`."""
    with transaction.atomic():
        locked = CustomAction.objects.select_for_update().get(pk=action.pk)
        old = locked.versions.get(number=number)
        return _add_version(locked, old.code, old.parameters, author, f"Restored from version {number}", "")


def install(
    *,
    agent: Agent,
    action: CustomAction,
    credential: Credential | None = None,
    config: Mapping[str, Any] | None = None,
    is_active: bool = True,
    **settings: Any,
) -> Tool:
    """Put an action on an agent, or change how it is there. Raises `ActionRefused`.

    `settings`: title (what customers see there; a new install has the action's), when_to_use, example_phrases, repeats,
    repeat_minutes, needs_approval, calls_per_conversation, calls_per_day.
    """
    tool = agent.tools.filter(action=action).first() or Tool(
        agent=agent, action=action, kind=Tool.Kind.CUSTOM_ACTION, name=action.name, title=action.title
    )
    tool.credential, tool.config, tool.is_active = credential, dict(config or {}), is_active
    for setting, value in settings.items():
        setattr(tool, setting, value)
    if faults := install_faults(tool):
        raise ActionRefused(faults)
    try:
        with transaction.atomic():
            tool.save()
    except IntegrityError:
        raise ActionRefused([Fault("/name", f"The agent has another tool with the name {tool.name}.")]) from None
    return tool


def install_faults(tool: Tool) -> list[Fault]:
    """What keeps this install from being saved."""
    faults = []
    teams = {row.team_id for row in (tool.action, tool.credential) if row is not None}
    if teams - {tool.agent.team_id}:
        faults.append(Fault("/credential", "Choose an action and a credential of this team."))
    if not isinstance(tool.config, dict) or parameters.unstorable(tool.config):
        faults.append(Fault("/config", 'The configuration is a JSON object, for example {"list": "leads"}.'))
    if tool.action and tool.action.current is None:
        faults.append(Fault("/action", "This action has no code yet. Save it first."))
    try:
        tool.full_clean(exclude=["agent", "endpoint", "credential", "config"], validate_constraints=False)
    except ValidationError as error:
        faults += [Fault(f"/{field}", sentence) for field, found in error.message_dict.items() for sentence in found]
    return faults


def uninstall(tool: Tool) -> None:
    """Off the agent at once; what it did stays in the log."""
    tool.delete()


# --- saving ----------------------------------------------------------------------------------------------------------


def _checked(code: str, raw: Any) -> list[dict[str, Any]]:
    faults = []
    if not code.strip():
        faults.append(Fault("/code", "Write the body of the function: at least a return."))
    elif len(code.encode(errors="replace")) > MAX_CODE:
        faults.append(Fault("/code", f"The code is longer than {MAX_CODE // 1024} KB. Shorten it."))
    elif _UNSTORABLE.search(code):
        faults.append(Fault("/code", "The code holds a NUL character or half of a character. Remove it."))
    declared, found = parameters.read(raw)
    if faults or found:
        raise ActionRefused([*faults, *found])
    return declared


def _same(action: CustomAction, code: str, declared: list[dict[str, Any]]) -> bool:
    return bool(action.current and action.current.code == code and action.current.parameters == declared)


def _check_syntax(team: Team, code: str) -> str:
    """A warning where nobody could look; raises `ActionRefused` where the code is not the body of a function."""
    checked = running.check(team=team, code=code)
    if checked is None:
        return UNCHECKED
    if checked.kind == "syntax":
        where = f" (line {checked.line})" if checked.line else ""
        raise ActionRefused([Fault("/code", f"The code cannot be read{where}: {checked.error}")], line=checked.line)
    return UNCHECKED if checked.kind else ""


def _make_room(team: Team) -> None:
    if CustomAction.objects.of(team).count() >= MOST_OF_A_TEAM:
        raise ActionRefused([Fault("", f"A team may have {MOST_OF_A_TEAM} actions. Delete one you do not need.")])


def _store(action: CustomAction, old_title: str) -> None:
    """An install follows the action's title until it is given one of its own; its name is always the action's."""
    try:
        action.full_clean(exclude=["current"])
        with transaction.atomic():
            action.save()
            installs = Tool.objects.filter(action=action)
            installs.update(name=action.name)
            installs.filter(title=old_title).update(title=action.title)
    except ValidationError as error:
        raise ActionRefused(list(_faults_of(error))) from None
    except IntegrityError:
        raise ActionRefused([Fault("/name", "An agent that has this action has another tool of that name.")]) from None


def _faults_of(error: ValidationError) -> list[Fault]:
    taken = "Action names are unique in a team: choose another one."
    return [
        Fault(*(("/name", taken) if field == "__all__" else (f"/{field}", sentence)))
        for field, sentences in error.message_dict.items()
        for sentence in sentences
    ]


def _add_version(
    action: CustomAction, code: str, declared: list[dict[str, Any]], author: Any, note: str, warning: str
) -> Saved:
    """Call with the action's row locked: versions are numbered without gaps."""
    if _same(action, code, declared):
        assert action.current is not None
        return Saved(action, action.current, False, warning)
    latest = action.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version = action.versions.create(number=latest + 1, code=code, parameters=declared, author=author, note=note[:200])
    action.current = version
    action.save(update_fields=["current", "changed_at"])
    return Saved(action, version, True, warning)
