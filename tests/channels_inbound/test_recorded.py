"""Recorded requests of the providers, each with what has to become of it, sent over a real socket.

The recordings are no part of this project: RECORDED_REQUESTS names a folder with a manifest for every channel. Each
request goes to an agent of its own, whose channel is set up over the API with the manifest's own keys. The server's
clock is set to the recording's.
"""

import http.client
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from channels_inbound import views
from channels_inbound.models import InboundMessage, InboundRequest
from tests.channels_inbound import recorded
from tests.factories import make_agent, make_api_key

FOLDER = os.environ.get("RECORDED_REQUESTS", "")
FIXTURES = recorded.load(Path(FOLDER)) if FOLDER else []
pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="no recorded requests here: RECORDED_REQUESTS names no folder"),
    pytest.mark.django_db(transaction=True),
]


class Place:
    """One agent with one channel, set up over the API."""

    def __init__(self, server: Any, fixture: "recorded.Fixture") -> None:
        self.address = urlsplit(server.url)
        self.agent = make_agent()
        self.fixture = fixture
        key = make_api_key(team=self.agent.team)
        status, _, answer = self.call(
            "POST",
            f"/api/v1/agents/{self.agent.public_id}/channels",
            json.dumps(fixture.setup()).encode(),
            [("Content-Type", "application/json"), ("Authorization", f"Bearer {key}")],
        )
        assert status == 201, answer

    def send(self, fixture: "recorded.Fixture") -> tuple[int, dict[str, str], bytes]:
        path = fixture.path(self.agent.public_id)
        headers = fixture.headers(f"http://{self.address.netloc}{path}")
        return self.call(fixture.method, path, fixture.body, headers)

    def call(
        self, method: str, path: str, body: bytes, headers: list[tuple[str, str]]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.address.hostname or "", self.address.port, timeout=30)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value.encode("utf-8"))
        if method != "GET":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body if method != "GET" else None)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found


@pytest.mark.parametrize("fixture", [each for each in FIXTURES if not each.is_unit], ids=lambda each: each.id)
def test_a_recorded_request_comes_out_as_expected(
    fixture: "recorded.Fixture", live_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUBLIC_URL = live_server.url
    place = Place(live_server, fixture)
    for earlier in fixture.earlier(FIXTURES):
        monkeypatch.setattr(views, "now", lambda earlier=earlier: earlier.now)
        place.send(earlier)
    requests, messages = InboundRequest.objects.count(), set(InboundMessage.objects.values_list("pk", flat=True))
    monkeypatch.setattr(views, "now", lambda: fixture.now)
    status, _, answer = place.send(fixture)

    expect = fixture.expect
    assert status in expect.get("http_status_allowed", [expect["http_status"]]), answer
    assert status < 500
    stored = list(InboundMessage.objects.exclude(pk__in=messages).order_by("pk"))
    if expect.get("messages") is not None:
        assert sum(each.kind in ("message", "postback") for each in stored) == expect["messages"]
    if expect["auth"] == "invalid" or expect["auth"] == "replay":
        assert (InboundRequest.objects.count(), stored) == (requests, [])
    elif expect["auth"] == "valid" and status == 200 and fixture.method == "POST" and expect.get("stored_deliveries"):
        assert InboundRequest.objects.count() > 0
    told = expect.get("response", {})
    assert told.get("body_contains", "").encode() in answer
    if unwanted := told.get("body_must_not_contain"):
        assert unwanted.encode() not in answer
    recorded.compare(expect.get("items") or [], stored)


@pytest.mark.parametrize("fixture", [each for each in FIXTURES if each.is_unit], ids=lambda each: each.id)
def test_a_recorded_signature_is_verified(fixture: "recorded.Fixture") -> None:
    recorded.verify(fixture)
