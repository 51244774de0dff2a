"""Channels for people: setting one up, its page, tests, secrets, what arrived, and what a conversation shows."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import Conversation
from channels_inbound import connecting, processing, receiving, samples
from channels_inbound.adapters import ADAPTERS
from channels_inbound.adapters.base import Incoming
from channels_inbound.admin import trying, words
from channels_inbound.models import Attachment, Channel, InboundMessage, InboundRequest, Refusal, Reply
from channels_inbound.standing import standing as standing_of
from chatzuri.models import Team
from tests.channels_inbound.providers import make_channel
from tests.factories import make_agent, make_conversation, make_credential, make_team, make_user

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/channels_inbound/channel/"
REQUESTS = "/admin/channels_inbound/inboundrequest/"


@pytest.fixture(autouse=True)
def _at_once(settings: Any) -> None:
    settings.INBOUND_DEBOUNCE = 0


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def agent(team: Team) -> Any:
    return make_agent(team=team, name="Helper")


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(channel: Channel) -> str:
    return reverse("admin:channels_inbound_channel_change", args=[channel.pk])


def press(client: Client, name: str, channel: Channel, *more: Any, **data: Any) -> Any:
    return client.post(reverse(f"admin:channels_inbound_channel_{name}", args=[channel.pk, *more]), data)


def text(response: Any) -> str:
    """What a person reads: without tags, and with the blanks that a browser shows."""
    assert response.status_code == 200, response.status_code
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", response.content.decode())).split())


def arrive(channel: Channel, words: str = "Hello", *, work: bool = True) -> InboundRequest:
    outcome = receiving.receive(adapter=channel.adapter, channel=channel, incoming=samples.sample(channel, words))
    assert outcome.request is not None
    if work:
        processing.work_off()
    return outcome.request


def quarantined(channel: Channel, body: bytes = b"not json") -> InboundRequest:
    return InboundRequest.objects.create(
        channel=channel, body=body, body_size=len(body), body_sha256="0" * 64, state="quarantined", reason="No JSON."
    )


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


# --- what arrived ----------------------------------------------------------------------------------------------------


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


# --- conversations ---------------------------------------------------------------------------------------------------


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
