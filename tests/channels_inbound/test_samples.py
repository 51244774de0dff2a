"""Samples are genuine: what an adapter proves and reads of them is what it would of the provider's own."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from agents.models import Message
from channels_inbound import connecting, processing, receiving, samples
from channels_inbound.adapters import ADAPTERS
from channels_inbound.models import Channel, InboundMessage, InboundRequest, Refusal
from tests.channels_inbound.providers import path_of
from tests.factories import make_agent

pytestmark = pytest.mark.django_db(transaction=True)

FINISHED = [kind for kind, adapter in ADAPTERS.items() if kind in samples.SAMPLES and adapter.secrets]


def ready(kind: str) -> Channel:
    """A channel with made-up values wherever its adapter asks for one."""
    channel, _ = connecting.begin(agent=make_agent(), kind=kind, by="a test")
    adapter = channel.adapter
    wanted = {each.name: each.example for each in adapter.settings if each.is_required}
    given = {each.name: "whsec_0123456789abcdefghij" for each in adapter.secrets if not each.is_made_here}
    return connecting.change(channel, settings=wanted, secrets=given, by="a test")


def receive(channel: Channel, incoming: Any) -> receiving.Outcome:
    return receiving.receive(adapter=channel.adapter, channel=channel, incoming=incoming)


def test_every_kind_that_a_provider_calls_has_one():
    assert set(samples.SAMPLES) == set(ADAPTERS) - {"website"}


@pytest.mark.parametrize("kind", FINISHED)
def test_a_sample_is_accepted_and_says_the_text(kind):
    channel = ready(kind)
    outcome = receive(channel, samples.sample(channel, "Do you ship <b>&</b> deliver?"))
    assert (outcome.verdict, outcome.stored) == ("accepted", 1), outcome.reason
    [row] = InboundMessage.objects.all()
    assert InboundRequest.objects.get().secret_ref
    if kind == "stripe":
        assert row.facts["payment"]["metadata"] == {"note": "Do you ship <b>&</b> deliver?", "test": "yes"}
        assert row.facts["payment"]["livemode"] is False
    else:
        assert (row.kind, row.text, row.starts_agent) == ("message", "Do you ship <b>&</b> deliver?", True)
        assert set(row.facts["sender"]["addresses"]) <= samples.SENDERS


@pytest.mark.parametrize("kind", FINISHED)
def test_a_sample_takes_the_road_of_the_provider(kind):
    channel = ready(kind)
    made = samples.sample(channel, "Over the wire")
    response = Client().generic(
        "POST",
        path_of(channel),
        made.body,
        content_type=made.header("content-type"),
        headers={name: value for name, value in made.headers.items() if not name.startswith("content-")},
    )
    assert (response.status_code, InboundMessage.objects.count()) == (200, 1)


@pytest.mark.parametrize("kind", FINISHED)
def test_two_samples_are_two_and_one_twice_is_one(kind):
    channel = ready(kind)
    first, second = samples.sample(channel, "Same words"), samples.sample(channel, "Same words")
    assert [receive(channel, each).stored for each in (first, second)] == [1, 1]
    assert receive(channel, first).stored == 0


@pytest.mark.parametrize("kind", FINISHED)
def test_a_sample_made_with_another_secret_is_refused(kind):
    stranger, channel = ready(kind), ready(kind)
    name = next(each.name for each in channel.adapter.secrets if each.is_required)
    value = "whsec_" + "A" * 43 + "=" if kind == "generic" else "whsec_another0secret00of00mine"
    connecting.rotate_secret(stranger, name, value, by="a test")
    stranger.refresh_from_db()
    forged = replace(samples.sample(stranger, "I am not who I say"), url=channel.inbound_url)
    assert receive(channel, forged).verdict == "refused"
    assert Refusal.objects.filter(channel=channel).count() == 1
    assert not InboundMessage.objects.exists()


def test_without_a_secret_there_is_no_sample():
    channel, _ = connecting.begin(agent=make_agent(), kind="stripe", by="a test")
    with pytest.raises(samples.NoSample, match="Signing secret"):
        samples.sample(channel, "Hello")


def test_the_widget_has_none():
    channel, _ = connecting.begin(agent=make_agent(), kind="website", by="a test")
    with pytest.raises(samples.NoSample, match="page of yours"):
        samples.sample(channel, "Hello")


def test_a_sample_becomes_a_line_of_a_conversation(settings):
    settings.INBOUND_DEBOUNCE = 0
    channel = ready("generic")
    receive(channel, samples.sample(channel, "Hello there"))
    processing.work_off()
    assert Message.objects.get(role="customer").text == "Hello there"
    assert InboundMessage.objects.get().state == "done"
