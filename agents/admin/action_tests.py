"""The test panel of the editor: runs the code as it stands there, saved or not, for real and in a worker."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import URLPattern

from agents import arguments, parameters, running
from agents.admin.drafts import Draft, Unreadable, configuration, typed
from agents.admin.runs import shown
from agents.models import CustomAction
from chatzuri.admin.wall import team_of

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

PANEL = "admin/agents/run/panel.html"
REFUSED = "admin/agents/action/test_refused.html"


@dataclass
class Inputs:
    """What was typed into the test form, read by the types that the table declares."""

    params: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class ActionTests(Base):
    def test_urls(self) -> list[URLPattern]:
        return [
            self.page("test/", self.test_draft_view, "test_draft"),
            self.page("<int:object_id>/test/", self.test_view, "test"),
        ]

    def test_draft_view(self, request: HttpRequest) -> HttpResponse:
        """Of an action that was never saved."""
        return self._test(request, None)

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._test(request, self.own_row(request, object_id, to_change=True))

    def _test(self, request: HttpRequest, action: CustomAction | None) -> HttpResponse:
        team = team_of(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if team is None or not self.has_add_permission(request):
            return HttpResponse(status=404)
        draft = Draft.posted(request.POST)
        inputs = inputs_of(request, draft)
        if inputs.faults:
            return render(request, REFUSED, {"faults": inputs.faults})
        wanted = running.Wanted(
            team=team,
            purpose="test",
            action=action,
            credential=self.wanted_credential(request),
            config=inputs.config,
            params=inputs.params,
            started_by=request.user,
            **_code_of(draft, action),
        )
        try:
            with transaction.atomic():
                run = running.accept(wanted)
        except running.TooManyWaiting as refusal:
            return render(request, REFUSED, {"faults": [str(refusal)]})
        return render(request, PANEL, shown(run))


def _code_of(draft: Draft, action: CustomAction | None) -> dict[str, Any]:
    """A test of what is saved points at its version; what is not saved is kept with the run."""
    current = action.current if action else None
    return {"version": current} if current and current.code == draft.code else {"code": draft.code}


def inputs_of(request: HttpRequest, draft: Draft) -> Inputs:
    """The values for `params` and `config`, with every fault that keeps the test from being run."""
    inputs = Inputs()
    declared, faults = parameters.read(draft.declared())
    inputs.faults += [sentence for row in draft.rows for sentence in (f"{row.name}. {words}" for words in row.errors)]
    inputs.faults += [f"Parameter table: {fault.detail}" for fault in faults]
    if not draft.code.strip():
        inputs.faults.append("There is no code to run.")
    given = {one["name"]: _value(request, one, inputs) for one in declared}
    given = {name: value for name, value in given.items() if value is not None}
    inputs.faults += _missing(declared, given) + _unfit(declared, given)
    inputs.params = parameters.fill(declared, given, given)
    try:
        inputs.config = configuration(request.POST.get("config", ""))
    except Unreadable as error:
        inputs.faults.append(f"Configuration: {error}")
    return inputs


def _value(request: HttpRequest, one: dict[str, Any], inputs: Inputs) -> Any:
    text = request.POST.get(f"value-{one['name']}", "")
    if not text.strip():
        return None
    try:
        return typed(text, one["type"])
    except Unreadable as error:
        inputs.faults.append(f"{one['name']}: {error}")
        return None


def _missing(declared: list[dict[str, Any]], given: dict[str, Any]) -> list[str]:
    """Exactly as for an agent: it may leave out what has a default or is optional."""
    asked = [one for one in declared if one["required"] and one["name"] not in parameters.FILLED]
    return [
        f"{one['name']}: Fill it in, or make it optional in the table."
        for one in asked
        if one["name"] not in given and "default" not in one
    ]


def _unfit(declared: list[dict[str, Any]], given: dict[str, Any]) -> list[str]:
    schema = parameters.schema(declared) | {"required": []}
    asked = {name: value for name, value in given.items() if name not in parameters.FILLED}
    return [f"{fault.pointer.strip('/')}: {fault.detail}." for fault in arguments.faults(asked, schema)]
