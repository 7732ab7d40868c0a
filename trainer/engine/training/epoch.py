"""One epoch of training: its batches, what is told of them, and checkpoints within a long one."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from trainer.engine.data.ahead import one_ahead
from trainer.engine.data.batches import heard_in, seed_dropout, training_batch
from trainer.engine.data.windows import Windows
from trainer.engine.training import checkpoints, margins, saving
from trainer.engine.training.course import Course
from trainer.engine.training.eta import left_of
from trainer.engine.training.journal import append_row, batch_done, expect, piece_done, tell
from trainer.engine.training.parts import Parts
from trainer.engine.training.step import Stride, Told, stride_of, take_step
from trainer.run.failures import FailedError

STEP_ROWS_PER_EPOCH = 20


@dataclass(frozen=True)
class Batch:
    """Windows [n], their augmented features [n, rows, frames] and labels [n]."""

    windows: Windows
    features: Tensor
    positive: Tensor


def train_epoch(parts: Parts, course: Course) -> Generator[Course]:
    """Train the batches of an epoch that are left; yields the course after each. Raises FailedError, OSError.

    Close the generator when leaving early: that waits for the batch that is being prepared.
    """
    config, journal, epoch = parts.config, parts.journal, course.epoch
    began = journal.saved = time.monotonic()
    windows, size = heard_in(parts.train, epoch, course.pool), config.training.batch_size
    batches, first, positive = math.ceil(len(windows) / size), course.batch, margins.positives(parts.train.array)

    def make(batch: int) -> Batch:
        part = windows.take(slice(batch * size, (batch + 1) * size))
        return Batch(part, *training_batch(parts.train, part, epoch, batch))

    parts.model.train()
    tell(journal, now=True, phase="training", doing="", epoch=epoch, batch=course.batch, batches=batches)
    with closing(one_ahead(make, range(course.batch, batches))) as coming:
        for made in coming:
            stride = stride_of(config, course, batches)
            told = _learn(parts, made, course, stride)
            heard = margins.add(course.train, positive, made.windows, told.logit)
            course = course.after_batch(told.loss, told.right, heard, len(made.windows), steps=int(stride.ends))
            seconds, began = time.monotonic() - began, time.monotonic()
            speed = batch_done(journal, len(made.windows), len(made.windows) / size, seconds, course.batch == first + 1)
            expect_rest(parts, course, len(windows) / size)
            means: dict[str, Any] = course.sums.means()
            tell(journal, batch=course.batch, clips_per_second=round(speed, 1), **means)
            if (course.batch - 1) % max(1, batches // STEP_ROWS_PER_EPOCH) == 0:
                row = {"step": stride.step, "loss": told.loss, "learning_rate": stride.rate}
                append_row(journal, "step", epoch=epoch, batch=course.batch, **row)
            yield course
            if course.batch < batches and _is_due(parts):  # after the last one the epoch is saved
                began += save_within(parts, course)


def expect_rest(parts: Parts, course: Course, batches: float) -> None:
    """Estimate how long what comes after this course will take; an epoch has so many batches."""
    left = left_of(parts.config, course, batches, parts.journal.opened)
    expect(parts.journal, left, parts.config.training.checkpoint_minutes)


def save_within(parts: Parts, course: Course) -> float:
    """Save in the middle of an epoch; returns the seconds it took. Raises OSError."""
    began = time.monotonic()
    saving.save(parts, course, checkpoints.name_within(course.epoch, course.batch))
    checkpoints.prune(parts.run.checkpoints)
    piece_done(parts.journal, "within", began)
    parts.journal.saved = time.monotonic()
    return parts.journal.saved - began


def _learn(parts: Parts, batch: Batch, course: Course, stride: Stride) -> Told:
    """Take one batch. Raises FailedError when its loss is no number."""
    seed_dropout(parts.config, course.epoch, course.batch)
    told = take_step(parts, batch.features, batch.positive, stride)
    if not math.isfinite(told.loss):
        raise FailedError("not_finite", _not_finite(parts, batch.windows, course, stride, told.loss))
    return told


def _is_due(parts: Parts) -> bool:
    """Whether the last checkpoint, or the start of the epoch, is so long ago that another one is worth its time."""
    minutes = parts.config.training.checkpoint_minutes
    return minutes > 0 and time.monotonic() - parts.journal.saved >= 60 * minutes


def _not_finite(parts: Parts, windows: Windows, course: Course, stride: Stride, loss: float) -> str:
    names = sorted({parts.train.array.clips[i].path for i in windows.clip})[:3]
    return (
        f"The training loss became {loss} in epoch {course.epoch}, batch {course.batch + 1} (step {stride.step}), at "
        f"learning rate {stride.rate:.3g} (clips {', '.join(names)} and others). Lower optimizer.learning_rate and "
        "start again."
    )
