"""Channels for people: what a conversation, the start page and the agent show of them."""

import re
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from agents.models import Conversation
from channels_inbound import connecting
from channels_inbound.models import Attachment, InboundMessage, InboundRequest, Reply
from tests.channels_inbound.channel_admin.pages import arrive, quarantined, text
from tests.channels_inbound.providers import make_channel
from tests.factories import make_conversation

pytestmark = pytest.mark.django_db(transaction=True)


def attachment(row: InboundRequest, content: bytes = b"<script>1</script>", **fields: Any) -> Attachment:
    message = row.messages.get()
    name = default_storage.save("inbound/one", ContentFile(content))
    facts = {"position": 0, "kind": "document", "filename": "offer.html", "mime_type": "text/html", "file": name}
    return Attachment.objects.create(
        inbound_message=message, message=message.message, state="stored", size=len(content), **(facts | fields)
    )


def test_a_file_is_a_download_and_nothing_else(client, agent):
    row = arrive(make_channel(agent=agent, kind="generic"))
    file = attachment(row, filename='of"fer\r\nX-Evil: 1.html')
    response = client.get(reverse("admin:channels_inbound_inboundrequest_file", args=[row.pk, file.pk]))
    assert b"".join(response.streaming_content) == b"<script>1</script>"
    assert response["Content-Disposition"].startswith("attachment; filename")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "X-Evil" not in response


def test_a_file_of_another_request_or_team_is_not_found(client, agent):
    mine, other = arrive(make_channel(agent=agent, kind="generic")), arrive(make_channel(kind="generic"))
    file = attachment(other)
    for row in (mine, other):
        url = reverse("admin:channels_inbound_inboundrequest_file", args=[row.pk, file.pk])
        assert client.get(url).status_code == 404


def test_a_transcript_shows_files_and_what_became_of_replies(client, agent):
    channel = make_channel(agent=agent, kind="whatsapp")
    row = arrive(channel)
    file = attachment(row)
    conversation = Conversation.objects.get()
    said = conversation.say(role="agent", text="We do.")
    facts = {"message": said, "channel": channel, "address": "1202", "text": "We do."}
    Reply.objects.create(**facts, part=0, state="read")
    Reply.objects.create(**facts, part=1, state="failed", reason="This number has no WhatsApp.")
    shown = client.get(reverse("admin:agents_conversation_change", args=[conversation.pk]))
    assert "WhatsApp, part 1 of 2: read," in text(shown)
    assert re.search(r"WhatsApp, part 2 of 2: not delivered, \d\d:\d\d. This number has no WhatsApp.", text(shown))
    download = reverse("admin:channels_inbound_inboundrequest_file", args=[row.pk, file.pk])
    assert download in shown.content.decode()


def test_a_transcript_costs_the_same_with_many_replies(client, agent, django_assert_max_num_queries):
    channel = make_channel(agent=agent, kind="whatsapp")
    conversation = make_conversation(agent=agent, channel="whatsapp")
    for n in range(20):
        said = conversation.say(role="agent", text=f"Line {n}")
        Reply.objects.create(message=said, channel=channel, address="1", text="x", state="sent")
    with django_assert_max_num_queries(22):
        assert (
            text(client.get(reverse("admin:agents_conversation_change", args=[conversation.pk]))).count("sent,") == 20
        )


def test_conversations_are_filtered_by_channel(client, agent):
    make_conversation(agent=agent, channel="whatsapp")
    listed = client.get("/admin/agents/conversation/?channel=whatsapp")
    assert "WhatsApp" in text(listed)
    assert "1 conversation" in text(listed)


def test_the_start_page_names_what_needs_a_look(client, agent):
    works = make_channel(agent=agent, kind="stripe")
    connecting.begin(agent=agent, kind="whatsapp", by="Asha")
    said = text(client.get("/admin/"))
    assert "WhatsApp of Helper: refuses everything. It waits for “App secret”." in said
    assert "Stripe of Helper" not in said
    quarantined(works)
    failed = arrive(works, work=False)
    InboundMessage.objects.filter(request=failed).update(state="failed")
    said = text(client.get("/admin/"))
    assert "1 inbound request could not be read" in said
    assert "Stripe of Helper: something that arrived could not be worked off" in said
    quarantined(make_channel(kind="stripe"))
    assert "1 inbound request could not be read" in text(client.get("/admin/"))


def test_the_agent_has_a_tab_for_its_channels(client, agent):
    shown = client.get(reverse("admin:agents_agent_tools", args=[agent.pk])).content.decode()
    assert f"/admin/channels_inbound/channel/?agent__id__exact={agent.pk}" in shown
