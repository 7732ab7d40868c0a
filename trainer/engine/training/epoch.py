"""One epoch of a training: its batches and optimizer steps, then validation, rows, log line and checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from trainer.config.schema import Config
from trainer.engine.data.batches import heard_in, one_ahead, seed_dropout, training_batch
from trainer.engine.data.windows import Windows
from trainer.engine.training import checkpoints, losses, optimizers, resume, training_state, validation
from trainer.engine.training.eta import left_of
from trainer.engine.training.journal import append_row, append_timing, batch_done, expect, piece_done, say_epoch, tell
from trainer.engine.training.session import Parts, kept
from trainer.engine.training.training_state import Course
from trainer.engine.training.validation import Stream, score, validate
from trainer.run import models
from trainer.run.documents import Best
from trainer.run.failures import FailedError
from trainer.run.metrics import Row
from trainer.system.log_lines import say


def finish_epoch(parts: Parts, trained: Course) -> Course:
    """Validate, write the epoch's rows, line and checkpoint; returns the start of the next epoch.

    Raises Interruption while nothing is written yet, FailedError when the loss is no number, OSError.
    """
    journal, epoch, options = parts.journal, trained.epoch, parts.config.training
    began = time.monotonic()
    tell(journal, phase="validating", doing="")
    rate = optimizers.learning_rate(parts.config.optimizer, epoch, options.epochs, trained.plateau.scale)
    row: Row = {"epoch": epoch, "step": trained.step, **trained.sums.means(), "learning_rate": rate}
    logit = score(parts.judged, parts.val, parts.val_windows, parts.beat)
    row |= validate(logit, parts.val_windows, parts.config)
    piece_done(journal, "validation", began)
    if validation.stream_due(parts.config, epoch):
        row |= _hear_stream(parts)
    seconds, began = time.monotonic() - began, time.monotonic()
    tell(journal, phase="saving")
    append_row(journal, "epoch", **row)
    speed = trained.sums.windows / journal.epoch_seconds
    append_timing(
        journal, epoch=epoch, seconds=round(journal.epoch_seconds + seconds, 3), clips_per_second=round(speed, 1)
    )
    say_epoch(row, options.epochs)
    if not math.isfinite(row["val_loss"]):
        raise FailedError(
            "not_finite",
            f"The validation loss became {row['val_loss']} after epoch {epoch}{kept(trained.best)}. "
            "Lower optimizer.learning_rate and start again.",
        )
    best = _best_epoch(parts, row, trained.best)
    plateau = optimizers.after_epoch(trained.plateau, row["val_loss"], parts.config.optimizer)
    val_margins = training_state.add_margins(
        trained.val, training_state.positive_clips(parts.val.array), parts.val_windows, logit.numpy()
    )
    course = trained.after_epoch(best, plateau, val_margins)
    journal.epoch_seconds = 0.0
    resume.save(parts, course, checkpoints.name(epoch))
    if best != trained.best:
        checkpoints.mark_best(parts.run.checkpoints, best)
        say(f"New best model: epoch {epoch}, {models.describe_best(best, options.best_by)}")
    checkpoints.prune(parts.run.checkpoints)
    resume.write_label_scores(parts, course)
    heard = {"last_stream": row} if "miss_rate" in row else {}
    tell(journal, now=True, last_epoch=row, best=best, **heard)
    piece_done(journal, "saving", began)
    return course


def _hear_stream(parts: Parts) -> Row:
    """How many words the model misses in the validation stream, as columns of the epoch's row."""
    tell(parts.journal, doing="Scoring the validation stream")
    opened = open_stream(parts)
    began = time.monotonic()
    point = validation.measure_stream(parts.judged, parts.val, opened, parts.beat)
    piece_done(parts.journal, "stream", began)
    if point is None:
        return {}
    say(validation.describe_stream(point))
    return validation.stream_row(point)


def open_stream(parts: Parts) -> Stream:
    """The validation stream, of which the features are computed when it is first asked for."""
    began, journal = time.monotonic(), parts.journal
    opened = parts.stream()
    if not journal.opened:
        journal.opened = True
        piece_done(journal, "opening", began)
    return opened


def _best_epoch(parts: Parts, row: Row, best: Best | None) -> Best:
    """The best epoch, this one included."""
    by = parts.config.training.best_by
    if best is None or models.is_better(row, best, by):
        return models.best_of_row(row, checkpoints.name(row["epoch"]), by)
    return best


@dataclass(frozen=True)
class Stride:
    """What a batch is to the step it belongs to: the step's number (1, 2, ...) and learning rate, how many batches
    share it, and whether this one ends it."""

    step: int
    rate: float
    batches: int = 1
    ends: bool = True


def stride_of(config: Config, course: Course, batches: int) -> Stride:
    """The stride of the next batch of an epoch of `batches`; what is left at the end of an epoch is a step too."""
    gathered, options = config.training.accumulate, config.optimizer
    first = course.batch // gathered * gathered
    last = min(batches, first + gathered)
    epoch = course.epoch - 1 + last / batches
    rate = optimizers.learning_rate(options, epoch, config.training.epochs, course.plateau.scale)
    return Stride(course.step + 1, rate, last - first, course.batch + 1 == last)


@dataclass(frozen=True)
class Told:
    """What the model said of a batch before it learned from it: its mean loss, how many windows were told right, and
    the logits float32 [n]."""

    loss: float
    right: float
    logit: NDArray[np.float32]


def take_step(parts: Parts, features: Tensor, positive: Tensor, stride: Stride) -> Told:
    """Learn from features [n, bands, frames] and labels [n].

    A loss that is no number leaves the weights as they are. Raises ValueError when the model cannot be compiled.
    """
    try:
        loss, logit = _forward(parts, features, positive)
        right = ((logit >= 0) == (positive >= 0.5)).sum(dtype=loss.dtype)
        both = torch.stack([loss.detach(), right])
        told = torch.cat([both, logit]).cpu().numpy()  # all at once, before more is asked of a GPU
        if math.isfinite(told[0]):
            torch.autograd.backward(parts.scaler.scale(loss / stride.batches if stride.batches > 1 else loss))
    except TorchDynamoException as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"training.compile: this model cannot be compiled here; turn it off. ({reason})") from error
    if math.isfinite(told[0]) and stride.ends:
        _move_weights(parts, stride)
    return Told(float(told[0]), float(told[1]), told[2:])


def _forward(parts: Parts, features: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and the logits [n] in float32."""
    narrow = parts.dtype != torch.float32
    with torch.autocast(features.device.type, parts.dtype, enabled=narrow):
        logit = parts.model(features)
    logit = logit.float()  # a loss in few bits would be rounded away
    return losses.training_loss(logit, positive, parts.config.loss), logit.detach()


def _move_weights(parts: Parts, stride: Stride) -> None:
    """Take the step, clear the gradients for the next and move the average along."""
    options = parts.config.optimizer
    for group in parts.optimizer.param_groups:
        group["lr"] = stride.rate
    if options.gradient_clip:
        parts.scaler.unscale_(parts.optimizer)
        nn.utils.clip_grad_norm_(parts.model.parameters(), options.gradient_clip)
    parts.scaler.step(parts.optimizer)
    parts.scaler.update()
    parts.optimizer.zero_grad(set_to_none=True)
    if parts.average is not None:
        optimizers.update_average(parts.average, parts.model, options.ema_decay, stride.step)


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
    batches, first, positive = (
        math.ceil(len(windows) / size),
        course.batch,
        training_state.positive_clips(parts.train.array),
    )

    def make(batch: int) -> Batch:
        part = windows.take(slice(batch * size, (batch + 1) * size))
        return Batch(part, *training_batch(parts.train, part, epoch, batch))

    parts.model.train()
    tell(journal, now=True, phase="training", doing="", epoch=epoch, batch=course.batch, batches=batches)
    with closing(one_ahead(make, range(course.batch, batches))) as coming:
        for made in coming:
            stride = stride_of(config, course, batches)
            told = _learn(parts, made, course, stride)
            heard = training_state.add_margins(course.train, positive, made.windows, told.logit)
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
    left = left_of(parts.config, course.epoch, course.batch, batches, parts.journal.opened)
    expect(parts.journal, left, parts.config.training.checkpoint_minutes)


def save_within(parts: Parts, course: Course) -> float:
    """Save in the middle of an epoch; returns the seconds it took. Raises OSError."""
    began = time.monotonic()
    resume.save(parts, course, checkpoints.name_within(course.epoch, course.batch))
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
