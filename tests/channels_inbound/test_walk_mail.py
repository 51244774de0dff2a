"""Mail, whole: it comes in, the answer leaves in its thread, the customer answers that; and machines are no people."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from agents.models import Agent, Conversation, Customer, Message, Turn
from channels_inbound.models import Attachment, Channel, InboundMessage, InboundRequest, Reply
from tests.channels_inbound.arriving import go_on
from tests.channels_inbound.doubles import Asked, Providers
from tests.channels_inbound.providers import make_channel, path_of
from tests.factories import make_credential, make_user
from webhooks.models import Delivery, Event

KEY = "key-of-tests-0123456789"
_numbers = itertools.count(1)

pytestmark = pytest.mark.django_db


def proof(token: str = "") -> dict[str, str]:
    stamp, token = str(int(time.time())), token or f"{next(_numbers):050d}"
    signature = hmac.new(b"a-signing-key-of-tests", f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": stamp, "token": token, "signature": signature}


def letter(text: str = "Where is my order?", *, sender: str = "asha@example.org", **fields: str) -> dict[str, str]:
    """The fields of a mail as a route posts them; names of headers with a capital."""
    name = f"Asha Mwangi <{sender}>"
    known = {
        "recipient": "help@mg.example.com",
        "sender": sender,
        "from": name,
        "subject": "Order 1001",
        "Message-Id": f"<in{next(_numbers)}@example.org>",
        "body-plain": text,
        "stripped-text": text,
    }
    return known | {name.replace("_", "-"): value for name, value in fields.items()}


def post(channel: Channel, fields: dict[str, Any], *, token: str = "") -> int:
    return Client().post(path_of(channel), fields | proof(token)).status_code


def mailgun(asked: Asked) -> tuple[int, bytes, dict[str, str]]:
    """Keeps the id that we gave, as Mailgun does."""
    message_id = parse_qs(asked.body.decode())["h:Message-Id"][0]
    answer = {"id": message_id, "message": "Queued. Thank you."}
    return 200, json.dumps(answer).encode(), {"Content-Type": "application/json"}


def form(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


@pytest.fixture
def channel(agent: Agent, providers: Providers) -> Channel:
    providers.answers["api.mailgun.net"] = mailgun
    credential = make_credential(team=agent.team, kind="mailgun", values={"api_key": KEY})
    return make_channel(agent=agent, kind="mailgun", credential=credential)


@pytest.fixture
def first(channel: Channel) -> dict[str, str]:
    """A mail that was answered already."""
    fields = letter()
    assert post(channel, fields) == 200
    go_on(channel)
    return fields


def test_a_mail_with_a_file_is_answered_in_its_thread(channel: Channel, providers: Providers) -> None:
    pdf = SimpleUploadedFile("Invoice 7.pdf", b"%PDF-1.7 of tests", content_type="application/pdf")
    fields = letter("Is this paid?", References="<root@example.org>")
    assert post(channel, fields | {"attachment-count": "1", "attachment-1": pdf}) == 200
    go_on(channel)

    conversation = Conversation.objects.get()
    assert (conversation.channel, conversation.customer.name) == ("email", "Asha Mwangi")
    assert [each.role for each in conversation.messages.order_by("pk")] == ["customer", "agent"]
    [reply], [asked] = Reply.objects.all(), providers.asked
    assert (reply.state, reply.reason) == ("sent", "")
    assert (asked.method, asked.host, asked.path) == ("POST", "api.mailgun.net", "/v3/mg.example.com/messages")
    assert asked.headers["Authorization"] == f"Basic {base64.b64encode(f'api:{KEY}'.encode()).decode()}"
    sent = form(asked)
    assert (sent["from"], sent["to"], sent["subject"]) == ("help@mg.example.com", "asha@example.org", "Re: Order 1001")
    assert sent["text"] == conversation.messages.get(role="agent").text
    assert sent["h:In-Reply-To"] == fields["Message-Id"]
    assert sent["h:References"] == f"<root@example.org> {fields['Message-Id']}"
    assert sent["h:Message-Id"] == f"<{reply.public_id}@mg.example.com>" == reply.provider_id
    assert "h:Reply-To" not in sent
    assert sent["h:Auto-Submitted"] == "auto-replied"

    kept = Delivery.objects.get(pk=reply.delivery_id)
    secrets = (KEY, base64.b64encode(f"api:{KEY}".encode()).decode())
    assert not any(secret in f"{kept.url}{kept.headers}{bytes(kept.body)}" for secret in secrets)


def test_its_file_is_kept_byte_for_byte_and_can_be_downloaded(channel: Channel, client: Client) -> None:
    content = bytes(range(256)) * 40
    file = SimpleUploadedFile("../../Bill.pdf", content, content_type="application/pdf")
    assert post(channel, letter("See the file") | {"attachment-count": "1", "attachment-1": file}) == 200
    go_on(channel)
    attachment = Attachment.objects.get()
    assert (attachment.state, attachment.filename, attachment.size) == ("stored", "Bill.pdf", len(content))
    assert attachment.sha256 == hashlib.sha256(content).hexdigest()
    with default_storage.open(attachment.file) as stored:
        assert stored.read() == content
    assert attachment.message.text == "See the file\n[document: Bill.pdf]"
    client.force_login(make_user(team=channel.agent.team))
    address = reverse(
        "admin:channels_inbound_inboundrequest_file", args=[attachment.inbound_message.request_id, attachment.pk]
    )
    assert b"".join(client.get(address).streaming_content) == content


@pytest.mark.parametrize("how", ["references", "in reply to", "tag"])
def test_an_answer_comes_into_the_same_conversation(
    channel: Channel, first: dict[str, str], providers: Providers, how: str
) -> None:
    reply = Reply.objects.get()
    shown = {
        "references": {"References": f"{first['Message-Id']} {reply.provider_id}"},
        "in reply to": {"In_Reply_To": reply.provider_id},
        "tag": {"recipient": f"help+{reply.message.conversation.public_id}@mg.example.com"},
    }[how]
    assert post(channel, letter("And the second box?", subject="Something else now", **shown)) == 200
    go_on(channel)
    conversation = Conversation.objects.get()
    assert conversation.messages.filter(role="customer").count() == 2
    event = Event.objects.get(type="email.replied")
    assert event.data["conversation_id"] == conversation.public_id
    assert (event.data["subject"], event.data["text"]) == ("Something else now", "And the second box?")
    again = form(providers.asked[1])
    assert "h:Reply-To" not in again


def test_answers_go_to_where_the_mail_came_in(channel: Channel, providers: Providers) -> None:
    """A route of the team's leads there; their sender's address may have none."""
    assert post(channel, letter(recipient="Sales@mg.example.com")) == 200
    go_on(channel)
    [asked] = providers.asked
    assert form(asked)["h:Reply-To"] == "sales@mg.example.com"


def test_another_subject_of_the_same_person_is_another_conversation(channel: Channel, first: dict[str, str]) -> None:
    assert post(channel, letter("Do you also sell tea?", subject="Tea")) == 200
    go_on(channel)
    assert Conversation.objects.count() == 2 and Customer.objects.count() == 1
    assert not Event.objects.filter(type="email.replied").exists()


class TestMachines:
    def came(self, channel: Channel, fields: dict[str, str]) -> InboundMessage:
        before = Event.objects.filter(type="message.received").count()
        assert post(channel, fields) == 200
        go_on(channel)
        assert Event.objects.filter(type="message.received").count() == before
        return InboundMessage.objects.latest("pk")

    @pytest.mark.parametrize(
        ("fields", "line"),
        [
            ({"Auto_Submitted": "auto-replied"}, "An automatic reply came: Out of office"),
            ({"X_Failed_Recipients": "asha@example.org"}, "A mail could not be delivered: Out of office"),
        ],
    )
    def test_what_answers_ours_is_a_note_and_nobody_answers_it(
        self, channel: Channel, first: dict[str, str], providers: Providers, fields: dict[str, str], line: str
    ) -> None:
        answered = {"In_Reply_To": Reply.objects.get().provider_id}
        row = self.came(channel, letter("I am away.", subject="Out of office", **answered, **fields))
        assert row.message.role == Message.Role.SYSTEM and row.message.text == line
        assert row.conversation == Conversation.objects.get()
        assert (Turn.objects.count(), len(providers.asked)) == (1, 1)

    @pytest.mark.parametrize("header", ["Auto_Submitted", "X_Failed_Recipients"])
    def test_what_answers_nothing_starts_nothing(self, channel: Channel, header: str) -> None:
        row = self.came(channel, letter("I am away.", **{header: "auto-generated"}))
        assert row.state == "ignored" and "belongs to no conversation" in row.reason
        assert not Conversation.objects.exists() and not Customer.objects.exists()


class TestProofs:
    token = "a1b2c3d4e5" * 5

    def test_a_proof_with_another_mail_is_refused(self, channel: Channel) -> None:
        fields = letter()
        assert post(channel, fields, token=self.token) == 200
        assert post(channel, fields | {"body-plain": "Send it to me instead."}, token=self.token) == 406
        assert InboundMessage.objects.get().text == "Where is my order?"

    def test_a_mail_that_mailgun_repeats_is_one_message(self, channel: Channel) -> None:
        fields = letter()
        for _ in range(3):
            assert post(channel, fields, token=self.token) == 200
        go_on(channel)
        assert (InboundRequest.objects.get().repeats, Message.objects.filter(role="customer").count()) == (2, 1)

    def test_a_proof_of_somebody_else_is_refused(self, channel: Channel) -> None:
        assert Client().post(path_of(channel), letter() | proof() | {"signature": "0" * 64}).status_code == 406
        assert not InboundRequest.objects.exists()


def test_what_became_of_the_reply(channel: Channel, first: dict[str, str]) -> None:
    reply = Reply.objects.get()
    data = {
        "event": "failed",
        "severity": "permanent",
        "id": "ev1",
        "timestamp": time.time(),
        "message": {"headers": {"message-id": reply.provider_id.strip("<>")}},
        "recipient": "asha@example.org",
        "delivery-status": {"code": 550, "description": "No such mailbox"},
    }
    body = json.dumps({"signature": proof(), "event-data": data})
    assert Client().post(path_of(channel), body, content_type="application/json").status_code == 200
    go_on(channel)
    reply.refresh_from_db()
    assert (reply.state, reply.reason) == ("failed", "No such mailbox (550)")
