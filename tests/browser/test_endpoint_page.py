"""An endpoint's page in a browser: the table of headers grows, tabs change by keyboard, a secret rotates."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_endpoint, make_team, make_user
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def test_headers_are_added_and_saved(page: Page, live_server: Any, log_in: Any) -> None:
    endpoint = make_endpoint(team=make_team())
    log_in(make_user(team=endpoint.team))
    page.goto(f"{live_server.url}/admin/webhooks/endpoint/{endpoint.pk}/change/")
    page.get_by_text("Advanced").click()
    page.get_by_role("button", name="Add a header").click()
    rows = page.locator("[data-rows] tbody tr")
    expect(rows).to_have_count(3)
    rows.nth(0).get_by_label("Header name").fill("X-Source")
    rows.nth(0).get_by_label("Value").fill("chatzuri")
    rows.nth(2).get_by_label("Header name").fill("Authorization")
    rows.nth(2).get_by_label("Value").fill("Bearer abc")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Endpoint.objects.get().custom_headers() == {"X-Source": "chatzuri", "Authorization": "Bearer abc"}


def test_snippets_change_with_the_arrow_keys(page: Page, live_server: Any, log_in: Any) -> None:
    endpoint = make_endpoint(team=make_team())
    log_in(make_user(team=endpoint.team))
    page.goto(f"{live_server.url}/admin/webhooks/endpoint/{endpoint.pk}/change/")
    expect(page.get_by_text("Needs nothing but Python.")).to_be_visible()
    page.get_by_role("radio", name="Python").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Needs nothing but Node.")).to_be_visible()
    expect(page.get_by_text("Needs nothing but Python.")).to_be_hidden()


def test_a_secret_rotates_and_the_overlap_is_ended(page: Page, live_server: Any, log_in: Any) -> None:
    endpoint = make_endpoint(team=make_team())
    log_in(make_user(team=endpoint.team))
    page.goto(f"{live_server.url}/admin/webhooks/endpoint/{endpoint.pk}/change/")
    page.get_by_label("The old secret is valid").select_option("1 hour more")
    page.get_by_role("button", name="Replace signing secret").click()
    expect(page.locator("#shown-once")).to_have_text(Endpoint.objects.get().signing_secret)
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_text("two secrets until")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End the overlap now").click()
    expect(page.get_by_text("one secret", exact=True)).to_be_visible()
    assert Endpoint.objects.get().overlap_ends_at is None
