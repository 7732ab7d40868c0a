"""What a training is made of: its run, its data, its model and what moves the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from trainer.config.schema import Config
from trainer.engine.data.batches import Feed
from trainer.engine.data.windows import Windows
from trainer.engine.training.course import Course
from trainer.engine.training.journal import Journal, tell
from trainer.engine.training.stream import Stream
from trainer.engine.training.wishes import Wanted, obey
from trainer.run.runs import Run


@dataclass(frozen=True)
class Parts:
    """All that the epochs need; `start` is where they begin.

    `model` is what learns, `average` the moving average of its weights where there is one; `dtype` is what the forward
    pass computes in; `splits` is the fingerprint of the clips;
    `stream` are the validation clips as a device hears them, computed when they are first asked for.
    """

    run: Run
    config: Config
    journal: Journal
    model: nn.Module
    average: nn.Module | None
    optimizer: torch.optim.Optimizer
    scaler: GradScaler
    dtype: torch.dtype
    train: Feed
    val: Feed
    val_windows: Windows
    stream: Callable[[], Stream]
    splits: str
    wanted: Wanted
    start: Course = field(default_factory=Course)

    @property
    def judged(self) -> nn.Module:
        """The model that is validated, mined with and kept: the average, where there is one."""
        return self.average or self.model

    def beat(self) -> None:
        """Tell that it lives, and listen: between any two pieces of work. Raises Interruption."""
        tell(self.journal)
        obey(self.wanted)
