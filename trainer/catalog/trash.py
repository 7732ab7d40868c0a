"""The trash of runs: `runs/.trash/`, from which a run comes back until it is emptied."""

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
    """What lies in the trash, newest run first. One whose name was taken there already has a number behind its id."""
    try:
        found = [Run(path) for path in folder_of(workspace).iterdir() if ID.match(path.name) and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda run: run.id, reverse=True)


def rows(workspace: Workspace) -> list[Row]:
    """What lies in the trash, as rows; they are few, so each is read from its folder."""
    return [reading.read(run) for run in all_of(workspace)]


def find(workspace: Workspace, text: str) -> Run:
    """The run in the trash that `text` names: its name there or an unambiguous start of it. Raises ValueError."""
    matching = [run for run in all_of(workspace) if text and run.id.startswith(text)]
    exact = [run for run in matching if run.id == text] or matching
    if len(exact) == 1:
        return exact[0]
    if matching:
        raise ValueError(f"{text!r} fits {len(matching)} runs in the trash; give more of the id.")
    raise ValueError(f"There is no run {text!r} in the trash, which holds {len(all_of(workspace)):,}.")


def throw(workspace: Workspace, run: Run, listed: Sequence[Row] | None = None) -> Run:
    """Move a run to the trash; returns it there. Raises ValueError while it lives or is needed, OSError.

    `listed` are the rows of all runs, where they are at hand: who throws many away spares a look for each.
    """
    folder = folder_of(workspace)
    if run.folder.is_symlink():  # in the trash it may lead nowhere, and then nobody finds it again
        raise ValueError(f"Run {run.id} lies elsewhere. Remove the link {run.folder} by hand; the run stays.")
    try:
        folder.mkdir(exist_ok=True)
        with processes.exclusive_lock(run.resume_lock):  # nobody lets it go on meanwhile
            _check(workspace, run, listed)
            place, number = folder / run.id, 1
            while not _moved(run.folder, place):
                number += 1
                place = folder / f"{run.id}.{number}"
    except FileNotFoundError:
        raise ValueError(f"Run {run.id} is not there any more.") from None
    return Run(place)


def _check(workspace: Workspace, run: Run, listed: Sequence[Row] | None) -> None:
    """Raises ValueError when the folder of a run is in use."""
    state = runs.status(run).state
    if state in ACTIVE:
        raise ValueError(f"Run {run.id} is {state}; stop it before it goes to the trash.")
    if processes.is_locked(run.supervisor_lock):
        raise ValueError(f"A process of run {run.id} still ends; put it into the trash in a moment.")
    for verb in ("evaluate", "export"):
        working = job.read(workspace, verb)
        if working and working.state == "running":
            raise ValueError(f"A job ({verb}) is running and may write into the run; wait for its end, or cancel it.")
    if waiting := list(index.followers(workspace, run, listed)):
        raise ValueError(
            f"Run {waiting[0]} starts from a model of run {run.id}; wait until it has begun, or put that into "
            "the trash first."
        )


def _moved(source: Path, place: Path) -> bool:
    """Move a folder to where there is none yet; False when there is one."""
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
    """Bring a run back from the trash. Raises ValueError when there is one of its id again, OSError."""
    match = ID.match(run.id)
    place = workspace.runs / (match[0] if match else run.id)
    try:
        moved = _moved(run.folder, place)
    except FileNotFoundError:
        raise ValueError(f"Run {run.id} is not in the trash any more.") from None
    if not moved:
        raise ValueError(f"There is a run {place.name} already; put that into the trash before this one comes back.")
    return Run(place)


def delete(run: Run) -> None:
    """Delete a run in the trash for good; who brings it back meanwhile gets all of it or nothing.

    Raises ValueError for one that is not there, OSError.
    """
    if run.folder.parent.name != TRASH:
        raise ValueError(f"Run {run.id} is not in the trash; only what lies there is deleted for good.")
    doomed = run.folder.with_name(f".{run.id}.{secrets.token_hex(4)}")
    try:
        run.folder.rename(doomed)
    except FileNotFoundError:
        raise ValueError(f"Run {run.id} is not in the trash any more.") from None
    shutil.rmtree(doomed)


def empty(workspace: Workspace) -> int:
    """Delete everything in the trash for good; returns how many runs that were. Raises OSError."""
    found = all_of(workspace)
    for run in found:
        delete(run)
    for rest in folder_of(workspace).glob(".*"):  # of one who was killed
        shutil.rmtree(rest, ignore_errors=True)
    return len(found)
