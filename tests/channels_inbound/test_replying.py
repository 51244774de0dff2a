"""Replies leave as each provider wants them: every part once, in order, and its row says what became of it."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import connection

from agents.models import Agent
from channels_inbound import replying, samples
from channels_inbound.models import Channel, Contact, InboundMessage, Reply
from channels_inbound.waking import SEND_REPLIES
from tests.channels_inbound.arriving import answered, person, replies_to, said
from tests.channels_inbound.doubles import Asked, Providers
from tests.channels_inbound.providers import SETTINGS, make_channel
from tests.factories import make_credential
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db

TEXT = "We open at nine."
BOT = "123456789:AAE-a_token_of_the_bot_of_tests_0123"
VALUES: dict[str, dict[str, str]] = {
    "whatsapp": {"access_token": "EAAG-a-token-of-tests-0123456789"},
    "messenger": {"access_token": "EAAP-a-page-token-of-tests-01234"},
    "instagram": {"access_token": "EAAI-an-account-token-of-tests-0"},
    "telegram": {"bot_token": BOT},
    "slack": {"bot_token": "xoxb-a-token-of-tests-0123456789"},
    "twilio": {"account_sid": "AC00000000000000000000000000000001", "auth_token": "a-twilio-auth-token-of-tests"},
    "infobip": {"api_key": "an-infobip-key-of-tests-0123456789", "api_url": "https://tests.api.infobip.com"},
    "sozuri": {"api_key": "a-sozuri-api-key-of-tests-01234567", "project": "shop"},
}
SECRET = ("access_token", "bot_token", "auth_token", "api_key")


def connected(agent: Agent, kind: str, **more: Any) -> Channel:
    credential = make_credential(team=agent.team, kind=kind, values=VALUES[kind] | more.pop("values", {}))
    settings = SETTINGS.get(kind, {}) | more.pop("settings", {})
    return make_channel(agent=agent, kind=kind, settings=settings, credential=credential)


def answers(providers: Providers, host: str, content: Any, status: int = 200) -> None:
    providers.answers[host] = lambda _: (status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def sent(row: InboundMessage, text: str = TEXT) -> Reply:
    """The one part of the answer, after it was sent."""
    [reply] = replies_to(row, text)
    replying.send_due(row.channel, reply.address)
    reply.refresh_from_db()
    return reply


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


class TestParts:
    long = "\n\n".join(f"{number}. {'word ' * 700}".strip() for number in range(3))

    @pytest.fixture
    def channel(self, agent: Agent, providers: Providers) -> Channel:
        return connected(agent, "whatsapp")

    @pytest.fixture
    def row(self, channel: Channel) -> InboundMessage:
        return said(channel)

    def states(self) -> list[tuple[str, str]]:
        return list(Reply.objects.order_by("part").values_list("state", "reason"))

    def test_they_leave_in_order(self, channel: Channel, row: InboundMessage, providers: Providers) -> None:
        parts = replies_to(row, self.long)
        replying.send_due(channel, "254712345678")
        assert len(parts) == 3 and self.states() == [("sent", "")] * 3
        assert [asked.json["text"]["body"][:2] for asked in providers.asked] == ["0.", "1.", "2."]
        assert Delivery.objects.count() == 3

    def test_after_one_that_was_refused_nothing_follows(
        self, channel: Channel, row: InboundMessage, providers: Providers
    ) -> None:
        def graph(asked: Asked) -> tuple[int, bytes, dict[str, str]]:
            if asked.json["text"]["body"].startswith("1."):
                return 400, b'{"error": {"code": 131026, "message": "Message undeliverable"}}', {}
            return 200, b'{"messages": [{"id": "wamid.out"}]}', {}

        providers.answers["graph.facebook.com"] = graph
        replies_to(row, self.long)
        replying.send_due(channel, "254712345678")
        assert [state for state, _ in self.states()] == ["sent", "failed", "not_sent"]
        assert self.states()[2][1] == replying.EARLIER and len(providers.asked) == 2

    def test_the_next_answer_leaves_all_the_same(
        self, channel: Channel, row: InboundMessage, providers: Providers
    ) -> None:
        replies_to(row, state="failed")
        assert sent(said(channel, "Hello?")).state == "sent"

    def test_one_that_is_on_its_way_holds_the_others_back(
        self, channel: Channel, row: InboundMessage, providers: Providers
    ) -> None:
        first, *_ = replies_to(row, self.long)
        Reply.objects.filter(pk=first.pk).update(state="sending")
        replying.send_due(channel, "254712345678")
        assert providers.asked == []
        [other] = replies_to(said(channel, sender=person("254700000000")))
        replying.send_due(channel, other.address)
        assert len(providers.asked) == 1, "another person does not wait for it"

    def test_writing_the_parts_down_twice_makes_them_once(self, row: InboundMessage) -> None:
        message = answered(row, self.long)
        for _ in range(2):
            replying.prepare(message, row)
        assert Reply.objects.count() == 3


class TestNotSent:
    @pytest.fixture
    def channel(self, agent: Agent, providers: Providers) -> Channel:
        return connected(agent, "whatsapp")

    def refused(self, row: InboundMessage, providers: Providers) -> str:
        reply = sent(row)
        assert (reply.state, reply.delivery, providers.asked) == ("not_sent", None, [])
        return reply.reason

    def test_the_channel_was_switched_off_meanwhile(self, channel: Channel, providers: Providers) -> None:
        row = said(channel)
        Channel.objects.filter(pk=channel.pk).update(is_active=False)
        assert self.refused(row, providers) == replying.CHANNEL_OFF

    def test_without_a_credential(self, channel: Channel, providers: Providers) -> None:
        row = said(channel)
        Channel.objects.filter(pk=channel.pk).update(credential=None)
        assert self.refused(row, providers) == replying.NO_CREDENTIAL

    def test_after_the_window_of_free_text(self, channel: Channel, providers: Providers) -> None:
        row = said(channel)
        Contact.objects.update(last_message_at=datetime.now(UTC) - timedelta(hours=24, minutes=1))
        assert "within 24 hours of the customer’s last message" in self.refused(row, providers)

    def test_just_before_its_end_it_leaves(self, channel: Channel, providers: Providers) -> None:
        row = said(channel)
        Contact.objects.update(last_message_at=datetime.now(UTC) - timedelta(hours=23, minutes=59))
        assert sent(row).state == "sent"

    def test_what_is_not_configured_says_so(self, agent: Agent, providers: Providers) -> None:
        row = said(connected(agent, "twilio"), sender=person("+254712345678"))
        assert self.refused(row, providers) == "Enter your Twilio number in the settings of this channel."

    def test_the_reply_to_a_test_goes_to_nobody(self, channel: Channel, providers: Providers) -> None:
        row = said(channel, sender=person(samples.PHONE))
        assert self.refused(row, providers) == replying.A_TEST

    def test_a_secret_goes_to_no_host_but_the_provider_s(
        self, channel: Channel, providers: Providers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = said(channel)
        outgoing = type(channel.adapter).outgoing

        def astray(*arguments: Any, **named: Any) -> Any:
            request = outgoing(*arguments, **named)
            return type(request)(url="https://elsewhere.example/messages", headers=request.headers, body=request.body)

        monkeypatch.setattr(type(channel.adapter), "outgoing", astray)
        reply = sent(row)
        assert (reply.state, providers.asked) == ("not_sent", [])
        assert "elsewhere.example" in reply.reason

    def test_a_provider_that_is_not_reached(self, channel: Channel, providers: Providers) -> None:
        row = said(channel)
        providers.port, port = 1, providers.port
        try:
            reply = sent(row)
        finally:
            providers.port = port
        assert reply.state == "not_sent" and reply.reason.endswith(".")


class TestUnsure:
    @pytest.fixture
    def channel(self, agent: Agent, providers: Providers) -> Channel:
        return connected(agent, "whatsapp")

    @pytest.fixture
    def silence(self, providers: Providers, settings: Any) -> Iterator[None]:
        """The provider takes the request and says nothing."""
        settings.DELIVERY_DEADLINE = 0.6
        over = threading.Event()

        def never(_: Asked) -> tuple[int, bytes, dict[str, str]]:
            over.wait(10)
            return 200, b"{}", {}

        providers.answers["graph.facebook.com"] = never
        yield
        over.set()

    def test_no_answer_may_have_been_sent_and_is_not_sent_again(
        self, channel: Channel, providers: Providers, silence: None
    ) -> None:
        reply = sent(said(channel))
        assert (reply.state, reply.reason) == ("interrupted", replying.NO_ANSWER)
        for _ in range(2):
            replying.sweep()
            replying.send_due(channel, reply.address)
        assert len(providers.asked) == 1 and Delivery.objects.count() == 1

    def test_a_worker_that_died_while_sending_is_called_by_its_name(self, channel: Channel) -> None:
        [reply] = replies_to(said(channel), state="sending", began_at=datetime.now(UTC) - timedelta(seconds=91))
        replying.sweep()
        reply.refresh_from_db()
        assert (reply.state, reply.reason) == ("interrupted", replying.LOST)

    def test_its_answer_may_still_come(self, channel: Channel, providers: Providers) -> None:
        """The reaper was faster than a worker that only was slow."""
        [reply] = replies_to(said(channel))
        perform = replying.fetching.perform
        answers(providers, "graph.facebook.com", {"messages": [{"id": "wamid.out"}]})

        def reaped(*arguments: Any, **named: Any) -> Any:
            performed = perform(*arguments, **named)
            Reply.objects.update(state="interrupted", reason=replying.LOST)
            return performed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replying.fetching, "perform", reaped)
            replying.send_due(channel, reply.address)
        reply.refresh_from_db()
        assert (reply.state, reply.reason, reply.provider_id) == ("sent", "", "wamid.out")

    def test_a_forgotten_turn_and_a_forgotten_part_wake_a_worker(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        woken: list[tuple[str, int]] = []
        monkeypatch.setattr(replying.publishing, "enqueue", lambda task, turn_id: woken.append((task, turn_id)))
        old = datetime.now(UTC) - timedelta(seconds=31)
        row, other = said(channel), said(channel, sender=person("254700000000"))
        answered(row)
        replies_to(other, created_at=old)
        turns = [row.message.turn, other.message.turn]
        type(turns[0]).objects.update(finished_at=old, then=SEND_REPLIES)
        replying.sweep()
        assert sorted(woken) == [(SEND_REPLIES, turn.pk) for turn in turns]
        assert set(Reply.objects.values_list("state", flat=True)) == {"queued"}


@pytest.mark.django_db(transaction=True)
def test_workers_at_one_address_send_each_part_once_and_in_order(agent: Agent, providers: Providers) -> None:
    channel = connected(agent, "whatsapp")
    replies_to(said(channel), TestParts.long)

    def send() -> None:
        replying.send_due(Channel.objects.get(pk=channel.pk), "254712345678")
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [asked.json["text"]["body"][:2] for asked in providers.asked] == ["0.", "1.", "2."]
    assert list(Reply.objects.values_list("state", flat=True)) == ["sent"] * 3
