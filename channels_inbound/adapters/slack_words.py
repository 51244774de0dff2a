"""How Slack names and writes things, wherever they stand in its requests."""

from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters.base import Connection
from channels_inbound.adapters.reading import get, ident, objects
from channels_inbound.adapters.reading import text as clean


def id_of(value: Any) -> str:
    """Of a channel or a person: some events send the id alone, some an object that holds it."""
    return ident(value) or ident(get(value, "id"))


def message_id(channel: str, stamp: str) -> str:
    """A time stamp is an id within its channel only."""
    return f"{channel}:{stamp}" if channel and stamp else ""


def thread_id(team: str, channel: str, root: str) -> str:
    return f"{team}:{channel}:{root}" if channel and root else ""


def words(value: Any) -> str:
    """Slack writes three signs as entities; a person typed the signs."""
    return clean(value).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def foreign(connection: Connection, body: Mapping[str, Any]) -> str:
    """Why this is not for the channel's workspace or app, where those are filled in; empty if it is."""
    team, app = connection.setting("team_id"), connection.setting("app_id")
    teams = {each for each in _teams(body) if each}
    if team and teams and team not in teams:
        return f"Not for this channel: it is of the workspace {min(teams)}."
    given = ident(body.get("api_app_id"))
    if app and given and app != given:
        return f"Not for this channel: it was sent to the app {given}."
    return ""


def foreign_key(key: str) -> str:
    """The key of what is not for this channel: once the setting is put right, the thing itself may still come."""
    return f"foreign:{key}"


def _teams(body: Mapping[str, Any]) -> list[str]:
    """All workspaces a request speaks for: a shared channel belongs to several."""
    return [
        ident(body.get("team_id")),
        ident(body.get("context_team_id")),
        ident(get(body, "team", "id")),
        *(ident(each.get("team_id")) for each in objects(body.get("authorizations"))),
    ]
