"""Replies leave as each provider wants them: every part once, in order, and its row says what became of it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from agents.models import Agent
from channels_inbound import replying, samples
from channels_inbound.models import Channel, Contact, InboundMessage, Reply
from channels_inbound.waking import SEND_REPLIES
from tests.channels_inbound.arriving import answered, person, replies_to, said
from tests.channels_inbound.doubles import Asked, Providers
from tests.channels_inbound.sending import answers, connected, sent
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db


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
