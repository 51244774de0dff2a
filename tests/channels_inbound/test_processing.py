"""What arrived becomes conversation: order, bursts, what nobody answers, and what breaks."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection

from agents.models import Conversation, Message, Turn
from channels_inbound import processing
from channels_inbound.adapters.base import Arrival
from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.arriving import again, ago, answered, arrive, keep, person, said, texts, work
from tests.channels_inbound.providers import make_channel

pytestmark = pytest.mark.django_db


class TestOrder:
    def test_a_burst_gets_one_turn_at_its_last_message(self, whatsapp: Channel) -> None:
        for number, text in enumerate(("Hello", "are you open", "on Saturday?")):
            arrive(whatsapp, text, occurred_at=ago(seconds=3 - number))
        work(whatsapp)
        assert texts(whatsapp) == ["Hello", "are you open", "on Saturday?"]
        assert Turn.objects.get().message.text == "on Saturday?"

    def test_lines_stand_in_the_order_in_which_they_happened(self, whatsapp: Channel) -> None:
        arrive(whatsapp, "second", occurred_at=ago(seconds=1))
        arrive(whatsapp, "first", occurred_at=ago(seconds=2))
        work(whatsapp)
        assert texts(whatsapp) == ["first", "second"]
        assert Turn.objects.get().message.text == "second"

    def test_an_older_message_that_comes_after_the_answer_is_kept_and_gets_no_turn(self, whatsapp: Channel) -> None:
        answered(said(whatsapp, "second", occurred_at=ago(seconds=1)))
        late = said(whatsapp, "first", occurred_at=ago(seconds=20))
        assert (late.state, late.reason) == ("done", "It came after a later message had been answered.")
        assert late.message.text == "first" and Turn.objects.count() == 1

    def test_two_of_the_same_second_are_both_worth_an_answer(self, whatsapp: Channel) -> None:
        """Providers count in whole seconds, so which came first is not known."""
        second = ago(seconds=1)
        answered(said(whatsapp, "one", occurred_at=second))
        row = said(whatsapp, "two", occurred_at=second - timedelta(seconds=1))
        assert (row.reason, Turn.objects.count()) == ("", 2)

    def test_what_is_deleted_in_the_same_breath_gets_no_turn(self, whatsapp: Channel) -> None:
        row = arrive(whatsapp, "Card 4242", occurred_at=ago(seconds=2))
        arrive(whatsapp, "", kind="message_deleted", target_id=row.provider_id, occurred_at=ago(seconds=1))
        work(whatsapp)
        assert texts(whatsapp) == ["(The sender deleted this message.)"] and not Turn.objects.exists()

    def test_the_same_element_twice_in_one_request_is_one_message(self, whatsapp: Channel) -> None:
        twin = Arrival(kind="message", dedupe_key="wamid.1", sender=person(), text="Hello")
        keep(whatsapp, twin, twin)
        work(whatsapp)
        assert texts(whatsapp) == ["Hello"]

    def test_people_who_type_are_waited_for_and_receipts_are_not(self, whatsapp: Channel, settings: Any) -> None:
        settings.INBOUND_DEBOUNCE = 4
        arrive(whatsapp, "Hello", sender=person("1"))
        arrive(whatsapp, "", kind="status", sender=None, target_id="wamid.out", status="read")
        waits, ripe = sorted(processing.waiting(), key=lambda each: -each.ripe_in)
        assert (waits.thread_key, ripe.thread_key, ripe.ripe_in) == ("1", "wamid.out", 0)
        assert waits.ripe_in > 1

    def test_whoever_types_on_and_on_is_answered_after_eight_seconds(self, whatsapp: Channel, settings: Any) -> None:
        settings.INBOUND_DEBOUNCE = 4
        first = arrive(whatsapp, "Hello")
        arrive(whatsapp, "and another thing")
        InboundMessage.objects.filter(pk=first.pk).update(received_at=ago(seconds=8.5))
        assert [each.ripe_in for each in processing.waiting()] == [0]

    def test_threads_of_each_channel_take_turns(self, whatsapp: Channel) -> None:
        other = make_channel(kind="telegram")
        for number in range(3):
            arrive(whatsapp, sender=person(f"9{number}"))
        arrive(other, sender=person("7"))
        assert [each.thread_key for each in processing.waiting()] == ["90", "7", "91", "92"]


class TestNobodyAnswers:
    def test_an_agent_that_is_off_keeps_messages(self, whatsapp: Channel) -> None:
        whatsapp.agent.is_active = False
        whatsapp.agent.save()
        row = said(whatsapp, "Hello")
        assert (row.state, row.reason) == ("done", "The agent is switched off, so nobody answers.")
        assert row.message.text == "Hello" and not Turn.objects.exists()

    def test_a_message_of_the_day_before_yesterday_is_kept(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Hello", occurred_at=ago(hours=30))
        assert (row.state, row.reason) == (
            "done",
            "It reached us more than a day late, so the agent does not answer it.",
        )
        assert row.message.text == "Hello" and not Turn.objects.exists()

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("bot_message", "Another program"),
            ("standby", "Another application"),
            ("channel_post", "not addressed to the agent"),
            ("unsupported", "cannot be shown"),
        ],
    )
    def test_what_is_not_said_to_the_agent(self, whatsapp: Channel, kind: str, words: str) -> None:
        row = said(whatsapp, "Hello", kind=kind)
        assert row.state == "ignored" and words in row.reason
        assert not Conversation.objects.exists()

    def test_nobody_to_answer(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Hello", sender=None)
        assert row.state == "ignored" and "does not say who" in row.reason


class TestBreaking:
    @pytest.fixture
    def breaks(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception | None]:
        """While there is an error in it, messages with the word *bad* break with it."""
        error: dict[str, Exception | None] = {"now": RuntimeError("a fault")}
        real = processing.STEPS["message"]

        def step(row: InboundMessage) -> Any:
            if error["now"] and row.text == "bad":
                raise error["now"]
            return real(row)

        monkeypatch.setitem(processing.STEPS, "message", step)
        return error

    def try_again(self, row: InboundMessage, times: int) -> None:
        for _ in range(times):
            InboundMessage.objects.filter(pk=row.pk).exclude(worked_at=None).update(worked_at=ago(minutes=5))
            work(row.channel)
        row.refresh_from_db()

    @pytest.mark.parametrize("error", [RuntimeError("a fault"), DataError("too long")])
    def test_after_five_tries_it_has_failed_and_says_so(
        self, whatsapp: Channel, breaks: dict[str, Exception | None], error: Exception
    ) -> None:
        breaks["now"] = error
        row = arrive(whatsapp, "bad")
        self.try_again(row, 4)
        assert (row.state, row.attempts) == ("received", 4)
        self.try_again(row, 1)
        assert (row.state, row.reason) == ("failed", processing.BROKEN)
        assert not Message.objects.exists()

    def test_others_of_its_thread_go_on(self, whatsapp: Channel, breaks: dict[str, Exception | None]) -> None:
        row = arrive(whatsapp, "bad", occurred_at=ago(seconds=9))
        for text in ("one", "two", "three"):
            said(whatsapp, text)
        assert texts(whatsapp) == ["one", "two", "three"]
        assert again(row).attempts == 1, "they used up its tries"

    def test_retry_begins_from_the_start(self, whatsapp: Channel, breaks: dict[str, Exception | None]) -> None:
        row = arrive(whatsapp, "bad")
        self.try_again(row, 5)
        breaks["now"] = None
        processing.retry(row)
        work(whatsapp)
        assert (again(row).state, row.reason, texts(whatsapp), Turn.objects.count()) == ("done", "", ["bad"], 1)

    def test_retry_leaves_alone_what_is_done(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Hello")
        processing.retry(row)
        assert again(row).state == "done"

    def test_a_database_that_is_away_is_no_fault_of_the_row(
        self, whatsapp: Channel, breaks: dict[str, Exception | None]
    ) -> None:
        breaks["now"] = OperationalError("gone")
        row = arrive(whatsapp, "bad")
        with pytest.raises(OperationalError):
            processing.work_on(whatsapp.pk, row.thread_key)
        assert (again(row).state, row.attempts) == ("received", 0)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_one_thread_say_everything_once(whatsapp: Channel) -> None:
    for number in range(30):
        arrive(whatsapp, f"line {number}", occurred_at=ago(seconds=60 - number))
    done: list[int] = []

    def work_on() -> None:
        done.append(processing.work_on(whatsapp.pk, "254712345678"))
        connection.close()

    threads = [threading.Thread(target=work_on) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 30 and texts(whatsapp) == [f"line {number}" for number in range(30)]
    assert Turn.objects.count() == 1
