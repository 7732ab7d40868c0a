"""Changes to the clips on disk: each is recorded before it is made, deletes nothing, and can be undone.

A change is a list of moves inside the data folder: deleting moves files to data/trash, importing moves them from
data/incoming to data/raw. Undoing moves them back, and is a change itself.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ValidationError

from trainer.system import durable, regular_file
from trainer.system.processes import exclusive_lock
from trainer.system.workspace import Workspace

LONGEST_PATH = 4000
"""Bytes. Linux allows 4,095, and paths in the trash are longer."""
RAW, TRASH, INCOMING = "raw", "trash", "incoming"


class Move(BaseModel, frozen=True):
    """One move of a file; both paths are relative to the data folder."""

    source: str
    target: str


class Change(BaseModel, frozen=True):
    """A change: its title, time (UTC) and number of files, without documents. Its moves are in a file beside it."""

    id: str
    title: str
    created: str
    files: int
    undone: bool = False


class _Moves(BaseModel):
    moves: list[Move]


def _count(moves: Sequence[Move]) -> int:
    """How many files are moved, without documents such as confirmed labels."""
    return sum(not move.source.endswith(".json") for move in moves)


def new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _data(workspace: Workspace) -> Path:
    return workspace.root / "data"


def _file(workspace: Workspace, change_id: str) -> Path:
    return workspace.changes / f"{change_id}.json"


def _moves_file(workspace: Workspace, change_id: str) -> Path:
    return workspace.changes / f"{change_id}.moves"


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)  # trash and clips are on different disks
        source.unlink()


def apply(workspace: Workspace, title: str, moves: Sequence[Move], change_id: str = "") -> Change:
    """Record the change, then make its moves.

    Raises ValueError before any move if a target exists, OSError after some moves, which can then be undone.
    """
    workspace.changes.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(workspace.changes / "lock"):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        change = Change(id=change_id or new_id(), title=title, created=now, files=_count(moves))
        return _record_and_move(workspace, change, [], moves)


def extend(workspace: Workspace, title: str, moves: Sequence[Move], change_id: str) -> Change:
    """Add moves to a change that is made bit by bit; if it does not exist or is undone, they are a change of their own.

    Raises as `apply`.
    """
    workspace.changes.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(workspace.changes / "lock"):
        change, made = read(workspace, change_id), _read_moves(workspace, change_id)
        if change and made and not change.undone:
            longer = change.model_copy(update={"files": _count([*made, *moves])})
            return _record_and_move(workspace, longer, made, moves)
    return apply(workspace, title, moves, new_id() if change else change_id)


def _record_and_move(workspace: Workspace, change: Change, made: Sequence[Move], moves: Sequence[Move]) -> Change:
    data, sources = _data(workspace), {move.source for move in moves}
    for move in moves:
        if move.target not in sources and os.path.lexists(data / move.target):
            raise ValueError(f"{move.target} already exists; nothing was changed. Rename or remove it first.")
    _check_paths(data, moves)
    record = _Moves(moves=[*made, *moves]).model_dump_json().encode()
    durable.replace_bytes(_moves_file(workspace, change.id), record)
    durable.replace_json(_file(workspace, change.id), change.model_dump())
    for move in moves:
        _move(data / move.source, data / move.target)
    _remove_empty(data, moves)
    return change


def _check_paths(data: Path, moves: Sequence[Move]) -> None:
    """Raises ValueError for a target that is too long, or whose folder is a file."""
    targets = {move.target for move in moves}
    sources = {move.source for move in moves}
    checked = set[str]()
    for move in moves:
        if len(os.fsencode(data / move.target)) > LONGEST_PATH:
            raise ValueError(f"{move.target:.60}... is nested too deeply; nothing was changed. Move it up first.")
        for folder in PurePosixPath(move.target).parents[:-1]:
            name = folder.as_posix()
            if name in checked:
                break
            checked.add(name)
            if name in targets or (name not in sources and os.path.lexists(data / name) and not (data / name).is_dir()):
                raise ValueError(
                    f"{name:.80} is both a file and a folder; nothing was changed. Rename one of them first."
                )


def _remove_empty(data: Path, moves: Sequence[Move]) -> None:
    """Remove the folders that the moves emptied, up to the label."""
    for folder in {(data / move.source).parent for move in moves}:
        while len(folder.relative_to(data).parts) > (2 if folder.is_relative_to(data / RAW) else 1):
            try:
                folder.rmdir()
            except OSError:
                break
            folder = folder.parent


def to_trash(change_id: str, paths: Sequence[str]) -> list[Move]:
    """The moves that delete clips, by their paths below data/raw."""
    return [Move(source=f"{RAW}/{path}", target=f"{TRASH}/{change_id}/{path}") for path in paths]


def _reverse(move: Move, change_id: str) -> Move:
    """The move that undoes another; imported files go to the trash."""
    if move.source.startswith(f"{INCOMING}/"):
        return Move(source=move.target, target=f"{TRASH}/{change_id}/{move.target.removeprefix(f'{RAW}/')}")
    return Move(source=move.target, target=move.source)


def undo(workspace: Workspace, change_id: str) -> tuple[Change, int]:
    """Undo a change; returns the change that does so, and the number of files that could not be moved back.

    A file that no longer exists, or whose old path is taken, stays where it is. Raises ValueError for a change that
    does not exist or is already undone, OSError.
    """
    change = read(workspace, change_id)
    if change is None or change.undone:
        raise ValueError("This change is already undone." if change else f"There is no change {change_id!r:.40}.")
    data, undoing, made = _data(workspace), new_id(), _read_moves(workspace, change_id)
    if made is None:
        raise ValueError(f"The record of {change_id} cannot be read, so this change cannot be undone automatically.")
    wanted = [_reverse(move, undoing) for move in reversed(made)]
    sources = {move.source for move in wanted}
    moves = [
        move
        for move in wanted
        if os.path.lexists(data / move.source) and (move.target in sources or not os.path.lexists(data / move.target))
    ]
    undone = apply(workspace, f"Undone: {change.title}", moves, undoing)
    durable.replace_json(_file(workspace, change.id), change.model_copy(update={"undone": True}).model_dump())
    return undone, len(wanted) - len(moves)


def _read_moves(workspace: Workspace, change_id: str) -> list[Move] | None:
    """The moves of a change; None when their record is missing or damaged."""
    try:
        return _Moves.model_validate_json(regular_file.read_bytes(_moves_file(workspace, change_id))).moves
    except (OSError, ValidationError):
        return None


def read(workspace: Workspace, change_id: str) -> Change | None:
    try:
        return Change.model_validate(durable.read_json(_file(workspace, change_id)))
    except ValidationError:
        return None


def recent(workspace: Workspace, most: int = 10) -> list[Change]:
    """The newest changes, newest first."""
    files = sorted(workspace.changes.glob("*.json"), reverse=True)[:most]
    return [change for file in files if (change := read(workspace, file.stem))]
