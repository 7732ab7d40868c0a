"""Memory and disk of trainings compared with the estimates: `python -m benchmarks.estimates [MODEL...]`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tiny import ignore, make_raw
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.estimates import requirements
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

MODELS = ("tc_resnet", "bc_resnet", "resnet18")
VARIANTS: tuple[dict[str, Any], ...] = (
    {"training": {"batch_size": 16}},
    {"training": {"batch_size": 64}},
    {"training": {"batch_size": 256}},
    {"model": {"width": 2.0}},
    {"data": {"window_seconds": 3.0}},
    {"features": {"mel_bands": 80}, "training": {"batch_size": 128}},
    {"features": {"mel_bands": 32, "hop_ms": 20}, "model": {"width": 0.5}, "training": {"batch_size": 128}},
)
"""Three batch sizes, and other options that change the size of a model or its input."""


def config_of(model: str, variant: dict) -> Config:
    """The defaults with this model and variant, for one epoch on the CPU."""
    training = {"epochs": 1, "device": "cpu", "patience": 0, **variant.get("training", {})}
    return config_file.build(variant | {"model": {"name": model, **variant.get("model", {})}, "training": training})


def described(variant: dict) -> str:
    return ", ".join(f"{name} {value:g}" for group in variant.values() for name, value in group.items())


def train(workspace: Workspace, config: Config, name: str) -> tuple[int, int]:
    """Peak resident memory of the trainer process of a run, and the size of the run folder, in bytes."""
    run = Run(workspace.runs / name)
    run.folder.mkdir(parents=True)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    command = [sys.executable, "-m", "trainer.engine", str(run.folder), "1", str(os.getpid())]
    trainer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(trainer.pid, 0)
    trainer.returncode = os.waitstatus_to_exitcode(status)
    assert trainer.returncode == 0, name
    return usage.ru_maxrss * 1024, sum(file.stat().st_size for file in run.folder.rglob("*"))


def row(workspace: Workspace, model: str, number: int, variant: dict) -> str:
    config = config_of(model, variant)
    memory, disk = train(workspace, config, f"{model}-{number}")
    needs = requirements.estimate(config)
    off = needs.memory_bytes / memory - 1
    return (
        f"| {model} | {described(variant)} | {needs.memory_bytes / 1e6:,.0f} | {memory / 1e6:,.0f} | {off:+.0%} "
        f"| {needs.disk_bytes / 1e6:.1f} | {disk / 1e6:.1f} |"
    )


def main(models: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        make_raw(workspace, voices=160)
        scan(workspace, ignore)
        splits.split_dataset(workspace, (0.7, 0.15, 0.15), 0)
        print("| model | changed | memory MB: estimate | measured | off by | disk MB: at most | measured |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for model in models:
            for number, variant in enumerate(VARIANTS):
                print(row(workspace, model, number, variant), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or MODELS)
