"""Saves a training between two batches and resumes it with the same bytes; writes the label scores of its clips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.engine.data.clips import ClipArray
from trainer.engine.training import checkpoints, training_state
from trainer.engine.training.checkpoints import Saved
from trainer.engine.training.journal import tell
from trainer.engine.training.session import Parts
from trainer.engine.training.training_state import Course, Margins
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.log_lines import say


def write_label_scores(parts: Parts, course: Course) -> None:
    """Write the label scores of the run as they stand, or remove them before the end of an epoch. Raises OSError."""
    if course.epoch == 1:
        parts.run.label_scores_file.unlink(missing_ok=True)
        return
    clip_scores = [
        *_scores(parts.train.array, course.train, "train"),
        *_scores(parts.val.array, course.val, "val"),
    ]
    document = {"epochs": course.epoch - 1, "clips": clip_scores}
    durable.replace_json(parts.run.label_scores_file, document)


def _scores(array: ClipArray, heard: Margins | None, part: str) -> Iterator[dict[str, Any]]:
    """The clips of a split of which windows were scored, as label_scores.ClipScore."""
    if heard is None:
        return
    for place in np.flatnonzero(heard.windows).tolist():
        clip, windows = array.clips[place], heard.windows[place]
        margin, right = float(heard.total[place] / windows), float(heard.right[place] / windows)
        named = {"path": clip.path, "label": clip.label, "digest": clip.digest, "part": part}
        yield named | {"margin": round(margin, 4), "right": round(right, 4)}


def save(parts: Parts, now: Course, checkpoint: str) -> None:
    """Commit a checkpoint of the training as it stands now. Raises OSError.

    Rows reach the disk before the mark that counts them, so a resume always finds them. Nothing that depends on the
    machine goes into the file of tensors: equal trainings leave equal files.
    """
    facts = {
        "epoch": now.epoch,
        "batch": now.batch,
        "step": now.step,
        "best": now.best and now.best.model_dump(),
        "metrics_offset": durable.settle(parts.run.metrics_file),
        "timing_offset": durable.settle(parts.run.timing_file),
        "epoch_seconds": parts.journal.epoch_seconds,
        "splits": parts.splits,
        "machine": machine(parts),
    }
    learning = parts.model.state_dict() if parts.average is not None else None
    state = {
        "model": parts.judged.state_dict(),
        "learning": learning,
        "optimizer": parts.optimizer.state_dict(),
        "scaler": parts.scaler.state_dict(),
        "gathered": _gathered(parts),
        "course": training_state.state_tensors(now),
    }
    checkpoints.commit(parts.run.checkpoints, checkpoint, state, facts)


def _gathered(parts: Parts) -> list[Tensor | None] | None:
    """The gradients that wait for more batches before a step; None between two steps."""
    gradients = [weights.grad for weights in parts.model.parameters()]
    return None if all(gradient is None for gradient in gradients) else gradients


def machine(parts: Parts) -> str:
    """What the promise of equal bytes holds on: build of torch, instructions of the CPU, device and threads."""
    instructions = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    return f"torch {torch.__version__}, {instructions}, {parts.journal.progress.device}, threads: {threads}"


def go_on(parts: Parts, saved: Saved | None) -> Course:
    """Bring all back to where it was saved, files too; without a checkpoint to the beginning.

    Raises ValueError when the clips are not those that the run began with, or the checkpoint holds too little.
    """
    if saved:
        _check(parts, saved)
    resumed = _course(parts, saved) if saved else Course()
    _tidy(parts.run, saved)
    checkpoints.mark_best(parts.run.checkpoints, resumed.best)  # it may be later than the checkpoint, or earlier
    write_label_scores(parts, resumed)
    if saved:
        _restore(parts, saved.state)
        _tell(parts, saved, resumed)
    else:
        say("There is no checkpoint to resume from; the training starts from the beginning.")
        tell(parts.journal, epoch=0, batch=0, best=None, last_epoch=None, last_stream=None, eta_seconds=None)
    return resumed


def _course(parts: Parts, saved: Saved) -> Course:
    """Where the training stood. Raises ValueError when the checkpoint does not tell it."""
    try:
        return training_state.state_from(saved.state["course"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError(
            f"{saved.checkpoint} of run {parts.run.id} does not tell where the training stood; remove it and "
            f"{saved.checkpoint}.json, and resume from the one before."
        ) from None


def _check(parts: Parts, saved: Saved) -> None:
    anew = f"start a new run with training.start_from: {parts.run.id}."
    if "course" not in saved.state:
        raise ValueError(f"Run {parts.run.id} was made by a version without resume; {anew}")
    if saved.facts.get("splits") != parts.splits:
        raise ValueError(
            f"The split has changed since run {parts.run.id} began, so it cannot go on; bring the split back, or {anew}"
        )


def _tidy(run: Run, saved: Saved | None) -> None:
    """Remove what came after the checkpoint, and what was left half-done."""
    facts = saved.facts if saved else {}
    checkpoints.clear(run.checkpoints, saved.checkpoint if saved else None)
    checkpoints.prune(run.checkpoints)
    metrics.cut_back(run.metrics_file, facts.get("metrics_offset", 0))
    metrics.cut_back(run.timing_file, facts.get("timing_offset", 0))
    for part in run.folder.glob(f"{run.progress_file.name}.tmp.*"):
        part.unlink()


def _restore(parts: Parts, state: dict[str, Any]) -> None:
    parts.judged.load_state_dict(state["model"])
    if parts.average is not None:
        parts.model.load_state_dict(state["learning"])
    parts.optimizer.load_state_dict(state["optimizer"])
    parts.scaler.load_state_dict(state["scaler"])
    if gathered := state.get("gathered"):
        for weights, gradient in zip(parts.model.parameters(), gathered, strict=True):
            weights.grad = None if gradient is None else gradient.to(weights.device)


def _tell(parts: Parts, saved: Saved, resumed: Course) -> None:
    """Tell where it goes on; the last epoch is shown until there is another."""
    metrics.read_to_end(tail := metrics.Tail(), parts.run.metrics_file)
    parts.journal.epoch_seconds = saved.facts.get("epoch_seconds", 0.0)
    epoch = min(resumed.epoch, parts.config.training.epochs)
    tell(
        parts.journal,
        epoch=epoch,
        best=resumed.best,
        last_epoch=tail.epochs[-1] if tail.epochs else None,
        last_stream=next((row for row in reversed(tail.epochs) if "miss_rate" in row), None),
    )
    where = f"batch {resumed.batch} of epoch {resumed.epoch}" if resumed.batch else f"epoch {resumed.epoch - 1}"
    say(f"Resuming from the checkpoint after {where}.")
    if (before := saved.facts.get("machine")) != (now := machine(parts)):
        say(f"The same bytes as in one go are not promised: this run was on {before}, and goes on on {now}.")
