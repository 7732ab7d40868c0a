"""Runs that go on, in a real browser: resumed on the Runs page, shown by TensorBoard, taken to another workspace."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.widgets import button, click, no_traceback, press, shows, wait_for_metric
from tests.run_folders import end_all
from tests.tiny import make_workspace, tiny_config
from tests.waiting import wait_for_epoch, wait_until
from trainer.run import launch, runs, tensorboard
from trainer.system.workspace import Workspace


@pytest.fixture
def stopped(tmp_path):
    """A run that trained some epochs and was stopped."""
    workspace = make_workspace(tmp_path / "workspace")
    run = launch.start(workspace, tiny_config(epochs=400), "tiny", label="kitchen").run
    wait_for_epoch(run, 2)
    launch.stop(run, now=True)
    wait_until(run, "stopped")
    yield run
    end_all(workspace)


def test_a_run_is_resumed_on_its_page(page: Page, stopped):
    with server.running(stopped.workspace, page.context) as app:
        page.goto(f"{app.address}/Runs?run={stopped.id}")
        wait_for_metric(page, "State", "Stopped")
        before = runs.status(stopped).progress.epoch
        press(page, "Resume")
        wait_for_metric(page, "State", "Running")
        assert wait_for_epoch(stopped, before + 1).attempt == 2
        no_traceback(page)


def test_tensorboard_is_opened_and_ends(page: Page, stopped):
    workspace = stopped.workspace
    with server.running(workspace, page.context) as app:
        try:
            page.goto(f"{app.address}/Runs?run={stopped.id}&section=Charts")
            press(page, "TensorBoard")
            press(page, "Start TensorBoard")
            link = page.get_by_role("link", name="Open TensorBoard")
            expect(link).to_be_visible()
            with page.expect_popup() as opened:
                link.click()
            board = opened.value
            board.wait_for_url(re.compile(r"^http://127\.0\.0\.1:"), wait_until="commit")
            shows(board, re.compile(stopped.id))
            press(page, "Stop TensorBoard")
            expect(button(page, "Start TensorBoard")).to_be_visible()
            assert tensorboard.running(workspace) is None
            no_traceback(page)
        finally:
            tensorboard.stop(workspace)


def test_a_run_is_packed_and_taken_in_elsewhere(page: Page, stopped, tmp_path):
    with server.running(stopped.workspace, page.context) as app:
        page.goto(f"{app.address}/Runs?run={stopped.id}&section=Files")
        press(page, "Pack into one file")
        download = page.get_by_role("button", name=re.compile("^Download \\("))
        with page.expect_download() as taken:
            click(page, download)
        taken.value.save_as(tmp_path / "kitchen.zip")
        no_traceback(page)
    other = Workspace(tmp_path / "other")
    other.root.mkdir()
    with server.running(other, page.context) as app:
        page.goto(f"{app.address}/Runs")
        press(page, "Import a run")
        page.locator("input[type=file]").set_input_files(tmp_path / "kitchen.zip")
        press(page, "Import")
        shows(page, re.compile("^1 of 1 run,"))
        (found,) = runs.all_runs(other)
        assert runs.status(found).label == "kitchen" and runs.status(found).state == "stopped"
        no_traceback(page)
