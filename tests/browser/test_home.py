"""The page Home in a real browser: a detector is ordered, watched in another tab, paused, killed and continued."""

import re
import signal

from playwright.sync_api import Page

from tests.browser import app as server
from tests.browser.widgets import no_traceback, press, shows, type_in
from tests.waiting import wait_for_job
from trainer.creation import creation
from trainer.system import job, processes
from trainer.system.workspace import Workspace


def test_a_creation_outlives_its_page_and_its_process(page: Page, tmp_path):
    workspace = Workspace(tmp_path)
    with server.running(workspace, page.context) as app:
        page.goto(app.address)
        type_in(page, "textbox", "What shall your device listen for?", "hey atlas")
        press(page, "Create detector")
        shows(page, "“hey atlas”")
        shows(page, re.compile("Speaking hey atlas and other words · about .* left"))

        other = page.context.new_page()
        page.close()
        other.goto(app.address)
        shows(other, re.compile("Speaking hey atlas and other words · about .* left"))
        press(other, "Pause")
        shows(other, "Paused. What was made is kept.")
        assert creation.progress(workspace).state == "paused" and not workspace.raw.exists()

        press(other, "Continue")
        shows(other, re.compile("Speaking hey atlas and other words"))
        working = wait_for_job(workspace, creation.VERB, lambda found: found.identity and found.state == "running")
        assert processes.send_signal(working.identity, signal.SIGKILL)
        shows(other, re.compile("The create job ended unexpectedly"))
        press(other, "Continue")
        shows(other, re.compile("Speaking hey atlas and other words"))
        no_traceback(other)
        press(other, "Pause")
        wait_for_job(workspace, creation.VERB, lambda found: found.state == "cancelled")
    assert job.read(workspace, creation.VERB).state == "cancelled"
