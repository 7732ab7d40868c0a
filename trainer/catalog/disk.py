"""Deleting old checkpoints of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.catalog import index
from trainer.run import models, runs
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import durable, processes, regular_file


@dataclass(frozen=True)
class Freeable:
    """The files of checkpoints that neither a resume nor an export needs, and the checkpoints that stay."""

    run: Run
    files: tuple[Path, ...]
    size_bytes: int
    kept: tuple[str, ...]


def freeable(run: Run) -> Freeable:
    """Old checkpoints: all but the best, the last intact one, the best at the time of the last (needed by a resume),
    and those that runs which have not begun start from.

    Raises ValueError for an active run, which deletes its own, and for one with an unknown or damaged best model.
    """
    _check_ended(run)
    every = models.checkpoints(run)
    best = durable.read_document(Best, run.checkpoints / "best.json")
    if every and best is None:
        raise ValueError(f"Run {run.id} does not record which of its checkpoints is the best, so none can be deleted.")
    last = next((each for each in reversed(every) if _is_sound(run, each)), None)
    if every and last is None:
        raise ValueError(f"No checkpoint of run {run.id} matches its digest, so none can be deleted.")
    if best and every and not _is_sound(run, best.checkpoint):
        raise ValueError(
            f"{best.checkpoint}, the best of run {run.id}, is missing or damaged, so no other can be deleted."
        )
    stems = index.followers(run.workspace, run).values()
    wanted = [name for stem in stems if (name := f"{stem}.pt") in every]
    needed = [best and best.checkpoint, last, last and _best_by(run, last), *wanted]
    kept = tuple(dict.fromkeys(name for name in needed if name))
    files = tuple(_old(run, kept))
    return Freeable(run, files, sum(path.lstat().st_size for path in files), kept)


def _best_by(run: Run, checkpoint: str) -> str | None:
    """The best checkpoint at the time when this one was written."""
    facts = durable.read_json(run.checkpoints / f"{checkpoint}.json")
    best = facts.get("best") if isinstance(facts, dict) else None
    return str(best.get("checkpoint")) if isinstance(best, dict) else None


def _old(run: Run, kept: tuple[str, ...]) -> Iterator[Path]:
    """The files to delete, marks first: a checkpoint without its mark does not count."""
    for pattern in ("epoch-*.pt.json", "epoch-*.pt", "*.tmp.*"):
        for path in sorted(run.checkpoints.glob(pattern)):
            if path.name.removesuffix(".json") not in kept:
                yield path


def _is_sound(run: Run, checkpoint: str) -> bool:
    digest = hashlib.sha256()
    try:
        with regular_file.open_binary(run.checkpoints / checkpoint) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return False
    return digest.hexdigest() == models.digest_of(run, checkpoint)


def _check_ended(run: Run) -> None:
    state = runs.status(run).state
    if state in ACTIVE:
        raise ValueError(
            f"Run {run.id} is {state} and deletes old checkpoints itself. Free its space when it has ended."
        )


def free(run: Run) -> Freeable:
    """Delete what `freeable` lists; returns what was deleted. Raises ValueError like `freeable`, OSError."""
    with processes.exclusive_lock(run.resume_lock):  # so that nobody resumes it meanwhile
        found = freeable(run)
        for path in found.files:
            path.unlink(missing_ok=True)
        if found.files:
            durable.sync_folder(run.checkpoints)
    return found
