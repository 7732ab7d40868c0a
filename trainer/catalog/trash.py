"""The trash of runs, `runs/.trash/`: deleted runs can be restored until it is emptied."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from trainer.catalog import index, reading
from trainer.catalog.run_rows import Row
from trainer.run import runs
from trainer.run.runs import ID, TRASH, Run
from trainer.run.state import ACTIVE
from trainer.system import durable, job, processes
from trainer.system.workspace import Workspace


def folder_of(workspace: Workspace) -> Path:
    return workspace.runs / TRASH


def all_of(workspace: Workspace) -> list[Run]:
    """The runs in the trash, newest first. The folder of a second run with the same id has a number after the id."""
    try:
        trashed = [Run(path) for path in folder_of(workspace).iterdir() if ID.match(path.name) and path.is_dir()]
    except OSError:
        return []
    return sorted(trashed, key=lambda run: run.id, reverse=True)


def rows(workspace: Workspace) -> list[Row]:
    """The runs in the trash as rows, read from their folders."""
    return [reading.read(run) for run in all_of(workspace)]


def find(workspace: Workspace, text: str) -> Run:
    """The run in the trash that `text` names: its name there or an unambiguous start of it. Raises ValueError."""
    matching = [run for run in all_of(workspace) if text and run.id.startswith(text)]
    exact = [run for run in matching if run.id == text] or matching
    if len(exact) == 1:
        return exact[0]
    if matching:
        raise ValueError(f"{text!r} matches {len(matching)} runs in the trash. Give more of the id.")
    raise ValueError(f"There is no run {text!r} in the trash. List it with: python -m trainer runs --trash")


def add(workspace: Workspace, run: Run, listed: Sequence[Row] | None = None) -> Run:
    """Move a run to the trash and return it there. Raises ValueError while it is active or needed, OSError.

    `listed`, the rows of all runs, saves reading the index.
    """
    folder = folder_of(workspace)
    if run.folder.is_symlink():  # moved to the trash, a relative link would break
        raise ValueError(
            f"Run {run.id} is a link to another folder. Remove the link {run.folder} by hand; the run stays."
        )
    try:
        folder.mkdir(exist_ok=True)
        with processes.exclusive_lock(run.resume_lock):
            _check(workspace, run, listed)
            place, number = folder / run.id, 1
            while not _moved(run.folder, place):
                number += 1
                place = folder / f"{run.id}.{number}"
    except FileNotFoundError:
        raise ValueError(f"Run {run.id} no longer exists.") from None
    return Run(place)


def _check(workspace: Workspace, run: Run, listed: Sequence[Row] | None) -> None:
    """Raises ValueError when the folder of a run is in use."""
    state = runs.status(run).state
    if state in ACTIVE:
        raise ValueError(f"Run {run.id} is {state}. Stop it before moving it to the trash.")
    if processes.is_locked(run.supervisor_lock):
        raise ValueError(f"A process of run {run.id} is still ending. Try again in a moment.")
    for verb in ("evaluate", "export"):
        working = job.read(workspace, verb)
        if working and working.state == "running":
            raise ValueError(f"The {verb} job is running and may write into the run. Wait until it ends, or cancel it.")
    if waiting := list(index.followers(workspace, run, listed)):
        raise ValueError(
            f"Run {waiting[0]} starts from a model of run {run.id}. Wait until it has started, or move it to the "
            "trash first."
        )


def _moved(source: Path, place: Path) -> bool:
    """Move a folder; returns False when `place` exists."""
    if os.path.lexists(place):
        return False
    try:
        source.rename(place)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    durable.sync_folder(place.parent)
    durable.sync_folder(source.parent)
    return True


def restore(workspace: Workspace, run: Run) -> Run:
    """Restore a run from the trash. Raises ValueError when its id is in use, OSError."""
    match = ID.match(run.id)
    place = workspace.runs / (match[0] if match else run.id)
    try:
        moved = _moved(run.folder, place)
    except FileNotFoundError:
        raise ValueError(f"Run {run.id} is no longer in the trash.") from None
    if not moved:
        raise ValueError(f"Run {place.name} already exists. Move it to the trash before restoring this one.")
    return Run(place)


def delete(run: Run) -> None:
    """Delete a run in the trash permanently; a simultaneous restore gets all of it or nothing.

    Raises ValueError for one that is not there, OSError.
    """
    if run.folder.parent.name != TRASH:
        raise ValueError(f"Run {run.id} is not in the trash. Only runs in the trash can be deleted permanently.")
    doomed = run.folder.with_name(f".{run.id}.{secrets.token_hex(4)}")
    try:
        run.folder.rename(doomed)
    except FileNotFoundError:
        raise ValueError(f"Run {run.id} is no longer in the trash.") from None
    shutil.rmtree(doomed)


def empty(workspace: Workspace) -> int:
    """Delete all runs in the trash permanently; returns their number. Raises OSError."""
    trashed = all_of(workspace)
    for run in trashed:
        delete(run)
    for rest in folder_of(workspace).glob(".*"):  # from a delete that was killed
        shutil.rmtree(rest, ignore_errors=True)
    return len(trashed)
