"""Runs that go on, in a real browser: resumed on the Runs page, shown by TensorBoard, taken to another workspace."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.test_walk import button, no_traceback, settled, wait_for_metric
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
        settled(page)
        wait_for_metric(page, "State", "Stopped")
        before = runs.status(stopped).progress.epoch
        button(page, "Resume").click()
        wait_for_metric(page, "State", "Running")
        assert wait_for_epoch(stopped, before + 1).attempt == 2
        no_traceback(page)


def test_tensorboard_is_opened_and_ends(page: Page, stopped):
    workspace = stopped.workspace
    with server.running(workspace, page.context) as app:
        try:
            page.goto(f"{app.address}/Runs?run={stopped.id}&section=Charts")
            settled(page)
            button(page, "TensorBoard").click()
            button(page, "Start TensorBoard").click()
            link = page.get_by_role("link", name="Open TensorBoard")
            expect(link).to_be_visible()
            with page.expect_popup() as opened:
                link.click()
            board = opened.value
            assert board.url.startswith("http://127.0.0.1:")
            expect(board.get_by_text(re.compile(stopped.id)).first).to_be_visible()
            button(page, "Stop TensorBoard").click()
            expect(button(page, "Start TensorBoard")).to_be_visible()
            assert tensorboard.running(workspace) is None
            no_traceback(page)
        finally:
            tensorboard.stop(workspace)


def test_a_run_is_packed_and_taken_in_elsewhere(page: Page, stopped, tmp_path):
    with server.running(stopped.workspace, page.context) as app:
        page.goto(f"{app.address}/Runs?run={stopped.id}&section=Files")
        settled(page)
        button(page, "Pack into one file").click()
        download = page.get_by_role("button", name=re.compile("^Download \\("))
        expect(download).to_be_visible()
        with page.expect_download() as taken:
            download.click()
        taken.value.save_as(tmp_path / "kitchen.zip")
        no_traceback(page)
    other = Workspace(tmp_path / "other")
    other.root.mkdir()
    with server.running(other, page.context) as app:
        page.goto(f"{app.address}/Runs")
        button(page, "Import a run").click()
        page.locator("input[type=file]").set_input_files(tmp_path / "kitchen.zip")
        button(page, "Import").click()
        expect(page.get_by_text(re.compile("^1 of 1 run,")).first).to_be_visible()
        (found,) = runs.all_runs(other)
        assert runs.status(found).label == "kitchen" and runs.status(found).state == "stopped"
        no_traceback(page)
