"""The road of a request: proved, read, kept, answered."""

import json
import threading
from typing import Any

import pytest
from django.test import Client

from channels_inbound.models import Channel, InboundMessage, InboundRequest, Refusal
from tests.channels_inbound.providers import (
    make_channel,
    meta_headers,
    path_of,
    stripe_body,
    stripe_headers,
    whatsapp_body,
    whatsapp_text,
)
from tests.factories import make_agent, make_api_key

client = Client()


def post(channel: Channel, body: bytes, headers: dict[str, str] | None = None, **more: Any) -> Any:
    path = more.pop("path", path_of(channel))
    kind = more.pop("content_type", "application/json")
    given = meta_headers(body) if headers is None else headers
    return client.generic("POST", path, body, content_type=kind, headers=given, **more)


@pytest.mark.django_db
class TestKeeping:
    def test_a_message_is_kept_before_the_answer(self, whatsapp: Channel) -> None:
        body = whatsapp_body(whatsapp_text("Do you ship to Kisumu?", id="wamid.1"))
        assert post(whatsapp, body).status_code == 200
        request = InboundRequest.objects.get()
        assert (bytes(request.body), request.state, request.found) == (body, "accepted", 1)
        message = request.messages.get()
        assert (message.dedupe_key, message.text, message.state) == ("wamid.1", "Do you ship to Kisumu?", "received")
        assert message.starts_agent and message.facts["sender"]["addresses"] == ["254712345678"]

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_with_and_without_a_slash(self, whatsapp: Channel, slash: str) -> None:
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(whatsapp, body, path=path_of(whatsapp) + slash).status_code == 200

    def test_an_alias_means_the_same_channel(self, agent: Any) -> None:
        channel = make_channel(agent=agent, kind="messenger")
        body = b'{"object": "page", "entry": []}'
        assert post(channel, body, path=path_of(channel).replace("messenger", "facebook")).status_code == 200

    def test_the_same_message_twice_is_one(self, whatsapp: Channel) -> None:
        body = whatsapp_body(whatsapp_text("Hello", id="wamid.1"))
        assert [post(whatsapp, body).status_code for _ in range(2)] == [200, 200]
        assert InboundMessage.objects.count() == 1

    def test_half_of_a_batch_may_be_old(self, whatsapp: Channel) -> None:
        post(whatsapp, whatsapp_body(whatsapp_text("one", id="wamid.1")))
        post(whatsapp, whatsapp_body(whatsapp_text("one", id="wamid.1"), whatsapp_text("two", id="wamid.2")))
        assert sorted(InboundMessage.objects.values_list("text", flat=True)) == ["one", "two"]

    def test_headers_are_kept_without_proofs(self, whatsapp: Channel) -> None:
        body = whatsapp_body(whatsapp_text("Hello"))
        post(whatsapp, body, {**meta_headers(body), "User-Agent": "facebookexternalua", "Cookie": "secret=1"})
        kept = InboundRequest.objects.get().headers
        assert kept["user-agent"] == "facebookexternalua"
        assert not any("hub" in name or "cookie" in name for name in kept)

    def test_what_cannot_be_read_waits_in_quarantine(self, whatsapp: Channel) -> None:
        body = b'{"object": "whatsapp_business_account", "entry": null'
        assert post(whatsapp, body).status_code == 200
        request = InboundRequest.objects.get()
        assert (request.state, request.reason) == ("quarantined", "The body is not JSON.")


@pytest.mark.django_db(transaction=True)
def test_twenty_at_the_same_moment_are_one(settings: Any) -> None:
    channel = make_channel(kind="whatsapp")
    body = whatsapp_body(whatsapp_text("Hello", id="wamid.1"))
    answers: list[int] = []

    def send() -> None:
        from django.db import connection

        answers.append(post(channel, body).status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    assert InboundMessage.objects.count() == 1


@pytest.mark.django_db
class TestRefusing:
    def bodies(self, answers: list[Any]) -> set[bytes]:
        assert [answer.status_code for answer in answers] == [404] * len(answers)
        return {answer.content for answer in answers}

    def test_rows_1_to_4_look_alike(self, whatsapp: Channel) -> None:
        off = make_channel(kind="whatsapp", is_active=False)
        without = make_agent()
        body = whatsapp_body(whatsapp_text("Hello"))
        paths = [
            "/api/v1/agents/agt_" + "0" * 26 + "/chat/whatsapp",
            "/api/v1/agents/hello/chat/whatsapp",
            "/api/v1/agents/" + "a" * 300 + "/chat/whatsapp",
            f"/api/v1/agents/{whatsapp.agent.public_id}/chat/WhatsApp",
            f"/api/v1/agents/{whatsapp.agent.public_id}/chat/fax",
            f"/api/v1/agents/{whatsapp.agent.public_id}/chat/slack",
            path_of(off),
            f"/api/v1/agents/{without.public_id}/chat/whatsapp",
        ]
        assert len(self.bodies([post(whatsapp, body, path=path) for path in paths])) == 1
        assert not InboundRequest.objects.exists()

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
    def test_row_5_methods(self, whatsapp: Channel, method: str) -> None:
        answer = client.generic(method, path_of(whatsapp), b"{}", content_type="application/json")
        assert (answer.status_code, answer["Allow"]) == (405, "GET, POST")

    def test_row_6_get_is_for_meta_only(self) -> None:
        stripe = make_channel(kind="stripe")
        assert client.get(path_of(stripe)).status_code == 405

    def test_row_8_too_large_by_its_length(self, whatsapp: Channel) -> None:
        answer = post(whatsapp, b"{}", CONTENT_LENGTH=str(5 * 1024 * 1024))
        assert answer.status_code == 413

    @pytest.mark.parametrize(
        "kind", ["application/xml", "application/json; charset=utf-16", "application/json; charset=nonsense"]
    )
    def test_rows_12_and_14_types_nobody_sends(self, whatsapp: Channel, kind: str) -> None:
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(whatsapp, body, content_type=kind).status_code == 415

    def test_row_13_no_compressed_bodies(self, whatsapp: Channel) -> None:
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(whatsapp, body, {**meta_headers(body), "Content-Encoding": "gzip"}).status_code == 415

    @pytest.mark.parametrize("kind", ["text/plain", "", "application/json; charset=UTF-8"])
    def test_row_11_the_right_json_by_another_name(self, whatsapp: Channel, kind: str) -> None:
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(whatsapp, body, content_type=kind).status_code == 200

    def test_row_15_a_channel_without_a_secret_refuses_everything(self) -> None:
        channel = make_channel(kind="whatsapp", secrets={"app_secret": "", "verify_token": ""})
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(channel, body, meta_headers(body, secret="")).status_code == 401
        assert channel.missing_secrets() != []
        answer = client.get(path_of(channel), {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"})
        assert answer.status_code == 403

    def test_row_18_a_key_of_the_team_is_no_proof(self, whatsapp: Channel) -> None:
        key = make_api_key(team=whatsapp.agent.team)
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(whatsapp, body, {"Authorization": f"Bearer {key}"}).status_code == 401
        assert not InboundRequest.objects.exists()

    def test_a_refusal_is_counted_and_nothing_else_is_kept(self, whatsapp: Channel) -> None:
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(whatsapp, body, meta_headers(body, secret="another")).status_code == 401
        assert not InboundRequest.objects.exists() and not InboundMessage.objects.exists()
        refusal = Refusal.objects.get()
        assert (refusal.reason, refusal.count) == ("signature", 1)
        assert "signs with" in refusal.sentence

    def test_secrets_of_another_agent(self, whatsapp: Channel) -> None:
        other = make_channel(kind="whatsapp", secrets={"app_secret": "another-secret", "verify_token": "x"})
        body = whatsapp_body(whatsapp_text("Hello"))
        assert post(other, body).status_code == 401


@pytest.mark.django_db
class TestRotating:
    def test_two_secrets_are_valid_during_a_rotation(self, whatsapp: Channel) -> None:
        whatsapp.put_secret("app_secret", "the-new-secret")
        whatsapp.save()
        body = whatsapp_body(whatsapp_text("Hello"))
        for secret in ("an-app-secret-of-tests", "the-new-secret"):
            assert post(whatsapp, body, meta_headers(body, secret=secret)).status_code == 200
        whatsapp.end_old_secrets()
        whatsapp.save()
        assert post(whatsapp, body).status_code == 401
        assert post(whatsapp, body, meta_headers(body, secret="the-new-secret")).status_code == 200

    def test_the_secret_that_proved_it_is_on_record(self, whatsapp: Channel) -> None:
        post(whatsapp, whatsapp_body(whatsapp_text("Hello")))
        named = {each["id"]: each["name"] for each in whatsapp.secret_facts()}
        assert named[InboundRequest.objects.get().secret_ref] == "app_secret"


@pytest.mark.django_db
def test_stripe_is_kept_under_its_event() -> None:
    channel = make_channel(kind="stripe")
    body = stripe_body(id="evt_1")
    for _ in range(2):
        assert post(channel, body, stripe_headers(body)).status_code == 200
    assert InboundMessage.objects.get().dedupe_key == "evt_1"


@pytest.mark.django_db
def test_what_is_for_another_number_is_put_aside(whatsapp: Channel) -> None:
    assert post(whatsapp, whatsapp_body(whatsapp_text("Hello"), phone_number_id="999")).status_code == 200
    request = InboundRequest.objects.get()
    assert (request.state, request.reason[:20]) == ("set_aside", "Not for this channel")
    both = json.loads(whatsapp_body(whatsapp_text("Hello")))
    both["entry"] += json.loads(whatsapp_body(whatsapp_text("Hello"), phone_number_id="999"))["entry"]
    assert post(whatsapp, json.dumps(both).encode()).status_code == 200
    assert InboundRequest.objects.latest("pk").state == "accepted"
