"""A model as a run has trained it, with the clips that it was trained and chosen with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import clips
from trainer.engine.data.batches import Feed, open_feed
from trainer.engine.models import factory
from trainer.engine.training.checkpoints import load_into
from trainer.run.runs import Run
from trainer.system.workspace import Workspace


@dataclass(frozen=True)
class Trained:
    """A model of a run, and the clips that it was trained and chosen with."""

    run: Run
    config: Config
    checkpoint: str
    network: nn.Module
    train: Feed
    val: Feed


def open_run(run: Run, checkpoint: str, report: Callable[[int, int, str], None]) -> Trained:
    """Read a model of a run and its clips. Raises ValueError, FileNotFoundError, OSError."""
    config, workspace = config_file.load(run.config_file), Workspace(run.folder.parent.parent)
    network = factory.build(config)
    load_into(network, run.checkpoints, checkpoint)
    splits = manifest.read_splits(workspace)
    array = clips.prepare(workspace, [*splits["train"], *splits["val"]], report)
    train, val = (
        open_feed(
            array.of_split(frozenset(clip.path for clip in splits[part])), config, torch.device("cpu"), augmented=False
        )
        for part in ("train", "val")
    )
    return Trained(run, config, checkpoint, network.eval(), train, val)
