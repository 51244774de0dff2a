"""The versions of a custom action: who saved what and when, what changed, and the way back."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse

from agents import actions
from agents.models import ActionVersion

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

SHOWN = 200
KINDS = {"+": "added", "-": "removed", "@": "place", "?": "place"}


@dataclass(frozen=True)
class Line:
    """One line of a difference; `kind`: added, removed, place or same."""

    kind: str
    text: str


class Versions(Base):
    def version_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:object_id>/versions/", self.versions_view, "versions"),
            self.page("<int:object_id>/versions/<int:number>/restore/", self.restore_view, "restore"),
        ]

    def versions_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """All of them, and the difference between two: `?version=3&against=1`."""
        action = self.own_row(request, object_id)
        versions = list(action.versions.select_related("author").order_by("-number")[:SHOWN])
        by_number = {version.number: version for version in versions}
        newest = versions[0].number if versions else 0
        version = by_number.get(_number(request, "version", newest))
        against = by_number.get(_number(request, "against", version.number - 1 if version else 0))
        context = self.page_context(
            request,
            title=action.title,
            action=action,
            original=action,
            tab="versions",
            versions=versions,
            version=version,
            against=against,
            code=difference(against, version, "code") if version else [],
            declared=difference(against, version, "parameters") if version else [],
            media=self.media,
        )
        return TemplateResponse(request, "admin/agents/action/versions.html", context)

    def restore_view(self, request: HttpRequest, object_id: int, number: int) -> HttpResponse:
        action = self.own_row(request, object_id, to_change=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        before = action.current.number if action.current else None
        try:
            saved = actions.restore(action=action, number=number, author=request.user)
        except ActionVersion.DoesNotExist:
            raise Http404 from None
        if saved.is_new_version:
            self.log_change(request, action, f"Restored version {number} as version {saved.version.number}.")
            sentence = f"Version {number} is back, as version {saved.version.number}."
            messages.success(request, f"{sentence} To undo this, restore version {before} below.")
        else:
            messages.info(request, f"Version {number} is what is saved already. Nothing was changed.")
        return HttpResponseRedirect(reverse(self.url_name("versions"), args=[action.pk]))


def _number(request: HttpRequest, name: str, otherwise: int) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else otherwise


def difference(old: ActionVersion | None, new: ActionVersion, part: str) -> list[Line]:
    """What changed, with three lines around it; nothing where nothing did. The first version is shown as it is."""
    if old is None:
        return [Line("same", line) for line in _text(new, part).splitlines()]
    before, after = (_text(version, part).splitlines() for version in (old, new))
    return list(_lines(difflib.unified_diff(before, after, lineterm="", n=3)))


def _text(version: ActionVersion, part: str) -> str:
    value = getattr(version, part)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _lines(found: Iterator[str]) -> Iterator[Line]:
    for number, line in enumerate(found):
        if number >= 2:  # The first two name the files, which have no names here.
            yield Line(KINDS.get(line[:1], "same"), line)
