"""The end of a run in the browser that watches it: one notification, one tone."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.widgets import click, press, settled, shows, wait_for_metric
from tests.run_folders import end, make_alive, make_run, workspace_at

STUB = """
window.notifications = [];
window.tones = 0;
window.Notification = class {
  static get permission() { return localStorage.permission || "default"; }
  static async requestPermission() { return localStorage.permission = "ANSWER"; }
  constructor(title, options) { window.notifications.push([title, options.body, options.tag]); }
};
window.AudioContext = class extends AudioContext {
  constructor() { super(); window.tones += 1; }
};
"""


def switch(page: Page, name: str):
    return page.get_by_role("switch", name=name)


@pytest.fixture
def workspace(tmp_path):
    return workspace_at(tmp_path)


def test_the_end_of_the_watched_run_notifies_once(page: Page, workspace):
    page.add_init_script(STUB.replace("ANSWER", "granted"))
    run, ended = make_run(workspace, 2, label="<b>Kitchen</b>"), make_run(workspace, 1)
    make_alive(run)
    end(ended, "completed", "All done.")
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Training?run={run.id}")
        wait_for_metric(page, "Status", "Running")
        press(page, "Notifications")
        for name in ("Notify in this browser", "Play a sound"):
            switch(page, name).check()
        page.reload()
        wait_for_metric(page, "Status", "Running")
        press(page, "Notifications")
        for name in ("Notify in this browser", "Play a sound"):
            expect(switch(page, name)).to_be_checked()
        page.keyboard.press("Escape")
        press(page, "Start Training")  # refused: what it says is gone when the page is drawn for the end
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(2)
        assert page.evaluate("[notifications, tones]") == [[], 0]
        end(run, "completed", "Trained 3 epochs.")
        wait_for_metric(page, "Status", "Completed", 10)
        page.wait_for_function("notifications.length > 0")
        click(page, page.get_by_text("Log scale for loss"))
        told = [["Completed: <b>Kitchen</b>", "Trained 3 epochs.", run.id]]
        assert page.evaluate("[notifications, tones]") == [told, 1]
        for address in (f"{app.address}/Training?run={run.id}", f"{app.address}/Training?run={ended.id}"):
            page.goto(address)
            wait_for_metric(page, "Status", "Completed")
            settled(page)
            assert page.evaluate("[notifications, tones]") == [[], 0], "it had ended before the page was opened"


def test_a_browser_that_blocks_notifications_is_told_so(page: Page, workspace):
    page.add_init_script(STUB.replace("ANSWER", "denied"))
    make_alive(make_run(workspace))
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Training")
        press(page, "Notifications")
        switch(page, "Notify in this browser").click()
        shows(page, "This browser blocks notifications from this page")
        expect(switch(page, "Notify in this browser")).not_to_be_checked()
        switch(page, "Play a sound").check()
        page.wait_for_function("tones == 1")
