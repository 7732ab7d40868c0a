"""The training loop: epochs of batches, validation, checkpoints, and an ear for what the user wants."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainer import config_file, earlier_run, manifest
from trainer.config import Config
from trainer.documents import Best
from trainer.engine import checkpoints, clips, embedding_rounds, mining, objective
from trainer.engine.batches import Feed, heard_in, open_feed, training_batch
from trainer.engine.journal import Journal, append_row, batch_done, open_journal, preparing, say_epoch, tell
from trainer.engine.models import factory
from trainer.engine.validation import validate
from trainer.engine.windows import Windows
from trainer.log import say
from trainer.runs import Run
from trainer.state import Ended, Want
from trainer.workspace import Workspace

STEP_ROWS_PER_EPOCH = 20


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


@dataclass(frozen=True)
class Parts:
    """All that the epochs need."""

    run: Run
    config: Config
    journal: Journal
    model: nn.Module
    optimizer: torch.optim.Optimizer
    train: Feed
    val: Feed
    val_windows: Windows
    wanted: Callable[[], Want | None]


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
    journal = open_journal(run, attempt, device, config.training.epochs)
    splits = manifest.read_splits(workspace)
    used = [*splits["train"], *splits["val"]]

    def report(done: int, total: int, doing: str) -> None:
        preparing(journal, done, total, doing)
        if wanted() == "stop":  # reading many clips takes minutes
            raise StoppedEarlyError(journal)

    array = clips.prepare(workspace, used, report)
    parts = {name: array.of_split(frozenset(clip.path for clip in splits[name])) for name in ("train", "val")}
    model = _first_model(workspace, config).to(device)
    say(f"Model {config.model.name}: {factory.parameters(model):,} parameters, on {journal.progress.device}.")
    val = open_feed(parts["val"], config, device, augmented=False)
    train = open_feed(parts["train"], config, device, augmented=True)
    train, val_windows = embedding_rounds.keep(workspace.cache, train, val, report)
    optimizer = objective.make_optimizer(model, config.optimizer)
    return Parts(run, config, journal, model, optimizer, train, val, val_windows, wanted)


def _first_model(workspace: Workspace, config: Config) -> nn.Module:
    """The model before its first step: new, or the best one of an earlier run. Raises ValueError, OSError."""
    model = factory.build(config)
    if earlier := earlier_run.find(workspace, config):
        state = checkpoints.load(earlier.run.checkpoints, earlier.best.checkpoint)
        model.load_state_dict(state["model"])
        say(f"Starting from the best model of run {earlier.run.id}, that of epoch {earlier.best.epoch}.")
    return model


def train(parts: Parts) -> End:
    """Run all epochs; returns how it ended. Raises ValueError when the loss is no number any more, OSError."""
    epochs, patience = parts.config.training.epochs, parts.config.training.patience
    best: Best | None = None
    pool: Windows | None = None
    step = 0
    for epoch in range(1, epochs + 1):
        if mining.due(parts.config, epoch) and (pool := _mine(parts, epoch)) is None:
            return End("stopped", f"Stopped by the user before epoch {epoch}{_kept(best)}.")
        began = time.monotonic()
        summary, step = _train_epoch(parts, epoch, step, pool)
        if summary is None:
            return End("stopped", f"Stopped by the user in epoch {epoch}{_kept(best)}.")
        pause = time.monotonic()
        tell(parts.journal, phase="validating")
        row = {"epoch": epoch, "step": step, **summary}
        row |= validate(parts.model, parts.val, parts.val_windows, lambda: tell(parts.journal))
        row["seconds"] = round(time.monotonic() - began, 3)
        best = _finish_epoch(parts, row, best, pool)
        parts.journal.pause_seconds = time.monotonic() - pause
        if parts.wanted() in ("stop", "stop_after_epoch"):
            return End("stopped", f"Stopped by the user after epoch {epoch}{_kept(best)}.")
        if patience and best and epoch - best.epoch >= patience:
            return End("completed", f"Early stopping: no better validation loss for {patience} epochs{_kept(best)}.")
    return End("completed", f"All {epochs} epochs done{_kept(best)}.")


def _kept(best: Best | None) -> str:
    return f"; the best model is of epoch {best.epoch}" if best else "; no epoch was finished, so there is no model"


def _mine(parts: Parts, epoch: int) -> Windows | None:
    """The pool of the negatives that are hardest now; None when it was stopped half-way."""
    journal, began = parts.journal, time.monotonic()
    tell(journal, now=True, phase="mining", doing="Looking for the hardest negatives")

    def heard(done: int, of: int) -> bool:
        tell(journal, doing=f"Looking for the hardest negatives: {done:,} of {of:,}")
        return parts.wanted() != "stop"

    mined = mining.mine(parts.model, parts.train, heard)
    if mined is None:
        return None
    journal.mining_seconds = time.monotonic() - began
    say(mining.sentence(mined, epoch, journal.mining_seconds))
    return mined.pool


def _train_epoch(parts: Parts, epoch: int, step: int, pool: Windows | None) -> tuple[dict[str, Any] | None, int]:
    """Train one epoch. Returns its means (None when it was stopped half-way) and the steps taken so far."""
    config, journal, size = parts.config, parts.journal, parts.config.training.batch_size
    windows = heard_in(parts.train, epoch, pool)
    batches, epochs = math.ceil(len(windows) / size), config.training.epochs
    loss_sum = correct = seen = 0.0
    rate, began, minings_left = 0.0, time.monotonic(), mining.times(config, after=epoch)
    parts.model.train()
    tell(journal, now=True, phase="training", doing="", epoch=epoch, batch=0, batches=batches)
    for batch in range(batches):
        start = time.monotonic()
        rate = objective.learning_rate(config.optimizer, epoch - 1 + (batch + 1) / batches, epochs)
        part = windows.take(slice(batch * size, (batch + 1) * size))
        features, positive = training_batch(parts.train, part, epoch, batch)
        loss, logit = take_step(parts, features, positive, rate)
        if not math.isfinite(loss):
            raise ValueError(_not_finite(parts, part, epoch, batch, rate, loss))
        step, seen, loss_sum = step + 1, seen + len(part), loss_sum + loss * len(part)
        correct += float(((logit >= 0) == (positive > 0)).sum())
        left = (epochs - epoch + 1) * batches - batch - 1
        seconds = time.monotonic() - start
        speed, eta = batch_done(journal, len(part), seconds, left, epochs - epoch + 1, minings_left)
        loss_mean, accuracy = loss_sum / seen, correct / seen
        tell(
            journal, batch=batch + 1, clips_per_second=round(speed, 1), eta_seconds=round(eta, 1),
            train_loss=loss_mean, train_accuracy=accuracy,
        )  # fmt: skip
        if batch % max(1, batches // STEP_ROWS_PER_EPOCH) == 0:
            append_row(journal, "step", epoch=epoch, batch=batch + 1, step=step, loss=loss, learning_rate=rate)
        if parts.wanted() == "stop":
            return None, step
    speed = seen / (time.monotonic() - began)
    means = {"train_loss": loss_mean, "train_accuracy": accuracy}
    return {**means, "learning_rate": rate, "clips_per_second": round(speed, 1)}, step


def take_step(parts: Parts, features: torch.Tensor, positive: torch.Tensor, rate: float) -> tuple[float, torch.Tensor]:
    """Forward, backward and one step of the optimizer; returns the loss and the logits [n]."""
    for group in parts.optimizer.param_groups:
        group["lr"] = rate
    logit = parts.model(features)
    weight = objective.training_weights(positive, parts.config.loss)
    loss = objective.cross_entropy(logit, positive, weight, parts.config.loss.label_smoothing)
    value = loss.item()
    if math.isfinite(value):  # weights stay as they are when the loss is none
        parts.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if clip := parts.config.optimizer.gradient_clip:
            nn.utils.clip_grad_norm_(parts.model.parameters(), clip)
        parts.optimizer.step()
    return value, logit.detach()


def _not_finite(parts: Parts, windows: Windows, epoch: int, batch: int, rate: float, loss: float) -> str:
    names = sorted({parts.train.array.clips[i].path for i in windows.clip})[:3]
    return (
        f"The training loss became {loss} in epoch {epoch}, batch {batch + 1}, at learning rate {rate:.3g} "
        f"(clips {', '.join(names)} and others). Lower optimizer.learning_rate and start again."
    )


def _finish_epoch(parts: Parts, row: dict[str, Any], best: Best | None, pool: Windows | None) -> Best | None:
    """Write the epoch's row, line and checkpoint; returns the best epoch so far."""
    epoch, journal, folder = row["epoch"], parts.journal, parts.run.checkpoints
    tell(journal, phase="saving")
    reading = journal.progress.reading
    row = {**row, "elapsed_seconds": journal.progress.elapsed_seconds, "reading": reading}
    append_row(journal, "epoch", **row)
    say_epoch(row, parts.config.training.epochs)
    if not math.isfinite(row["val_loss"]):
        raise ValueError(
            f"The validation loss became {row['val_loss']} after epoch {epoch}{_kept(best)}. "
            "Lower optimizer.learning_rate and start again."
        )
    better = best is None or row["val_loss"] < best.val_loss
    if better:
        best = Best(
            epoch=epoch, val_loss=row["val_loss"], val_accuracy=row["val_accuracy"], checkpoint=checkpoints.name(epoch)
        )
    facts = {"metrics_offset": parts.run.metrics_file.stat().st_size, "best": best and best.model_dump()}
    checkpoints.commit(folder, epoch, row["step"], parts.model, parts.optimizer, facts, mining.tensors(pool))
    if better and best:
        checkpoints.mark_best(folder, best)
        say(f"New best model: epoch {epoch}, validation loss {best.val_loss:.4f}")
    checkpoints.prune(folder, best)
    tell(journal, now=True, last_epoch=row, best=best)
    return best
