"""Edits, deletions, reactions, receipts and echoes: what is told about messages that are there already."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from agents.models import Agent, Feedback, Turn
from channels_inbound import media, processing
from channels_inbound.adapters.base import Attachment as File
from channels_inbound.models import Attachment, Channel, InboundMessage, InboundRequest, Reply
from tests.channels_inbound.arriving import again, ago, answered, arrive, person, replies_to, said, texts, work
from tests.channels_inbound.providers import make_channel
from webhooks.models import Event

pytestmark = pytest.mark.django_db


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


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_overtakes_its_message_waits_for_it(whatsapp: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion may stand under another key than the message, so that another worker takes it meanwhile."""
    row = arrive(whatsapp, "Card 4242")
    gone = arrive(whatsapp, "", kind="message_deleted", sender=person("other"), target_id=row.provider_id)
    is_in, real = threading.Event(), processing.STEPS["message"]

    def slowly(message: InboundMessage) -> Any:
        step = real(message)
        is_in.set()
        time.sleep(0.5)
        return step

    monkeypatch.setitem(processing.STEPS, "message", slowly)

    def say() -> None:
        processing.work_on(whatsapp.pk, row.thread_key)
        connection.close()

    speaking = threading.Thread(target=say)
    speaking.start()
    assert is_in.wait(10)
    processing.work_on(whatsapp.pk, gone.thread_key)
    speaking.join()
    assert texts(whatsapp) == ["(The sender deleted this message.)"]
    assert (again(row).state, row.text, again(gone).state) == ("done", "", "done")
