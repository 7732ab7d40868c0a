"""Several runs from several tabs, with a server that is killed between: all end as they were told to."""

import re
import signal

import pytest
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.widgets import choose, no_traceback, pick, press, shows, type_in, wait_for_metric
from tests.run_folders import end_all
from tests.tiny import make_workspace, tiny_config
from tests.waiting import wait_until
from trainer.config import saved_configs
from trainer.run import runs
from trainer.run.runs import Run
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    made = make_workspace(tmp_path)
    saved_configs.save(made, "endless", tiny_config(epochs=10_000))
    saved_configs.save(made, "short", tiny_config(epochs=3))
    yield made
    end_all(made)


def start(page: Page, address: str, config: str, label: str) -> str:
    """Start a training from this tab; returns the address of its run."""
    page.goto(f"{address}/Training")
    choose(page, "Configuration", config)
    type_in(page, "textbox", "Run name (optional)", label)
    press(page, "Start Training")
    expect(page.get_by_role("combobox", name="Run", exact=True)).to_have_value(re.compile(f"^{label} "))
    no_traceback(page)
    return page.url


def labelled(workspace: Workspace, label: str) -> Run:
    return next(run for run in runs.all_runs(workspace) if runs.status(run).label == label)


def test_three_runs_from_two_tabs_end_as_they_were_told(page: Page, workspace: Workspace):
    other = page.context.new_page()
    with server.running(workspace, page.context) as app:
        first = start(page, app.address, "endless", "first")
        wait_for_metric(page, "Status", "Running")
        second = start(other, app.address, "endless", "second")
        wait_for_metric(other, "Status", "Queued")
        shows(other, "Next in the queue. Waits for the CPU")
        third = start(other, app.address, "short", "third")
        shows(other, "Number 2 in the queue.")
        wait_for_metric(page, "Epoch", r"[2-9]/10,000|\d\d+/10,000")
        press(page, "Pause")
        wait_for_metric(page, "Status", "Pausing|Paused", 5)
        wait_for_metric(page, "Status", "Paused", 10)
        wait_for_metric(page, "ETA", "--:--:--")
        app.end(signal.SIGKILL)
    assert wait_until(labelled(workspace, "second"), "running"), "its turn comes without a server"
    port = int(app.address.rpartition(":")[2])
    again = server.start(workspace, port)
    try:
        other.goto(second)
        wait_for_metric(other, "Status", "Running")
        pick(other, "now")
        press(other, "Stop Training")
        wait_for_metric(other, "Status", "Stopped", 15)
        shows(other, "Stopped by the user")
        other.goto(third)
        wait_for_metric(other, "Status", "Completed")
        page.goto(first)
        wait_for_metric(page, "Status", "Paused")
        press(page, "Resume")
        wait_for_metric(page, "Status", "Running")
        press(page, "Stop Training")
        wait_for_metric(page, "Status", "Stopped", 15)
        for each in (page, other):
            no_traceback(each)
    finally:
        again.end(signal.SIGKILL)
    told = {status.label: status.state for status in map(runs.status, runs.all_runs(workspace))}
    assert told == {"first": "stopped", "second": "stopped", "third": "completed"}
