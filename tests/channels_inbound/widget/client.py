"""What the script does, without a browser; and the channel it speaks to."""

import hashlib
import hmac
import itertools
import json
from typing import Any

from django.test import Client

from channels_inbound.models import Channel
from tests.factories import make_agent, make_endpoint, make_tool

ORIGIN = "https://www.shop.example"
_numbers = itertools.count(1)


def make_website(*, agent: Any = None, secret: str = "", **settings: Any) -> Channel:
    channel = Channel(agent=agent or make_agent(), kind="website", settings=settings)
    if secret:
        channel.put_secret("identity_secret", secret)
    channel.save()
    return channel


def make_call_back(channel: Channel, *, url: str) -> None:
    """A tool that asks for an address or a number, and fires a webhook there."""
    make_tool(
        agent=channel.agent,
        endpoint=make_endpoint(team=channel.agent.team, url=url),
        title="Ask for a call back",
        example_phrases="Please call me back",
    )


def hash_of(secret: str, *parts: str) -> str:
    return hmac.new(secret.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


class Widget:
    """One browser at one channel. `token` is that of the last session begun."""

    def __init__(self, channel: Channel, *, origin: str = ORIGIN, address: str = "203.0.113.7") -> None:
        self.root = f"/api/v1/agents/{channel.agent.public_id}/chat/website/"
        self.origin, self.token = origin, ""
        self.client = Client(REMOTE_ADDR=address, raise_request_exception=False)

    def headers(self) -> dict[str, str]:
        named = {"Origin": self.origin} if self.origin else {}
        return named | ({"Authorization": f"Bearer {self.token}"} if self.token else {})

    def post(self, path: str, body: Any, *, content_type: str = "application/json") -> Any:
        return self.client.post(self.root + path, json.dumps(body), content_type=content_type, headers=self.headers())

    def get(self, path: str) -> Any:
        return self.client.get(self.root + path, headers=self.headers())

    def preflight(self, path: str = "messages") -> Any:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        return self.client.options(self.root + path, headers={"Origin": self.origin} | asked)

    def begin(self, **visitor: str) -> Any:
        """As the script does it: JSON that is called text."""
        body = {"token": self.token, "visitor": visitor} if visitor else {"token": self.token}
        response = self.post("session", body, content_type="text/plain")
        if response.status_code == 200:
            self.token = response.json()["token"]
        return response

    def say(self, text: str = "Hello", **fields: Any) -> Any:
        if not self.token:
            self.begin()
        return self.post("messages", {"text": text, "client_id": f"c{next(_numbers)}", **fields})

    def history(self, after: str = "") -> Any:
        return self.get(f"messages?after={after}").json()
