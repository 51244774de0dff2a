"""Setting channels up: what is taken and what is not, secrets and their rotation, the events, and the end."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from agents.models import Conversation
from channels_inbound import connecting, processing, receiving, samples
from channels_inbound.adapters import ADAPTERS
from channels_inbound.connecting import ConnectRefused
from channels_inbound.models import Attachment, Channel, Contact, InboundMessage, InboundRequest, Refusal
from tests.factories import make_agent, make_credential
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

STRIPE = {"signing_secret": "whsec_0123456789abcdef"}


def told() -> list[tuple[str, str, str]]:
    rows = Event.objects.filter(type__in=["channel.connected", "channel.disconnected"]).order_by("pk")
    return [(one.type, one.data["channel"], one.data["reason"]) for one in rows]


def connect(**given: Any) -> Channel:
    known = {"agent": make_agent(), "kind": "stripe", "settings": {}, "secrets": STRIPE, "by": "Asha"}
    return connecting.connect(**(known | given))[0]


def refusal(call: Any, *args: Any, **given: Any) -> dict[str, str]:
    with pytest.raises(ConnectRefused) as refused:
        call(*args, **given)
    return refused.value.fields


# --- setting up ------------------------------------------------------------------------------------------------------


def test_a_channel_with_everything_is_ready_and_told():
    credential_of = make_agent()
    credential = make_credential(team=credential_of.team, kind="whatsapp", values={"access_token": "EAAG"})
    channel, made = connecting.connect(
        agent=credential_of,
        kind="whatsapp",
        settings={"phone_number_id": "  106540352242922 ", "number": ""},
        secrets={"app_secret": " an-app-secret \n"},
        credential=credential,
        by="Asha",
    )
    channel.refresh_from_db()
    assert channel.settings == {"phone_number_id": "106540352242922"}
    assert channel.credential == credential
    assert [one.value for one in channel.connection().valid("app_secret")] == ["an-app-secret"]
    assert [one.value for one in channel.connection().valid("verify_token")] == [made["verify_token"]]
    assert told() == [("channel.connected", "whatsapp", "Set up by Asha.")]


def test_every_fault_has_a_sentence_and_nothing_is_stored():
    agent = make_agent()
    faults = refusal(
        connecting.connect,
        agent=agent,
        kind="whatsapp",
        settings={"number": "x" * 501, "colour": "red"},
        secrets={"verify_token": "short", "password": "12345678"},
        credential=make_credential(team=agent.team),
        by="Asha",
    )
    assert set(faults) == {
        *("settings/number", "settings/colour", "settings/phone_number_id"),
        *("secrets/verify_token", "secrets/password", "secrets/app_secret", "credential"),
    }
    assert faults["secrets/verify_token"] == "It has to have at least 8 characters."
    assert faults["credential"] == "Choose a credential of the kind WhatsApp Business."
    assert not Channel.objects.exists()
    assert told() == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("short", "does not look like it"),
        ("x" * 513, "may have 512"),
        ("whsec_0123456789\x00abcdef", "cannot be seen"),
        ("whsec_0123456789\u202eabcdef", "cannot be seen"),
        ("sk_live_0123456789abcdef", "does not look like it"),
        (12345678, "has to be a text"),
        (["whsec_0123456789abcdef"], "has to be a text"),
    ],
)
def test_a_secret_that_is_not_one_is_refused(value, words):
    faults = refusal(connect, secrets={"signing_secret": value})
    assert set(faults) == {"secrets/signing_secret"}
    assert words in faults["secrets/signing_secret"]


@pytest.mark.parametrize("value", ["no\x00pe", "no\x07pe", "no\u200bpe", 7, ["live"], {"a": 1}])
def test_a_setting_that_cannot_be_shown_is_refused(value):
    assert set(refusal(connect, settings={"livemode": value})) == {"settings/livemode"}


def test_several_lines_are_kept_as_one():
    channel = connect(kind="website", settings={"domains": "www.example.com,\r\n\r\n shop.example.com\n"}, secrets={})
    assert channel.settings == {"domains": "www.example.com, shop.example.com"}


def test_a_credential_of_another_team_is_not_known():
    stranger = make_credential(team=make_agent().team, kind="slack")
    secrets = {"signing_secret": "a-signing-secret"}
    faults = refusal(connect, kind="slack", secrets=secrets, credential=stranger)
    assert faults == {"credential": "There is no such credential in this team."}


def test_an_agent_has_one_channel_of_a_kind():
    channel = connect()
    again = refusal(connect, agent=channel.agent)
    assert again == {"kind": "This agent has this channel already. Open it to change it."}
    assert refusal(connect, kind="fax") == {"kind": "There is no such kind of channel."}


def test_ten_people_at_once_make_one():
    agent, outcomes = make_agent(), []

    def begin() -> None:
        try:
            connecting.begin(agent=agent, kind="stripe", by="Asha")
            outcomes.append("made")
        except ConnectRefused:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=begin) for _ in range(10)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(outcomes) == ["made"] + ["refused"] * 9
    assert Channel.objects.count() == 1


@pytest.mark.parametrize("kind", ADAPTERS)
def test_secrets_made_here_fit_what_the_provider_takes(kind):
    for declared in ADAPTERS[kind].secrets:
        if declared.is_made_here:
            value = connecting.make_secret(declared)
            assert value != connecting.make_secret(declared)
            assert not connecting._secret_fault(declared, value)


# --- step by step ----------------------------------------------------------------------------------------------------


def test_a_channel_that_was_begun_refuses_everything_until_it_has_its_secret():
    channel, made = connecting.begin(agent=make_agent(), kind="stripe", by="Asha")
    assert made == {}
    assert channel.missing_secrets() == ["Signing secret"]
    assert told() == []
    connecting.change(channel, secrets=STRIPE, by="Asha")
    assert told() == [("channel.connected", "stripe", "Completed by Asha.")]
    channel.refresh_from_db()
    assert receiving.receive(
        adapter=channel.adapter, channel=channel, incoming=samples.sample(channel, "Hi")
    ).verdict == ("accepted")


def test_an_empty_secret_keeps_what_there_is_and_an_empty_setting_is_removed():
    channel = connect(settings={"livemode": "live", "account": "acct_1"})
    connecting.change(channel, settings={"livemode": ""}, secrets={"signing_secret": "  "}, by="Asha")
    channel.refresh_from_db()
    assert channel.settings == {"account": "acct_1"}
    assert [one.value for one in channel.connection().valid("signing_secret")] == [STRIPE["signing_secret"]]


def test_a_needed_setting_cannot_be_emptied():
    channel, _ = connecting.begin(agent=make_agent(), kind="messenger", by="Asha")
    connecting.change(channel, settings={"page_id": "1"}, by="Asha")
    faults = refusal(connecting.change, channel, settings={"page_id": ""}, by="Asha")
    assert set(faults) == {"settings/page_id"}
    channel.refresh_from_db()
    assert channel.settings == {"page_id": "1"}


def test_a_refused_change_changes_nothing():
    channel = connect(settings={"livemode": "live"})
    refusal(connecting.change, channel, settings={"livemode": "test"}, secrets={"signing_secret": "x"}, by="Asha")
    channel.refresh_from_db()
    assert channel.settings == {"livemode": "live"}


# --- secrets ---------------------------------------------------------------------------------------------------------


def values(channel: Channel, name: str) -> list[str]:
    channel.refresh_from_db()
    return [one.value for one in channel.connection().valid(name)]


def test_two_secrets_are_valid_while_one_replaces_the_other():
    channel = connect()
    new = "whsec_fedcba9876543210"
    assert connecting.rotate_secret(channel, "signing_secret", new, by="Asha") == new
    assert values(channel, "signing_secret") == [new, STRIPE["signing_secret"]]
    connecting.end_old_secrets(channel, by="Asha")
    assert values(channel, "signing_secret") == [new]


def test_with_no_overlap_the_old_one_is_over_at_once():
    channel = connect()
    connecting.rotate_secret(channel, "signing_secret", "whsec_fedcba9876543210", overlap=timedelta(0), by="Asha")
    assert values(channel, "signing_secret") == ["whsec_fedcba9876543210"]


def test_the_same_secret_again_ends_nothing():
    channel = connect()
    connecting.rotate_secret(channel, "signing_secret", STRIPE["signing_secret"], by="Asha")
    [fact] = Channel.objects.get().secret_facts()
    assert fact["not_after"] is None


def test_what_cannot_be_rotated():
    channel = connect()
    rotate = connecting.rotate_secret
    assert set(refusal(rotate, channel, "password", by="Asha")) == {"secrets/password"}
    assert "copy it from there" in refusal(rotate, channel, "signing_secret", by="Asha")["secrets/signing_secret"]
    assert set(refusal(rotate, channel, "signing_secret", " ", by="Asha")) == {"secrets/signing_secret"}
    too_long = {"overlap": timedelta(days=8), "by": "Asha"}
    assert set(refusal(rotate, channel, "signing_secret", "whsec_fedcba9876543210", **too_long)) == {"overlap_hours"}
    for n in range(3):
        rotate(channel, "signing_secret", f"whsec_{n}23456789abcdef0", by="Asha")
    assert (
        "End the old ones first"
        in refusal(rotate, channel, "signing_secret", "whsec_fedcba9876543210", by="A")["secrets/signing_secret"]
    )


def test_rotations_at_the_same_time_are_all_kept():
    channel, _ = connecting.begin(agent=make_agent(), kind="whatsapp", by="Asha")

    def put(name: str) -> None:
        connecting.rotate_secret(channel, name, f"a-secret-of-{name}", by="Asha")
        connection.close()

    threads = [threading.Thread(target=put, args=(name,)) for name in ("app_secret", "verify_token")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert values(channel, "app_secret") == ["a-secret-of-app_secret"]
    assert values(channel, "verify_token")[0] == "a-secret-of-verify_token"


# --- on, off, and the end --------------------------------------------------------------------------------------------


def test_switching_is_told_once():
    channel = connect()
    connecting.switch_off(channel, by="Asha")
    connecting.switch_off(channel, by="Ben")
    connecting.switch_on(channel, by="Ben")
    connecting.switch_on(channel, by="Ben")
    assert told() == [
        ("channel.connected", "stripe", "Set up by Asha."),
        ("channel.disconnected", "stripe", "Switched off by Asha."),
        ("channel.connected", "stripe", "Switched on by Ben."),
    ]


def test_a_channel_that_never_was_ready_comes_and_goes_untold():
    channel, _ = connecting.begin(agent=make_agent(), kind="stripe", by="Asha")
    connecting.switch_off(channel, by="Asha")
    connecting.switch_on(channel, by="Asha")
    connecting.disconnect(channel, by="Asha")
    assert told() == []


def test_the_end_takes_what_arrived_and_its_files_and_leaves_the_conversation(settings, monkeypatch):
    settings.INBOUND_DEBOUNCE = 0
    monkeypatch.setattr(connecting, "AT_ONCE", 2)
    other = connect()
    agent = make_agent()
    channel = connect(agent=agent, kind="generic", secrets={})
    for n in range(5):
        receiving.receive(adapter=channel.adapter, channel=channel, incoming=samples.sample(channel, f"Line {n}"))
    processing.work_off()
    Refusal.objects.note(channel=channel, reason="stale")
    file = default_storage.save("inbound/one", ContentFile(b"a file"))
    body = default_storage.save("inbound/two", ContentFile(b"a body"))
    Attachment.objects.create(inbound_message=InboundMessage.objects.first(), position=0, kind="image", file=file)
    InboundRequest.objects.filter(pk=InboundRequest.objects.first().pk).update(body_file=body)
    connecting.disconnect(channel, by="Asha")
    for model in (InboundRequest, InboundMessage, Attachment, Contact, Refusal):
        assert not model.objects.exists(), model
    assert not default_storage.exists(file)
    assert not default_storage.exists(body)
    assert [one.pk for one in Channel.objects.all()] == [other.pk]
    assert Conversation.objects.filter(agent=agent).count() == 1
    assert Conversation.objects.get(agent=agent).messages.filter(role="customer").count() == 5
    assert told()[-1] == ("channel.disconnected", "generic", "Removed by Asha.")
