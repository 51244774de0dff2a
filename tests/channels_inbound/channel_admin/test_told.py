"""What the pages say right after a test, a repeat, or a secret that was made."""

import json
import re
from typing import Any

import pytest

from channels_inbound.models import Channel, InboundRequest
from tests.channels_inbound.channel_admin.pages import LIST, REQUESTS, arrive, page, press, text
from tests.channels_inbound.providers import make_channel, meta_headers, path_of, whatsapp_body, whatsapp_text

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_test_brings_status_and_latest_requests_along(client: Any, agent: Any) -> None:
    channel = make_channel(agent=agent, kind="whatsapp")
    response = press(client, "test", channel, text="Hello")
    shown = response.content.decode()
    asked_for = set(re.findall(r'hx-select-oob="#(\w+),#(\w+)"', shown))
    assert asked_for == {("status", "latest")}
    assert all(f'<section class="cz-card" id="{name}"' in shown for name in ("status", "latest"))
    assert "None so far" not in text(response)


def test_a_request_of_known_things_says_so(client: Any, agent: Any) -> None:
    channel = make_channel(agent=agent, kind="whatsapp")
    known = arrive(channel)
    repeat = InboundRequest.objects.create(
        channel=channel, body=b"{}", body_size=2, body_sha256="1" * 64, state="accepted", found=1
    )
    assert "1 thing was found in it" in text(client.get(f"{REQUESTS}{known.pk}/change/"))
    said = text(client.get(f"{REQUESTS}{repeat.pk}/change/"))
    assert "All of it was known already." in said
    assert text(client.get(REQUESTS)).count("1, known already") == 1


def test_the_line_that_tells_telegram_is_shown_once_with_the_secret(client: Any, agent: Any) -> None:
    said = text(client.post(f"{LIST}add/?kind=telegram", {"agent": agent.pk}))
    channel = Channel.objects.get()
    [token] = channel.connection().valid("secret_token")
    assert "https://api.telegram.org/bot<token>/setWebhook" not in text(client.get(page(channel)))
    assert f"-d 'url={channel.inbound_url}' -d 'secret_token={token.value}'" in said


def test_a_provider_without_such_a_line_shows_none(client: Any, agent: Any) -> None:
    assert "made-command" not in client.post(f"{LIST}add/?kind=whatsapp", {"agent": agent.pk}).content.decode()


@pytest.mark.parametrize(
    ("numbers", "state"), [(["999"], "set_aside"), (["999", "998"], "set_aside"), (["999", "1234567890"], "accepted")]
)
def test_what_is_all_for_another_number_is_set_aside(client: Any, agent: Any, numbers: list[str], state: str) -> None:
    channel = make_channel(agent=agent, kind="whatsapp")
    posts = [json.loads(whatsapp_body(whatsapp_text("Hello"), phone_number_id=number)) for number in numbers]
    body = json.dumps(posts[0] | {"entry": [entry for post in posts for entry in post["entry"]]}).encode()
    answer = client.post(path_of(channel), body, content_type="application/json", headers=meta_headers(body))
    assert answer.status_code == 200
    request = InboundRequest.objects.get()
    assert (request.state, request.found) == (state, len(numbers))
    said = text(client.get(f"{REQUESTS}{request.pk}/change/"))
    assert ("It was set aside: Not for this channel: it is for" in said) is (state == "set_aside")
