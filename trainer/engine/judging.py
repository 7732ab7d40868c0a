"""What follows the batches of an epoch: validation, the stream, the epoch's rows and line, and its checkpoint."""

from __future__ import annotations

import math
import time

from trainer import best_model
from trainer.documents import Best
from trainer.engine import checkpoints, optimizers, saving, stream
from trainer.engine.course import Course
from trainer.engine.journal import append_row, append_timing, say_epoch, tell
from trainer.engine.parts import Parts
from trainer.engine.validation import validate
from trainer.engine.wishes import kept
from trainer.log import say
from trainer.metrics import Row


def finish_epoch(parts: Parts, trained: Course, began: float, speed: float) -> Course:
    """Validate, write the epoch's rows, line and checkpoint; returns the start of the next epoch.

    `began` is when the epoch did, `speed` how many windows a second it trained on. Raises Interruption while nothing
    is written yet, ValueError when the loss is no number, OSError.
    """
    journal, epoch, options = parts.journal, trained.epoch, parts.config.training
    tell(journal, phase="validating", doing="")
    rate = optimizers.learning_rate(parts.config.optimizer, epoch, options.epochs, trained.plateau.scale)
    row: Row = {"epoch": epoch, "step": trained.step, **trained.sums.means(), "learning_rate": rate}
    row |= validate(parts.judged, parts.val, parts.val_windows, parts.beat)
    if stream.due(parts.config, epoch):
        row |= _hear_stream(parts)
    seconds = round(time.monotonic() - began, 3)
    tell(journal, phase="saving")
    append_row(journal, "epoch", **row)
    append_timing(journal, epoch=epoch, seconds=seconds, clips_per_second=round(speed, 1))
    say_epoch(row, options.epochs)
    if not math.isfinite(row["val_loss"]):
        raise ValueError(
            f"The validation loss became {row['val_loss']} after epoch {epoch}{kept(trained.best)}. "
            "Lower optimizer.learning_rate and start again."
        )
    best = _best(parts, row, trained.best)
    course = trained.after_epoch(best, optimizers.after_epoch(trained.plateau, row["val_loss"], parts.config.optimizer))
    saving.save(parts, course, checkpoints.name(epoch))
    if best != trained.best:
        checkpoints.mark_best(parts.run.checkpoints, best)
        say(f"New best model: epoch {epoch}, {best_model.described(best, options.best_by)}")
    checkpoints.prune(parts.run.checkpoints)
    heard = {"last_stream": row} if "miss_rate" in row else {}
    tell(journal, now=True, last_epoch=row, best=best, **heard)
    return course


def _hear_stream(parts: Parts) -> Row:
    """How many words the model misses in the validation stream, as columns of the epoch's row."""
    journal, began = parts.journal, time.monotonic()
    tell(journal, doing="Hearing the validation clips as a stream")
    point = stream.measure(parts.judged, parts.val, parts.stream(), parts.beat)
    journal.stream_seconds = time.monotonic() - began
    if point is None:
        return {}
    say(stream.sentence(point))
    return stream.row(point)


def _best(parts: Parts, row: Row, best: Best | None) -> Best:
    """The best epoch, this one included."""
    by = parts.config.training.best_by
    if best is None or best_model.is_better(row, best, by):
        return best_model.best_of(row, checkpoints.name(row["epoch"]))
    return best
