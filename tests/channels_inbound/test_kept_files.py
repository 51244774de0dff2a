"""What lies in the file store belongs to a row; clocks that are ahead, deletions and readings again do no harm."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from agents.models import Turn
from channels_inbound import media, processing, receiving
from channels_inbound.models import Attachment, Channel, InboundMessage, InboundRequest
from tests.channels_inbound.providers import make_channel, path_of, whatsapp_body, whatsapp_text
from tests.channels_inbound.test_receiving import post
from tests.factories import make_credential

pytestmark = pytest.mark.django_db


def files(channel: Channel) -> int:
    try:
        return len(default_storage.listdir(f"inbound/{channel.public_id}")[1])
    except FileNotFoundError:
        return 0


def mail(channel: Channel, *, token: str, text: str = "Hello", id: str = "<1@example.org>") -> int:
    import hashlib
    import hmac

    from django.core.files.uploadedfile import SimpleUploadedFile

    stamp = str(int(time.time()))
    signature = hmac.new(b"a-signing-key-of-tests", (stamp + token).encode(), hashlib.sha256).hexdigest()
    fields: dict[str, Any] = {
        "recipient": "help@mg.example.com",
        "sender": "asha@example.org",
        "from": "Asha <asha@example.org>",
        "subject": "Hello",
        "body-plain": text,
        "Message-Id": id,
        "message-headers": json.dumps([["Message-Id", id], ["From", "Asha <asha@example.org>"]]),
        "attachment-count": "1",
        "attachment-1": SimpleUploadedFile("receipt.pdf", b"%PDF" * 1000, "application/pdf"),
        "timestamp": stamp,
        "token": token,
        "signature": signature,
    }
    return Client().post(path_of(channel), fields).status_code


def test_a_mail_that_comes_again_or_is_refused_leaves_no_file_behind() -> None:
    channel = make_channel(kind="mailgun")
    token = "a" * 50
    assert mail(channel, token=token) == 200
    assert files(channel) == 1
    assert mail(channel, token="b" * 50) == 200
    assert mail(channel, token=token, text="Something else") == 406
    assert (files(channel), InboundMessage.objects.count()) == (1, 1)


def test_a_clock_that_is_ahead_does_not_silence_who_comes_after(whatsapp: Channel) -> None:
    ahead = str(int(time.time()) + 3 * 3600)
    post(whatsapp, whatsapp_body(whatsapp_text("From tomorrow", timestamp=ahead)))
    first = InboundMessage.objects.get()
    assert first.occurred_at <= datetime.now(UTC) + timedelta(seconds=1)
    processing.work_on(whatsapp.pk, first.thread_key)
    Turn.objects.update(state="done")
    post(whatsapp, whatsapp_body(whatsapp_text("And now?")))
    processing.work_on(whatsapp.pk, first.thread_key)
    assert Turn.objects.count() == 2


def test_what_was_deleted_in_the_same_breath_is_not_answered() -> None:
    channel = make_channel(kind="instagram")
    said = {"sender": {"id": "5678"}, "recipient": {"id": "1234567890"}, "timestamp": int(time.time() * 1000)}
    for message in ({"mid": "m_1", "text": "Oops"}, {"mid": "m_1", "is_deleted": True}):
        body = json.dumps(
            {"object": "instagram", "entry": [{"id": "1234567890", "messaging": [said | {"message": message}]}]}
        ).encode()
        assert post(channel, body).status_code == 200
    for thread in set(InboundMessage.objects.values_list("thread_key", flat=True)):
        processing.work_on(channel.pk, thread)
    assert InboundMessage.objects.filter(kind="message").get().text == ""
    assert not Turn.objects.exists()


def test_what_was_set_aside_is_found_when_it_is_read_again(whatsapp: Channel) -> None:
    whatsapp.settings = {"phone_number_id": "999"}
    whatsapp.save()
    post(whatsapp, whatsapp_body(whatsapp_text("Hello", id="wamid.1")))
    assert [each.kind for each in InboundMessage.objects.all()] == ["unsupported"]
    whatsapp.settings = {"phone_number_id": "1234567890"}
    whatsapp.save()
    request = InboundRequest.objects.select_related("channel__agent").get()
    assert receiving.replay(request).stored == 1
    assert [each.text for each in InboundMessage.objects.all()] == ["Hello"]
    assert receiving.replay(request).stored == 0


def test_a_picture_with_an_address_and_an_id_is_the_picture(whatsapp: Channel, providers: Any) -> None:
    whatsapp.credential = make_credential(team=whatsapp.agent.team, kind="whatsapp", values={"access_token": "EAAG-x"})
    whatsapp.save()
    told = {"url": "https://lookaside.fbsbx.com/media/1", "mime_type": "image/jpeg", "id": "65463453"}
    providers.answers["graph.facebook.com"] = lambda asked: (200, json.dumps(told).encode(), {})
    providers.answers["lookaside.fbsbx.com"] = lambda asked: (200, b"JPEG", {"Content-Type": "image/jpeg"})
    image = {"id": "65463453", "mime_type": "image/jpeg", "url": "https://lookaside.fbsbx.com/media/1?short=lived"}
    message = whatsapp_text("", type="image", image=image)
    del message["text"]
    post(whatsapp, whatsapp_body(message))
    processing.work_on(whatsapp.pk, InboundMessage.objects.get().thread_key)
    media.fetch_waiting()
    stored = Attachment.objects.get()
    with default_storage.open(stored.file) as file:
        assert (stored.state, file.read()) == ("stored", b"JPEG")


def test_a_provider_that_is_busy_is_asked_for_a_file_again(whatsapp: Channel, providers: Any) -> None:
    whatsapp.credential = make_credential(team=whatsapp.agent.team, kind="whatsapp", values={"access_token": "EAAG-x"})
    whatsapp.save()
    providers.answers["graph.facebook.com"] = lambda asked: (503, b"", {})
    message = whatsapp_text("", type="image", image={"id": "65463453", "mime_type": "image/jpeg"})
    del message["text"]
    post(whatsapp, whatsapp_body(message))
    row = InboundMessage.objects.get()
    processing.work_on(whatsapp.pk, row.thread_key)
    media.fetch_waiting()
    assert Attachment.objects.get().state == "pending"
    InboundMessage.objects.update(received_at=datetime.now(UTC) - timedelta(hours=1))
    Attachment.objects.update(lease_until=None)
    media.fetch_waiting()
    assert (Attachment.objects.get().state, Attachment.objects.get().reason) == (
        "refused",
        "The provider answered 503.",
    )
