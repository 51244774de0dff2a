"""Which team a signed-in person is working in."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from chatzuri.models import Membership, Team

SESSION_KEY = "team"


class CurrentTeamMiddleware:
    """Sets `request.team` and `request.membership`: the team chosen in the header, else the person's first one.

    Both are None for a stranger and for a person without a team. An operator (superuser) acts inside one team at a
    time, like everybody else, and has no membership there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.team = request.membership = None  # type: ignore[attr-defined]
        if request.user.is_authenticated:
            request.team = team = current_team(request)  # type: ignore[attr-defined]
            request.membership = Membership.objects.filter(team=team, user=request.user).first()  # type: ignore[attr-defined]
        return self.get_response(request)


def current_team(request: HttpRequest) -> Team | None:
    teams = Team.objects.open_to(request.user)
    chosen = teams.filter(public_id=request.session.get(SESSION_KEY, "")).first()
    return chosen or teams.order_by("pk").first()
