"""How far the ETA is off, from the second epoch on, in a real training that is paused once and goes on.

python -m tests.measure_eta

The training has all that takes time: gathered batches, checkpoints within epochs, mining, the stream. At every batch
from the second epoch on, what was told to be left is laid beside what was then left, without the pause.
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

from tests.soak.forked import make_run
from tests.tiny import ignore, make_raw
from trainer import config_file
from trainer.config import Config
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.engine import loop
from trainer.workspace import Workspace

LAST_SECONDS = 2.0
"""What is told of the last moments is laid beside this: whole seconds are shown."""


@dataclass(frozen=True)
class Reading:
    """The seconds of training at one batch, and what was told to be left then."""

    elapsed: float
    told: float
    epoch: int
    attempt: int


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


def readings(workspace: Workspace, config: Config, pause_at: tuple[int, int]) -> tuple[list[Reading], float]:
    """What was told at every batch of a run that is paused at (epoch, batch), and the seconds of all its training."""
    run, found, before, state = make_run(workspace, "measured", config), [], 0.0, ""
    for attempt in (1, 2):
        parts = loop.prepare(workspace, run, attempt, lambda: None)
        began, journal = time.monotonic() - before, parts.journal

        def wanted(began: float = began, parts: loop.Parts = parts, attempt: int = attempt) -> str | None:
            now = parts.journal.progress
            if now.phase == "training" and parts.journal.batches and now.eta_seconds is not None:
                found.append(Reading(time.monotonic() - began, now.eta_seconds, now.epoch, attempt))
            return "pause" if attempt == 1 and (now.epoch, now.batch) == pause_at else None

        state = loop.train(dataclasses.replace(parts, wanted=wanted)).state
        before = time.monotonic() - began
        print(f"Attempt {attempt}: {state}, {before:.1f} s, {journal.times}", file=sys.stderr)
    return found, before


def error(reading: Reading, total: float) -> float:
    """How far it was off, as a part of what was then left."""
    left = total - reading.elapsed
    return abs(reading.told - left) / max(left, LAST_SECONDS)


def main(epochs: int, voices: int, clips: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        workspace = workspace_of(Path(folder), voices, clips)
        stdout = os.dup(1)
        os.dup2(2, 1)  # the lines of the log
        found, total = readings(workspace, config_of(epochs), (epochs // 2, 7))
        os.dup2(stdout, 1)
    counted = [reading for reading in found if reading.epoch > 1]
    worst = max(counted, key=lambda reading: error(reading, total))
    resumed = next(reading for reading in counted if reading.attempt == 2)
    for epoch in range(2, epochs + 1):
        of_epoch = [reading for reading in counted if reading.epoch == epoch]
        off = ", ".join(
            f"{reading.told:.1f} for {total - reading.elapsed:.1f}" for reading in of_epoch[:: len(of_epoch) // 3]
        )
        print(f"Epoch {epoch}: up to {100 * max(error(r, total) for r in of_epoch):.1f} %; {off}", file=sys.stderr)
    print(
        f"{len(counted)} readings from the second epoch on, in {total:.0f} s of training: largest error "
        f"{100 * error(worst, total):.1f} % (in epoch {worst.epoch}: {worst.told:.1f} s told, "
        f"{total - worst.elapsed:.1f} s then taken); "
        f"mean {100 * sum(error(r, total) for r in counted) / len(counted):.1f} %; "
        f"first batch after the resume {100 * error(resumed, total):.1f} %"
    )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--voices", type=int, default=150)
    parser.add_argument("--clips", type=int, default=12)
    given = parser.parse_args()
    sys.exit(main(given.epochs, given.voices, given.clips))
