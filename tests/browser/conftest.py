"""A real browser and a real server for tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests import fork_server
from tests.browser import widgets
from tests.waiting import PATIENCE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


expect.set_options(timeout=1000 * PATIENCE)


def launch(playwright: Playwright, flags: list[str]) -> Browser:
    """Start the browser of this machine; without one the test is skipped, but in CI it fails."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        message = f"no browser found (looked for {', '.join(BROWSERS)}); install Chromium to run these tests"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *flags])


def new_page(browser: Browser) -> Page:
    """A page in a context of its own, whose waits fail after the patience of all tests."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
    context.add_init_script(widgets.WATCH_DRAWING)
    context.set_default_timeout(1000 * PATIENCE)
    return context.new_page()


@contextmanager
def hearing(playwright: Playwright, recording: Path) -> Iterator[Page]:
    """A page of a browser whose microphone plays this WAV file again and again."""
    flags = [
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}",
    ]  # fmt: skip
    browser = launch(playwright, flags)
    yield new_page(browser)
    browser.close()


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
    opened = new_page(browser)
    yield opened
    opened.context.close()


@pytest.fixture(scope="session", autouse=True)
def fork_servers() -> None:
    """Started before the first test, whose limits of time are for pages and not for imports."""
    for server in (fork_server.engine(), fork_server.pages()):
        assert server.address
