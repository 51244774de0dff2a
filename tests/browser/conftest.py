"""A real Chromium, the one installed on this machine. Where there is none, the tests say so and are skipped."""

import os
import shutil
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.factories import PASSWORD

# Playwright keeps an event loop in the test's thread for the whole run, which Django takes for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
# The inspector may be opened for exactly one origin, which has to be an address and not a name.
os.environ.setdefault("DJANGO_LIVE_TEST_SERVER_ADDRESS", "127.0.0.1")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/usr/bin/chromium")
MISSING = "No Chromium on this machine (looked for " + ", ".join(NAMES) + ")."

expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(MISSING + " REQUIRE_BROWSER=1 wants one.")
    if found is None:
        pytest.skip(MISSING)
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium: str) -> dict[str, Any]:
    # Chromium's own sandbox refuses to start as root, which is what a container runs as.
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    return {**browser_type_launch_args, "executable_path": chromium, "args": [*sandbox, "--disable-dev-shm-usage"]}


@pytest.fixture
def page(page: Page, live_server: Any) -> Page:
    """A page whose script errors fail the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(15_000)
    yield page  # type: ignore[misc]
    assert errors == []


@pytest.fixture
def log_in(page: Page, live_server: Any) -> Any:
    def log_in(user: Any) -> None:
        page.goto(f"{live_server.url}/admin/login/")
        page.get_by_label("E-mail address").fill(user.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")

    return log_in
