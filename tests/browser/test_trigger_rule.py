"""Somebody builds a rule out of rows, rehearses it on what has happened, sets it live, and one lead fires it once."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agents import leads
from agents.identity import Identifiers, Told
from agents.models import Evaluation, Firing, TriggerRule
from tests.factories import make_agent, make_api_key, make_bin, make_customer, make_team, make_user
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def lead(agent: Any, email: str, *, country: str, score: int | None) -> None:
    """Somebody from this country filled in the form."""
    make_customer(team=agent.team, email=email, country=country)
    told = Told(given=Identifiers(email=email))
    leads.submit(agent=agent, told=told, form=leads.Form(email=email, score=score), channel="website")


def add_row(page: Page, field: str, operator: str, value: str) -> None:
    page.locator("[data-condition] > .ag-row [data-row-add]").click()
    row = page.locator("[data-rows-of=''] > [data-row]").last
    row.locator("[name=row-field]").select_option(label=field)
    row.locator("[name=row-operator]").select_option(label=operator)
    row.locator("[name=row-value]").fill(value)


def test_build_rehearse_set_live_and_one_lead_fires_it_once(
    page: Page, live_server: Any, live_worker: Any, log_in: Any, client: Any
) -> None:
    team = make_team()
    agent, caught, key = make_agent(team=team, name="Front desk"), make_bin(team=team), make_api_key(team=team)
    lead(agent, "asha@example.com", country="KE", score=82)
    lead(agent, "ben@example.com", country="KE", score=40)
    lead(agent, "cleo@example.com", country="UG", score=95)
    log_in(make_user(team=team))

    # When, and, then.
    page.goto(f"{live_server.url}/admin/agents/agent/{agent.pk}/rules/")
    page.get_by_role("link", name="New rule").click()
    page.get_by_label("Name", exact=True).fill("Good leads from Kenya")
    page.locator("#id_event_type").select_option("lead.submit")
    expect(page.locator("#event-description")).to_contain_text("Everything that the agent needs of a lead is known")
    page.evaluate("window.neverReloaded = true")
    add_row(page, "Customer’s country", "is", "KE")
    add_row(page, "Lead’s score", "is more than", "90")
    page.get_by_label("or a new URL").fill(caught.address)
    expect(page.locator("#preview")).to_contain_text("cleo@example.com")

    # The first draft finds nothing, and says why; the second one finds Asha.
    page.get_by_role("button", name="Rehearse").click()
    expect(page.locator("#rehearsal")).to_contain_text("Nothing matched.")
    expect(page.locator("#rehearsal .ar-not").first).to_contain_text("Customer’s country is 'KE' (was 'UG')")
    page.locator("[name=row-value]").last.fill("70")
    page.get_by_role("button", name="Rehearse").click()
    expect(page.locator("#rehearsal .ar-counts")).to_contain_text("1 would fire")
    expect(page.locator("#rehearsal .ar-found")).to_contain_text("Lead’s score is more than 70 (was 82)")
    assert page.evaluate("window.neverReloaded") is True
    assert (Delivery.objects.count(), TriggerRule.objects.count()) == (0, 0)

    # Saved, it watches; live is a step of its own.
    page.get_by_role("button", name="Save and watch").click()
    expect(page.get_by_text("it is watching. Rehearse it, then set it live.")).to_be_visible()
    expect(page.locator("#signing-secret")).to_have_text(TriggerRule.objects.get().endpoint.signing_secret)
    page.locator(".ar-state").get_by_role("button", name="Live").click()
    expect(page.get_by_text("is live: from now on it sends.")).to_be_visible()
    rule = TriggerRule.objects.get()
    assert (rule.state, caught.requests.count()) == ("live", 0)

    # A lead comes in over the form of the team's own page, and so does one that is not good enough.
    make_customer(team=team, email="dalila@example.com", country="KE")
    make_customer(team=team, email="emeka@example.com", country="KE")
    for email, score in (("dalila@example.com", 91), ("emeka@example.com", 12)):
        form = {"email": email, "score": score, "channel": "website"}
        headers = {"Authorization": f"Bearer {key}"}
        address = f"/api/v1/agents/{agent.public_id}/leads"
        assert client.post(address, form, content_type="application/json", headers=headers).status_code == 201

    # One request, and the history says why.
    page.get_by_role("link", name="What it judged").click()
    expect(page.locator("#result_list")).to_contain_text("Fired")
    until_judged(page, rule, times=2)
    expect(page.locator("#result_list")).to_contain_text("Lead’s score is more than 70 (was 12)")
    until_caught(page, caught)
    firing = Firing.objects.get()
    assert (firing.rule, firing.was_live, firing.event.data["email"]) == (rule, True, "dalila@example.com")
    assert (caught.requests.count(), Delivery.objects.get().caused_by) == (1, rule.public_id)
    sent = caught.requests.get()
    assert b'"event":"lead.submit"' in bytes(sent.body) and b"dalila@example.com" in bytes(sent.body)
    page.locator("#result_list tr", has_text="Fired").get_by_role("link").first.click()
    expect(page.locator(".ar-said")).to_contain_text("Everything held, and the delivery was made.")
    expect(page.locator(".ar-held")).to_have_count(2)
    expect(page.locator(".ar-said .cz-badge").last).to_have_text("delivered")

    # Why did the other one not fire?
    page.goto(f"{live_server.url}/admin/agents/agent/{agent.pk}/rules/")
    expect(page.locator(".ar-what")).to_contain_text("Fired 1 today, 1 in 7 days")
    page.get_by_role("link", name="Why did it not fire?").click()
    page.locator("tr", has_text="Did not match").get_by_role("link").first.click()
    expect(page.locator(".ar-not")).to_contain_text("Lead’s score is more than 70 (was 12)")


def until_judged(page: Page, rule: TriggerRule, *, times: int) -> None:
    for _ in range(60):
        if Evaluation.objects.filter(rule=rule).count() == times:
            break
        page.wait_for_timeout(250)
    page.reload()
    assert Evaluation.objects.filter(rule=rule).count() == times


def until_caught(page: Page, caught: Any) -> None:
    for _ in range(60):
        if caught.requests.exists() and not Delivery.objects.filter(state__in=("queued", "sending")).exists():
            return
        page.wait_for_timeout(250)
    raise AssertionError("nothing was sent")


def test_rows_follow_the_event_and_the_field(page: Page, live_server: Any, log_in: Any) -> None:
    agent = make_agent()
    log_in(make_user(team=agent.team))
    page.goto(f"{live_server.url}/admin/agents/triggerrule/add/?agent={agent.pk}")
    expect(page.locator("[data-row]")).to_have_count(0)
    page.locator("[data-condition] > .ag-row [data-row-add]").click()
    row = page.locator("[data-row]").first
    row.locator("[name=row-field]").select_option("customer.segments")
    expect(row.locator("[name=row-operator] option").first).to_have_text("include the segment")
    row.locator("[name=row-field]").select_option("lead.qualified")
    expect(row.locator("select[name=row-value]")).to_have_value("yes")
    row.locator("[name=row-field]").select_option("lead.answers.*")
    expect(row.locator("[name=row-key]")).to_be_visible()
    row.locator("[name=row-field]").select_option("lead.score")
    expect(row.locator("[name=row-key]")).to_be_hidden()
    row.locator("[name=row-operator]").select_option("between")
    row.locator("[name=row-value]").fill("10")
    row.locator("[name=row-second]").fill("20")
    row.locator("[name=row-operator]").select_option("not is_known")
    expect(row.locator("[name=row-value]")).to_be_hidden()
    row.locator("[name=row-operator]").select_option("between")
    expect(row.locator("[name=row-value]")).to_have_value("10")
    page.get_by_role("button", name="Group of rows").click()
    group = page.locator("[data-group]")
    group.locator("[data-row-add]").click()
    group.locator("[name=row-field]").first.select_option("text")
    group.locator("[name=row-value]").first.fill("refund")
    group.locator("[name=row-field]").last.select_option("customer.country")
    group.locator("[name=row-value]").last.fill("KE")
    # Another event keeps what it can, and says what it cannot.
    page.locator("#id_event_type").select_option("conversation.ended")
    expect(group.locator("[name=row-field]").first.locator("option:checked")).to_have_text("text (not in this event)")
    page.locator("#id_event_type").select_option("message.received")
    page.get_by_label("Name", exact=True).fill("Rows")
    page.get_by_role("button", name="Save and watch").click()
    expect(page.get_by_text("it is watching. Rehearse it")).to_be_visible()
    inner = {"any": [stored("text", "is", "refund"), stored("customer.country", "is", "KE")]}
    assert TriggerRule.objects.get().condition == {"all": [stored("lead.score", "between", [10, 20]), inner]}
    page.locator("[data-group-remove]").click()
    page.locator("[data-row-remove]").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("“Rows” is saved.")).to_be_visible()
    assert TriggerRule.objects.get().condition == {}


def stored(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, "not": False}


def test_own_json_is_written_in_an_editor_and_previewed(page: Page, live_server: Any, log_in: Any) -> None:
    agent = make_agent()
    log_in(make_user(team=agent.team))
    page.goto(f"{live_server.url}/admin/agents/triggerrule/add/?agent={agent.pk}")
    expect(page.locator(".ar-own")).to_be_hidden()
    page.get_by_label("JSON of my own").first.check()
    expect(page.locator("#preview .ar-body")).to_contain_text('"email": "asha@example.com"')
    page.locator(".ar-own .cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text('{"text": "{{ customer.name }} wrote {{ nonsense }}"}')
    expect(page.locator("#preview")).to_contain_text("At /text: This event has no nonsense.")
    page.locator(".ar-own .cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text('{"text": "{{ customer.name }} wrote"}')
    expect(page.locator("#preview .ar-body")).to_contain_text("Asha Otieno wrote")
    expect(page.locator("#preview")).to_contain_text("bytes of at most")


def test_without_scripts_there_are_plain_rows_to_fill_in(browser: Any, live_server: Any, client: Any) -> None:
    agent = make_agent()
    client.force_login(make_user(team=agent.team), backend="django.contrib.auth.backends.ModelBackend")
    context = browser.new_context(java_script_enabled=False)
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/agents/triggerrule/add/?agent={agent.pk}")
    # The theme shows nothing of itself without scripts, but the form is there: two rows, and two in a group.
    for name in ("row-group", "row-field", "row-key", "row-operator", "row-value", "row-second", "row-unit"):
        expect(page.locator(f"[name={name}]")).to_have_count(4)
    expect(page.locator("textarea[name=payload]")).to_be_attached()
    context.close()


def test_the_builder_works_under_a_strict_policy(page: Page, live_server: Any, log_in: Any) -> None:
    """No inline script or style of ours; `unsafe-eval` is what the theme's own Alpine needs."""
    agent = make_agent()
    log_in(make_user(team=agent.team))
    policy = "script-src 'self' 'unsafe-eval'; style-src 'self'"

    def add_policy(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "Content-Security-Policy": policy})

    page.route("**/triggerrule/add/**", add_policy)
    page.goto(f"{live_server.url}/admin/agents/triggerrule/add/?agent={agent.pk}")
    page.locator("[data-condition] > .ag-row [data-row-add]").click()
    page.locator("[name=row-field]").select_option("channel")
    expect(page.locator("select[name=row-value] option").first).to_have_text("api")
    expect(page.locator("#preview .ar-body")).to_contain_text("evt_example")
