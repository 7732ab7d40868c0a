"""A real browser and a real server for tests."""

import os
import shutil

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


expect.set_options(timeout=30_000)


def launch(playwright: Playwright, flags: list[str]) -> Browser:
    """Start the browser of this machine; without one the test is skipped, but in CI it fails."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        message = f"no browser found (looked for {', '.join(BROWSERS)}); install Chromium to run these tests"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *flags])


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright):
    found = launch(playwright, [])
    yield found
    found.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()
