"""From a fresh login to a delivered webhook, in a browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_agent, make_bin, make_team, make_tool, make_user
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def test_switch_it_on_chat_and_see_it_delivered(page: Page, live_server: Any, live_worker: Any, log_in: Any) -> None:
    team = make_team()
    caught, agent = make_bin(team=team), make_agent(team=team, name="Front desk")
    log_in(make_user(team=team))

    page.get_by_role("link", name=re.compile("^Switch a tool on")).click()
    page.get_by_label("Switched on").check(force=True)
    page.get_by_label("or a new URL").fill(caught.address)
    page.get_by_label("Example phrases").fill("Can somebody call me back?")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is switched on and sends to Front desk")).to_be_visible()
    endpoint = Endpoint.objects.get(team=team)
    expect(page.locator("#signing-secret")).to_have_text(endpoint.signing_secret)

    page.get_by_role("link", name="Open the playground").click()
    page.evaluate("window.neverReloaded = true")
    page.get_by_role("button", name="Can somebody call me back?").click()
    expect(page.get_by_text("What e-mail address or phone number")).to_be_visible()
    page.get_by_label("Message").fill("jane@example.com")
    page.get_by_label("Message").press("Enter")
    expect(page.locator("#decisions .cz-badge").first).to_have_text("delivered")
    expect(page.locator("#chat")).to_contain_text("Delivered, HTTP 200.")
    expect(page.get_by_label("Message")).to_have_value("")
    assert page.evaluate("window.neverReloaded") is True

    page.get_by_role("link", name=re.compile("^Open delivery")).click()
    expect(page.get_by_text("The receiver answered 200.").first).to_be_visible()
    html = page.content()
    assert "jane@example.com" in html
    assert "webhook-signature" in html.lower()
    assert endpoint.signing_secret not in html
    assert Delivery.objects.get(team=team).state == "delivered"
    assert caught.requests.get().verdict == "valid"
    assert agent.tools.get().endpoint == endpoint


def test_what_was_typed_survives_an_error(page: Page, live_server: Any, log_in: Any) -> None:
    tool = make_tool()
    log_in(make_user(team=tool.agent.team))
    page.goto(f"{live_server.url}/admin/agents/agent/{tool.agent.pk}/playground/")
    page.route("**/playground/say/", lambda route: route.abort())
    page.get_by_label("Message").fill("A long message that took a while")
    page.get_by_label("Message").press("Enter")
    expect(page.locator("#say-error")).to_contain_text("It is still in the box")
    expect(page.get_by_label("Message")).to_have_value("A long message that took a while")
    page.unroute("**/playground/say/")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#chat .ag-customer")).to_have_text("A long message that took a while")
    expect(page.locator("#say-error")).to_be_hidden()


def test_without_a_worker_the_page_says_so(page: Page, live_server: Any, log_in: Any) -> None:
    tool = make_tool()
    log_in(make_user(team=tool.agent.team))
    page.goto(f"{live_server.url}/admin/agents/agent/{tool.agent.pk}/playground/")
    page.get_by_label("Message").fill("Anybody there?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("This takes longer than usual.")).to_be_visible()


def test_the_language_model_fields_appear_with_the_choice(page: Page, live_server: Any, log_in: Any) -> None:
    team = make_team()
    log_in(make_user(team=team))
    page.goto(f"{live_server.url}/admin/agents/agent/add/")
    expect(page.get_by_label("Model name")).to_be_hidden()
    page.get_by_role("radio", name="Language model: any server").check()
    expect(page.get_by_label("Model name")).to_be_visible()
