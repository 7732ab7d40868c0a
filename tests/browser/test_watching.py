"""Watching a run in a real browser: what the user does to a chart outlives the ticks."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser import app as server
from tests.browser.widgets import no_traceback, settled, type_in, wait_for_fragments, wait_for_metric
from tests.run_folders import epoch_row, make_alive, make_run, timing_row, workspace_at, write_progress
from tests.waiting import PATIENCE, ticks
from trainer.run import metrics
from trainer.run.runs import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = make_run(workspace_at(tmp_path), epochs=30)
    make_alive(made)
    return made


def go_on(run: Run, first: int, last: int) -> None:
    """More epochs; the page shows them at its next tick."""
    for epoch in range(first, last + 1):
        metrics.append(run.metrics_file, epoch_row(epoch))
        metrics.append(run.timing_file, timing_row(epoch))
    write_progress(run, [epoch_row(last)], epoch=last + 1, epochs=999)


def plot(page: Page, number: int) -> Locator:
    return page.get_by_test_id("stVegaLiteChart").nth(number).locator("canvas, svg").first


def settled_picture(page: Page, number: int) -> bytes:
    """The chart once it no longer changes."""
    settled(page)
    pictures = []
    for _ in ticks(PATIENCE):
        page.wait_for_timeout(100)
        pictures = [*pictures[-2:], plot(page, number).screenshot()]
        if len(pictures) == 3 and len(set(pictures)) == 1:
            return pictures[0]
    raise AssertionError("the chart never stood still")


def difference(one: bytes, other: bytes) -> float:
    """How far two pictures of a chart are apart; room for labels moves a chart by parts of a pixel."""
    pixels = [np.asarray(Image.open(BytesIO(picture)).convert("L"), dtype=float) for picture in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean()) if pixels[0].shape == pixels[1].shape else np.inf


def wait_for_epochs(page: Page, last: int) -> None:
    wait_for_metric(page, "Epoch", f"{last + 1}/999")
    wait_for_fragments(page, 3)  # charts follow a tick later if they were read just before; the sidebar ticks too


def test_a_zoom_outlives_ticks_and_the_plain_wheel_scrolls(page: Page, run: Run):
    with server.running(run.workspace, page.context) as app:
        page.goto(f"{app.address}/Training?run={run.id}")
        expect(page.get_by_test_id("stVegaLiteChart").nth(6)).to_be_visible()
        page.evaluate("window.first = document.querySelector('[data-testid=stVegaLiteChart] canvas')")
        whole = settled_picture(page, 0)
        plot(page, 0).hover()
        page.mouse.wheel(0, -300)
        page.mouse.move(5, 5)
        assert settled_picture(page, 0) == whole, "the wheel alone is the page's"
        plot(page, 0).hover()
        page.keyboard.down("Control")
        page.mouse.wheel(0, -600)
        page.keyboard.up("Control")
        page.mouse.move(5, 5)
        zoomed, other = settled_picture(page, 0), settled_picture(page, 1)
        assert zoomed != whole
        go_on(run, 31, 45)
        wait_for_epochs(page, 45)
        later = settled_picture(page, 0)
        assert settled_picture(page, 1) != other, "a chart without zoom follows"
        same = "window.first === document.querySelector('[data-testid=stVegaLiteChart] canvas')"
        assert page.evaluate(same), "the chart was never made anew"
        plot(page, 0).dblclick(position={"x": 200, "y": 120})
        page.mouse.move(5, 5)
        shown_again = settled_picture(page, 0)
        assert difference(later, zoomed) < difference(shown_again, zoomed) / 2, "the zoom stays, a double click ends it"
        no_traceback(page)


def test_epochs_that_were_asked_for_stay_in_the_address(page: Page, run: Run):
    with server.running(run.workspace, page.context) as app:
        page.goto(f"{app.address}/Training?run={run.id}")
        expect(page.get_by_test_id("stVegaLiteChart").nth(6)).to_be_visible()
        whole = settled_picture(page, 0)
        type_in(page, "spinbutton", "From epoch", "3")
        type_in(page, "spinbutton", "To epoch", "9")
        chosen = settled_picture(page, 0)
        assert chosen != whole
        for part in ("from_epoch=3", "to_epoch=9", run.id):
            page.wait_for_url(re.compile(part), wait_until="commit")
        go_on(run, 31, 33)
        wait_for_epochs(page, 33)
        assert difference(settled_picture(page, 0), chosen) < difference(whole, chosen) / 2
        page.reload()
        expect(page.get_by_role("spinbutton", name="To epoch")).to_have_value("9")
        assert difference(settled_picture(page, 0), chosen) < difference(whole, chosen) / 2
        wait_for_metric(page, "Epoch", "34/999")
        no_traceback(page)
