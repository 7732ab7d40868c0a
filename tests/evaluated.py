"""A run with a model that was never trained for long, in a workspace of tones: enough to be evaluated."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import nn

from tests import detectors, run_folders
from tests.tiny import make_workspace
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

RATE = 16000


def workspace_with_run(root: Path) -> tuple[Workspace, Run]:
    """Splits of tones, and a run whose best model is exported."""
    workspace = make_workspace(root, hard_negatives=8)
    return workspace, run_with_model(workspace)


@functools.cache
def _network() -> nn.Module:
    """Made with one thread: several would wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return detectors.network_of(detectors.config_of())
    finally:
        torch.set_num_threads(threads)


def run_with_model(workspace: Workspace, number: int = 1) -> Run:
    run = run_folders.make_run(workspace, number)
    run_folders.end(run, "completed", "All epochs are done.")
    detectors.write(run.model, detectors.config_of(), _network())
    best = Best(epoch=1, val_loss=0.1, val_accuracy=1.0, checkpoint="epoch-00001.pt")
    run.checkpoints.mkdir(exist_ok=True)
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())
    return run


def write_recording(path: Path, seconds: float) -> None:
    """Sounds of changing level, repeated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.resize(detectors.sounds(20.0), round(seconds * RATE)), RATE, subtype="PCM_16")
