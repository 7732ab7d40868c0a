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
"""A margin counts up to this much either way, so that one window far off does not outweigh many."""


@dataclass(frozen=True)
class Margins:
    """Sums over the windows of each clip of a split, float64 [clips]: of the margins, of how many had the sign of the
    label, and of how many were scored."""

    total: NDArray[np.float64]
    right: NDArray[np.float64]
    windows: NDArray[np.float64]


def positive_clips(array: ClipArray) -> NDArray[np.bool_]:
    """Which clips of a split are positives [clips]."""
    return np.array([clip.label == "positive" for clip in array.clips], dtype=bool)


def add_margins(
    sums: Margins | None, positive: NDArray[np.bool_], windows: Windows, logit: NDArray[np.float32]
) -> Margins:
    """The sums with these windows, by their logits [n]; `positive` [clips] are the positives of the split.

    They are changed in place: to copy them for every batch would take longer than it where there are 100,000 clips. A
    window of a positive clip that does not show the whole word says nothing about its label and is left out.
    """
    total = sums or Margins(*np.zeros((3, len(positive))))
    whole = windows.positive | ~positive[windows.clip]
    clip, margin = windows.clip[whole], np.where(windows.positive, logit, -logit)[whole].astype(np.float64)
    np.add.at(total.total, clip, margin.clip(-MOST_MARGIN, MOST_MARGIN))
    np.add.at(total.right, clip, margin > 0)
    np.add.at(total.windows, clip, 1.0)
    return total


def margin_tensors(margins: Margins | None) -> dict[str, Tensor] | None:
    """The sums as a checkpoint keeps them; None when there are none yet."""
    return None if margins is None else {name: torch.from_numpy(values) for name, values in vars(margins).items()}


def margins_from(saved: dict[str, Tensor] | None) -> Margins | None:
    """The sums that a checkpoint kept."""
    return None if saved is None else Margins(**{name: values.numpy() for name, values in saved.items()})


@dataclass(frozen=True)
class Sums:
    """What the windows of this epoch add up to so far: their losses, how many were told right, how many they are."""

    loss: float = 0.0
    right: float = 0.0
    windows: int = 0

    def means(self) -> dict[str, float]:
        return {"train_loss": self.loss / self.windows, "train_accuracy": self.right / self.windows}


@dataclass(frozen=True)
class Course:
    """The epoch under way (1, 2, ...), how many of its batches are done, and how many steps were taken in all.

    All else that decides what follows is a function of (seed, epoch, batch), or lies in the weights and the optimizer.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    sums: Sums = field(default_factory=Sums)
    plateau: Plateau = field(default_factory=Plateau)
    best: Best | None = None
    pool: Windows | None = None
    train: Margins | None = None
    """Of the training clips, over all windows so far."""
    val: Margins | None = None
    """Of the validation clips, over all epochs so far."""

    def after_batch(self, loss: float, right: float, heard: Margins, windows: int, steps: int) -> Course:
        """One batch of `windows` further, with its mean loss and the margins of its clips; `steps` is 1 when it ended a
        step of the optimizer."""
        had = self.sums
        sums = Sums(had.loss + loss * windows, had.right + right, had.windows + windows)
        return replace(self, batch=self.batch + 1, step=self.step + steps, sums=sums, train=heard)

    def after_epoch(self, best: Best, plateau: Plateau, heard: Margins) -> Course:
        """At the start of the next epoch, with the margins of the validation clips."""
        return replace(self, epoch=self.epoch + 1, batch=0, sums=Sums(), best=best, plateau=plateau, val=heard)


def state_tensors(course: Course) -> dict[str, Any]:
    """The course as a checkpoint keeps it: numbers, text and tensors."""
    plain = {name: getattr(course, name) for name in ("epoch", "batch", "step")}
    best = course.best and course.best.model_dump()
    kept = {"sums": asdict(course.sums), "plateau": asdict(course.plateau), "best": best}
    heard = {"train": margin_tensors(course.train), "val": margin_tensors(course.val)}
    return plain | kept | {"pool": mining.pool_tensors(course.pool), "margins": heard}


def state_from(saved: dict[str, Any]) -> Course:
    """The course that a checkpoint kept; earlier versions kept no margins."""
    heard = saved.get("margins", {})
    return Course(
        saved["epoch"],
        saved["batch"],
        saved["step"],
        Sums(**saved["sums"]),
        Plateau(**saved["plateau"]),
        saved["best"] and Best(**saved["best"]),
        mining.pool_from(saved["pool"]),
        margins_from(heard.get("train")),
        margins_from(heard.get("val")),
    )
