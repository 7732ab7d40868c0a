"""Where a training stands between two batches."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from trainer.engine.data.windows import Windows
from trainer.engine.training import margins, mining
from trainer.engine.training.margins import Margins
from trainer.engine.training.optimizers import Plateau
from trainer.run.documents import Best


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
    heard = {"train": margins.margin_tensors(course.train), "val": margins.margin_tensors(course.val)}
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
        margins.margins_from(heard.get("train")),
        margins.margins_from(heard.get("val")),
    )
