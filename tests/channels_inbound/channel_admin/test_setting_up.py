"""Channels for people: setting one up, its page, and the states it can be in."""

import pytest

from channels_inbound import connecting
from channels_inbound.adapters import ADAPTERS
from channels_inbound.admin import words
from channels_inbound.models import Channel
from channels_inbound.standing import standing as standing_of
from tests.channels_inbound.channel_admin.pages import LIST, page, press, quarantined, text
from tests.channels_inbound.providers import make_channel
from tests.factories import make_agent, make_credential, make_team

pytestmark = pytest.mark.django_db(transaction=True)


# --- setting up ------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do(client, agent):
    said = text(client.get(LIST))
    assert "choose a provider, and the page tells you what to copy where" in said


def test_every_provider_has_a_card_an_icon_and_words(client, agent):
    said = text(client.get(f"{LIST}add/"))
    for kind, adapter in ADAPTERS.items():
        assert adapter.title in said
        assert words.ABOUT[kind] in said
        assert words.ICONS[kind]


def test_a_channel_is_set_up_and_its_secrets_are_shown_once(client, agent):
    asked = client.get(f"{LIST}add/?kind=whatsapp")
    assert "Which agent answers there?" in text(asked)
    made = client.post(f"{LIST}add/?kind=whatsapp", {"agent": agent.pk})
    channel = Channel.objects.get()
    [token] = channel.connection().valid("verify_token")
    assert token.value in text(made)
    assert channel.inbound_url in text(made)
    assert "refuses everything" in text(made)
    again = client.get(page(channel))
    assert token.value not in again.content.decode()
    assert f"Verify token: {'•' * 8}{token.value[-4:]}" in text(again)


def test_setting_up_twice_leads_to_the_one_there_is(client, agent):
    client.post(f"{LIST}add/?kind=stripe", {"agent": agent.pk})
    response = client.post(f"{LIST}add/?kind=stripe", {"agent": agent.pk}, follow=True)
    assert response.redirect_chain == [(page(Channel.objects.get()), 302)]
    assert "has this channel already" in text(response)


def test_without_an_agent_the_next_step_is_to_make_one(client):
    assert "your team has none yet" in text(client.get(f"{LIST}add/?kind=stripe"))


def test_a_channel_of_another_teams_agent_cannot_be_set_up(client):
    stranger = make_agent(team=make_team(), name="Secretive")
    assert client.post(f"{LIST}add/?kind=stripe", {"agent": stranger.pk}).status_code == 404
    assert client.get(f"{LIST}add/?agent={stranger.pk}").status_code == 404
    assert not Channel.objects.exists()


def test_settings_secret_and_credential_are_saved_in_one_form(client, agent, team):
    credential = make_credential(team=team, kind="whatsapp", values={"access_token": "EAAG"}, name="whatsapp-main")
    make_credential(team=team, kind="slack", name="slack-main")
    channel, _ = connecting.begin(agent=agent, kind="whatsapp", by="Asha")
    shown = text(client.get(page(channel)))
    assert "whatsapp-main" in shown
    assert "slack-main" not in shown
    data = {
        "settings/phone_number_id": "106540352242922",
        "settings/number": "",
        "secrets/app_secret": "an-app-secret-of-meta",
        "credential": credential.pk,
    }
    response = client.post(page(channel), data, follow=True)
    assert "It has everything that it needs." in text(response)
    channel.refresh_from_db()
    assert channel.settings == {"phone_number_id": "106540352242922"}
    assert channel.credential == credential
    assert standing_of(channel).word == "works"
    assert "an-app-secret-of-meta" not in response.content.decode()
    assert f"App secret: {'•' * 8}meta" in text(response)


def test_a_form_with_many_errors_says_each_beside_its_field_and_saves_nothing(client, agent):
    channel, _ = connecting.begin(agent=agent, kind="whatsapp", by="Asha")
    data = {"settings/phone_number_id": " ", "settings/number": "a\x07b", "secrets/app_secret": "sh\x07ort"}
    response = client.post(page(channel), data)
    said = text(response)
    assert "Nothing was saved." in said
    assert "This is needed. In the app's dashboard under WhatsApp, API setup." in said
    assert "It has characters that cannot be seen." in said
    assert "sh\x07ort" not in response.content.decode()
    channel.refresh_from_db()
    assert channel.settings == {}
    assert channel.missing_secrets() == ["App secret"]


def test_a_credential_of_another_team_is_not_a_choice(client, agent):
    stranger = make_credential(team=make_team(), kind="slack", name="their-slack")
    channel, _ = connecting.begin(agent=agent, kind="slack", by="Asha")
    data = {"secrets/signing_secret": "a-signing-secret", "credential": stranger.pk}
    response = client.post(page(channel), data)
    assert "their-slack" not in text(response)
    channel.refresh_from_db()
    assert channel.credential is None


def test_domains_are_a_line_each(client, agent):
    channel, _ = connecting.begin(agent=agent, kind="website", by="Asha")
    assert "widget.js" in client.get(page(channel)).content.decode()
    assert f'data-agent="{agent.public_id}"' in text(client.get(page(channel)))
    client.post(page(channel), {"settings/domains": "www.example.com\r\nshop.example.com"})
    channel.refresh_from_db()
    assert channel.settings["domains"] == "www.example.com, shop.example.com"
    assert "www.example.com\nshop.example.com</textarea>" in client.get(page(channel)).content.decode()


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_kind_has_a_page(client, agent, kind):
    channel, _ = connecting.begin(agent=agent, kind=kind, by="Asha")
    said = text(client.get(page(channel)))
    assert channel.adapter.title in said
    for step in channel.adapter.steps:
        assert step.replace("{url}", "the address above") in said


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "cannot reply"),
        ({"is_active": False}, "switched off"),
        ({"secrets": {}}, "refuses everything"),
        ({"settings": {}}, "not complete"),
    ],
)
def test_a_state_is_a_word_and_a_sentence(client, agent, changes, word):
    channel = make_channel(agent=agent, kind="whatsapp", **changes)
    standing = standing_of(channel)
    assert standing.word == word
    assert word in text(client.get(LIST))
    assert standing.sentence in text(client.get(page(channel)))


def test_secrets_whose_key_is_gone_are_begun_anew(client, agent):
    channel = make_channel(agent=agent, kind="whatsapp")
    other = make_channel(agent=make_agent(team=agent.team), kind="whatsapp")
    Channel.objects.filter(pk=channel.pk).update(secrets=other.__dict__["secrets"])
    assert "secrets not readable" in text(client.get(LIST))
    assert "cannot be decrypted any more" in text(client.get(page(channel)))
    assert client.post(page(channel), {"settings/phone_number_id": "1"}).status_code == 200
    made = press(client, "anew", channel)
    channel.refresh_from_db()
    [token] = channel.connection().valid("verify_token")
    assert token.value in text(made)
    assert standing_of(channel).word == "refuses everything"
    press(client, "anew", channel)
    channel.refresh_from_db()
    assert channel.connection().valid("verify_token") == [token]


def test_switching_off_and_on(client, agent):
    channel = make_channel(agent=agent, kind="generic")
    press(client, "switch", channel, state="off")
    channel.refresh_from_db()
    assert not channel.is_active
    press(client, "switch", channel, state="on")
    channel.refresh_from_db()
    assert channel.is_active


def test_a_page_costs_the_same_whatever_arrived(client, agent, django_assert_max_num_queries):
    channel = make_channel(agent=agent, kind="generic")
    for n in range(30):
        quarantined(channel, body=b"%d" % n)
    with django_assert_max_num_queries(20):
        assert "30 requests could not be read" in text(client.get(page(channel)))
    with django_assert_max_num_queries(14):
        assert "30" in text(client.get(LIST))
