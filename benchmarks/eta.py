"""Error of the ETA from the second epoch on, in a real training.

python -m benchmarks.eta [--pause]

The training includes everything that takes time: accumulated batches, checkpoints within epochs, mining, the stream.
The ETA at each batch is compared with the time that was left. With `--pause` it is paused half-way and the batches
after the resume are counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from soak.forked import make_run
from tests.tiny import ignore, make_raw
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.engine.training import loop
from trainer.engine.training.session import Session
from trainer.system import processes
from trainer.system.workspace import Workspace, open_workspace

LAST_SECONDS = 2.0
"""Least time left for a relative error, as the ETA is shown in whole seconds."""


@dataclass(frozen=True)
class Reading:
    """Elapsed seconds of an attempt at one batch, and the ETA in seconds then."""

    elapsed: float
    eta: float
    epoch: int


def config_of(epochs: int) -> Config:
    return config_file.build({
        "data": {"mined_share": 0.2, "mining_epochs": 3},
        "model": {"name": "tc_resnet", "width": 1.0},
        "training": {
            "epochs": epochs, "batch_size": 32, "accumulate": 3, "patience": 0, "threads": 1, "device": "cpu",
            "checkpoint_minutes": 0.02, "stream_epochs": 4,
        },
    })  # fmt: skip


def workspace_of(root: Path, voices: int, clips: int) -> Workspace:
    workspace = Workspace(root)
    make_raw(workspace, voices, clips)
    scan(workspace, ignore)
    splits.split_dataset(workspace, (0.6, 0.2, 0.2), 0)
    return workspace


def readings(workspace: Workspace, config: Config, pause_at: int | None) -> tuple[list[Reading], float]:
    """Readings at every batch of the last attempt of a run, which may be paused within an epoch, and the seconds of
    that attempt."""
    run, attempt, state = make_run(workspace, "measured", config), 0, "paused"
    measured = list[Reading]()
    while state == "paused":
        attempt += 1
        session = loop.prepare(workspace, run, attempt, lambda: None)
        start = time.monotonic()
        measured.clear()

        def read_request(
            start: float = start, session: Session = session, attempt: int = attempt
        ) -> Literal["pause"] | None:
            now = session.journal.progress
            if now.phase == "training" and session.journal.batches and now.eta_seconds is not None:
                measured.append(Reading(time.monotonic() - start, now.eta_seconds, now.epoch))
            return "pause" if (attempt, now.epoch, now.batch) == (1, pause_at, 7) else None

        state = loop.train(dataclasses.replace(session, read_request=read_request)).state
        print(f"Attempt {attempt}: {state}, {session.journal.times}", file=sys.stderr)
    return measured, time.monotonic() - start


def error(reading: Reading, total: float) -> float:
    """Error of a reading relative to the time left."""
    left = total - reading.elapsed
    return abs(reading.eta - left) / max(left, LAST_SECONDS)


def main(epochs: int, voices: int, clips: int, pause: bool) -> int:
    with tempfile.TemporaryDirectory() as folder:
        workspace, stdout = workspace_of(Path(folder), voices, clips), os.dup(1)
        os.dup2(2, 1)  # the log goes to standard error
        measured, total = readings(workspace, config_of(epochs), epochs // 2 if pause else None)
        os.dup2(stdout, 1)
    counted = [reading for reading in measured if reading.epoch > 1]
    for number in sorted({reading.epoch for reading in counted}):
        errors = [100 * error(reading, total) for reading in counted if reading.epoch == number]
        print(f"Epoch {number}: {errors[0]:.1f} % at its first batch, up to {max(errors):.1f} %", file=sys.stderr)
    worst = max(counted, key=lambda reading: error(reading, total))
    mean = sum(error(reading, total) for reading in counted) / len(counted)
    print("| from | readings | first of them | largest error | mean error |\n| --- | --- | --- | --- | --- |")
    start = "the first batch after a resume on" if pause else "the second epoch on"
    left, largest = total - counted[0].elapsed, error(worst, total)
    print(f"| {start} | {len(counted)} | {left:.0f} s before the end | {100 * largest:.1f} % | {100 * mean:.1f} % |")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--voices", type=int, default=150)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--pause", action="store_true")
    arguments = parser.parse_args()
    environment = processes.environment_of_engine(open_workspace())  # a trainer has its own memory and threads
    if environment != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.eta", *sys.argv[1:]], environment)
    sys.exit(main(arguments.epochs, arguments.voices, arguments.clips, arguments.pause))
