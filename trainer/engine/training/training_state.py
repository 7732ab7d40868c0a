"""Where a training stands between two batches, with the margins of its clips, as a checkpoint stores it.

The margin of a window is the logit of its own label: the logit of the word where the clip is a positive, its negative
elsewhere. A clip with a wrong label has a low mean margin over all epochs, because the other clips of that label pull
against it until the model overfits to it (area under the margin, Pleiss et al., "Identifying mislabeled data using the
area under the margin ranking", NeurIPS 2020).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.engine.data.clips import ClipArray
from trainer.engine.data.windows import Windows
from trainer.engine.training import mining
from trainer.engine.training.optimizers import Plateau
from trainer.run.documents import Best

MOST_MARGIN = 4.0
"""Margins are clipped to this magnitude, so that one extreme window does not outweigh many."""


@dataclass(frozen=True)
class Margins:
    """Sums over the windows of each clip of a split, float64 [clips]: of the margins, of the windows whose margin is
    positive (`right`), and of all scored windows."""

    total: NDArray[np.float64]
    right: NDArray[np.float64]
    windows: NDArray[np.float64]


def positive_clips(array: ClipArray) -> NDArray[np.bool_]:
    """Which clips of a split are positives, bool [clips]."""
    return np.array([clip.label == "positive" for clip in array.clips], dtype=bool)


def add_margins(
    sums: Margins | None, positive: NDArray[np.bool_], windows: Windows, logit: NDArray[np.float32]
) -> Margins:
    """Add the margins of windows with these logits [n]; `positive` is bool [clips], see `positive_clips`.

    The sums are changed in place: copying them for every batch would cost more than the batch where there are 100,000
    clips. A window of a positive that does not show the whole word says nothing about its label and is left out.
    """
    total = sums or Margins(*np.zeros((3, len(positive))))
    whole = windows.positive | ~positive[windows.clip]
    clip, margin = windows.clip[whole], np.where(windows.positive, logit, -logit)[whole].astype(np.float64)
    np.add.at(total.total, clip, margin.clip(-MOST_MARGIN, MOST_MARGIN))
    np.add.at(total.right, clip, margin > 0)
    np.add.at(total.windows, clip, 1.0)
    return total


def margin_tensors(margins: Margins | None) -> dict[str, Tensor] | None:
    """The sums as tensors for a checkpoint."""
    return None if margins is None else {name: torch.from_numpy(values) for name, values in vars(margins).items()}


def margins_from(saved: dict[str, Tensor] | None) -> Margins | None:
    """The inverse of `margin_tensors`."""
    return None if saved is None else Margins(**{name: values.numpy() for name, values in saved.items()})


@dataclass(frozen=True)
class EpochSums:
    """Sums over the windows of this epoch so far: their losses, the correct ones (`right`), and their number."""

    loss: float = 0.0
    right: float = 0.0
    windows: int = 0

    def means(self) -> dict[str, float]:
        """The loss and accuracy of the epoch so far."""
        return {"train_loss": self.loss / self.windows, "train_accuracy": self.right / self.windows}


@dataclass(frozen=True)
class TrainingState:
    """The current epoch (1, 2, ...), its finished batches, and all optimizer steps so far.

    Everything else that decides what follows is a function of (seed, epoch, batch), or lies in the weights and the
    optimizer.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    sums: EpochSums = field(default_factory=EpochSums)
    plateau: Plateau = field(default_factory=Plateau)
    best: Best | None = None
    pool: Windows | None = None
    train: Margins | None = None
    """Margins of the training clips over all windows so far."""
    val: Margins | None = None
    """Margins of the validation clips over all epochs so far."""

    def after_batch(self, loss: float, correct: float, margins: Margins, windows: int, steps: int) -> TrainingState:
        """The state after a batch of `windows` with this mean loss; `steps` is 1 if the batch ended a step."""
        old = self.sums
        sums = EpochSums(old.loss + loss * windows, old.right + correct, old.windows + windows)
        return replace(self, batch=self.batch + 1, step=self.step + steps, sums=sums, train=margins)

    def after_epoch(self, best: Best, plateau: Plateau, margins: Margins) -> TrainingState:
        """The state at the start of the next epoch; `margins` are those of the validation clips."""
        return replace(self, epoch=self.epoch + 1, batch=0, sums=EpochSums(), best=best, plateau=plateau, val=margins)


def state_tensors(state: TrainingState) -> dict[str, Any]:
    """The state as numbers, text and tensors for a checkpoint."""
    return {
        "epoch": state.epoch,
        "batch": state.batch,
        "step": state.step,
        "sums": asdict(state.sums),
        "plateau": asdict(state.plateau),
        "best": state.best and state.best.model_dump(),
        "pool": mining.pool_tensors(state.pool),
        "margins": {"train": margin_tensors(state.train), "val": margin_tensors(state.val)},
    }


def state_from(saved: dict[str, Any]) -> TrainingState:
    """The inverse of `state_tensors`; checkpoints of earlier versions hold no margins."""
    margins = saved.get("margins", {})
    return TrainingState(
        saved["epoch"],
        saved["batch"],
        saved["step"],
        EpochSums(**saved["sums"]),
        Plateau(**saved["plateau"]),
        saved["best"] and Best(**saved["best"]),
        mining.pool_from(saved["pool"]),
        margins_from(margins.get("train")),
        margins_from(margins.get("val")),
    )
