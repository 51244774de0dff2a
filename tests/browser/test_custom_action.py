"""Somebody writes an action with a bug, mends it in the test panel, and lets an agent use it."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agents.models import ActionRun, CustomAction
from tests.factories import install, make_action, make_agent, make_bin, make_credential, make_team, make_user
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
CODE = ".ac-code .cm-content"
SECRET = "a-planted-shared-secret-7261"
WITH_A_BUG = """\
console.log('going to tell', params.email);
const body = JSON.stringify({ customer: params.email.tolowercase(), channel: params.channel });
const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-Webhook-Secret': credentials.secret },
  body,
});
if (!r.ok) throw new Error(`Webhook ${r.status}`);
return { success: true, data: { status: r.status } };
"""
MENDED = WITH_A_BUG.replace("tolowercase", "toLowerCase")


def write(page: Page, code: str) -> None:
    """As a person would: click into the editor, select all, and type over it."""
    page.locator(CODE).click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(code)


def test_write_test_mend_install_chat(page: Page, live_server: Any, live_worker: Any, log_in: Any) -> None:
    team = make_team()
    caught, agent = make_bin(team=team), make_agent(team=team, name="Front desk")
    credential = make_credential(team=team, values={"webhook_url": caught.address, "secret": SECRET})
    log_in(make_user(team=team))

    page.goto(f"{live_server.url}/admin/agents/agent/{agent.pk}/tools/")
    page.get_by_role("link", name="New custom action").click()
    page.get_by_label("Title").fill("Tell the CRM")
    expect(page.locator("#id_name")).to_have_value("tell_the_crm")
    page.locator("#id_description").fill("Tells the CRM about a lead.")
    page.get_by_role("button", name="Add parameter").click()
    page.locator("[name=parameter-name]").fill("email")
    page.locator("[name=parameter-required]").select_option(label="required")
    page.locator("[name=parameter-description]").fill("The customer's e-mail address")
    page.get_by_text("Allowed values, default, format").click()
    page.locator("[name=parameter-format]").select_option("email")
    page.get_by_role("button", name="+ channel").click()
    write(page, WITH_A_BUG)

    # The test panel follows the table, and runs what is in the editor.
    page.evaluate("window.neverReloaded = true")
    page.locator("[name=value-email]").fill("Jane@Example.com")
    page.locator("#test-credential").select_option(label=str(credential))
    page.keyboard.press("Control+Enter")
    expect(page.locator("#test-result")).to_contain_text("threw an error")
    expect(page.locator("#test-result .ac-console")).to_contain_text("going to tell Jane@Example.com")
    expect(page.locator(".cm-failed")).to_contain_text("tolowercase")
    expect(page.locator("#test-result")).to_contain_text("nothing was sent")
    page.get_by_role("button", name="Go to line 2").click()
    expect(page.locator(".ac-code .cm-activeLine")).to_contain_text("tolowercase")
    assert caught.requests.count() == 0

    write(page, MENDED)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#test-result .cz-large")).to_have_text("succeeded")
    expect(page.locator("#test-result .ac-fetches")).to_contain_text("delivered")
    expect(page.locator(".cm-failed")).to_have_count(0)
    assert page.evaluate("window.neverReloaded") is True
    assert SECRET not in page.content()
    assert caught.requests.count() == 1

    # Saved and installed in one go; it waits for its credential.
    page.get_by_role("button", name="Save and install on Front desk").click()
    row = page.locator("#tool-tell_the_crm")
    expect(page.get_by_text("choose its credential, then switch it on")).to_be_visible()
    row.get_by_label("Switched on").check(force=True)
    row.get_by_label("Credential", exact=True).select_option(label=str(credential))
    row.get_by_label("Example phrases").fill("I want an offer\nCan you send me an offer?")
    row.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is switched on. Try it in the playground.")).to_be_visible()

    # The agent asks for what is missing, and fires once.
    page.get_by_role("link", name="Playground").click()
    page.get_by_role("button", name="I want an offer").click()
    expect(page.locator("#chat")).to_contain_text("e-mail address")
    page.get_by_label("Message").fill("bob@example.com")
    page.get_by_label("Message").press("Enter")
    expect(page.locator("#decisions .cz-badge").first).to_have_text("done")
    assert caught.requests.count() == 2
    sent = caught.requests.order_by("-pk")[0]
    assert bytes(sent.body).decode() == '{"customer":"bob@example.com","channel":"playground"}'

    # The run knows its fetch, and the delivery log knows its run.
    page.get_by_role("link", name=re.compile("^Open run")).click()
    expect(page.locator(".ac-outcome .cz-large")).to_have_text("succeeded")
    run = ActionRun.objects.get(purpose="call")
    delivery = Delivery.objects.get(caused_by=run.public_id)
    assert (run.action, delivery.method, delivery.state) == (CustomAction.objects.get(), "POST", "delivered")
    page.locator(".ac-fetches a").click()
    expect(page.get_by_text("The receiver answered 200.").first).to_be_visible()
    assert SECRET not in page.content()
    assert run.public_id in page.content()


def test_a_syntax_error_is_marked_and_nothing_is_lost(
    page: Page, live_server: Any, live_worker: Any, log_in: Any
) -> None:
    action = make_action(code="return 1;\n", title="Count")
    log_in(make_user(team=action.team))
    page.goto(f"{live_server.url}/admin/agents/customaction/{action.pk}/change/")
    write(page, "const a = 1;\nreturn a b;\n")
    page.get_by_label("What changed").fill("A worse way to count")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The code cannot be read (line 2)")).to_be_visible()
    expect(page.locator(".cm-failed")).to_have_text("return a b;")
    expect(page.get_by_label("What changed")).to_have_value("A worse way to count")
    assert action.versions.count() == 1


def test_the_parameter_table_grows_shrinks_and_is_reordered(page: Page, live_server: Any, log_in: Any) -> None:
    log_in(make_user(team=make_team()))
    page.goto(f"{live_server.url}/admin/agents/customaction/add/")
    for name in ("first", "second", "third"):
        page.get_by_role("button", name="Add parameter").click()
        page.locator("[name=parameter-name]").last.fill(name)
    page.locator("[data-parameter]").nth(2).get_by_label("Move up").click()
    page.locator("[data-parameter]").nth(0).get_by_label("Remove parameter").click()
    names = page.locator("[name=parameter-name]")
    assert [names.nth(number).input_value() for number in range(names.count())] == ["third", "second"]
    expect(page.locator("#test-fields label")).to_have_count(2)
    page.locator("[name=parameter-type]").first.select_option("boolean")
    expect(page.locator("select[name=value-third]")).to_be_visible()
    page.locator("[name=parameter-type]").first.select_option("object")
    expect(page.locator("textarea[name=value-third]")).to_be_visible()


def test_what_was_inserted_can_be_taken_back(page: Page, live_server: Any, log_in: Any) -> None:
    log_in(make_user(team=make_team()))
    page.goto(f"{live_server.url}/admin/agents/customaction/add/")
    page.locator("#snippets").select_option(label="POST signed with HMAC (crypto.subtle)")
    expect(page.locator(CODE)).to_contain_text("crypto.subtle.sign")
    page.locator(CODE).press("ControlOrMeta+z")
    expect(page.locator(CODE)).not_to_contain_text("crypto.subtle.sign")


def test_without_scripts_the_code_is_written_in_a_plain_field(browser: Any, live_server: Any, client: Any) -> None:
    user = make_user(team=make_team())
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    context = browser.new_context(java_script_enabled=False)
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/agents/customaction/add/")
    expect(page.locator("textarea[name=code]")).to_be_attached()
    expect(page.locator("[name=parameter-name]")).to_have_count(2)
    context.close()


def test_approve_in_the_playground(page: Page, live_server: Any, live_worker: Any, log_in: Any) -> None:
    team = make_team()
    caught = make_bin(team=team)
    code = "const r = await fetch(config.url, { method: 'POST', body: '{}' });\nreturn { success: r.ok };\n"
    tool = install(
        action=make_action(team=team, code=code, title="Book it"),
        config={"url": caught.address},
        example_phrases="Book it",
        needs_approval=True,
    )
    log_in(make_user(team=team))
    page.goto(f"{live_server.url}/admin/agents/agent/{tool.agent.pk}/playground/")
    page.get_by_role("button", name="Book it").click()
    for _ in range(3):
        approve = page.get_by_role("button", name="Approve")
        expect(approve.or_(page.locator(".ag-quicks button").first)).to_be_visible()
        if approve.is_visible():
            break
        page.locator(".ag-quicks button").first.click()
    assert caught.requests.count() == 0
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#decisions .cz-badge").first).to_have_text("done")
    expect(page.locator("#chat .ag-system")).to_contain_text("Book it: Done.")
    assert caught.requests.count() == 1


def test_the_editor_works_under_a_strict_policy(page: Page, live_server: Any, log_in: Any) -> None:
    """No inline script or style of ours; `unsafe-eval` is what the theme's own Alpine needs."""
    log_in(make_user(team=make_team()))
    policy = "script-src 'self' 'unsafe-eval'; style-src 'self'"

    def add_policy(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "Content-Security-Policy": policy})

    page.route("**/customaction/add/", add_policy)
    page.goto(f"{live_server.url}/admin/agents/customaction/add/")
    page.get_by_role("button", name="Add parameter").click()
    page.locator("[name=parameter-name]").fill("email")
    expect(page.locator("[name=value-email]")).to_be_visible()
    write(page, "return 'styled';")
    colour = page.locator(CODE).evaluate("node => getComputedStyle(node.querySelector('.cm-line span[class]')).color")
    plain = page.locator(CODE).evaluate("node => getComputedStyle(node).color")
    assert colour != plain
    assert page.locator(".ac-code .cm-scroller").evaluate("node => getComputedStyle(node).display") == "flex"


def test_code_can_be_tried_before_it_has_a_title(page: Page, live_server: Any, log_in: Any) -> None:
    log_in(make_user(team=make_team()))
    page.goto(f"{live_server.url}/admin/agents/customaction/add/")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#test-result")).to_contain_text("queued")
    expect(page.locator("#test-result")).to_contain_text("No worker has come yet")
