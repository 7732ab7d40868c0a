"""Time to show a huge run, load of the server with many browsers, and memory of a page over time.

python -m benchmarks.watch                   # a run of 1,000,000 rows with a log of 1 GB: opening and ticks
python -m benchmarks.watch --browsers 10     # the server's share of a core over a minute, with that many browsers
python -m benchmarks.watch --minutes 10      # heap and DOM nodes of one page over that time

The last two use a run of 300 epochs, or of --epochs.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright
from streamlit.testing.v1 import AppTest

from pages.ui.shared import history
from tests.browser import app as server
from tests.browser.conftest import launch
from tests.run_folders import epoch_row, make_alive, make_run, timing_row, workspace_at, write_progress
from trainer.run import metrics
from trainer.run.runs import Run

ROWS = 1_000_000
LOG_BYTES = 1_000_000_000
TICKS = 10
WRITE_SECONDS = 0.5
WARM_UP_SECONDS = 20
LINE = "[23:45:18] Epoch 3/9999 - Loss: 0.5234/0.4891 - Acc: 72.34%/74.21% - FPR: 8.45% - FNR: 6.32%\n"


def step_row(epoch: int, batch: int) -> dict:
    """A step row of metrics.jsonl."""
    return {"kind": "step", "epoch": epoch, "batch": batch, "step": batch, "loss": 1 / batch, "learning_rate": 0.002}


def make_long(folder: Path, rows: int, steps: int) -> Run:
    """A live run of `rows` rows, with `steps` step rows per epoch, and a log of 1 GB."""
    run = make_run(workspace_at(folder), epochs=0)
    with open(run.metrics_file, "wb") as measured, open(run.timing_file, "wb") as timed:
        for epoch in range(1, rows // (steps + 1) + 1):
            lines = [step_row(epoch, batch) for batch in range(1, steps + 1)] + [epoch_row(epoch)]
            measured.write(b"".join(map(metrics.encode, lines)))
            timed.write(metrics.encode(timing_row(epoch)))
    with open(run.log_file, "wb") as log:
        log.truncate(LOG_BYTES)
        log.seek(LOG_BYTES)
        log.write(b"".join(b"\n[23:45:18] Epoch %d/40 - Loss: 0.5234/0.4891" % line for line in range(1000)))
    write_progress(run, [epoch_row(epoch)])
    make_alive(run)
    return run


def tick() -> None:
    """The script of a page that draws a run once, as the timed fragment does, and stores the time and bytes read."""
    import time
    from pathlib import Path

    import psutil
    import streamlit as st

    from pages.ui.shared.curves import Style
    from pages.ui.training import live_view
    from trainer.run.runs import Run

    me = psutil.Process()
    read, start = me.io_counters().read_chars, time.perf_counter()
    live_view._live(Run(Path(st.session_state["folder"])), Style(), "running")
    st.session_state["seconds"] = time.perf_counter() - start
    st.session_state["read"] = me.io_counters().read_chars - read


def look(run: Run) -> tuple[float, int]:
    """(Seconds, bytes read) of one tick in a new session."""
    app = AppTest.from_function(tick, default_timeout=60)
    app.session_state["folder"] = str(run.folder)
    app.run()
    assert not app.exception, app.exception[0].message
    return app.session_state["seconds"], app.session_state["read"]


def measure_long(rows: int, steps: int) -> str:
    """The table row for opening, and ticks with and without new rows."""
    with tempfile.TemporaryDirectory() as folder:
        make_alive(small := make_run(workspace_at(Path(folder) / "small")))
        look(small)  # imports the modules
        run = make_long(Path(folder) / "long", rows, steps)
        opening, _ = look(run)
        idle, news, epochs = [], [], rows // (steps + 1)
        for epoch in range(epochs + 1, epochs + 1 + TICKS):
            idle.append(look(run))
            metrics.append(run.metrics_file, epoch_row(epoch))
            metrics.append(run.timing_file, timing_row(epoch))
            time.sleep(history.MOST_POLL_SECONDS)
            news.append(look(run))
        size = run.metrics_file.stat().st_size / 1e6
    times = " | ".join(f"{1000 * max(seconds for seconds, _ in each):.0f} ms" for each in (idle, news))
    most = max(read for _, read in idle + news) / 1024
    return f"| {rows:,} | {epochs:,} | {size:,.0f} MB | {opening:.2f} s | {times} | {most:.0f} KiB |"


def write_on(folder: Path, epoch: int, seconds: float) -> None:
    """Write the files of a training: an epoch, a line of the log and progress twice a second."""
    run, ends = Run(folder), time.monotonic() + seconds
    make_alive(run)
    while time.monotonic() < ends:
        epoch += 1
        metrics.append(run.metrics_file, epoch_row(epoch))
        metrics.append(run.timing_file, timing_row(epoch))
        with open(run.log_file, "a") as log:
            log.write(LINE)
        write_progress(run, [epoch_row(epoch)], epoch=epoch, epochs=9999)
        time.sleep(WRITE_SECONDS)


@contextmanager
def watched_run(epochs: int, seconds: float) -> Iterator[tuple[Run, server.App, Browser]]:
    """A run written by another process, the app, and a browser."""
    with ExitStack() as stack:
        workspace = workspace_at(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        run = make_run(workspace, epochs=epochs)
        run.log_file.write_text(LINE * 200)
        writer = multiprocessing.get_context("spawn").Process(target=write_on, args=(run.folder, epochs, seconds))
        writer.start()
        stack.callback(writer.join)
        stack.callback(writer.kill)
        app = stack.enter_context(server.running(workspace))
        yield run, app, stack.enter_context(closing(launch(stack.enter_context(sync_playwright()), [])))


def cpu_seconds(pid: int) -> float:
    return sum(psutil.Process(pid).cpu_times()[:2])


def opened(page: Page, run: Run, app: server.App) -> Page:
    """Open the charts of the run in a page."""
    app.let_in(page.context)
    page.goto(f"{app.address}/Training?run={run.id}")
    page.get_by_test_id("stVegaLiteChart").nth(6).wait_for(timeout=60_000)
    return page


def measure_browsers(count: int, epochs: int, seconds: float = 60) -> str:
    """The server's share of one core while `count` browsers watch one run."""
    with watched_run(epochs, 600) as (run, app, browser):
        for _ in range(count):
            opened(browser.new_context(viewport={"width": 1400, "height": 1000}).new_page(), run, app)
        time.sleep(WARM_UP_SECONDS)
        shares = []
        for _ in range(3):
            before = cpu_seconds(app.process.pid)
            time.sleep(seconds / 3)
            shares.append(100 * (cpu_seconds(app.process.pid) - before) / (seconds / 3))
    each = ", ".join(f"{share:.1f}" for share in shares)
    run_text = f"a run of {epochs:,} epochs and one more every {WRITE_SECONDS} s"
    return f"{count} browsers on {run_text}: {statistics.mean(shares):.1f} % of a core ({each})"


def heap(page: Page) -> tuple[float, int]:
    """(MB of JavaScript objects after a collection, DOM nodes) of a page."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    nodes = page.evaluate("document.getElementsByTagName('*').length")
    session.detach()
    return used, nodes


def measure_growth(minutes: float, epochs: int) -> Iterator[str]:
    """Heap and nodes of one page on a live run, over time."""
    seconds = 60 * minutes
    with watched_run(epochs, seconds + 120) as (run, app, browser):
        page = opened(browser.new_page(), run, app)
        page.wait_for_timeout(1000 * WARM_UP_SECONDS)
        for part in range(6):
            memory = psutil.Process(app.process.pid).memory_info().rss / 1e6
            used, nodes = heap(page)
            yield f"| {part * minutes / 5:.0f} min | {used:.1f} MB | {nodes:,} | {memory:.0f} MB |"
            page.wait_for_timeout(1000 * seconds / 5 if part < 5 else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browsers", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--epochs", type=int, default=300, help="epochs of the run at the start")
    arguments = parser.parse_args()
    if arguments.browsers:
        print(measure_browsers(arguments.browsers, arguments.epochs))
    if arguments.minutes:
        print("| after | heap | DOM nodes | server |\n| --- | --- | --- | --- |")
        for line in measure_growth(arguments.minutes, arguments.epochs):
            print(line, flush=True)
    if not arguments.browsers and not arguments.minutes:
        print("| rows | of them epochs | metrics.jsonl | opening | tick without news | with news | read at a tick |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for steps in (99, 0):
            print(measure_long(ROWS, steps), flush=True)


if __name__ == "__main__":
    main()
