"""Perceived speed in a browser: pages after a click, in a new server and a warm one, and the answer to an edited field.

python -m benchmarks.felt_speed               # on generated clips and runs
python -m benchmarks.felt_speed --root ROOT   # on a workspace, whose draft of a configuration is edited

A page is drawn when the server has sent all of it and its elements no longer change. Prints seconds: the first time in
a server that was just started (Home with the loading of the app), and the median of the turns after that. Run it while
nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from tests import tone_model
from tests.browser import app as server
from tests.browser.conftest import launch, new_page
from tests.browser.widgets import EPOCHS, customize, settled
from tests.run_folders import end, make_alive, make_run
from tests.tiny import make_workspace
from trainer.system.workspace import Workspace

PAGES = ("Home", "Dataset", "Configuration", "Training", "Evaluation", "Runs")
TITLES = {"Home": "Wakeword Studio"}
RUNS = 40
MUST_WARM, MUST_NEW, MUST_FIELD = 1.0, 2.5, 0.3
TURNS = 5
MEASURE = """([target, title, text]) => new Promise(resolve => {
  let asked = false, last = performance.now(), began = target.tagName === 'INPUT' ? null : last;
  const observer = new MutationObserver(() => { last = performance.now(); });
  observer.observe(document.body, {subtree: true, childList: true, characterData: true});
  const shown = () => document.querySelector('h1')?.textContent.includes(title)
    && document.querySelector('[data-testid=stMain]').textContent.includes(text);
  const look = () => {
    const drawing = window.drawing, now = performance.now();
    const drawn = !drawing.waiting && !drawing.run && !drawing.another;
    asked ||= began !== null && !drawn;
    if (asked && !drawn) last = now;
    if (asked && drawn && shown() && !document.querySelector('[data-testid=stSkeleton]') && now - last > 120) {
      observer.disconnect();
      resolve((last - began) / 1000);
    } else {
      requestAnimationFrame(look);
    }
  };
  if (began === null) {
    const begin = () => { began = last = performance.now(); };
    target.addEventListener('keydown', event => { if (event.key === 'Enter') begin(); });
    if (target.type === 'search') target.addEventListener('input', begin);  // it answers while one types
  } else {
    target.click();
  }
  requestAnimationFrame(look);
})"""


def generated(root: Path) -> Workspace:
    """Clips of tones, an evaluable run, a live one, and many that ended."""
    workspace = make_workspace(root, hard_negatives=8)
    for number in range(1, RUNS):
        end(run := make_run(workspace, number, f"run {number}", epochs=40), "completed", "All epochs are done.")
    tone_model.finish(run)
    make_alive(make_run(workspace, RUNS, "live", epochs=40))
    return workspace


def visit(page: Page, name: str) -> float:
    """Seconds from a click in the sidebar until the page is drawn."""
    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)
    return float(page.evaluate(MEASURE, [link.element_handle(), TITLES.get(name, name), ""]))


def edit(page: Page, field: Locator, text: str, answer: str) -> float:
    """Seconds from Enter in a field until the page shows the answer."""
    settled(page)
    title = page.get_by_role("heading", level=1).inner_text()
    page.evaluate(f"parts => {{ window.felt = ({MEASURE})(parts); }}", [field.element_handle(), title, answer])
    field.fill(text)
    field.press("Enter")
    return float(page.evaluate("window.felt"))


def fields(page: Page, turns: int) -> dict[str, list[float]]:
    """Seconds of the answers to edits, by field."""
    times = dict[str, list[float]]()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Configuration", exact=True).click()
    page.get_by_role("heading", name="Configuration").wait_for()
    settled(page)
    customize(page)
    epochs = page.get_by_role("spinbutton", name=EPOCHS)
    times["Configuration: Epochs"] = [edit(page, epochs, str(50 + turn), "Unsaved changes") for turn in range(turns)]
    visit(page, "Home")
    phrase = page.get_by_role("textbox", name="What shall your device listen for?")
    times["Home: the word"] = [edit(page, phrase, f"hey atlas {'a' * turn}", "phrase") for turn in range(turns)]
    visit(page, "Runs")
    search = page.get_by_role("searchbox", name="Search")
    times["Runs: Search"] = [edit(page, search, f"run {turn + 1}", " of 40 runs") for turn in range(turns)]
    return times


def row(what: str, first: float | None, later: list[float], must: str) -> str:
    return f"| {what} | {'' if first is None else f'{first:.2f}'} | {statistics.median(later):.2f} | {must} |"


def main(workspace: Workspace, turns: int) -> None:
    app = server.start(workspace, server.free_port(), anew=True)
    try:
        with sync_playwright() as playwright:
            page = new_page(launch(playwright, []))
            app.let_in(page.context)
            began = time.monotonic()
            page.goto(f"{app.address}/")
            page.get_by_role("heading", level=1).wait_for()
            settled(page)
            new = {PAGES[0]: time.monotonic() - began} | {name: visit(page, name) for name in PAGES[1:]}
            warm: dict[str, list[float]] = {name: [] for name in PAGES}
            for _ in range(turns):
                for name in PAGES:
                    warm[name].append(visit(page, name))
            print(f"Load before: {os.getloadavg()[0]:.1f}", file=sys.stderr)
            print("| page or field | new server, s | warm, s | must, s |\n| --- | --- | --- | --- |")
            for name in PAGES:
                print(row(name, new.get(name), warm[name], f"{MUST_NEW:g}; {MUST_WARM:g}"), flush=True)
            for name, times in fields(page, turns).items():
                print(row(name, None, times, f"{MUST_FIELD:g}"), flush=True)
    finally:
        app.end(signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--turns", type=int, default=TURNS)
    given = parser.parse_args()
    if given.root:
        main(Workspace(given.root.resolve()), given.turns)
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(generated(Path(folder)), given.turns)
