"""How long it takes to list runs, by their number: python -m tests.bench_runs [100 1000 10000]

Made of copies of one run of 40 epochs, each with a label and options of its own; no process of it lives. The first look
reads every folder; looks after it come from the index, in a fresh process (which reads its file) and in one that holds
it.
"""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import run_folders
from trainer.run_list import index
from trainer.runs import Run
from trainer.workspace import PROJECT_ROOT, Workspace

LOOK = """
import json, sys, time
from trainer.run_list import index
from trainer.workspace import Workspace
times = []
found = None
for _ in range(4):
    began, cpu = time.perf_counter(), time.process_time()
    found = index.look(Workspace(__import__("pathlib").Path(sys.argv[1])), found)
    times.append((time.perf_counter() - began, time.process_time() - cpu))
print(json.dumps([len(found.rows), times]))
"""


def make_runs(workspace: Workspace, count: int, epochs: int = 40) -> None:
    """`count` completed runs that differ in label, options and id; written plainly, as only their reading is timed."""
    template = run_folders.make_run(workspace, 0, epochs=epochs)
    run_folders.end(template, "completed", "All epochs are done.")
    request, config = json.loads(template.request_file.read_text()), template.config_file.read_text()
    first = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(count):
        made = first + timedelta(minutes=7 * number)
        run = Run(workspace.runs / f"{made:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
        shutil.copytree(template.folder, run.folder)
        told = {"label": f"try {number}", "created": made.isoformat(timespec="seconds")}
        run.request_file.write_text(json.dumps(request | told))
        changed = config.replace("seed: 0", f"seed: {number}")
        run.config_file.write_text(changed.replace("batch_size: 64", f"batch_size: {32 + number % 7}"))
        if number % 5 == 0:
            run.notes_file.write_text(json.dumps({"tags": ["night"], "note": f"note {number}"}))
    shutil.rmtree(template.folder)


def look(workspace: Workspace) -> tuple[int, list[tuple[float, float]]]:
    """Runs found, and (wall, CPU) seconds of four looks of a fresh process."""
    command = [sys.executable, "-c", LOOK, str(workspace.root)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    runs, times = json.loads(done.stdout)
    return runs, times


def measure(count: int) -> dict[str, float]:
    """Seconds of the first look, of one that reads the index file, and of one that holds the index."""
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        make_runs(workspace, count)
        time.sleep(index.YOUNG_SECONDS)
        found, first = look(workspace)
        _, again = look(workspace)
        assert found == count
        held = min(again[1:])
        return {
            "first": first[0][0], "first_cpu": first[0][1], "after": again[0][0], "after_cpu": again[0][1],
            "held": held[0], "held_cpu": held[1],
            "megabytes": index.file_of(workspace).stat().st_size / 1e6 if index.file_of(workspace).exists() else 0.0,
        }  # fmt: skip


if __name__ == "__main__":
    print("runs    first look (CPU)    after, from the file (CPU)    after, held (CPU)    index file")
    for number in map(int, sys.argv[1:] or (100, 1000, 10_000)):
        m = measure(number)
        print(
            f"{number:6,} {m['first']:8.2f} s ({m['first_cpu']:6.2f}) {m['after']:14.3f} s ({m['after_cpu']:.3f})"
            f" {m['held']:16.3f} s ({m['held_cpu']:.3f}) {m['megabytes']:8.2f} MB"
        )
