"""Settings that make no sense are refused with a sentence, and those that are missing have the right consequence."""

import re
from typing import Any

import pytest

from channels_inbound import connecting
from channels_inbound.adapters import ADAPTERS
from channels_inbound.connecting import ConnectRefused
from channels_inbound.standing import standing
from tests.channels_inbound.channel_admin.pages import page
from tests.channels_inbound.providers import make_channel
from tests.factories import make_agent, make_team, make_user

pytestmark = pytest.mark.django_db(transaction=True)

SETTINGS = [(adapter.kind, each) for adapter in ADAPTERS.values() for each in adapter.settings]


def fault(kind: str, name: str, value: str) -> str:
    channel = make_channel(kind=kind)
    try:
        connecting.change(channel, settings={name: value}, by="Asha")
    except ConnectRefused as refused:
        return refused.fields.get(f"settings/{name}", "")
    return ""


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("stripe", "livemode", "maybe"),
        ("stripe", "livemode", "Live"),
        ("stripe", "account", "Duka la Amina"),
        ("mailgun", "region", "mars"),
        ("mailgun", "spam_filter", "perhaps"),
        ("mailgun", "domain", "https://mg.example.com"),
        ("mailgun", "from_address", "Example Support"),
        ("mailgun", "recipients", "support@example.com, sales"),
        ("sozuri", "message_type", "marketing"),
        ("infobip", "hmac_algorithm", "ROT13"),
        ("infobip", "hmac_header", "X Signature:"),
        ("twilio", "account_sid", "SK0123456789abcdef0123456789abcdef"),
        ("generic", "reply_url", "ftp://example.com/replies"),
        ("generic", "reply_url", "example.com/replies"),
        ("website", "domains", "https://www.example.com"),
        ("website", "colour", "teal"),
        ("website", "position", "top"),
        ("website", "rate_limit", "-1"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(kind, name, value):
    assert re.match(r"Choose one of |This does not look like it\. For example: ", fault(kind, name, value))


@pytest.mark.parametrize(("kind", "declared"), SETTINGS, ids=[f"{kind}-{each.name}" for kind, each in SETTINGS])
def test_examples_and_all_choices_are_taken(kind, declared):
    values = [declared.example, *(value for value, _ in declared.choices)]
    assert [fault(kind, declared.name, value) for value in values if value] == [""] * len([*filter(None, values)])
    if not declared.is_required:
        assert fault(kind, declared.name, "") == ""


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("website", "domains", "www.example.com\r\nlocalhost:8000"),
        ("mailgun", "from_address", "support@mg.example.com"),
        ("mailgun", "recipients", "a@example.com,b@example.com"),
        ("generic", "reply_url", "http://127.0.0.1:9000/replies?from=us"),
    ],
)
def test_other_ways_to_write_them_are_taken(kind, name, value):
    assert fault(kind, name, value) == ""


def test_choices_are_a_select_and_the_chosen_one_stays(client: Any) -> None:
    team = make_team()
    channel = make_channel(agent=make_agent(team=team), kind="stripe", settings={"livemode": "test"})
    client.force_login(make_user(team=team), backend="django.contrib.auth.backends.ModelBackend")
    shown = client.get(page(channel)).content.decode()
    assert re.search(r'<select[^>]*name="settings/livemode"', shown)
    assert re.search(r'<option value="test"\s+selected', shown)
    client.post(page(channel), {"settings/livemode": ""})
    channel.refresh_from_db()
    assert channel.settings == {}


@pytest.mark.parametrize(
    ("kind", "more", "sentence"),
    [
        (
            "infobip",
            {"secrets": {"password": "a-password-of-tests"}},
            "It has no “User name” yet. Every request is refused.",
        ),
        ("mailgun", {}, "“Sending domain” and “Sender of replies” yet. Mail comes in, but no reply can be sent."),
        ("whatsapp", {}, "It has no “Phone number ID” yet. It cannot tell what is meant for it."),
    ],
)
def test_what_does_not_work_without_a_setting(kind, more, sentence):
    assert standing(make_channel(kind=kind, settings={}, **more)).sentence.endswith(sentence)
