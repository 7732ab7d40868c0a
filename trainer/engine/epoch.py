"""One epoch of training: its batches, what is told of them, and checkpoints within a long one."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from trainer.engine import checkpoints, mining, saving, stream
from trainer.engine.ahead import one_ahead
from trainer.engine.batches import heard_in, seed_dropout, training_batch
from trainer.engine.course import Course
from trainer.engine.journal import Left, append_row, batch_done, tell
from trainer.engine.parts import Parts
from trainer.engine.step import Stride, stride_of, take_step
from trainer.engine.windows import Windows
from trainer.failures import FailedError

STEP_ROWS_PER_EPOCH = 20


@dataclass(frozen=True)
class Batch:
    """Windows [n], their augmented features [n, rows, frames] and labels [n]."""

    windows: Windows
    features: Tensor
    positive: Tensor


def train_epoch(parts: Parts, course: Course) -> Course | None:
    """Train the batches of an epoch that are left; None when the user stopped it. Raises FailedError, OSError."""
    config, journal, epoch = parts.config, parts.journal, course.epoch
    windows, size = heard_in(parts.train, epoch, course.pool), config.training.batch_size
    batches, saved = math.ceil(len(windows) / size), time.monotonic()

    def make(batch: int) -> Batch:
        part = windows.take(slice(batch * size, (batch + 1) * size))
        return Batch(part, *training_batch(parts.train, part, epoch, batch))

    parts.model.train()
    tell(journal, now=True, phase="training", doing="", epoch=epoch, batch=course.batch, batches=batches)
    with closing(one_ahead(make, range(course.batch, batches))) as coming:
        began = time.monotonic()
        for made in coming:
            stride = stride_of(config, course, batches)
            loss, right = _learn(parts, made, course, stride)
            course = course.after_batch(loss, right, len(made.windows), steps=int(stride.ends))
            _tell_batch(parts, course, batches, len(made.windows), time.monotonic() - began)
            if (course.batch - 1) % max(1, batches // STEP_ROWS_PER_EPOCH) == 0:
                row = {"step": stride.step, "loss": loss, "learning_rate": stride.rate}
                append_row(journal, "step", epoch=epoch, batch=course.batch, **row)
            if parts.wanted() == "stop":
                return None
            # Gradients that wait for more are not saved, and after the last batch the epoch is.
            if stride.ends and course.batch < batches and _is_due(parts, saved):
                saving.save(parts, course, checkpoints.name_within(epoch, course.batch))
                checkpoints.prune(parts.run.checkpoints)
                saved = time.monotonic()
            began = time.monotonic()
    return course


def _learn(parts: Parts, batch: Batch, course: Course, stride: Stride) -> tuple[float, float]:
    """Take one batch; returns its mean loss and how many windows were told right."""
    seed_dropout(parts.config, course.epoch, course.batch)
    loss, logit = take_step(parts, batch.features, batch.positive, stride)
    if not math.isfinite(loss):
        raise FailedError("not_finite", _not_finite(parts, batch.windows, course, stride, loss))
    return loss, float(((logit >= 0) == (batch.positive >= 0.5)).sum())


def _is_due(parts: Parts, saved: float) -> bool:
    """Whether the last checkpoint, or the start of the epoch, is so long ago that another one is worth its time."""
    minutes = parts.config.training.checkpoint_minutes
    return minutes > 0 and time.monotonic() - saved >= 60 * minutes


def _tell_batch(parts: Parts, course: Course, batches: int, windows: int, seconds: float) -> None:
    epochs, journal = parts.config.training.epochs, parts.journal
    epochs_left = epochs - course.epoch + 1
    left = Left(
        epochs_left * batches - course.batch, epochs_left, mining.times(parts.config, after=course.epoch),
        stream.times(parts.config, after=course.epoch - 1),
    )  # fmt: skip
    speed, eta = batch_done(journal, windows, seconds, left)
    told: dict[str, Any] = {"clips_per_second": round(speed, 1), "eta_seconds": round(eta, 1), **course.sums.means()}
    tell(journal, batch=course.batch, **told)


def _not_finite(parts: Parts, windows: Windows, course: Course, stride: Stride, loss: float) -> str:
    names = sorted({parts.train.array.clips[i].path for i in windows.clip})[:3]
    return (
        f"The training loss became {loss} in epoch {course.epoch}, batch {course.batch + 1} (step {stride.step}), at "
        f"learning rate {stride.rate:.3g} (clips {', '.join(names)} and others). Lower optimizer.learning_rate and "
        "start again."
    )
