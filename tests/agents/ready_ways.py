"""How each ready action is set up for its double, and called as an agent would."""

import json
from typing import Any

from django.test import Client

from agents import library
from chatzuri.models import Credential, Team
from tests.agents.doubles import SECRET, TOKEN, Airtable, AppsScript, Notion, Providers, Slack
from tests.factories import install, make_agent, make_conversation

EMAIL = "asha@example.com"


class Way:
    """One ready action: how it is set up for its double, and what an agent says."""

    def __init__(
        self,
        provider: str,
        arguments: dict[str, Any],
        *,
        path: str = "",
        config: dict[str, Any] | None = None,
        needs: str = "access_token",
    ) -> None:
        self.provider, self.arguments, self.path, self.needs = provider, arguments, path, needs
        self.config = config or {}

    def values(self, providers: Providers, kind: str, *, secret: str = "") -> dict[str, str]:
        if kind == "webhook":
            return {"webhook_url": providers.url(self.provider) + self.path, "secret": secret or SECRET}
        return {self.needs: secret or TOKEN}


LEAD = {"name": "Asha", "email": EMAIL, "phone": "+254 711 000 111", "notes": "Wants a demo."}
AIRTABLE = {"base": Airtable.BASE, "table": Airtable.TABLE}
NOTION = {"database": Notion.DATABASE}
WAYS = {
    "post-json": Way("crm", {"email": EMAIL}, path="/leads"),
    "signed-post": Way("crm", {"email": EMAIL, "name": "Asha", "message": "A demo, please"}, path="/leads"),
    "slack-message": Way("slack", {"text": "Prices < 5 & up?", "name": "Asha"}, path=Slack.PATH),
    "hubspot-contact": Way("hubspot", {"email": EMAIL, "first_name": "Asha"}),
    "airtable-row": Way("airtable", LEAD, config=AIRTABLE),
    "google-sheets-row": Way("sheets", LEAD, path=AppsScript.PATH),
    "notion-page": Way("notion", {"title": "Call back", "text": "She wants a demo."}, config=NOTION),
    "stripe-customer": Way("stripe", {"email": EMAIL}, needs="secret_key"),
}
# Google's redirect is followed, to read what the script returned.
REQUESTS = dict.fromkeys(WAYS, 1) | {"google-sheets-row": 2}


def credential_for(team: Team, slug: str, providers: Providers, *, secret: str = "") -> Credential:
    kind = library.READY[slug].credential_kind
    credential = Credential(
        team=team, name=f"{slug} {secret}", kind=kind, hosts="127.0.0.1", allowed_operations="read_write"
    )
    credential.replace_values(WAYS[slug].values(providers, kind, secret=secret))
    credential.save()
    return credential


def call(
    api: Client,
    team: Team,
    slug: str,
    providers: Providers,
    *,
    credential: Credential | None = None,
    config: dict[str, Any] | None = None,
    arguments: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Take it from the library, install it, and let an agent call it. Gives the answer of the API."""
    way, saved = WAYS[slug], library.add(team=team, slug=slug)
    assert saved.warning == "", "a worker looked at the syntax"
    chosen = way.config if config is None else config
    if way.provider not in ("crm", "slack", "sheets"):
        chosen = chosen | {"api_url": providers.url(way.provider)}
    agent = make_agent(team=team)
    tool = install(action=saved.action, agent=agent, credential=credential, config=chosen)
    conversation = make_conversation(agent=agent)
    body = {"arguments": arguments or way.arguments, "conversation_id": conversation.public_id}
    path = f"/api/v1/agents/{agent.public_id}/tools/{tool.name}/calls"
    response = api.post(path, json.dumps(body), content_type="application/json")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def asked(providers: Providers, slug: str) -> list[Any]:
    return list(getattr(providers, WAYS[slug].provider).asked)
