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
from trainer.engine.data.batches import draw_epoch, prefetch, seed_dropout, training_batch
from trainer.engine.data.windows import Windows
from trainer.engine.training import checkpoints, losses, optimizers, resume, training_state, validation
from trainer.engine.training.eta import remaining_work
from trainer.engine.training.journal import (
    append_row,
    append_timing,
    log_epoch,
    record_batch,
    record_duration,
    update_eta,
    update_progress,
)
from trainer.engine.training.session import Session, best_model_clause
from trainer.engine.training.training_state import TrainingState
from trainer.engine.training.validation import Stream, score, validate
from trainer.run import models
from trainer.run.documents import Best
from trainer.run.failures import FailedError
from trainer.run.metrics import Row
from trainer.system.log_lines import say

STEP_ROWS_PER_EPOCH = 20


@dataclass(frozen=True)
class StepPlan:
    """The optimizer step that a batch belongs to: its number (1, 2, ...) and learning rate, how many batches share it,
    and whether the batch ends it."""

    step: int
    rate: float
    batches: int = 1
    ends: bool = True


def plan_step(config: Config, state: TrainingState, batches: int) -> StepPlan:
    """The plan of the next batch of an epoch of `batches`; the last step of an epoch may have fewer batches."""
    accumulate, options = config.training.accumulate, config.optimizer
    first = state.batch // accumulate * accumulate
    last = min(batches, first + accumulate)
    epoch = state.epoch - 1 + last / batches
    rate = optimizers.learning_rate(options, epoch, config.training.epochs, state.plateau.scale)
    return StepPlan(state.step + 1, rate, last - first, state.batch + 1 == last)


@dataclass(frozen=True)
class BatchResult:
    """The mean loss of a batch, how many windows were classified correctly, and the logits float32 [n], all from
    before the step."""

    loss: float
    correct: float
    logit: NDArray[np.float32]


def take_step(session: Session, features: Tensor, positive: Tensor, plan: StepPlan) -> BatchResult:
    """Train on features [n, bands, frames] and labels [n].

    A loss that is not finite leaves the weights as they are. Raises ValueError when the model cannot be compiled.
    """
    try:
        loss, logit = _forward(session, features, positive)
        correct = ((logit >= 0) == (positive >= 0.5)).sum(dtype=loss.dtype)
        both = torch.stack([loss.detach(), correct])
        result = torch.cat([both, logit]).cpu().numpy()  # one transfer, before the GPU gets more work
        if math.isfinite(result[0]):
            torch.autograd.backward(session.scaler.scale(loss / plan.batches if plan.batches > 1 else loss))
    except TorchDynamoException as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"training.compile: this model cannot be compiled here; turn it off. ({reason})") from error
    if math.isfinite(result[0]) and plan.ends:
        _update_weights(session, plan)
    return BatchResult(float(result[0]), float(result[1]), result[2:])


def _forward(session: Session, features: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and the logits [n] in float32."""
    narrow = session.dtype != torch.float32
    with torch.autocast(features.device.type, session.dtype, enabled=narrow):
        logit = session.model(features)
    logit = logit.float()  # a loss of low precision would be rounded away
    return losses.training_loss(logit, positive, session.config.loss), logit.detach()


def _update_weights(session: Session, plan: StepPlan) -> None:
    """Take the optimizer step, clear the gradients and update the average of the weights."""
    options = session.config.optimizer
    for group in session.optimizer.param_groups:
        group["lr"] = plan.rate
    if options.gradient_clip:
        session.scaler.unscale_(session.optimizer)
        nn.utils.clip_grad_norm_(session.model.parameters(), options.gradient_clip)
    session.scaler.step(session.optimizer)
    session.scaler.update()
    session.optimizer.zero_grad(set_to_none=True)
    if session.average is not None:
        optimizers.update_average(session.average, session.model, options.ema_decay, plan.step)


@dataclass(frozen=True)
class Batch:
    """Windows [n], their augmented features [n, rows, frames] and labels [n]."""

    windows: Windows
    features: Tensor
    positive: Tensor


def train_epoch(session: Session, state: TrainingState) -> Generator[TrainingState]:
    """Train the remaining batches of an epoch; yields the state after each. Raises FailedError, OSError.

    Close the generator when leaving early: that waits for the batch that is being prepared.
    """
    config, journal, epoch = session.config, session.journal, state.epoch
    began = journal.saved_at = time.monotonic()
    windows, size = draw_epoch(session.train, epoch, state.pool), config.training.batch_size
    batches, first = math.ceil(len(windows) / size), state.batch
    positive = training_state.positive_clips(session.train.array)

    def make(batch: int) -> Batch:
        part = windows.take(slice(batch * size, (batch + 1) * size))
        return Batch(part, *training_batch(session.train, part, epoch, batch))

    session.model.train()
    update_progress(journal, flush=True, phase="training", doing="", epoch=epoch, batch=state.batch, batches=batches)
    with closing(prefetch(make, range(state.batch, batches))) as prepared:
        for batch in prepared:
            plan = plan_step(config, state, batches)
            result = _train_batch(session, batch, state, plan)
            count = len(batch.windows)
            margins = training_state.add_margins(state.train, positive, batch.windows, result.logit)
            state = state.after_batch(result.loss, result.correct, margins, count, steps=int(plan.ends))
            seconds, began = time.monotonic() - began, time.monotonic()
            speed = record_batch(journal, count, count / size, seconds, state.batch == first + 1)
            update_remaining(session, state, len(windows) / size)
            means: dict[str, Any] = state.sums.means()
            update_progress(journal, batch=state.batch, clips_per_second=round(speed, 1), **means)
            if (state.batch - 1) % max(1, batches // STEP_ROWS_PER_EPOCH) == 0:
                row = {"step": plan.step, "loss": result.loss, "learning_rate": plan.rate}
                append_row(journal, "step", epoch=epoch, batch=state.batch, **row)
            yield state
            if state.batch < batches and _checkpoint_due(session):  # the end of the epoch saves the last one
                began += save_mid_epoch(session, state)


def _train_batch(session: Session, batch: Batch, state: TrainingState, plan: StepPlan) -> BatchResult:
    """Train on one batch. Raises FailedError when its loss is not finite."""
    seed_dropout(session.config, state.epoch, state.batch)
    result = take_step(session, batch.features, batch.positive, plan)
    if not math.isfinite(result.loss):
        names = sorted({session.train.array.clips[i].path for i in batch.windows.clip})[:3]
        raise FailedError(
            "not_finite",
            f"The training loss became {result.loss} in epoch {state.epoch}, batch {state.batch + 1} (step "
            f"{plan.step}), at learning rate {plan.rate:.3g} (clips {', '.join(names)} and others). "
            "Lower optimizer.learning_rate and start again.",
        )
    return result


def update_remaining(session: Session, state: TrainingState, batches: float) -> None:
    """Estimate the remaining time after this state; an epoch has `batches`."""
    left = remaining_work(session.config, state.epoch, state.batch, batches, session.journal.stream_ready)
    update_eta(session.journal, left, session.config.training.checkpoint_minutes)


def _checkpoint_due(session: Session) -> bool:
    """Whether `checkpoint_minutes` have passed since the last checkpoint, or since the start of the epoch."""
    minutes = session.config.training.checkpoint_minutes
    return minutes > 0 and time.monotonic() - session.journal.saved_at >= 60 * minutes


def save_mid_epoch(session: Session, state: TrainingState) -> float:
    """Save a checkpoint within an epoch; returns the seconds it took. Raises OSError."""
    began = time.monotonic()
    resume.save(session, state, checkpoints.name_mid_epoch(state.epoch, state.batch))
    checkpoints.prune(session.run.checkpoints)
    record_duration(session.journal, "within", began)
    session.journal.saved_at = time.monotonic()
    return session.journal.saved_at - began


def finish_epoch(session: Session, trained: TrainingState) -> TrainingState:
    """Validate, write the epoch's rows, log line and checkpoint; returns the start of the next epoch.

    Raises Interruption before anything is written, FailedError when the loss is not finite, OSError.
    """
    journal, epoch, options = session.journal, trained.epoch, session.config.training
    began = time.monotonic()
    update_progress(journal, phase="validating", doing="")
    rate = optimizers.learning_rate(session.config.optimizer, epoch, options.epochs, trained.plateau.scale)
    row: Row = {"epoch": epoch, "step": trained.step, **trained.sums.means(), "learning_rate": rate}
    logit = score(session.eval_model, session.val, session.val_windows, lambda *progress: session.heartbeat())
    row |= validate(logit, session.val_windows, session.config)
    record_duration(journal, "validation", began)
    if validation.stream_due(session.config, epoch):
        row |= _score_stream(session)
    seconds, began = time.monotonic() - began, time.monotonic()
    _write_rows(session, trained, row, seconds)
    best = _best_epoch(session, row, trained.best)
    plateau = optimizers.after_epoch(trained.plateau, row["val_loss"], session.config.optimizer)
    positive = training_state.positive_clips(session.val.array)
    margins = training_state.add_margins(trained.val, positive, session.val_windows, logit.numpy())
    state = trained.after_epoch(best, plateau, margins)
    journal.epoch_seconds = 0.0
    resume.save(session, state, checkpoints.name(epoch))
    if best != trained.best:
        checkpoints.mark_best(session.run.checkpoints, best)
        say(f"New best model: epoch {epoch}, {models.describe_best(best, options.best_by)}")
    checkpoints.prune(session.run.checkpoints)
    resume.write_label_scores(session, state)
    stream = {"last_stream": row} if "miss_rate" in row else {}
    update_progress(journal, flush=True, last_epoch=row, best=best, **stream)
    record_duration(journal, "saving", began)
    return state


def _write_rows(session: Session, trained: TrainingState, row: Row, validation_seconds: float) -> None:
    """Write the epoch's rows and log line. Raises FailedError when the validation loss is not finite, OSError."""
    journal, epoch = session.journal, trained.epoch
    update_progress(journal, phase="saving")
    append_row(journal, "epoch", **row)
    seconds, speed = journal.epoch_seconds + validation_seconds, trained.sums.windows / journal.epoch_seconds
    append_timing(journal, epoch=epoch, seconds=round(seconds, 3), clips_per_second=round(speed, 1))
    log_epoch(row, session.config.training.epochs)
    if not math.isfinite(row["val_loss"]):
        raise FailedError(
            "not_finite",
            f"The validation loss became {row['val_loss']} after epoch {epoch}{best_model_clause(trained.best)}. "
            "Lower optimizer.learning_rate and start again.",
        )


def _score_stream(session: Session) -> Row:
    """The misses in the validation stream as columns of the epoch's row."""
    update_progress(session.journal, doing="Scoring the validation stream")
    stream = open_stream(session)
    began = time.monotonic()
    points = validation.measure_stream(session.eval_model, session.val, stream, session.heartbeat)
    record_duration(session.journal, "stream", began)
    if points.at_budget is None:
        return {}
    say(validation.describe_stream(points.at_budget))
    return validation.stream_row(points.at_budget, points.shipped, points.unsmoothed)


def open_stream(session: Session) -> Stream:
    """The validation stream; the first call computes its features and records how long that takes."""
    began, journal = time.monotonic(), session.journal
    stream = session.stream()
    if not journal.stream_ready:
        journal.stream_ready = True
        record_duration(journal, "opening", began)
    return stream


def _best_epoch(session: Session, row: Row, best: Best | None) -> Best:
    """The best epoch so far, including the one of this row."""
    by = session.config.training.best_by
    if best is None or models.is_better(row, best, by):
        return models.best_of_row(row, checkpoints.name(row["epoch"]), by)
    return best
