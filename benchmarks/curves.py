"""Time to open one curve of many long runs, compared with TensorBoard, MLflow and trackio on the same machine.

python -m benchmarks.curves [--runs 50] [--rows 10000] [--alone]

Our files and TensorBoard's contain all metrics of a training, the stores of the others only this curve. MLflow and
trackio are installed from the package index into a temporary folder, unless --alone. Each reader is a process of its
own; imports are not timed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tests.run_folders import end, epoch_row, make_run, write_progress
from trainer.engine.training import journal
from trainer.run import metrics, tensorboard
from trainer.run.runs import Run
from trainer.system.workspace import PROJECT_ROOT, Workspace

TIMED = """
import json, sys, time
root, runs, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
{imports}
began, cpu = time.perf_counter(), time.process_time()
{work}
assert points, points
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu, points]))
"""
OURS = (
    """
from pathlib import Path
from pages.ui.shared import curves
from trainer.run import metrics
from trainer.run.metrics import Columns
""",
    """
points = 0
for folder in sorted(Path(root, "runs").iterdir()):
    metrics.read_to_end(columns := Columns(("epoch", "val_loss")), folder / "metrics.jsonl")
    assert columns.rows == rows
    numbers = {name: columns[name] for name in columns.names}
    points += len(curves.curve_table(numbers, {"val_loss": folder.name}, 1.0, curves.Style()))
""",
)
TENSORBOARD = (
    """
from pathlib import Path
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
""",
    """
points = 0
for folder in sorted(Path(root, "runs").iterdir()):
    reader = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    points += len(reader.Scalars("epoch/val_loss"))
assert points == runs * rows
""",
)
MLFLOW_WRITE = """
import sys, mlflow
from mlflow.entities import Metric
root, runs, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{root}/mlflow.db")
experiment = client.create_experiment("all")
for _ in range(runs):
    run = client.create_run(experiment).info.run_id
    for first in range(0, rows, 1000):
        steps = range(first, min(rows, first + 1000))
        client.log_batch(run, [Metric("val_loss", 1 / (step + 1), step, step) for step in steps])
"""
MLFLOW = (
    """
import mlflow
client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{root}/mlflow.db")
every = client.search_runs([client.get_experiment_by_name("all").experiment_id])
""",
    """
points = sum(len(client.get_metric_history(run.info.run_id, "val_loss")) for run in every)
assert points == runs * rows
""",
)
TRACKIO_WRITE = """
import sys
from trackio.sqlite_storage import SQLiteStorage
runs, rows = int(sys.argv[2]), int(sys.argv[3])
for run in range(runs):
    values = [{"val_loss": 1 / (step + 1)} for step in range(rows)]
    SQLiteStorage.bulk_log("all", f"run {run}", values, list(range(rows)))
"""
TRACKIO = (
    "from trackio.sqlite_storage import SQLiteStorage",
    """
points = sum(len(SQLiteStorage.get_logs("all", f"run {run}")) for run in range(runs))
assert points == runs * rows
""",
)


def make_runs(workspace: Workspace, runs: int, rows: int) -> None:
    """Completed runs of `rows` epochs with equal metrics, each with its event file."""
    lines = [epoch_row(epoch) for epoch in range(1, rows + 1)]
    measured = b"".join(map(metrics.encode, lines))
    for number in range(runs):
        run = make_run(workspace, number, epochs=0)
        run.metrics_file.write_bytes(measured)
        write_progress(run, lines[-1:])
        end(run, "completed", "All done.")
    first, *rest = (Run(path) for path in sorted(workspace.runs.iterdir()))
    file = journal.open_event_file(first)
    assert file
    for run in rest:
        (run.folder / "tensorboard").mkdir()
        (run.folder / "tensorboard" / file.name).write_bytes(file.read_bytes())


def run_code(python: str, code: str, root: Path, runs: int, rows: int) -> str:
    """The output of a process; the paths of trackio are below `root`."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code, str(root), str(runs), str(rows)], cwd=PROJECT_ROOT, capture_output=True,
        text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(root), "TRACKIO_DIR": f"{root}/trackio"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def opened(python: str, reader: tuple[str, str], root: Path, runs: int, rows: int) -> tuple[float, float, int]:
    """(wall, CPU) seconds of the faster of two readings, and the number of points."""
    code = TIMED.format(imports=reader[0], work=reader[1])
    wall, cpu, points = min(json.loads(run_code(python, code, root, runs, rows).splitlines()[-1]) for _ in range(2))
    return wall, cpu, points


def served(workspace: Workspace, last_step: int) -> tuple[float, int]:
    """Seconds from the start of TensorBoard's server until it has served the complete curve of every run, and the
    number of points."""
    start, points = time.perf_counter(), 0
    left = {f"{path.name}/tensorboard" for path in workspace.runs.iterdir()}
    tensorboard.start(workspace)
    try:
        address = tensorboard.wait(workspace).address
        while left:
            for name in sorted(left):
                curve = _curve(address, name)
                if curve and curve[-1][1] == last_step:
                    left.discard(name)
                    points += len(curve)
            time.sleep(0.1)
            assert time.perf_counter() - start < 300, f"{len(left)} runs are missing"
        return time.perf_counter() - start, points
    finally:
        tensorboard.stop(workspace)


def _curve(address: str, name: str) -> list[list[float]]:
    """(wall time, step, value) of the points that TensorBoard serves; none before it knows the run."""
    query = urllib.parse.urlencode({"run": name, "tag": "epoch/val_loss"})
    try:
        with urllib.request.urlopen(f"{address}data/plugin/scalars/scalars?{query}") as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        return []


def install(folder: Path, *packages: str) -> str:
    """The Python of a new environment with these packages, from the package index."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, *packages]
    subprocess.run(command, check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--alone", action="store_true")
    arguments = parser.parse_args()
    size = arguments.runs, arguments.rows
    print(f"One curve of {arguments.runs} runs of {arguments.rows:,} epochs, opened:\n")
    print("| | seconds | of CPU | points |\n| --- | --- | --- | --- |")

    def print_row(name: str, wall: float, cpu: float | None, points: int) -> None:
        print(f"| {name} | {wall:.2f} | {'' if cpu is None else f'{cpu:.2f}'} | {points:,} |", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        workspace, root = Workspace(Path(folder)), Path(folder)
        make_runs(workspace, *size)
        print_row("Wakeword Studio, read and thinned for the chart", *opened(sys.executable, OURS, root, *size))
        print_row("TensorBoard's reader (EventAccumulator)", *opened(sys.executable, TENSORBOARD, root, *size))
        wall, points = served(workspace, epoch_row(arguments.rows)["step"])
        print_row("TensorBoard's server, from its start until every curve is served", wall, None, points)
        if arguments.alone:
            return
        python = install(root / "env", "mlflow", "trackio")
        for name, write, read in (("MLflow, SQLite", MLFLOW_WRITE, MLFLOW), ("trackio", TRACKIO_WRITE, TRACKIO)):
            run_code(python, write, root, *size)
            print_row(name, *opened(python, read, root, *size))


if __name__ == "__main__":
    main()
