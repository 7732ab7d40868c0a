"""Time to draw the Runs page by number of runs and of epochs: python -m benchmarks.runs_page

Streamlit draws it in this process without a browser, first without an index, then again; CPU time in parentheses.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from benchmarks import run_list
from tests import run_folders
from trainer.catalog import index
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system.workspace import PROJECT_ROOT, Workspace

LISTED = (100, 1_000, 10_000)
COMPARED = ((10, 1_000), (50, 1_000), (50, 10_000))


def drawn(workspace: Workspace, **query: str) -> list[tuple[float, float]]:
    """(wall, CPU) seconds of a page drawn three times."""
    os.environ["WAKEWORD_ROOT"] = str(workspace.root)
    app = AppTest.from_file(str(PROJECT_ROOT / "Home.py"), default_timeout=600)
    app.switch_page("pages/5_Runs.py")
    for name, value in query.items():
        app.query_params[name] = value
    times = []
    for _ in range(3):
        start, cpu = time.perf_counter(), time.process_time()
        app.run()
        times.append((time.perf_counter() - start, time.process_time() - cpu))
        assert not app.exception, app.exception[0].message
    return times


def print_row(what: str, times: list[tuple[float, float]]) -> None:
    first, later = times[0], min(times[1:])
    print(f"| {what} | {first[0]:.2f} ({first[1]:.2f}) | {later[0]:.2f} ({later[1]:.2f}) |", flush=True)


def listed(count: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        run_list.make_runs(workspace, count)
        print_row(f"{count:,} runs listed", drawn(workspace))


def compared(count: int, rows: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        first = run_folders.make_run(workspace, 1, epochs=0)
        run_folders.end(first, "completed", "All epochs are done.")
        for epoch in range(1, rows + 1):
            with open(first.metrics_file, "ab") as file:
                file.write(metrics.encode(run_folders.epoch_row(epoch)))
            with open(first.timing_file, "ab") as file:
                file.write(metrics.encode(run_folders.timing_row(epoch)))
        ids = [f"20260101-120000-{number:04x}" for number in range(1, count + 1)]
        for run in ids[1:]:
            shutil.copytree(first.folder, Run(workspace.runs / run).folder)
        time.sleep(index.YOUNG_SECONDS)
        drawn(workspace)  # the table, from which users come
        print_row(f"{count} runs of {rows:,} rows overlaid", drawn(workspace, compare=",".join(ids)))


if __name__ == "__main__":
    print("| page | first | again |\n| --- | --- | --- |")
    drawn(Workspace(Path(tempfile.mkdtemp())))  # imports the modules
    for count in LISTED:
        listed(count)
    for pair in COMPARED:
        compared(*pair)
