"""Channels for people: trying one, replacing its secrets, and disconnecting it."""

import pytest
from django.urls import reverse

from agents.models import Conversation
from channels_inbound import connecting, processing, samples
from channels_inbound.adapters.base import Incoming
from channels_inbound.admin import trying
from channels_inbound.models import Channel, InboundRequest, Refusal
from tests.channels_inbound.channel_admin.pages import LIST, arrive, page, press, text
from tests.channels_inbound.providers import make_channel

pytestmark = pytest.mark.django_db(transaction=True)


# --- trying ----------------------------------------------------------------------------------------------------------


def test_a_test_takes_the_real_road_and_says_what_became_of_it(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    said = text(press(client, "test", channel, text="Do you ship to Kisumu?"))
    assert "accepted The request proved itself" in said
    assert "waits Message" in said
    processing.work_off()
    kept = InboundRequest.objects.get()
    again = client.get(f"{page(channel)}?tested={kept.pk}")
    assert "done Message" in text(again)
    conversation = Conversation.objects.get()
    assert reverse("admin:agents_conversation_change", args=[conversation.pk]) in again.content.decode()


def test_a_test_of_a_channel_that_is_off_or_has_no_secret_is_not_sent(client, agent):
    channel = make_channel(agent=agent, kind="stripe", secrets={})
    assert "Nothing can be signed without the secret “Signing secret”" in text(press(client, "test", channel))
    connecting.switch_off(channel, by="Asha")
    assert "The channel is switched off" in text(press(client, "test", channel))
    assert not InboundRequest.objects.exists()


def test_a_refused_test_says_why(agent, monkeypatch):
    channel = make_channel(agent=agent, kind="stripe")
    monkeypatch.setattr(samples, "sample", lambda channel, text: Incoming(body=b"{}"))
    tried = trying.try_out(channel, "Hello")
    assert (tried.word, tried.tone) == ("refused", "bad")
    assert tried.sentence == Refusal.WORDS["no_signature"]


def test_a_test_of_another_channel_is_not_shown(client, agent):
    mine = make_channel(agent=agent, kind="generic")
    other = arrive(make_channel(kind="generic"), "alpha words")
    for tested in (other.pk, "0", "x", "9" * 30, "²"):
        assert "alpha words" not in text(client.get(f"{page(mine)}?tested={tested}"))


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_made_here_is_replaced_and_shown_once(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    shown = press(client, "rotate", channel, "signing_secret", value="", overlap="24")
    channel.refresh_from_db()
    new, old = channel.connection().valid("signing_secret")
    assert new.value in text(shown)
    assert old.value not in shown.content.decode()
    later = client.get(page(channel))
    assert new.value not in later.content.decode()
    assert "End the old one now" in text(later)
    press(client, "end_old", channel)
    channel.refresh_from_db()
    assert channel.connection().valid("signing_secret") == [new]


def test_a_secret_of_the_provider_is_replaced_and_never_shown(client, agent):
    channel = make_channel(agent=agent, kind="stripe")
    response = client.post(
        reverse("admin:channels_inbound_channel_rotate", args=[channel.pk, "signing_secret"]),
        {"value": "whsec_fedcba9876543210", "overlap": "0"},
        follow=True,
    )
    assert "whsec_fedcba9876543210" not in response.content.decode()
    channel.refresh_from_db()
    assert [one.value for one in channel.connection().valid("signing_secret")] == ["whsec_fedcba9876543210"]


def test_a_secret_that_does_not_fit_is_refused_with_its_reason(client, agent):
    channel = make_channel(agent=agent, kind="stripe")
    url = reverse("admin:channels_inbound_channel_rotate", args=[channel.pk, "signing_secret"])
    assert "does not look like it" in text(client.post(url, {"value": "sk_live_1234567890"}, follow=True))
    assert "copy it from there" in text(client.post(url, {"value": ""}, follow=True))
    assert press(client, "rotate", channel, "no-such-secret").status_code == 404


# --- the end ---------------------------------------------------------------------------------------------------------


def test_disconnecting_wants_the_name_of_the_agent(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    arrive(channel)
    address = reverse("admin:channels_inbound_channel_delete", args=[channel.pk])
    assert "1 inbound request goes with the channel" in text(client.get(address))
    assert "That is not the name" in text(client.post(address, {"name": "helper"}))
    assert Channel.objects.count() == 1
    assert "is disconnected" in text(client.post(address, {"name": "Helper"}, follow=True))
    assert not Channel.objects.exists()
    assert Conversation.objects.count() == 1


def test_channels_are_never_deleted_by_the_list(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    client.post(LIST, {"action": "delete_selected", "_selected_action": [channel.pk], "post": "yes"})
    assert Channel.objects.count() == 1
