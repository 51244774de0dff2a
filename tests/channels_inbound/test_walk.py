"""The product in one test: a message comes in, a POST leaves, a reply goes back, and its receipts come in."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from agents.models import Conversation, Message, Turn
from channels_inbound.models import Channel, InboundMessage, Reply
from tests.agents.scripted_model import ScriptedModel, calls, says
from tests.channels_inbound.doubles import Providers
from tests.channels_inbound.providers import (
    make_channel,
    meta_headers,
    path_of,
    whatsapp_body,
    whatsapp_text,
)
from tests.factories import make_agent, make_credential, make_endpoint, make_tool
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def post(channel: Channel, body: bytes) -> int:
    return (
        Client()
        .generic("POST", path_of(channel), body, content_type="application/json", headers=meta_headers(body))
        .status_code
    )


def until(holds: Callable[[], Any], *, seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def status(reply: Reply, word: str, **more: Any) -> bytes:
    told = {"id": reply.provider_id, "status": word, "timestamp": str(int(time.time())), "recipient_id": reply.address}
    return whatsapp_body(statuses=[told | more])


@pytest.fixture
def channel(model: ScriptedModel, providers: Providers) -> Channel:
    agent = make_agent(brain="llm", llm_base_url=model.url, llm_model="scripted-1", llm_api_key="sk-test")
    credential = make_credential(team=agent.team, kind="whatsapp", values={"access_token": "EAAG-a-token-of-tests"})
    return make_channel(agent=agent, kind="whatsapp", credential=credential)


def test_a_message_comes_in_a_webhook_fires_and_the_reply_and_its_receipts_are_seen(
    channel: Channel, model: ScriptedModel, providers: Providers, worker: None
) -> None:
    with Receiver(answering(OK)) as receiver:
        endpoint = make_endpoint(team=channel.agent.team, url=f"https://receiver.example:{receiver.port}/lead")
        endpoint.url = f"http://receiver.example:{receiver.port}/lead"
        from django.conf import settings

        settings.ALLOW_HTTP = True
        endpoint.save()
        make_tool(agent=channel.agent, endpoint=endpoint)
        model.plays(calls({"payload": {"wants": "a call back"}}), says("Somebody will call you."))
        body = whatsapp_body(whatsapp_text("Please call me back", id="wamid.1"))
        answers: list[int] = []

        def send() -> None:
            answers.append(post(channel, body))
            connection.close()

        threads = [threading.Thread(target=send) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 20

        reply = until(lambda: Reply.objects.filter(state="sent").first())
        assert len(receiver.requests) == 1 and b'{"wants":"a call back"}' in receiver.requests[0].replace(b": ", b":")
    [asked] = providers.asked
    assert (asked.host, asked.path.rsplit("/", 2)[1:]) == ("graph.facebook.com", ["1234567890", "messages"])
    assert asked.headers["Authorization"] == "Bearer EAAG-a-token-of-tests"
    assert (asked.json["to"], asked.json["text"]["body"]) == ("254712345678", "Somebody will call you.")
    assert (InboundMessage.objects.count(), Turn.objects.count(), Reply.objects.count()) == (1, 1, 1)
    conversation = Conversation.objects.get()
    assert (conversation.channel, conversation.customer.phone, conversation.customer.name) == (
        "whatsapp",
        "+254712345678",
        "Asha",
    )
    assert [message.role for message in conversation.messages.order_by("pk")] == ["customer", "agent"]
    assert "EAAG" not in json.dumps(reply.delivery.headers) and reply.delivery.attempt.outcome == "delivered"
    assert Delivery.objects.filter(endpoint=None).count() == 1

    for word in ("read", "delivered", "sent"):
        assert post(channel, status(reply, word)) == 200
    until(lambda: InboundMessage.objects.filter(kind="status", state="done").count() == 3)
    reply.refresh_from_db()
    assert reply.state == "read"


def test_a_burst_is_answered_once(channel: Channel, model: ScriptedModel, providers: Providers, worker: None) -> None:
    model.plays(says("Yes, on Saturdays."))
    for text in ("Hello", "are you open", "on Saturday?"):
        assert post(channel, whatsapp_body(whatsapp_text(text))) == 200
    until(lambda: Reply.objects.filter(state="sent").exists())
    time.sleep(0.5)
    assert (Turn.objects.count(), Reply.objects.count(), len(providers.asked)) == (1, 1, 1)
    assert model.requests[0]["messages"][-1]["content"] == "Hello\nare you open\non Saturday?"


def test_a_refused_reply_says_why(channel: Channel, model: ScriptedModel, providers: Providers, worker: None) -> None:
    error = {"error": {"message": "Re-engagement message", "code": 131047, "type": "OAuthException"}}
    providers.answers["graph.facebook.com"] = lambda asked: (400, json.dumps(error).encode(), {})
    assert post(channel, whatsapp_body(whatsapp_text("Hello"))) == 200
    reply = until(lambda: Reply.objects.filter(state="failed").first())
    assert "24" in reply.reason
    assert Message.objects.filter(role="agent").count() == 1


def test_a_channel_without_a_credential_says_so(channel: Channel, providers: Providers, worker: None) -> None:
    channel.credential = None
    channel.save()
    assert post(channel, whatsapp_body(whatsapp_text("Hello"))) == 200
    reply = until(lambda: Reply.objects.filter(state="not_sent").first())
    assert "no credential" in reply.reason and providers.asked == []


def test_an_image_is_fetched_from_the_provider_and_kept(
    channel: Channel, model: ScriptedModel, providers: Providers, worker: None
) -> None:
    def graph(asked: Any) -> tuple[int, bytes, dict[str, str]]:
        if asked.method == "GET":
            told = {"url": "https://lookaside.fbsbx.com/media/1", "mime_type": "image/jpeg", "id": "65463453"}
            return 200, json.dumps(told).encode(), {}
        return 200, b'{"messages": [{"id": "wamid.out"}]}', {}

    providers.answers["graph.facebook.com"] = graph
    providers.answers["lookaside.fbsbx.com"] = lambda asked: (200, b"JPEG", {"Content-Type": "image/jpeg"})
    image = whatsapp_text(
        "", type="image", image={"id": "65463453", "mime_type": "image/jpeg", "caption": "My receipt"}
    )
    del image["text"]
    assert post(channel, whatsapp_body(image)) == 200
    message = until(lambda: Message.objects.filter(role="customer").first())
    stored = until(lambda: message.attachments.exclude(state="pending").first())
    assert (stored.state, stored.reason) == ("stored", "")
    assert (stored.size, stored.mime_type, stored.kind) == (4, "image/jpeg", "image")
    assert "My receipt" in message.text and "[image]" in message.text
    token = [asked.headers["Authorization"] for asked in providers.asked if asked.method == "GET"]
    assert token == ["Bearer EAAG-a-token-of-tests"] * 2
