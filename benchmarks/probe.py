"""The probe compared with trainings of each model for a few epochs.

python -m benchmarks.probe                 # on generated clips
python -m benchmarks.probe --root ROOT     # on the split of a workspace, which keeps the runs
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.tiny import ignore, make_raw
from trainer.config import config_file, saved_configs
from trainer.config.schema import Config
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.run import launch, metrics, probe, runs
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace

CASES = [("tc_resnet", 1.5, 0.0), ("bc_resnet", 1.0, 0.0), ("resnet18", 0.5, 0.0), ("tc_resnet", 1.5, 0.3)]
EPOCHS = 3


def config_of(model: str, width: float, mined: float, threads: int) -> Config:
    return config_file.build(
        {
            "model": {"name": model, "width": width},
            "data": {"mined_share": mined, "mining_epochs": 1},
            "training": {"epochs": EPOCHS, "patience": 0, "threads": threads},
        }
    )


def reality(workspace: Workspace, config: Config) -> tuple[float, float]:
    """(Seconds between the ends of two epochs, seconds from start to end) of a run."""
    start = time.monotonic()
    run = launch.start(workspace, config, "measured").run
    while (status := runs.status(run)).state in ACTIVE:
        time.sleep(0.1)
    total = time.monotonic() - start
    assert status.state == "completed", status
    tail = metrics.Tail()
    metrics.read_more(tail, run.timing_file)
    ends = [row["elapsed_seconds"] for row in tail.epochs]
    return (ends[-1] - ends[0]) / (len(ends) - 1), total


def main(root: Path, generate: bool, threads: int) -> None:
    workspace = Workspace(root)
    if generate:
        make_raw(workspace, voices=100)
        scan(workspace, ignore)
        splits.split_dataset(workspace, (0.7, 0.15, 0.15), 0)
    print("| model | width | mined | probe s/epoch | real | ratio | probe total s | real | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for model, width, mined in CASES:
        config = config_of(model, width, mined, threads)
        measured = probe.measure(workspace, saved_configs.save(workspace, "measured", config), ignore)
        epoch, total = reality(workspace, config)
        per_epoch = measured.epoch_seconds + (measured.mining_seconds if mined else 0.0)
        print(
            f"| {model} | {width:g} | {mined:g} | {per_epoch:.2f} | {epoch:.2f} | {per_epoch / epoch:.2f} "
            f"| {measured.total_seconds:.1f} | {total:.1f} | {measured.total_seconds / total:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        main(Path(arguments.root or folder), not arguments.root, arguments.threads)
