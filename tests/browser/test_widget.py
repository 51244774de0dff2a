"""The widget on somebody's page, on another origin and under a strict policy, in a real browser."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agents.models import Conversation, Customer, Feedback, Message
from channels_inbound.models import Channel
from tests.channels_inbound.widget.client import hash_of, make_call_back, make_website
from tests.channels_inbound.widget.reading import CONTRASTS, TITLE, button, reply, say
from tests.channels_inbound.widget.shop import Shop
from tests.factories import make_bin
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "s3cret-of-the-shop"


@pytest.fixture
def channel(live_server: Any) -> Channel:
    return make_website(secret=SECRET)


@pytest.fixture
def shop(live_server: Any, channel: Channel) -> Iterator[Shop]:
    shop = Shop(live_server.url, channel.agent)
    yield shop
    shop.stop()


@pytest.fixture
def visit(page: Page, shop: Shop) -> Iterator[Any]:
    """Opens the page. Whatever its policy stops in this test fails it."""
    stopped: list[str] = []
    page.expose_function("stoppedByPolicy", lambda what: stopped.append(what))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => "
        "stoppedByPolicy(event.violatedDirective + ' ' + event.blockedURI), true)"
    )
    yield lambda: page.goto(shop.url)
    assert stopped == []


@pytest.fixture
def with_tool(channel: Channel, live_worker: Any) -> None:
    """The agent asks for an address and fires a webhook into a bin of the inspector."""
    make_call_back(channel, url=make_bin(team=channel.agent.team).address)


# --- talking ---------------------------------------------------------------------------------------------------------


def test_from_the_keyboard_to_a_delivered_webhook(page: Page, visit: Any, with_tool: None) -> None:
    visit()
    expect(button(page)).to_have_attribute("aria-expanded", "false")
    button(page).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=TITLE)
    expect(dialog.get_by_role("log")).to_contain_text("Hello! How can I help?")
    expect(page.get_by_label("Your message")).to_be_focused()
    page.keyboard.type("Please call me back")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("What e-mail address or phone number")).to_be_visible()
    expect(page.get_by_label("Your message")).to_be_focused()
    page.keyboard.type("asha@example.com")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Send")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Delivered, HTTP 200.")).to_be_visible()
    assert Delivery.objects.get().state == "delivered"
    assert Customer.objects.get().email == "asha@example.com"
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button(page)).to_be_focused()
    assert page.context.cookies() == []


def test_a_page_that_is_loaded_again_goes_on(page: Page, visit: Any, with_tool: None) -> None:
    visit()
    button(page).click()
    say(page, "Please call me back")
    expect(page.get_by_text("What e-mail address or phone number")).to_be_visible()
    visit()
    button(page).click()
    expect(page.get_by_role("log").get_by_text("Please call me back")).to_have_count(1)
    expect(page.get_by_text("What e-mail address or phone number")).to_have_count(1)
    say(page, "asha@example.com")
    expect(page.get_by_text("Delivered, HTTP 200.")).to_be_visible()
    assert Conversation.objects.count() == 1


def test_where_a_message_was_written_is_known_without_what_follows_the_path(page: Page, visit: Any) -> None:
    visit()
    button(page).click()
    say(page, "Hello")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    facts = Message.objects.get().inbound_message.facts
    assert facts["page"] == page.evaluate("location.origin + location.pathname")
    assert "secret" not in json.dumps(facts)


def test_words_are_shown_as_they_come(page: Page, visit: Any, live_server: Any) -> None:
    pieces = [
        {"type": "started", "turn_id": "turn_1"},
        {"type": "text", "delta": "One "},
        {"type": "text", "delta": "two"},
    ]
    body = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces)
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/event-stream"}
    page.route("**/stream?**", lambda route: route.fulfill(status=200, body=body, headers=headers))
    visit()
    button(page).click()
    say(page, "Count, please")
    expect(page.get_by_role("log").get_by_text("One two", exact=True)).to_be_visible()
    expect(page.get_by_role("log")).to_have_attribute("aria-busy", "true")


def test_what_anybody_says_is_text_and_only_web_addresses_are_links(page: Page, visit: Any, channel: Channel) -> None:
    visit()
    button(page).click()
    say(page, "Hello")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    evil = (
        "<img src=x onerror=alert(1)> javascript:alert(1) data:text/html,x (see https://example.com/a_(b)?c=1&d=2). "
        'HTTP://EXAMPLE.ORG/x, https://" ftp://example.net'
    )
    reply(evil)
    visit()
    button(page).click()
    log = page.get_by_role("log")
    expect(log).to_contain_text("<img src=x onerror=alert(1)>")
    assert log.locator("img").count() == 0
    links = log.get_by_role("link")
    assert [each.get_attribute("href") for each in links.all()] == [
        "https://example.com/a_(b)?c=1&d=2",
        "HTTP://EXAMPLE.ORG/x",
    ]
    assert {(each.get_attribute("target"), each.get_attribute("rel")) for each in links.all()} == {
        ("_blank", "noopener noreferrer nofollow")
    }


def test_a_reply_that_comes_while_it_is_closed_leaves_a_dot(page: Page, visit: Any) -> None:
    visit()
    button(page).click()
    say(page, "Hello")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    reply("I looked it up.")
    visit()
    unread = page.get_by_role("button", name=f"{TITLE}, new message")
    expect(unread).to_be_visible()
    unread.click()
    expect(page.get_by_text("I looked it up.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=TITLE, exact=True)).to_be_visible()
    visit()
    expect(page.get_by_role("button", name=TITLE, exact=True)).to_be_visible()


def test_a_reply_is_rated(page: Page, visit: Any, with_tool: None) -> None:
    visit()
    button(page).click()
    say(page, "Please call me back")
    good, bad = page.get_by_role("button", name="Good reply"), page.get_by_role("button", name="Bad reply")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    visit()
    button(page).click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    assert Feedback.objects.get().rating == 1
    page.route("**/feedback", lambda route: route.abort())
    good.click()
    expect(page.get_by_text("Your rating was not saved.")).to_be_visible()
    expect(bad).to_have_attribute("aria-pressed", "true")


# --- when something is away ------------------------------------------------------------------------------------------


def test_a_message_that_could_not_be_sent_is_kept_and_sent_again(page: Page, visit: Any) -> None:
    visit()
    button(page).click()
    page.route("**/messages", lambda route: route.abort())
    say(page, "Hello")
    expect(page.get_by_text("Not sent: we could not be reached.")).to_be_visible()
    assert Message.objects.count() == 0
    visit()
    button(page).click()
    expect(page.get_by_role("log").get_by_text("Hello", exact=True)).to_be_visible()
    page.unroute("**/messages")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    assert Message.objects.get().text == "Hello"
    visit()
    button(page).click()
    expect(page.get_by_role("log").get_by_text("Hello", exact=True)).to_have_count(1)


def test_an_answer_that_got_lost_does_not_make_two_messages(page: Page, visit: Any) -> None:
    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    visit()
    button(page).click()
    page.route("**/messages", lose)
    say(page, "Once")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert Message.objects.count() == 1
    page.unroute("**/messages")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    assert Message.objects.count() == 1


def test_offline_says_so(page: Page, visit: Any) -> None:
    visit()
    button(page).click()
    page.context.set_offline(True)
    expect(page.get_by_role("status").filter(has_text="You are offline.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_have_count(0)


def test_too_fast_is_told_in_the_teams_words_and_the_button_waits(page: Page, visit: Any, channel: Channel) -> None:
    channel.settings = {"rate_limit": "1", "rate_limit_message": "Pole pole, please."}
    channel.save()
    visit()
    button(page).click()
    say(page, "One")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    say(page, "Two")
    expect(page.get_by_text("Pole pole, please.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_disabled()
    assert Message.objects.get().text == "One"


def test_a_session_that_is_over_is_begun_anew(page: Page, visit: Any, channel: Channel) -> None:
    visit()
    button(page).click()
    page.evaluate('for (const key of Object.keys(localStorage)) localStorage[key] = \'{"token": "old"}\'')
    say(page, "Hello")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    assert Message.objects.get().text == "Hello"


def test_an_agent_that_is_switched_off_says_so_and_comes_back(page: Page, visit: Any, channel: Channel) -> None:
    channel.settings = {"offline_text": "We are closed until Monday."}
    channel.save()
    channel.agent.is_active = False
    channel.agent.save()
    visit()
    button(page).click()
    expect(page.get_by_text("We are closed until Monday.")).to_be_visible()
    expect(page.get_by_label("Your message")).to_be_hidden()
    expect(page.get_by_role("button", name="Close chat")).to_be_focused()
    page.keyboard.press("Escape")
    channel.agent.is_active = True
    channel.agent.save()
    button(page).click()
    expect(page.get_by_label("Your message")).to_be_visible()
    expect(page.get_by_text("We are closed until Monday.")).to_have_count(0)


def test_a_channel_that_is_switched_off_shows_nothing(page: Page, visit: Any, channel: Channel) -> None:
    channel.is_active = False
    channel.save()
    with page.expect_console_message(lambda message: "no website channel that is switched on" in message.text):
        visit()
    assert page.locator("[data-chatzuri]").count() == 0


def test_on_a_domain_that_is_not_allowed_it_says_why(page: Page, visit: Any, channel: Channel) -> None:
    channel.settings = {"domains": "www.shop.example"}
    channel.save()
    visit()
    page.get_by_role("button", name="Chat").click()
    expect(page.get_by_text("127.0.0.1 is not among the allowed domains of this chat.")).to_be_visible()
    expect(page.get_by_label("Your message")).to_be_hidden()
    channel.settings = {"domains": "127.0.0.1"}
    channel.save()
    visit()
    expect(button(page)).to_be_visible()


# --- people ----------------------------------------------------------------------------------------------------------


def test_whoever_is_logged_in_is_that_customer_and_nobody_elses_chat_is_shown(
    page: Page, visit: Any, shop: Shop
) -> None:
    shop.attributes |= {"data-user-id": "u-7", "data-user-name": "Asha", "data-user-hash": hash_of(SECRET, "u-7")}
    visit()
    button(page).click()
    say(page, "I am Asha")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    assert Customer.objects.get().external_id == "u-7"

    page.evaluate("(who) => chatzuri.identify(who)", {"user_id": "u-8", "hash": hash_of(SECRET, "u-8")})
    expect(page.get_by_text("I am Asha")).to_have_count(0)
    say(page, "I am Juma")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    assert sorted(Customer.objects.values_list("external_id", flat=True)) == ["u-7", "u-8"]

    page.evaluate("chatzuri.forget()")
    expect(page.get_by_text("I am Juma")).to_have_count(0)
    visit()
    button(page).click()
    expect(page.get_by_role("log").get_by_text("I am Asha")).to_be_visible()


def test_a_hash_that_does_not_fit_is_told_to_the_developer(page: Page, visit: Any, shop: Shop) -> None:
    shop.attributes |= {"data-user-id": "u-7", "data-user-hash": "wrong"}
    with page.expect_console_message(lambda message: "The hash does not fit this user_id" in message.text):
        visit()
    expect(button(page)).to_be_visible()


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colour", ["", "#ffcc00", "#000000", "#ffffff", "#7f7f7f"])
def test_every_text_can_be_read(page: Page, visit: Any, channel: Channel, colour: str, scheme: Any) -> None:
    channel.settings = {"colour": colour, "offline_text": "We are closed."}
    channel.save()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visit()
    button(page).click()
    say(page, "See https://example.com")
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    reply("And https://example.org")
    reply("A note", role="system")
    page.route("**/messages", lambda route: route.abort())
    visit()
    button(page).click()
    say(page, "Not sent")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    contrasts = page.evaluate(CONTRASTS)
    assert {"h2", "said", "foot", "a", "retry", "textarea"} <= set(contrasts)
    assert {name: value for name, value in contrasts.items() if value < 4.5} == {}


@pytest.mark.parametrize("position", ["left", "right"])
def test_on_a_telephone_it_fills_the_screen_and_keeps_the_focus(
    page: Page, visit: Any, channel: Channel, position: str
) -> None:
    channel.settings = {"position": position, "title": "A title that is quite long, with-one-very-long-word" + "x" * 40}
    channel.save()
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(reduced_motion="reduce")
    visit()
    opener = page.get_by_role("button", name="A title")
    box = opener.bounding_box()
    assert box is not None
    assert (box["x"] < 200) == (position == "left")
    opener.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_attribute("aria-modal", "true")
    assert dialog.bounding_box() == {"x": 0, "y": 0, "width": 400, "height": 800}
    say(page, "x" * 500)
    expect(page.get_by_text("A reply is being written.")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    log = page.get_by_role("log")
    assert log.evaluate("(log) => log.scrollWidth - log.clientWidth") == 0
    names = []
    for _ in range(8):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.hasAttribute('data-chatzuri')"))
    assert names == [True] * 8
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.hasAttribute('data-chatzuri')") is True


def test_on_a_large_screen_the_page_stays_within_reach(page: Page, visit: Any) -> None:
    visit()
    button(page).click()
    expect(page.get_by_role("dialog")).to_have_attribute("aria-modal", "false")
    page.get_by_role("link", name="More").focus()
    expect(page.get_by_role("link", name="More")).to_be_focused()
    button(page).click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_shortcuts_of_the_page_do_not_hear_what_is_typed(page: Page, visit: Any) -> None:
    visit()
    page.evaluate("window.heard = []; addEventListener('keydown', (event) => window.heard.push(event.key))")
    button(page).click()
    page.keyboard.type("abc")
    page.keyboard.press("Escape")
    assert page.evaluate("window.heard") == []
