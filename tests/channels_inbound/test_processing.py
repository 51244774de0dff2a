"""What arrived becomes conversation: order, bursts, edits, deletions, receipts, and what nobody answers."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import DataError, OperationalError, connection

from agents.models import Agent, Conversation, Customer, Feedback, Message, Turn
from channels_inbound import media, processing
from channels_inbound.adapters.base import Arrival
from channels_inbound.adapters.base import Attachment as File
from channels_inbound.models import Attachment, Channel, Contact, InboundMessage, InboundRequest, Reply
from tests.channels_inbound.arriving import answered, arrive, keep, person, replies_to, said, work
from tests.channels_inbound.providers import make_channel
from tests.factories import make_conversation
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def ago(**units: float) -> datetime:
    return datetime.now(UTC) - timedelta(**units)


def texts(channel: Channel) -> list[str]:
    return list(Message.objects.filter(conversation__agent=channel.agent).order_by("pk").values_list("text", flat=True))


def again(row: Any) -> Any:
    row.refresh_from_db()
    return row


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


class TestEdits:
    def edit(self, channel: Channel, target: InboundMessage, text: str, **fields: Any) -> InboundMessage:
        return said(channel, text, kind="message_edited", target_id=target.provider_id, **fields)

    def test_before_the_answer_the_new_text_counts(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Two boxes")
        edit = self.edit(whatsapp, row, "Three boxes")
        assert (edit.state, edit.reason, texts(whatsapp)) == ("done", "", ["Three boxes"])
        assert edit.conversation == row.conversation and Turn.objects.count() == 1

    def test_after_the_answer_it_is_only_kept(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Two boxes")
        answered(row)
        edit = self.edit(whatsapp, row, "Three boxes")
        assert "after the agent had answered" in edit.reason
        assert (edit.text, again(row.message).text) == ("Three boxes", "Two boxes")

    def test_a_caption_changes_and_the_picture_stays(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "My recipt", attachments=[File(kind="image", provider_media_id="1")])
        self.edit(whatsapp, row, "My receipt")
        assert again(row.message).text == "My receipt\n[image]"

    def test_a_change_without_words_empties_nothing(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Two boxes")
        edit = self.edit(whatsapp, row, "")
        assert (edit.state, edit.reason, texts(whatsapp)) == ("ignored", "The change has no words.", ["Two boxes"])

    def test_of_a_message_that_never_came_it_waits_a_minute(self, whatsapp: Channel) -> None:
        edit = said(whatsapp, "Three boxes", kind="message_edited", target_id="wamid.unknown")
        assert (edit.state, edit.attempts) == ("received", 1)
        InboundMessage.objects.filter(pk=edit.pk).update(received_at=ago(seconds=61), worked_at=ago(seconds=30))
        work(whatsapp)
        assert (again(edit).state, edit.reason) == ("ignored", "The message that this is about never came to us.")


class TestDeletions:
    def delete(self, channel: Channel, target: InboundMessage, **fields: Any) -> InboundMessage:
        told = {"kind": "message_deleted", "target_id": target.provider_id, "body": b"Card 4242"} | fields
        return said(channel, "", **told)

    def test_the_words_go_everywhere(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Card 4242", extra={"text": "Card 4242"}, body=b"Card 4242")
        said(whatsapp, "Card 4242 1", kind="message_edited", target_id=row.provider_id, body=b"Card 4242 1")
        deletion = self.delete(whatsapp, row, extra={"previous": "Card 4242"})
        assert deletion.state == "done" and texts(whatsapp) == ["(The sender deleted this message.)"]
        assert not [each for each in InboundMessage.objects.all() if each.text or each.extra]
        assert {bytes(each.body) for each in InboundRequest.objects.all()} == {b""}
        assert again(row).facts["sender"]["addresses"] == ["254712345678"]

    def test_files_go_too(
        self, whatsapp: Channel, django_capture_on_commit_callbacks: Callable[..., Any], settings: Any
    ) -> None:
        row = said(whatsapp, "", attachments=[File(kind="image", content=b"JPEG")], body=b"x" * 300_000)
        names = [row.attachments.get().file, row.request.body_file]
        assert all(names) and all(default_storage.exists(name) for name in names)
        with django_capture_on_commit_callbacks(execute=True):
            self.delete(whatsapp, row)
        assert not any(default_storage.exists(name) for name in names)
        attachment = row.attachments.get()
        assert (attachment.state, attachment.file, attachment.described) == ("refused", "", {})

    def test_before_it_is_worked_off_there_is_no_line(self, whatsapp: Channel) -> None:
        row = arrive(whatsapp, "Card 4242", sender=person("1"))
        self.delete(whatsapp, row, sender=person("2"))
        assert (again(row).state, row.text) in {("ignored", ""), ("done", "")}
        assert "Card 4242" not in "".join(texts(whatsapp))

    def test_an_edit_that_comes_after_it_brings_no_words_back(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Card 4242")
        self.delete(whatsapp, row)
        edit = said(whatsapp, "Card 4243", kind="message_edited", target_id=row.provider_id)
        assert (edit.state, edit.text, edit.reason) == ("done", "", "The message was deleted since.")
        assert texts(whatsapp) == ["(The sender deleted this message.)"]

    def test_a_file_that_is_being_fetched_meanwhile_is_not_kept(
        self, whatsapp: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = said(whatsapp, "")
        attachment = Attachment.objects.create(inbound_message=row, position=0, kind="image")

        def content(*_: Any) -> tuple[bytes, str]:
            Attachment.objects.filter(pk=attachment.pk).update(state="refused")
            return b"JPEG", "image/jpeg"

        monkeypatch.setattr(media, "_content", content)
        media.fetch(attachment)
        assert (again(attachment).state, attachment.file) == ("refused", "")
        assert default_storage.listdir(f"inbound/{whatsapp.public_id}")[1] == []


class TestReactions:
    def react(self, channel: Channel, emoji: str, target: str = "wamid.out") -> InboundMessage:
        return said(channel, "", kind="reaction", target_id=target, facts={"emoji": emoji})

    @pytest.fixture
    def reply(self, whatsapp: Channel) -> Reply:
        return replies_to(said(whatsapp), state="sent", provider_id="wamid.out")[0]

    @pytest.mark.parametrize(("emoji", "rating"), [("👍", 5), ("👍🏽", 5), ("👎", 1)])
    def test_a_thumb_is_a_rating(self, whatsapp: Channel, reply: Reply, emoji: str, rating: int) -> None:
        row = self.react(whatsapp, emoji)
        assert Feedback.objects.get(message=reply.message).rating == rating
        assert row.reason == f"{emoji} counts as a rating of {rating}."
        assert Event.objects.filter(type="feedback.submitted").count() == 1 and Turn.objects.count() == 1

    @pytest.mark.parametrize("emoji", ["🤔", ""])
    def test_any_other_is_only_kept(self, whatsapp: Channel, reply: Reply, emoji: str) -> None:
        assert self.react(whatsapp, emoji).state == "done"
        assert not Feedback.objects.exists()

    def test_a_reaction_to_somebody_else_s_message_is_ignored(self, whatsapp: Channel, reply: Reply) -> None:
        assert self.react(whatsapp, "👍", "wamid.other").state == "ignored"
        assert not Feedback.objects.exists()


class TestReceipts:
    def tell(self, channel: Channel, status: str, target: str = "wamid.out", **fields: Any) -> InboundMessage:
        return said(channel, "", kind="status", target_id=target, status=status, **({"sender": None} | fields))

    @pytest.fixture
    def reply(self, whatsapp: Channel) -> Reply:
        return replies_to(said(whatsapp), state="sent", provider_id="wamid.out", began_at=ago(seconds=5))[0]

    def test_they_only_lead_forward(self, whatsapp: Channel, reply: Reply) -> None:
        for status, then in (("delivered", "delivered"), ("sent", "delivered"), ("read", "read"), ("failed", "read")):
            self.tell(whatsapp, status)
            assert again(reply).state == then

    def test_a_failure_says_why(self, whatsapp: Channel, reply: Reply) -> None:
        self.tell(whatsapp, "failed", error_code="131026", error_text="Not on WhatsApp")
        assert (again(reply).state, reply.reason) == ("failed", "Not on WhatsApp (131026)")

    def test_a_status_that_overtakes_our_own_record_waits_for_it(self, whatsapp: Channel) -> None:
        [reply] = replies_to(said(whatsapp), state="sending")
        row = self.tell(whatsapp, "delivered")
        assert (row.state, row.attempts, again(reply).state) == ("received", 1, "sending")
        Reply.objects.filter(pk=reply.pk).update(state="sent", provider_id="wamid.out")
        work(whatsapp)
        assert again(row).state == "received", "it comes again after a pause"
        InboundMessage.objects.filter(pk=row.pk).update(worked_at=ago(seconds=4))
        work(whatsapp)
        assert (again(row).state, again(reply).state) == ("done", "delivered")

    def test_of_a_message_that_is_not_ours_nothing_comes(self, whatsapp: Channel) -> None:
        row = self.tell(whatsapp, "delivered", "wamid.foreign")
        InboundMessage.objects.filter(pk=row.pk).update(received_at=ago(seconds=61), worked_at=ago(seconds=30))
        work(whatsapp)
        assert (again(row).state, row.reason) == ("ignored", "A status of a message that we did not send.")

    def test_by_our_own_id_where_the_answer_to_us_was_lost(self, whatsapp: Channel) -> None:
        [reply] = replies_to(said(whatsapp), state="interrupted")
        self.tell(whatsapp, "delivered", facts={"our_message_id": reply.public_id})
        assert (again(reply).state, reply.provider_id) == ("delivered", "wamid.out")

    def test_a_receipt_that_names_a_time_counts_for_all_until_then(self, agent: Agent) -> None:
        messenger = make_channel(agent=agent, kind="messenger")
        old, new = (replies_to(said(messenger, sender=person("77")), state="sent")[0] for _ in range(2))
        [other] = replies_to(said(messenger, sender=person("88")), state="sent", began_at=ago(seconds=60))
        Reply.objects.filter(pk=old.pk).update(began_at=ago(seconds=30))
        Reply.objects.filter(pk=new.pk).update(began_at=ago(seconds=1))
        until = {"until": ago(seconds=10).isoformat()}
        self.tell(messenger, "read", "", sender=person("77"), facts=until)
        assert [again(each).state for each in (old, new, other)] == ["read", "sent", "sent"]
        self.tell(messenger, "delivered", "", sender=person("77"), facts=until)
        assert again(old).state == "read"


class TestEchoes:
    def echo(self, channel: Channel, text: str, recipient: str = "254712345678", **fields: Any) -> InboundMessage:
        return said(channel, text, kind="echo", sender=person("15550001111"), recipient=recipient, **fields)

    def test_what_the_team_writes_in_its_own_app_is_a_line_of_our_side(self, whatsapp: Channel) -> None:
        row = said(whatsapp, "Hello")
        echo = self.echo(whatsapp, "I am Joseph, hello.")
        assert (echo.message.role, echo.message.text, echo.conversation) == (
            "agent",
            "I am Joseph, hello.",
            row.conversation,
        )
        assert Turn.objects.count() == 1 and not Reply.objects.exists()

    def test_to_somebody_we_do_not_know_it_is_nothing(self, whatsapp: Channel) -> None:
        said(whatsapp, "Hello")
        assert self.echo(whatsapp, "Good day", "254700000000").state == "ignored"

    def test_our_own_message_is_not_said_twice(self, whatsapp: Channel) -> None:
        [reply] = replies_to(said(whatsapp), state="sent", provider_id="wamid.out")
        assert self.echo(whatsapp, reply.text, provider_id="wamid.out").message is None
        assert texts(whatsapp) == ["Hello", "We open at nine."]

    @pytest.mark.parametrize("state", ["sending", "interrupted"])
    @pytest.mark.parametrize("is_named", [True, False])
    def test_nor_where_it_is_faster_than_the_answer_to_us(self, whatsapp: Channel, state: str, is_named: bool) -> None:
        [reply] = replies_to(said(whatsapp), state=state)
        facts = {"our_message_id": reply.public_id} if is_named else {}
        assert self.echo(whatsapp, reply.text, provider_id="wamid.out", facts=facts).message is None
        assert again(reply).provider_id == "wamid.out" and texts(whatsapp) == ["Hello", "We open at nine."]
        assert reply.state == {"sending": "sending", "interrupted": "sent"}[state]


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


class TestGroups:
    def telegram(self, channel: Channel, text: str, who: str, name: str) -> InboundMessage:
        sender = person(who, name=name, id_type="tg_user")
        place = {"thread": "-100:7", "answer_to": {"chat_id": "-100", "message_thread_id": "7"}}
        return said(channel, text, sender=sender, **place)

    @pytest.mark.parametrize(("kind", "thread"), [("telegram", "-100:7"), ("slack", "T1:C1:1700000000.000100")])
    def test_two_people_in_one_thread(self, agent: Agent, kind: str, thread: str) -> None:
        channel = make_channel(agent=agent, kind=kind)
        rows = [
            said(channel, f"I am {name}", sender=person(who, name=name), thread=thread)
            for who, name in (("11", "Asha"), ("22", "Ben"), ("11", "Asha"))
        ]
        conversation = Conversation.objects.get()
        assert {row.conversation for row in rows} == {conversation}
        assert (conversation.channel, conversation.thread) == (kind, thread)
        assert sorted(Customer.objects.values_list("name", flat=True)) == ["Asha", "Ben"]
        told = Event.objects.filter(type="message.received").order_by("pk")
        assert [event.data["customer"]["name"] for event in told] == ["Asha", "Ben", "Asha"]
        assert {event.data["conversation_id"] for event in told} == {conversation.public_id}

    def test_two_threads_of_one_person_are_two_conversations(self, agent: Agent) -> None:
        channel = make_channel(agent=agent, kind="slack")
        for thread in ("T1:C1:1", "T1:C1:2", ""):
            said(channel, sender=person("U1"), thread=thread)
        assert Conversation.objects.count() == 3 and Customer.objects.count() == 1


class TestIdentity:
    def test_number_and_scoped_id_are_one_customer(self, whatsapp: Channel) -> None:
        said(whatsapp, sender=person("254712345678", "KE.1", phone="+254712345678"))
        said(whatsapp, sender=person("KE.1", id_type="bsuid"))
        assert Customer.objects.get().phone == "+254712345678"
        assert Conversation.objects.count() == 1

    def test_two_who_turn_out_to_be_one_are_made_one(self, whatsapp: Channel) -> None:
        said(whatsapp, sender=person("254712345678", phone="+254712345678", name="Asha"))
        said(whatsapp, sender=person("KE.1", id_type="bsuid"))
        assert Customer.objects.filter(merged_into=None).count() == 2
        said(whatsapp, sender=person("254712345678", "KE.1", phone="+254712345678"))
        kept = Customer.objects.get(merged_into=None)
        assert (kept.phone, kept.name) == ("+254712345678", "Asha")
        assert set(Contact.objects.values_list("customer", flat=True)) == {kept.pk}
        assert Conversation.objects.filter(state="open").count() == 1

    def test_one_number_on_two_channels_is_one_customer(self, whatsapp: Channel) -> None:
        sms = make_channel(agent=whatsapp.agent, kind="twilio")
        said(whatsapp, sender=person("254712345678", phone="+254712345678"))
        said(sms, sender=person("+254712345678", phone="+254712345678"))
        customer = Customer.objects.get()
        assert sorted(customer.conversations.values_list("channel", flat=True)) == ["sms", "whatsapp"]

    def test_the_same_address_with_another_team_is_somebody_else(self, whatsapp: Channel) -> None:
        other = make_channel(kind="whatsapp")
        for channel in (whatsapp, other):
            said(channel, sender=person("254712345678", phone="+254712345678"))
        assert len(set(Customer.objects.values_list("team", flat=True))) == 2


class TestMailThreads:
    """Where a mail belongs; the whole road of one is in test_walk_mail."""

    @pytest.fixture
    def mail(self, agent: Agent) -> Channel:
        return make_channel(agent=agent, kind="mailgun")

    def asha(self, channel: Channel, text: str = "Hello", **fields: Any) -> InboundMessage:
        return said(channel, text, **({"sender": person("asha@example.org"), "thread": "mail:1"} | fields))

    def test_somebody_else_who_knows_the_tag_joins_as_themselves(self, mail: Channel) -> None:
        row = self.asha(mail)
        tag = {"tag": row.conversation.public_id}
        joined = self.asha(mail, sender=person("ben@example.org"), thread="mail:2", facts=tag)
        assert joined.conversation == row.conversation
        owners = {each.address: each.customer for each in Contact.objects.all()}
        assert owners["asha@example.org"] != owners["ben@example.org"]
        event = Event.objects.get(type="email.replied")
        assert event.data["customer"]["id"] == owners["ben@example.org"].public_id

    @pytest.mark.parametrize("whose", ["agent", "team"])
    def test_the_tag_of_another_agent_leads_nowhere(self, mail: Channel, whose: str) -> None:
        foreign = make_conversation(channel="email", thread="mail:9")
        if whose == "agent":
            Agent.objects.filter(pk=foreign.agent_id).update(team=mail.agent.team)
        row = self.asha(mail, facts={"tag": foreign.public_id})
        assert row.conversation != foreign and not foreign.messages.exists()
        assert not Event.objects.filter(type="email.replied").exists()

    def test_a_bounce_finds_its_thread_by_the_mail_that_did_not_arrive(self, mail: Channel) -> None:
        row = self.asha(mail)
        replies_to(row, state="sent", provider_id="<rpl@mg.example.com>")
        bounce = said(
            mail,
            kind="bounce",
            sender=None,
            subject="Undelivered mail",
            thread="mail:3",
            target_id="<rpl@mg.example.com>",
        )
        assert (bounce.conversation, bounce.message.role) == (row.conversation, "system")
        assert bounce.message.text == "A mail could not be delivered: Undelivered mail"
        assert Turn.objects.count() == 1
