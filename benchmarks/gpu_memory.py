"""Memory of training steps on a GPU compared with the estimate: `python -m benchmarks.gpu_memory [MODEL...]`."""

from __future__ import annotations

import gc
import itertools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks import training_speed
from tests.tiny import make_workspace
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data.batches import draw_epoch, training_batch
from trainer.engine.training.epoch import StepPlan, take_step
from trainer.estimates import requirements
from trainer.system.workspace import Workspace

BATCH_SIZES = (16, 64, 256, 1024)
PRECISIONS = ("bfloat16", "float32")
STEPS = 4


def config_of(model: str, batch_size: int, precision: str = "auto") -> Config:
    document = training_speed.config_of(model).model_dump()
    document["training"] |= {"batch_size": batch_size, "device": "cuda", "precision": precision}
    return config_file.build(document)


def peak(workspace: Workspace, config: Config) -> int:
    """Peak GPU memory of steps of this batch size in bytes, with the estimated size of the context."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    session = training_speed.prepared(workspace, config)
    windows = draw_epoch(session.train, 1)
    full = windows.take(np.resize(np.arange(len(windows)), config.training.batch_size))
    for batch in range(STEPS):
        take_step(session, *training_batch(session.train, full, 1, batch), StepPlan(step=batch + 1, rate=1e-4))
    return round(torch.cuda.max_memory_reserved() + requirements.CONTEXT_BYTES)


def main(models: Sequence[str]) -> None:
    print("| model | precision | batch size | memory MB: estimate | measured | off by |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as root:
        workspace = make_workspace(Path(root))
        for model, precision, batch_size in itertools.product(models, PRECISIONS, BATCH_SIZES):
            config = config_of(model, batch_size, precision)
            measured, needs = peak(workspace, config), requirements.gpu_memory_bytes(config)
            cells = f"{needs / 1e6:,.0f} | {measured / 1e6:,.0f} | {needs / measured - 1:+.0%}"
            print(f"| {model} | {precision} | {batch_size} | {cells} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or training_speed.MODELS)
