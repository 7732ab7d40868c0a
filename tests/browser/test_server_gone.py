"""A page whose server is gone says how to start it again, and goes on when it is back."""

import signal

from playwright.sync_api import Page, expect

from pages.ui.shared import shell
from tests.browser import app as server
from tests.browser.widgets import settled
from trainer.system.workspace import Workspace

SAID = f"getComputedStyle(document.querySelector(`{shell.LOST} > div`), '::after').content"
"""What the dialog says, which a style sheet puts in place of Streamlit's words."""


def test_a_page_without_its_server_names_our_command(page: Page, tmp_path):
    workspace, port = Workspace(tmp_path), server.free_port()
    app = server.start(workspace, port)
    app.let_in(page.context)
    page.goto(f"{app.address}/Runs")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    settled(page)
    app.end(signal.SIGKILL)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_text("Streamlit server is not responding")).to_have_css("font-size", "0px")
    assert page.evaluate(SAID) == f'"{shell.GONE}"' and "make app" in shell.GONE
    expect(page.get_by_test_id("stErrorCodeBlock")).not_to_be_visible()
    app = server.start(workspace, port)
    try:
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_text("No runs yet")).to_be_visible()
    finally:
        app.end(signal.SIGKILL)
