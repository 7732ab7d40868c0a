"""Peak memory of a real training beside its estimate: `python -m tests.measure_memory` prints the table."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tiny import ignore, make_raw
from trainer import config_file, durable, estimates
from trainer.config import Config
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.runs import Run
from trainer.workspace import Workspace

CASES = [
    (model, width, batch, seconds)
    for model in ("tc_resnet", "bc_resnet", "resnet18")
    for width, batch, seconds in ((1.0, 16, 1.5), (1.0, 64, 1.5), (1.0, 256, 1.5), (2.0, 64, 1.5), (1.0, 64, 3.0))
]


def config_of(model: str, width: float, batch: int, seconds: float) -> Config:
    training = {"epochs": 1, "batch_size": batch, "device": "cpu"}
    named = {"name": model, "width": width}
    return config_file.build({"data": {"window_seconds": seconds}, "model": named, "training": training})


def peak_bytes(workspace: Workspace, config: Config, name: str) -> int:
    """Most resident memory of the trainer process of one run."""
    run = Run(workspace.runs / name)
    run.folder.mkdir(parents=True)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    command = [sys.executable, "-m", "trainer.engine", str(run.folder), "1", str(os.getpid())]
    trainer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(trainer.pid, 0)
    trainer.returncode = os.waitstatus_to_exitcode(status)
    assert trainer.returncode == 0, name
    return usage.ru_maxrss * 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        make_raw(workspace, voices=160)
        scan(workspace, ignore)
        splits.split_dataset(workspace, (0.7, 0.15, 0.15), 0)
        print("| model | width | batch | window | estimate MB | measured MB | off by |\n|---|---|---|---|---|---|---|")
        for case in CASES:
            config = config_of(*case)
            measured = peak_bytes(workspace, config, "-".join(map(str, case))) / 1e6
            estimate = estimates.memory_bytes(config) / 1e6
            model, width, batch, seconds = case
            off = 100 * (estimate / measured - 1)
            print(
                f"| {model} | {width:g} | {batch} | {seconds:g} s | {estimate:.0f} | {measured:.0f} | {off:+.0f} % |",
                flush=True,
            )


if __name__ == "__main__":
    main()
