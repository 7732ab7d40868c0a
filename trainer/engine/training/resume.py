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
from trainer.engine.training.journal import update_progress
from trainer.engine.training.session import Session
from trainer.engine.training.training_state import Margins, TrainingState
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.log_lines import say


def write_label_scores(session: Session, state: TrainingState) -> None:
    """Write the label scores of the run, or remove them before the end of the first epoch. Raises OSError."""
    if state.epoch == 1:
        session.run.label_scores_file.unlink(missing_ok=True)
        return
    train, val = session.train.array, session.val.array
    clip_scores = [*_clip_scores(train, state.train, "train"), *_clip_scores(val, state.val, "val")]
    durable.replace_json(session.run.label_scores_file, {"epochs": state.epoch - 1, "clips": clip_scores})


def _clip_scores(array: ClipArray, margins: Margins | None, part: str) -> Iterator[dict[str, Any]]:
    """The scored clips of a split in the form of label_scores.ClipScore."""
    if margins is None:
        return
    for place in np.flatnonzero(margins.windows).tolist():
        clip, windows = array.clips[place], margins.windows[place]
        margin, right = float(margins.total[place] / windows), float(margins.right[place] / windows)
        named = {"path": clip.path, "label": clip.label, "digest": clip.digest, "part": part}
        yield named | {"margin": round(margin, 4), "right": round(right, 4)}


def save(session: Session, state: TrainingState, checkpoint: str) -> None:
    """Commit a checkpoint of the training in this state. Raises OSError.

    Rows reach the disk before the mark that counts them, so a resume always finds them. Nothing that depends on the
    machine goes into the file of tensors: equal trainings write equal files.
    """
    facts = {
        "epoch": state.epoch,
        "batch": state.batch,
        "step": state.step,
        "best": state.best and state.best.model_dump(),
        "metrics_offset": durable.settle(session.run.metrics_file),
        "timing_offset": durable.settle(session.run.timing_file),
        "epoch_seconds": session.journal.epoch_seconds,
        "splits": session.splits,
        "machine": describe_machine(session),
    }
    contents = {
        "model": session.eval_model.state_dict(),
        "learning": session.model.state_dict() if session.average is not None else None,
        "optimizer": session.optimizer.state_dict(),
        "scaler": session.scaler.state_dict(),
        "gathered": _accumulated_gradients(session),
        "course": training_state.state_tensors(state),
    }
    checkpoints.commit(session.run.checkpoints, checkpoint, contents, facts)


def _accumulated_gradients(session: Session) -> list[Tensor | None] | None:
    """The gradients of batches whose step is not taken yet; None between two steps."""
    gradients = [weights.grad for weights in session.model.parameters()]
    return None if all(gradient is None for gradient in gradients) else gradients


def describe_machine(session: Session) -> str:
    """What equal bytes depend on: torch build, CPU instructions, device and threads."""
    instructions = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    return f"torch {torch.__version__}, {instructions}, {session.journal.progress.device}, threads: {threads}"


def restore(session: Session, saved: Saved | None) -> TrainingState:
    """Restore weights, optimizer and files to a checkpoint, or to the beginning without one.

    Raises ValueError when the clips differ from those of the checkpoint, or when the checkpoint is incomplete.
    """
    if saved:
        _check_resumable(session, saved)
    state = _saved_state(session, saved) if saved else TrainingState()
    _remove_later_files(session.run, saved)
    checkpoints.mark_best(session.run.checkpoints, state.best)  # best.json may be of another epoch than the checkpoint
    write_label_scores(session, state)
    if saved:
        _load_tensors(session, saved.contents)
        _report_resume(session, saved, state)
    else:
        say("There is no checkpoint to resume from; the training starts from the beginning.")
        cleared: dict[str, Any] = {"best": None, "last_epoch": None, "last_stream": None, "eta_seconds": None}
        update_progress(session.journal, epoch=0, batch=0, **cleared)
    return state


def _saved_state(session: Session, saved: Saved) -> TrainingState:
    """The training state in a checkpoint. Raises ValueError when it is incomplete."""
    try:
        return training_state.state_from(saved.contents["course"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError(
            f"{saved.checkpoint} of run {session.run.id} does not hold the state of the training; remove it and "
            f"{saved.checkpoint}.json, and resume from the one before."
        ) from None


def _check_resumable(session: Session, saved: Saved) -> None:
    """Raises ValueError when the run cannot be resumed from this checkpoint."""
    run = session.run.id
    new_run = f"start a new run with training.start_from: {run}."
    if "course" not in saved.contents:
        raise ValueError(f"Run {run} was made by a version without resume; {new_run}")
    if saved.facts.get("splits") != session.splits:
        changed = f"The split has changed since run {run} began, so it cannot go on"
        raise ValueError(f"{changed}; bring the split back, or {new_run}")


def _remove_later_files(run: Run, saved: Saved | None) -> None:
    """Remove what was written after the checkpoint, and unfinished files."""
    facts = saved.facts if saved else {}
    checkpoints.clear(run.checkpoints, saved.checkpoint if saved else None)
    checkpoints.prune(run.checkpoints)
    metrics.cut_back(run.metrics_file, facts.get("metrics_offset", 0))
    metrics.cut_back(run.timing_file, facts.get("timing_offset", 0))
    for part in run.folder.glob(f"{run.progress_file.name}.tmp.*"):
        part.unlink()


def _load_tensors(session: Session, contents: dict[str, Any]) -> None:
    session.eval_model.load_state_dict(contents["model"])
    if session.average is not None:
        session.model.load_state_dict(contents["learning"])
    session.optimizer.load_state_dict(contents["optimizer"])
    session.scaler.load_state_dict(contents["scaler"])
    if gradients := contents.get("gathered"):
        for weights, gradient in zip(session.model.parameters(), gradients, strict=True):
            weights.grad = None if gradient is None else gradient.to(weights.device)


def _report_resume(session: Session, saved: Saved, state: TrainingState) -> None:
    """Report where the training resumes; the last finished epoch stays visible until the next one."""
    metrics.read_to_end(tail := metrics.Tail(), session.run.metrics_file)
    session.journal.epoch_seconds = saved.facts.get("epoch_seconds", 0.0)
    update_progress(
        session.journal,
        epoch=min(state.epoch, session.config.training.epochs),
        best=state.best,
        last_epoch=tail.epochs[-1] if tail.epochs else None,
        last_stream=next((row for row in reversed(tail.epochs) if "miss_rate" in row), None),
    )
    where = f"batch {state.batch} of epoch {state.epoch}" if state.batch else f"epoch {state.epoch - 1}"
    say(f"Resuming from the checkpoint after {where}.")
    if (before := saved.facts.get("machine")) != (here := describe_machine(session)):
        say(f"The result may differ from that of an uninterrupted run: this run was on {before} and resumes on {here}.")
