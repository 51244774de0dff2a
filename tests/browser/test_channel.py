"""A channel in a browser: from the provider's card to a test that becomes a conversation; secrets and the end of it."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from channels_inbound import connecting, processing, receiving, samples
from channels_inbound.models import Attachment, Channel, InboundRequest, Reply
from tests.channels_inbound.providers import make_channel
from tests.factories import make_agent, make_team, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_the_card_to_a_conversation(page: Page, live_server: Any, live_worker: Any, log_in: Any) -> None:
    agent = make_agent(team=make_team(), name="Front desk")
    log_in(make_user(team=agent.team))

    page.get_by_role("link", name=re.compile("Channels$")).first.click()
    page.get_by_role("link", name=re.compile("Add channel", re.IGNORECASE)).first.click()
    page.get_by_label("Search for a provider").fill("payments")
    expect(page.locator("#providers .ch-choice:visible")).to_have_count(1)
    page.get_by_label("Search for a provider").fill("carrier pigeon")
    expect(page.get_by_text("No provider is called that.")).to_be_visible()
    page.get_by_label("Search for a provider").fill("own application")
    page.get_by_label("Search for a provider").press("Enter")
    page.get_by_label("Which agent answers there?").select_option("Front desk")
    page.get_by_role("button", name="Set it up").click()

    expect(page.get_by_role("heading", name="Copy this now")).to_be_visible()
    channel = Channel.objects.get()
    [secret] = channel.connection().valid("signing_secret")
    expect(page.locator("#made-0")).to_have_text(secret.value)
    expect(page.locator("#inbound-url")).to_have_text(channel.inbound_url)

    page.evaluate("window.neverReloaded = true")
    page.get_by_label("What the customer writes").fill("Do you ship to Kisumu?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".ch-verdict")).to_contain_text("The request proved itself")
    expect(page.locator(".ch-became .cz-badge").first).to_have_text("done")
    expect(page.locator(".ch-became")).to_contain_text("Answered:")
    assert page.evaluate("window.neverReloaded") is True
    page.get_by_role("link", name="Open the conversation").click()
    expect(page.locator(".ag-customer .ag-bubble")).to_have_text("Do you ship to Kisumu?")
    assert secret.value not in page.content()


def test_a_channel_waits_for_its_secret_and_then_works(page: Page, live_server: Any, log_in: Any) -> None:
    channel, _ = connecting.begin(agent=make_agent(), kind="stripe", by="Asha")
    log_in(make_user(team=channel.agent.team))
    address = f"{live_server.url}/admin/channels_inbound/channel/{channel.pk}/change/"
    page.goto(address)
    expect(page.get_by_text("It waits for “Signing secret”")).to_be_visible()
    page.get_by_label("Signing secret").fill("nonsense-of-mine")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("This does not look like it.")).to_be_visible()
    page.get_by_label("Signing secret").fill("whsec_0123456789abcdef")
    page.get_by_label("Signing secret").press("Enter")
    expect(page.get_by_text("It has everything that it needs.").first).to_be_visible()
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator(".cz-badge.cz-large").first).to_have_text("switched off")


def test_two_secrets_are_valid_until_the_old_one_is_ended(page: Page, live_server: Any, log_in: Any) -> None:
    channel = make_channel(kind="whatsapp")
    log_in(make_user(team=channel.agent.team))
    page.goto(f"{live_server.url}/admin/channels_inbound/channel/{channel.pk}/change/")
    row = page.locator(".ch-secret").filter(has=page.get_by_role("heading", name="App secret"))
    row.get_by_label("New value").fill("another-app-secret")
    row.get_by_label("The present one").select_option("1 hour more")
    row.get_by_role("button", name="Replace").click()
    expect(row.locator(".ch-masks li")).to_have_count(2)
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="End the old one now").click()
    expect(row.locator(".ch-masks li")).to_have_count(1)
    channel.refresh_from_db()
    assert [one.value for one in channel.connection().valid("app_secret")] == ["another-app-secret"]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_sticks_out_at_400_pixels(page: Page, live_server: Any, log_in: Any, colours: Any) -> None:
    agent = make_agent(name="An agent with quite a long name")
    channels = [make_channel(agent=agent, kind=kind) for kind in ("whatsapp", "generic", "website")]
    row = arrived(channels[0], "x" * 300)
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme=colours)
    log_in(make_user(team=agent.team))
    wide = {}
    for address in (
        *("channel/", "channel/add/", "channel/add/?kind=stripe", f"channel/{channels[0].pk}/delete/"),
        *(f"channel/{channel.pk}/change/?tested={row.pk}" for channel in channels),
        *("inboundrequest/", f"inboundrequest/{row.pk}/change/"),
    ):
        page.goto(f"{live_server.url}/admin/channels_inbound/{address}")
        surplus = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if surplus > 0:
            wide[address] = surplus
    page.goto(f"{live_server.url}/admin/agents/conversation/{row.messages.get().conversation_id}/change/")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert wide == {}


def arrived(channel: Channel, text: str) -> InboundRequest:
    """A message with a file, and a reply that did not go out."""
    outcome = receiving.receive(adapter=channel.adapter, channel=channel, incoming=samples.sample(channel, text))
    processing.work_off()
    assert outcome.request is not None
    message = outcome.request.messages.get()
    facts = {"position": 0, "kind": "image", "filename": "f" * 90 + ".jpg", "state": "refused", "reason": "r" * 200}
    Attachment.objects.create(inbound_message=message, message=message.message, **facts)
    said = message.conversation.say(role="agent", text="y" * 300)
    Reply.objects.create(
        message=said, channel=channel, address="1", text="y", state="failed", reason="No. " + "z" * 200
    )
    return outcome.request


def test_disconnecting_by_keyboard(page: Page, live_server: Any, log_in: Any) -> None:
    channel = make_channel(agent=make_agent(name="Front desk"), kind="stripe")
    log_in(make_user(team=channel.agent.team))
    page.goto(f"{live_server.url}/admin/channels_inbound/channel/{channel.pk}/change/")
    page.get_by_role("link", name="Disconnect…").focus()
    page.keyboard.press("Enter")
    page.get_by_label(re.compile("Type the name of the agent")).fill("front desk")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That is not the name.")).to_be_visible()
    page.get_by_label(re.compile("Type the name of the agent")).fill("Front desk")
    page.keyboard.press("Enter")
    expect(page.get_by_text("is disconnected")).to_be_visible()
    assert not Channel.objects.exists()
