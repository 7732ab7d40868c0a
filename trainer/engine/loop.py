"""The training loop: epochs of batches, validation, checkpoints, and an ear for what the user wants."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from trainer import best_model, config_file, earlier_run, manifest
from trainer.config import Config
from trainer.documents import Best
from trainer.engine import checkpoints, clips, embedding_rounds, mining, optimizers, precision, saving, stream
from trainer.engine.batches import Feed, open_feed, standardise
from trainer.engine.course import Course
from trainer.engine.epoch import train_epoch
from trainer.engine.journal import Journal, append_row, append_timing, open_journal, preparing, say_epoch, tell
from trainer.engine.models import factory
from trainer.engine.parts import Parts
from trainer.engine.validation import validate
from trainer.engine.windows import Windows
from trainer.failures import FailedError
from trainer.log import say
from trainer.metrics import Row
from trainer.runs import Run
from trainer.state import Ended, Want
from trainer.workspace import Workspace


@dataclass(frozen=True)
class End:
    """How a training ended in order."""

    state: Ended
    reason: str


class StoppedEarlyError(Exception):
    """The user stopped the run while its clips were read; `journal` is where that is told."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        super().__init__("Stopped by the user before the first epoch; there is no model.")


def choose_device(name: str) -> torch.device:
    """The device that an option names. Raises ValueError when there is no GPU to take."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device is cuda, but no GPU was found. Choose auto or cpu.")
    return torch.device("cuda:0" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(workspace: Workspace, run: Run, attempt: int, wanted: Callable[[], Want | None]) -> Parts:
    """Load the configuration, the clips and the model of a run.

    Raises StoppedEarlyError, ValueError, FileNotFoundError, OSError.
    """
    config = config_file.load(run.config_file)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    device = choose_device(config.training.device)
    torch.manual_seed(config.training.seed)
    precision.set_exact(config.training.exact)
    dtype = precision.choose_dtype(config.training, device)
    journal = open_journal(run, attempt, device, config.training.epochs)
    splits = manifest.read_splits(workspace)
    used = [*splits["train"], *splits["val"]]

    def report(done: int, total: int, doing: str) -> None:
        preparing(journal, done, total, doing)
        if wanted() == "stop":  # reading many clips takes minutes
            raise StoppedEarlyError(journal)

    array = clips.prepare(workspace, used, report)
    parts = {name: array.of_split(frozenset(clip.path for clip in splits[name])) for name in ("train", "val")}
    train = open_feed(parts["train"], config, device, augmented=True)
    saved = checkpoints.newest(run.checkpoints) if attempt > 1 else None
    model = (factory.build(config) if saved else _first_model(workspace, config, train)).to(device)
    say(f"Model {config.model.name}: {factory.parameters(model):,} parameters, on {journal.progress.device}.")
    average = optimizers.average_of(model) if config.optimizer.ema_decay else None
    if config.training.compile:
        model.compile()
    val = open_feed(parts["val"], config, device, augmented=False)
    train, val_windows = embedding_rounds.keep(workspace.cache, train, val, report)
    begun = Parts(
        run, config, journal, model, average, optimizers.make_optimizer(model, config.optimizer),
        precision.make_scaler(dtype, device), dtype, train, val, val_windows,
        functools.cache(functools.partial(stream.open_stream, val)),
        manifest.fingerprint(workspace), wanted,
    )  # fmt: skip
    return replace(begun, start=saving.go_on(begun, saved)) if attempt > 1 else begun


def _first_model(workspace: Workspace, config: Config, feed: Feed) -> nn.Module:
    """The model before its first step: new, or the best one of an earlier run. Raises ValueError, OSError."""
    model = factory.build(config)
    standardise(model, feed)
    if earlier := earlier_run.find(workspace, config):
        state = checkpoints.load(earlier.run.checkpoints, earlier.best.checkpoint)
        model.load_state_dict(state["model"])
        say(f"Starting from the best model of run {earlier.run.id}, that of epoch {earlier.best.epoch}.")
    return model


def train(parts: Parts) -> End:
    """Run all epochs that are left; returns how it ended. Raises FailedError when a loss is no number, OSError."""
    course = parts.start
    while (end := _done(parts.config, course)) is None:
        if course.batch == 0 and mining.due(parts.config, course.epoch):
            if (pool := _mine(parts, course.epoch)) is None:
                return End("stopped", f"Stopped by the user before epoch {course.epoch}{_kept(course.best)}.")
            course = replace(course, pool=pool)
        began, before = time.monotonic(), course.sums.windows
        trained = train_epoch(parts, course)
        if trained is None:
            return End("stopped", f"Stopped by the user in epoch {course.epoch}{_kept(course.best)}.")
        pause = time.monotonic()
        speed = (trained.sums.windows - before) / (pause - began)
        course = _finish_epoch(parts, trained, began, speed)
        heard = parts.journal.stream_seconds if stream.due(parts.config, trained.epoch) else 0.0
        parts.journal.pause_seconds = time.monotonic() - pause - heard
        if parts.wanted() in ("stop", "stop_after_epoch"):
            return End("stopped", f"Stopped by the user after epoch {trained.epoch}{_kept(course.best)}.")
    return end


def _done(config: Config, course: Course) -> End | None:
    """How the training has ended before the epoch under way; None when it has not."""
    best, options = course.best, config.training
    if options.patience and best and course.epoch - 1 - best.epoch >= options.patience:
        measure = best_model.NAMES[options.best_by]
        reason = f"Early stopping: no better {measure} for {options.patience} epochs{_kept(best)}."
        return End("completed", reason)
    if course.epoch > options.epochs:
        return End("completed", f"All {options.epochs} epochs done{_kept(best)}.")
    return None


def _kept(best: Best | None) -> str:
    return f"; the best model is of epoch {best.epoch}" if best else "; no epoch was finished, so there is no model"


def _mine(parts: Parts, epoch: int) -> Windows | None:
    """The pool of the negatives that are hardest now; None when it was stopped half-way."""
    journal, began = parts.journal, time.monotonic()
    tell(journal, now=True, phase="mining", doing="Looking for the hardest negatives")

    def heard(done: int, of: int) -> bool:
        tell(journal, doing=f"Looking for the hardest negatives: {done:,} of {of:,}")
        return parts.wanted() != "stop"

    mined = mining.mine(parts.judged, parts.train, heard)
    if mined is None:
        return None
    journal.mining_seconds = time.monotonic() - began
    say(mining.sentence(mined, epoch, journal.mining_seconds))
    return mined.pool


def _finish_epoch(parts: Parts, trained: Course, began: float, speed: float) -> Course:
    """Validate, write the epoch's rows, line and checkpoint; returns the start of the next epoch.

    `began` is when the epoch did, `speed` how many windows a second it trained on.
    """
    journal, epoch, options = parts.journal, trained.epoch, parts.config.training
    tell(journal, phase="validating", doing="")
    rate = optimizers.learning_rate(parts.config.optimizer, epoch, options.epochs, trained.plateau.scale)
    row: Row = {"epoch": epoch, "step": trained.step, **trained.sums.means(), "learning_rate": rate}
    row |= validate(parts.judged, parts.val, parts.val_windows, lambda: tell(journal))
    if stream.due(parts.config, epoch):
        row |= _hear_stream(parts)
    seconds = round(time.monotonic() - began, 3)
    tell(journal, phase="saving")
    append_row(journal, "epoch", **row)
    append_timing(journal, epoch=epoch, seconds=seconds, clips_per_second=round(speed, 1))
    say_epoch(row, options.epochs)
    if not math.isfinite(row["val_loss"]):
        raise FailedError(
            "not_finite",
            f"The validation loss became {row['val_loss']} after epoch {epoch}{_kept(trained.best)}. "
            "Lower optimizer.learning_rate and start again.",
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
    point = stream.measure(parts.judged, parts.val, parts.stream(), lambda: tell(journal))
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
