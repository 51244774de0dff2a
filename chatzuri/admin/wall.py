"""The wall between teams, as the admin needs it: whose rows, and who may do what."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin.sites import AdminSite
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest

from chatzuri.models import Membership, Team

if TYPE_CHECKING:

    class TeamRequest(HttpRequest):
        """A request behind `CurrentTeamMiddleware`."""

        team: Team
        membership: Membership | None

else:
    TeamRequest = HttpRequest


def team_of(request: HttpRequest) -> Team | None:
    return cast("Team | None", getattr(request, "team", None))


def is_manager(request: HttpRequest) -> bool:
    """Owner, admin, or an operator: may keep credentials, API keys and members."""
    membership = getattr(request, "membership", None)
    return bool(request.user.is_superuser or (membership and membership.is_manager))


def is_inside(request: HttpRequest) -> bool:
    """Works in the chosen team: a member of it, or an operator."""
    return team_of(request) is not None and bool(request.user.is_superuser or getattr(request, "membership", None))


def rows_of_team(model: type[Model], *, request: HttpRequest, site: AdminSite) -> QuerySet[Any]:
    """The rows of a model that the chosen team may choose from. What nobody declared belongs to nobody."""
    admin: Any = site._registry.get(model)
    if hasattr(admin, "team_path"):
        return cast("QuerySet[Any]", admin.get_queryset(request))
    team, rows = team_of(request), model._default_manager.all()
    names = {field.name for field in model._meta.get_fields() if isinstance(field, ForeignKey)}
    return rows.filter(team=team) if team and "team" in names else rows.none()
