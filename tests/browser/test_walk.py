"""A newcomer's way through the app in a real browser: from nothing to a trained model, whatever dies meanwhile."""

import re
import signal

import pytest
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.conftest import new_page
from tests.browser.widgets import (
    EPOCHS,
    button,
    choose,
    customize,
    no_traceback,
    pick,
    press,
    settled,
    shows,
    type_in,
    wait_for_metric,
)
from tests.run.test_launch import ENDLESS
from tests.run_folders import end_all
from tests.tiny import make_workspace, tiny_config
from tests.waiting import people, wait_for_epoch, wait_until
from trainer.config import saved_configs
from trainer.run import launch, runs
from trainer.run.state import ACTIVE
from trainer.system import log_lines, processes
from trainer.system.workspace import Workspace

WALK_EPOCHS = 8
"""Enough for an F1 of 0.9 with room to spare; the last epochs still go on while a new server starts."""


def make_data(page: Page, address: str) -> None:
    page.goto(f"{address}/Dataset")
    press(page, "Make demo data")
    shows(page, re.compile(r"^Made 2,400 clips"))
    press(page, "Scan Datasets")
    shows(page, re.compile(r"2,400 clips, .* 0 refused"))
    press(page, "Split Datasets")
    shows(page, re.compile(r"^Split 2,400 clips: "))
    shows(page, re.compile(r"No leakage"))
    no_traceback(page)


def make_configuration(page: Page, address: str) -> None:
    page.goto(f"{address}/Configuration")
    customize(page)
    choose(page, "Preset", "quick")
    press(page, "Load Preset")
    shows(page, re.compile("Loaded: preset .quick."))
    type_in(page, "spinbutton", EPOCHS, "0")
    press(page, "Validate Configuration")
    shows(page, re.compile(r"configuration is not valid\. .*must be at least 1; 0 given\."))
    type_in(page, "spinbutton", EPOCHS, str(WALK_EPOCHS))
    press(page, "Validate Configuration")
    shows(page, "Configuration is valid")
    type_in(page, "textbox", "Name", "walk")
    press(page, "Save Configuration")
    shows(page, re.compile(r"^Saved to .*walk\.yaml"))
    no_traceback(page)


def test_from_nothing_to_a_trained_model(page: Page, tmp_path):
    workspace = Workspace(tmp_path)
    with server.running(workspace, page.context) as app:
        page.goto(app.address)
        expect(page.get_by_role("link", name="Go to Dataset")).to_be_visible()
        make_data(page, app.address)
        make_configuration(page, app.address)
        page.goto(f"{app.address}/Training")
        expect(button(page, "Start Training")).to_be_enabled()
        shows(page, "No data yet")
        settled(page)
        button(page, "Start Training").dblclick()
        wait_for_metric(page, "Status", "Running")
        page.evaluate("window.sameDocument = true")
        wait_for_metric(page, "Epoch", f"[2-{WALK_EPOCHS}]/{WALK_EPOCHS}")
        assert len(runs.all_runs(workspace)) == 1, "a double click is one run"
        wait_for_metric(page, "ETA", r"\d\d:\d\d:\d\d")
        wait_for_metric(page, "Val loss", r"0\.\d+", 5)
        wait_for_metric(page, "FPR", r"[\d.]+ ?%", 5)
        expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").nth(2)).to_be_visible()
        assert page.evaluate("window.sameDocument") is True, "the page was never loaded anew"
        app.end(signal.SIGKILL)
    run = runs.all_runs(workspace)[0]
    assert runs.status(run).state in ACTIVE, "the training outlives the server"
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Training")
        wait_for_metric(page, "Status", "Running")
        assert run.id in page.url, "a new browser shows the same run"
        wait_for_metric(page, "Status", "Completed")
        best = runs.document(runs.status(run))["best"]
        wait_for_metric(page, "Best epoch", str(best["epoch"]), 5)
        shows(page, best["checkpoint"])
        shows(page, re.compile(f"Epoch {WALK_EPOCHS}/{WALK_EPOCHS} - Loss: "))
        wait_for_metric(page, "ETA", "--:--:--", 5)
        page.screenshot(path=tmp_path / "completed.png", full_page=True)
        no_traceback(page)
    assert runs.status(run).progress.last_epoch["f1"] >= 0.9


@pytest.fixture
def workspace(tmp_path):
    made = make_workspace(tmp_path)
    saved_configs.save(made, "tiny", tiny_config(**ENDLESS))
    yield made
    end_all(made)


def test_the_same_form_from_two_tabs_makes_one_run(browser, workspace: Workspace):
    tabs = [new_page(browser) for _ in range(2)]
    with server.running(workspace, *(tab.context for tab in tabs)) as app:
        for tab in tabs:
            tab.goto(f"{app.address}/Training")
            expect(button(tab, "Start Training")).to_be_enabled()
            settled(tab)
        for tab in tabs:
            button(tab, "Start Training").click()
        for tab in tabs:
            wait_for_metric(tab, "Status", "Running")
            settled(tab)
        told = [tab.get_by_text("Training already in progress").count() for tab in tabs]
        assert sorted(told) == [0, 1], "clicks of two tabs are taken in any order; the second is told"
        assert len(runs.all_runs(workspace)) == 1
        for tab in tabs:
            tab.context.close()


def test_stop_after_the_epoch_and_now_from_the_page(page: Page, workspace: Workspace):
    with server.running(workspace, page.context) as app:
        for choice in ("after this epoch", "now"):
            run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
            wait_for_epoch(run, 2)
            page.goto(f"{app.address}/Training?run={run.id}")
            wait_for_metric(page, "Status", "Running")
            pick(page, choice)
            press(page, "Stop Training")
            wait_for_metric(page, "Status", "Stopped", 30)
            assert "Stopped by the user" in runs.status(run).outcome.reason
            wait_for_metric(page, "Best epoch", r"[1-9]\d*")


def test_ctrl_c_on_the_server_leaves_the_training_alone(page: Page, workspace: Workspace):
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Training")
        press(page, "Start Training")
        wait_for_metric(page, "Status", "Running")
        run = runs.all_runs(workspace)[0]
        before = wait_for_epoch(run, 1)
        app.end(signal.SIGINT)
        wait_for_epoch(run, before.progress.epoch + 3)
        assert runs.status(run).state == "running"


@pytest.mark.parametrize(("both", "word"), [(False, "Failed"), (True, "Lost")])
def test_a_kill_is_shown_within_5_s(page: Page, workspace: Workspace, both: bool, word: str):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 2)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Training?run={run.id}")
        wait_for_metric(page, "Status", "Running")
        found = people(run)
        if both:
            processes.send_signal(found.supervisor, signal.SIGKILL)
        processes.send_signal(found.trainer, signal.SIGKILL)
        wait_for_metric(page, "Status", word, 5)
        if not both:
            shows(page, re.compile("SIGKILL"))
        no_traceback(page)


def test_bad_input_gets_its_one_sentence(page: Page, tmp_path, workspace: Workspace):
    empty = Workspace(tmp_path / "empty")
    empty.root.mkdir()
    with server.running(empty, page.context) as app:
        page.goto(f"{app.address}/Training")
        for sentence in (
            "No configuration loaded. Choose or save one on the Configuration page first.",
            "Dataset splits not found. Scan and split on the Dataset page first.",
        ):
            expect(page.get_by_text(sentence)).to_have_count(1)
        press(page, "Start Training")
        expect(page.get_by_test_id("stAlertContentError").get_by_text("Dataset splits not found.")).to_have_count(1)
        expect(page.get_by_text("Dataset splits not found.")).to_have_count(1)
        page.goto(f"{app.address}/Dataset")
        press(page, "Scan Datasets")
        shows(page, re.compile("No usable clips in"))
        no_traceback(page)
    (workspace.configs / "tiny.yaml").write_text("training: {epochs: 99999, epoch: 1}")
    missing = next((workspace.raw / "positive").rglob("*.wav"))
    missing.unlink()
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Training")
        press(page, "Start Training")
        shows(page, "must be at most 10000; 99999 given.")
        shows(page, "did you mean epochs?")
        saved_configs.save(workspace, "tiny", tiny_config())
        workspace.runs.rmdir()
        workspace.runs.write_text("a file where the folder of runs should be")
        press(page, "Start Training")
        shows(page, re.compile("cannot be written to"))
        no_traceback(page)
    assert not any("Traceback" in line for line in log_lines.last_lines(workspace.root / "server.log"))


def test_names_from_files_run_nothing_and_load_nothing(page: Page, workspace: Workspace):
    beacons = []
    page.on("request", lambda request: beacons.append(request.url) if "beacon" in request.url else None)
    evil = "<img src=x onerror=window.hit=1> ![x](http://127.0.0.1:9/beacon)"
    (workspace.raw / "positive" / "<img src=x onerror=window.hit=1>.txt").touch()
    run = launch.start(workspace, tiny_config(), "tiny", evil).run
    wait_until(run, "completed")
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Dataset")
        press(page, "Scan Datasets")
        shows(page, re.compile("1 refused"))
        for name in ("", "Training", "Runs", "Evaluation"):
            page.goto(f"{app.address}/{name}")
            settled(page)
            page.wait_for_load_state("networkidle")
            no_traceback(page)
            assert page.evaluate("window.hit") is None and not beacons
