"""Time to list runs by their number, in seconds (of CPU): python -m benchmarks.run_list [100 1000 10000]

The runs are copies of one completed run of 40 epochs with different labels and options. The first look reads every
folder; later looks use the index, in a new process (which reads its file) and in one that has it in memory.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import run_folders
from trainer.catalog import index
from trainer.run.runs import Run
from trainer.system.workspace import PROJECT_ROOT, Workspace

LOOK = """
import json, sys, time
from pathlib import Path
from trainer.catalog import index, run_rows, search
from trainer.system.workspace import Workspace

def timed(work):
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    times.append((time.perf_counter() - began, time.process_time() - cpu))
    return result

times, workspace = [], Workspace(Path(sys.argv[1]))
listing = timed(lambda: index.update(workspace))
listing = timed(lambda: index.update(workspace, listing))
query = "model.name=tc_resnet val_loss<0.5 batch_size>33 -tag:x try"
timed(lambda: run_rows.sorted_by(search.find(listing.rows, query), "f1"))
print(json.dumps([len(listing.rows), times]))
"""
OTHERS = ("checkpoints/epoch-00039.pt", "checkpoints/epoch-00040.pt", "model/model.onnx", "tensorboard/events.1")


def make_runs(workspace: Workspace, count: int, epochs: int = 40) -> None:
    """`count` completed runs that differ in label, options and id, one in five with tags; equal files are linked."""
    template = run_folders.make_run(workspace, 0, epochs=epochs)
    run_folders.end(template, "completed", "All epochs are done.")
    for name in OTHERS:
        path = template.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000))
        path.with_name(f"{path.name}.json").write_text("{}")
    request, config = json.loads(template.request_file.read_text()), template.config_file.read_text()
    template.request_file.unlink()
    template.config_file.unlink()
    first = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(count):
        created = first + timedelta(minutes=7 * number)
        run = Run(workspace.runs / f"{created:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
        shutil.copytree(template.folder, run.folder, copy_function=os.link)
        fields = {"label": f"try {number}", "created": created.isoformat(timespec="seconds")}
        run.request_file.write_text(json.dumps(request | fields))
        changed = config.replace("seed: 0", f"seed: {number}")
        run.config_file.write_text(changed.replace("batch_size: 64", f"batch_size: {32 + number % 7}"))
        if number % 5 == 0:
            run.notes_file.write_text(json.dumps({"tags": ["night"], "note": f"note {number}"}))
    shutil.rmtree(template.folder)


def look(workspace: Workspace) -> tuple[int, list[tuple[float, float]]]:
    """Number of runs, and (wall, CPU) seconds of the first look, the second and a sorted search of a new process."""
    command = [sys.executable, "-c", LOOK, str(workspace.root)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    runs, times = json.loads(done.stdout)
    return runs, times


def measure(count: int) -> dict[str, tuple[float, float]]:
    """(wall, CPU) seconds by action; `index`: megabytes of the index file, twice."""
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        make_runs(workspace, count)
        time.sleep(index.YOUNG_SECONDS)
        listed, (first, *_) = look(workspace)
        _, (after, cached, search) = look(workspace)
        assert listed == count
        file = index.file_of(workspace)
        size = file.stat().st_size / 1e6 if file.exists() else 0.0
        return {"first": first, "after": after, "held": cached, "search": search, "index": (size, size)}


if __name__ == "__main__":
    print("| runs | first look | a look after, new process | the same process again | search and sort | index |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number in map(int, sys.argv[1:] or (100, 1000, 10_000)):
        times = measure(number)
        cells = [f"{times[name][0]:.3f} s ({times[name][1]:.3f})" for name in ("first", "after", "held", "search")]
        print(f"| {number:,} | {' | '.join(cells)} | {times['index'][0]:.2f} MB |", flush=True)
