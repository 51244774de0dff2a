"""Channels for people: what arrived, reading it again, and what is kept of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from channels_inbound import processing
from channels_inbound.models import InboundMessage, InboundRequest
from tests.channels_inbound.channel_admin.pages import REQUESTS, arrive, quarantined, text
from tests.channels_inbound.providers import make_channel

pytestmark = pytest.mark.django_db(transaction=True)


def request_page(row: InboundRequest) -> str:
    return reverse("admin:channels_inbound_inboundrequest_change", args=[row.pk])


def test_a_request_is_shown_as_it_came_and_what_was_in_it(client, agent):
    channel = make_channel(agent=agent, kind="sozuri")
    row = arrive(channel, "<script>alert(1)</script> \u202etricky")
    response = client.get(request_page(row))
    said = text(response)
    assert "<script>alert(1)</script>" not in response.content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response.content.decode()
    assert "a-sozuri-key-of-tests" not in response.content.decode()
    assert "\\u202e" in said
    assert "1 thing was found in it" in said
    assert f"Proved byAuth Key {'•' * 8}ests" in said


def test_requests_are_found_by_their_ids(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    first, second = arrive(channel, "one"), arrive(channel, "two")
    message = InboundMessage.objects.get(request=second)
    for term in (second.public_id, message.provider_id):
        listed = client.get(REQUESTS, {"q": term}).content.decode()
        assert (second.public_id in listed, first.public_id in listed) == (True, False)


def test_requests_are_filtered(client, agent):
    channel, other = make_channel(agent=agent, kind="generic"), make_channel(agent=agent, kind="stripe")
    old, bad, elsewhere = arrive(channel), quarantined(channel), quarantined(other)
    InboundRequest.objects.filter(pk=old.pk).update(received_at=timezone.now() - timedelta(hours=5))
    everything = {old.public_id, bad.public_id, elsewhere.public_id}
    for query, found in (
        ({"state__exact": "quarantined"}, {bad.public_id, elsewhere.public_id}),
        ({"channel__id__exact": channel.pk}, {old.public_id, bad.public_id}),
        ({"received": "hour"}, {bad.public_id, elsewhere.public_id}),
        ({"received": "nonsense"}, everything),
    ):
        listed = client.get(REQUESTS, query).content.decode()
        assert {each for each in everything if each in listed} == found, query


def test_a_replay_reads_it_again_and_answers_nobody_twice(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    row = arrive(channel)
    replay = reverse("admin:channels_inbound_inboundrequest_replay", args=[row.pk])
    assert "Everything in it was known already" in text(client.post(replay, follow=True))
    assert client.get(replay).status_code == 405
    assert InboundMessage.objects.count() == 1


def test_a_request_whose_body_is_gone_is_not_read_again(client, agent):
    row = arrive(make_channel(agent=agent, kind="generic"))
    InboundRequest.objects.filter(pk=row.pk).update(body=b"", reason="The sender deleted a message of this request.")
    said = text(client.get(request_page(row)))
    assert "It is not kept any more." in said
    assert "The sender deleted a message of this request." in said
    replay = reverse("admin:channels_inbound_inboundrequest_replay", args=[row.pk])
    assert "cannot be read again" in text(client.post(replay, follow=True))
    row.refresh_from_db()
    assert (row.state, row.found) == ("accepted", 1)


def test_a_request_in_quarantine_is_read_once_it_can_be(client, agent, monkeypatch):
    channel = make_channel(agent=agent, kind="generic")

    def breaks(*_: Any) -> Any:
        raise KeyError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(type(channel.adapter), "parse", breaks)
        row = arrive(channel)
    assert row.state == "quarantined"
    said = text(client.get(request_page(row)))
    assert "could not be read: We could not read this request." in said
    data = {"action": "replay_selected", "_selected_action": [row.pk]}
    asked = client.post(REQUESTS, data)
    assert "Replay 1 request?" in text(asked)
    assert not InboundMessage.objects.exists()
    done = client.post(REQUESTS, data | {"confirmed": "yes"}, follow=True)
    assert "1 request read again, 1 new thing found." in text(done)
    row.refresh_from_db()
    assert (row.state, row.found) == ("accepted", 1)


def test_too_many_at_once_are_not_replayed(client, agent, monkeypatch):
    from channels_inbound.admin import requests

    monkeypatch.setattr(requests, "MOST_AT_ONCE", 1)
    channel = make_channel(agent=agent, kind="generic")
    rows = [quarantined(channel), quarantined(channel)]
    data = {"action": "replay_selected", "_selected_action": [row.pk for row in rows], "confirmed": "yes"}
    assert "at most 1 requests at a time" in text(client.post(REQUESTS, data, follow=True))


def test_a_message_that_failed_is_tried_again(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    row = arrive(channel, work=False)
    message = row.messages.get()
    InboundMessage.objects.filter(pk=message.pk).update(state="failed", reason="It broke.", attempts=5)
    assert "It broke." in text(client.get(request_page(row)))
    url = reverse("admin:channels_inbound_inboundrequest_retry", args=[row.pk, message.pk])
    assert "It waits for a worker again." in text(client.post(url, follow=True))
    processing.work_off()
    message.refresh_from_db()
    assert message.state == "done"


def test_requests_cannot_be_typed_into(client, agent):
    row = arrive(make_channel(agent=agent, kind="generic"))
    assert client.post(request_page(row), {"state": "accepted"}).status_code == 405
    assert client.get(f"{REQUESTS}add/").status_code == 403
    assert client.post(f"{REQUESTS}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert InboundRequest.objects.count() == 1
