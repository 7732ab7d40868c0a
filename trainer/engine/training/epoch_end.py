"""What follows the batches of an epoch: validation, the stream, the epoch's rows and line, and its checkpoint."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from trainer.engine.training import checkpoints, margins, mining, optimizers, saving, timing, validation_stream
from trainer.engine.training.course import Course
from trainer.engine.training.journal import append_row, append_timing, piece_done, say_epoch, tell
from trainer.engine.training.parts import Parts, kept
from trainer.engine.training.validation import score, validate
from trainer.engine.training.validation_stream import Stream
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
    if validation_stream.stream_due(parts.config, epoch):
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
    val_margins = margins.add_margins(
        trained.val, margins.positive_clips(parts.val.array), parts.val_windows, logit.numpy()
    )
    course = trained.after_epoch(best, plateau, val_margins)
    journal.epoch_seconds = 0.0
    saving.save(parts, course, checkpoints.name(epoch))
    if best != trained.best:
        checkpoints.mark_best(parts.run.checkpoints, best)
        say(f"New best model: epoch {epoch}, {models.describe_best(best, options.best_by)}")
    checkpoints.prune(parts.run.checkpoints)
    saving.write_label_scores(parts, course)
    heard = {"last_stream": row} if "miss_rate" in row else {}
    tell(journal, now=True, last_epoch=row, best=best, **heard)
    piece_done(journal, "saving", began)
    return course


def _hear_stream(parts: Parts) -> Row:
    """How many words the model misses in the validation stream, as columns of the epoch's row."""
    tell(parts.journal, doing="Scoring the validation stream")
    opened = open_stream(parts)
    began = time.monotonic()
    point = validation_stream.measure_stream(parts.judged, parts.val, opened, parts.beat)
    piece_done(parts.journal, "stream", began)
    if point is None:
        return {}
    say(validation_stream.describe_stream(point))
    return validation_stream.stream_row(point)


def open_stream(parts: Parts) -> Stream:
    """The validation stream, of which the features are computed when it is first asked for."""
    began, journal = time.monotonic(), parts.journal
    opened = parts.stream()
    if not journal.opened:
        journal.opened = True
        piece_done(journal, "opening", began)
    return opened


def measure_coming(parts: Parts, course: Course) -> None:
    """Measure what comes later for the first time on a part of it, so that the ETA knows of it. Raises Interruption."""
    config, journal, done = parts.config, parts.journal, course.epoch - 1
    if journal.times.stream is None and validation_stream.count_streams(config, after=done):
        tell(journal, doing="Measuring the time of the validation stream")
        seconds = timing.hearing_seconds(parts, open_stream(parts))
        journal.times = replace(journal.times, stream=seconds)
    if (
        journal.times.mining is None
        and mining.count_minings(config, after=done)
        and not mining.due(config, course.epoch)
    ):
        tell(journal, doing="Measuring the time of hard-negative mining")
        journal.times = replace(journal.times, mining=timing.mining_seconds(parts))


def _best_epoch(parts: Parts, row: Row, best: Best | None) -> Best:
    """The best epoch, this one included."""
    by = parts.config.training.best_by
    if best is None or models.is_better(row, best, by):
        return models.best_of_row(row, checkpoints.name(row["epoch"]), by)
    return best
