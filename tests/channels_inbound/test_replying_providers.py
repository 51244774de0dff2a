"""A reply leaves as its provider wants it, and no secret stays behind in what is kept of it."""

import base64
from typing import Any
from urllib.parse import parse_qs

import pytest

from agents.models import Agent
from channels_inbound.models import Channel, Reply
from tests.channels_inbound.arriving import person, said
from tests.channels_inbound.doubles import Asked, Providers
from tests.channels_inbound.sending import BOT, TEXT, VALUES, answers, connected, sent
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db

SECRET = ("access_token", "bot_token", "auth_token", "api_key")


def check(reply: Reply, providers: Providers, host: str, path: str, provider_id: str) -> Asked:
    """It left once and was taken, and no secret is in what is kept of it."""
    [asked] = providers.asked
    assert (reply.state, reply.reason, reply.provider_id) == ("sent", "", provider_id)
    assert (asked.method, asked.host, asked.path) == ("POST", host, path)
    kept = Delivery.objects.select_related("event", "attempt").get(pk=reply.delivery_id)
    attempt = kept.attempt
    seen = f"{kept.url}{kept.headers}{bytes(kept.body)}{kept.event.data}{attempt.request_headers}{attempt.detail}"
    for secret in secrets(reply.channel):
        assert secret not in seen and base64.b64encode(secret.encode()).decode() not in seen
    assert (attempt.outcome, kept.endpoint_id, kept.caused_by) == ("delivered", None, reply.public_id)
    return asked


def secrets(channel: Channel) -> list[str]:
    assert channel.credential is not None
    return [value for name, value in channel.credential.reveal().items() if name in SECRET] + channel.secret_values()


def parsed(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


class TestEachProvider:
    def test_telegram(self, agent: Agent, providers: Providers) -> None:
        """Their token is a part of the path, by their design."""
        answers(providers, "api.telegram.org", {"ok": True, "result": {"message_id": 9, "chat": {"id": -100}}})
        channel = connected(agent, "telegram")
        place = {"chat_id": "-100", "message_thread_id": "7", "message_id": "5"}
        reply = sent(said(channel, sender=person("11"), thread="-100:7", answer_to=place))
        asked = check(reply, providers, "api.telegram.org", f"/bot{BOT}/sendMessage", "-100:9")
        assert asked.json == {
            "chat_id": -100,
            "text": TEXT,
            "message_thread_id": 7,
            "reply_parameters": {"message_id": 5, "allow_sending_without_reply": True},
        }
        assert reply.delivery is not None and reply.delivery.url.startswith("https://api.telegram.org/bot")

    def test_slack(self, agent: Agent, providers: Providers) -> None:
        answers(providers, "slack.com", {"ok": True, "channel": "C1", "ts": "1700000001.000200"})
        channel = connected(agent, "slack")
        place = {"channel": "C1", "thread_ts": "1700000000.000100"}
        reply = sent(said(channel, sender=person("U1"), thread="T1:C1:1700000000.000100", answer_to=place))
        asked = check(reply, providers, "slack.com", "/api/chat.postMessage", "C1:1700000001.000200")
        assert asked.headers["Authorization"] == f"Bearer {VALUES['slack']['bot_token']}"
        assert asked.json == {"channel": "C1", "thread_ts": "1700000000.000100", "text": TEXT, "mrkdwn": False}

    def test_twilio(self, agent: Agent, providers: Providers) -> None:
        answers(providers, "api.twilio.com", {"sid": "SM1", "status": "queued"}, 201)
        channel = connected(agent, "twilio", settings={"number": "+12025550100"})
        reply = sent(said(channel, sender=person("+254712345678"), answer_to={"from": "+12025550100"}))
        sid, token = VALUES["twilio"]["account_sid"], VALUES["twilio"]["auth_token"]
        asked = check(reply, providers, "api.twilio.com", f"/2010-04-01/Accounts/{sid}/Messages.json", "SM1")
        assert asked.headers["Authorization"] == f"Basic {base64.b64encode(f'{sid}:{token}'.encode()).decode()}"
        form = parsed(asked)
        assert (form["To"], form["From"], form["Body"]) == ("+254712345678", "+12025550100", TEXT)

    def test_infobip(self, agent: Agent, providers: Providers) -> None:
        taken = {"messages": [{"messageId": "ib-1", "status": {"groupName": "PENDING", "name": "PENDING_ACCEPTED"}}]}
        answers(providers, "tests.api.infobip.com", taken)
        channel = connected(agent, "infobip", settings={"sender": "Shop"})
        reply = sent(said(channel, sender=person("254712345678")))
        asked = check(reply, providers, "tests.api.infobip.com", "/sms/3/messages", "ib-1")
        assert asked.headers["Authorization"] == f"App {VALUES['infobip']['api_key']}"
        message = {"sender": "Shop", "destinations": [{"to": "254712345678"}], "content": {"text": TEXT}}
        assert asked.json == {"messages": [message]}

    def test_sozuri(self, agent: Agent, providers: Providers) -> None:
        taken = {"recipients": [{"messageId": "sz-1", "status": "accepted", "statusCode": "11"}]}
        answers(providers, "sozuri.net", taken)
        channel = connected(agent, "sozuri")
        reply = sent(said(channel, sender=person("254712345678"), answer_to={"shortcode": "22136", "channel": "sms"}))
        asked = check(reply, providers, "sozuri.net", "/api/v1/messaging", "sz-1")
        assert asked.headers["Authorization"] == f"Bearer {VALUES['sozuri']['api_key']}"
        assert (asked.json["to"], asked.json["from"], asked.json["message"]) == ("254712345678", "22136", TEXT)
        assert (asked.json["project"], asked.json["channel"]) == ("shop", "sms")

    def test_messenger(self, agent: Agent, providers: Providers) -> None:
        answers(providers, "graph.facebook.com", {"recipient_id": "77", "message_id": "m_1"})
        reply = sent(said(connected(agent, "messenger"), sender=person("77")))
        asked = check(reply, providers, "graph.facebook.com", "/v25.0/1234567890/messages", "m_1")
        assert asked.headers["Authorization"] == f"Bearer {VALUES['messenger']['access_token']}"
        assert (asked.json["recipient"], asked.json["message"]["text"]) == ({"id": "77"}, TEXT)
        assert (asked.json["messaging_type"], asked.json["message"]["metadata"]) == ("RESPONSE", reply.public_id)

    @pytest.mark.parametrize(
        ("token", "host"),
        [
            ("EAAI-an-account-token-of-tests-0", "graph.facebook.com"),
            ("IGAA-a-token-of-tests-012", "graph.instagram.com"),
        ],
    )
    def test_instagram(self, agent: Agent, providers: Providers, token: str, host: str) -> None:
        answers(providers, host, {"recipient_id": "88", "message_id": "ig_1"})
        channel = connected(agent, "instagram", values={"access_token": token})
        reply = sent(said(channel, sender=person("88")))
        asked = check(reply, providers, host, "/v25.0/me/messages", "ig_1")
        assert asked.headers["Authorization"] == f"Bearer {token}"
        assert (asked.json["recipient"], asked.json["message"]) == ({"id": "88"}, {"text": TEXT})

    @pytest.mark.parametrize(
        ("kind", "host", "status", "content", "sentence"),
        [
            (
                "telegram",
                "api.telegram.org",
                403,
                {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked by the user"},
                "The customer has blocked the bot",
            ),
            ("slack", "slack.com", 200, {"ok": False, "error": "not_in_channel"}, "Invite it there first"),
            ("twilio", "api.twilio.com", 400, {"code": 21610, "message": "Unsubscribed"}, "opted out"),
            ("infobip", "tests.api.infobip.com", 401, {}, "did not accept the API key"),
            ("sozuri", "sozuri.net", 200, {"recipients": [{"statusCode": "22"}]}, "no balance left"),
            ("messenger", "graph.facebook.com", 400, {"error": {"code": 190}}, "access token has ended"),
            ("instagram", "graph.facebook.com", 400, {"error": {"code": 10, "error_subcode": 2534022}}, "24 hours"),
        ],
    )
    def test_a_refusal_is_told_in_words(
        self, agent: Agent, providers: Providers, kind: str, host: str, status: int, content: Any, sentence: str
    ) -> None:
        answers(providers, host, content, status)
        channel = connected(agent, kind, settings={"number": "+12025550100", "sender": "Shop", "shortcode": "22136"})
        place = {"chat_id": "11", "channel": "C1"} if kind in ("telegram", "slack") else {}
        reply = sent(said(channel, sender=person("254712345678"), answer_to=place))
        assert (reply.state, len(providers.asked)) == ("failed", 1)
        assert sentence in reply.reason and reply.reason.endswith(".")

    def test_a_secret_that_the_provider_repeats_is_not_kept(self, agent: Agent, providers: Providers) -> None:
        echo = {"code": 1, "message": f"Wrong token {VALUES['twilio']['auth_token']}"}
        answers(providers, "api.twilio.com", echo, 400)
        channel = connected(agent, "twilio", settings={"number": "+12025550100"})
        reply = sent(said(channel, sender=person("+254712345678")))
        assert "Wrong token" in reply.reason and VALUES["twilio"]["auth_token"] not in reply.reason
