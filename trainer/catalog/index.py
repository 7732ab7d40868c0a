"""The rows of all runs, cached in an index file so that they are listed quickly.

Each row is stored with the stamps of its files. It is read from its folder again when a stamp has changed, when the run
is active, and when its files are so new that a change might not have changed their stamps.
"""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from trainer.catalog import reading, run_rows
from trainer.catalog.run_rows import Row
from trainer.run.runs import ID, Run
from trainer.run.state import ACTIVE
from trainer.system import durable, regular_file
from trainer.system.workspace import Workspace

VERSION = 4
YOUNG_SECONDS = 2.0
"""The resolution of file system clocks; two changes within it may leave the same stamp."""
OLD_SECONDS = 60.0
MANY = 20
"""Reading this many rows again is faster than writing the file with all rows."""
STAMPED = (
    "",
    "request.json",
    "config.yaml",
    "notes.json",
    "process.json",
    "outcome.json",
    "progress.json",
    "metrics.jsonl",
    "checkpoints",
    "evaluation",
    "models",
    "model",
    "model/detector.json",
)
"""Other files (logs) are written while the run is active, and only affect its size."""


class Entry(NamedTuple):
    """A row, and the stamps of the files that it was made from."""

    stamp: str
    files: Sequence[str]
    row: Row


@dataclass(frozen=True)
class Index:
    """All rows, newest run first, and the entries that are valid until their stamps change."""

    rows: list[Row]
    entries: dict[str, Entry]


def file_of(workspace: Workspace) -> Path:
    return workspace.runs / ".index.json"


def update(
    workspace: Workspace, earlier: Index | None = None, report: Callable[[int, int], None] = lambda done, total: None
) -> Index:
    """The current rows of all folders in runs/; `earlier` saves reading the index file. `report` gets how many of how
    many are read."""
    cached = read(workspace) if earlier is None else earlier.entries
    rows, entries, changes = list[Row](), dict[str, Entry](), 0
    names = _folders(workspace)
    try:
        for number, name in enumerate(names):
            report(number, len(names))
            folder = f"{workspace.runs}/{name}"
            if not ID.fullmatch(name):
                rows.append(reading.foreign(name))
                continue
            entry = cached.get(name)
            if entry is None or _stamp(folder, entry.files)[0] != entry.stamp:
                entry, cacheable = _read(Run(Path(folder)))
                changes += cacheable
                if not cacheable:
                    rows.append(entry.row)
                    continue
            entries[name] = entry
            rows.append(entry.row)
    except BaseException:  # the reader has left the page: the next one goes on from here
        if changes > MANY:
            write(workspace, {**cached, **entries})
        raise
    if changes + len(cached.keys() - entries.keys()) > MANY:
        write(workspace, entries)
    return Index(rows, entries)


def _folders(workspace: Workspace) -> list[str]:
    """Names of the folders in runs/, newest run first; hidden ones hold no runs."""
    try:
        with os.scandir(workspace.runs) as found:
            return sorted(
                (each.name for each in found if not each.name.startswith(".") and _is_folder(each)), reverse=True
            )
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a folder; a broken or circular link is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _stamp(folder: str, files: Iterable[str]) -> tuple[str, int]:
    """A stamp that changes with any of these files, missing ones included, and the time of the newest change (ns)."""
    numbers, newest = array("q"), 0
    for name in files:
        try:
            found = os.stat(f"{folder}/{name}")  # noqa: PTH116 - a Path for each would double the time
        except OSError:
            numbers.append(-1)
            continue
        changed = max(found.st_mtime_ns, found.st_ctime_ns)  # the second moves even where the first is set back
        newest = max(newest, changed)
        numbers.extend((found.st_mtime_ns, found.st_ctime_ns, found.st_size))
    return blake2b(numbers.tobytes(), digest_size=8).hexdigest(), newest


def _read(run: Run) -> tuple[Entry, bool]:
    """The row of a run from its folder, and whether it may be cached."""
    folder, now = str(run.folder), time.time()
    # That a file is missing needs no stamp of its own: the folder's changes when it comes.
    files = [name for name in STAMPED if os.path.lexists(f"{folder}/{name}")]
    files += reading.evaluation_files(run)
    stamp, newest = _stamp(folder, files)
    row = reading.read(run)
    return Entry(stamp, files, row), row.state not in ACTIVE and newest / 1e9 < now - YOUNG_SECONDS


def _version() -> list[object]:
    """What a row depends on besides its files: the version of this program and its defaults."""
    defaults = json.dumps(dict(run_rows.option_defaults()), sort_keys=True)
    return [VERSION, len(Row._fields), crc32(defaults.encode())]


def write(workspace: Workspace, entries: dict[str, Entry]) -> None:
    """Write the index file. Of two simultaneous writers the last one wins; if writing fails, rows are read from the
    folders."""
    body = json.dumps(list(entries.values()), separators=(",", ":")).encode()
    head = json.dumps([*_version(), crc32(body)]).encode()
    with suppress(OSError, ValueError):
        _clear(workspace)
        durable.replace_bytes(file_of(workspace), head + b"\n" + body)


def _clear(workspace: Workspace) -> None:
    """Remove temporary index files of killed writers; a live writer takes less than a minute."""
    for path in workspace.runs.glob(f"{file_of(workspace).name}.tmp.*"):
        if time.time() - path.stat().st_mtime > OLD_SECONDS:
            path.unlink(missing_ok=True)


def read(workspace: Workspace) -> dict[str, Entry]:
    """The cached rows; none when the file is missing, damaged, or of another version."""
    try:
        head, _, body = regular_file.read_bytes(file_of(workspace)).partition(b"\n")
        if json.loads(head) != [*_version(), crc32(body)]:
            return {}
        found = json.loads(body)
    except (OSError, ValueError, RecursionError):
        return {}
    return {fields[0]: Entry(stamp, files, _row(fields)) for stamp, files, fields in found}


_TAGS, _LOSSES = Row._fields.index("tags"), Row._fields.index("losses")


def _row(fields: list[Any]) -> Row:
    fields[_TAGS], fields[_LOSSES] = tuple(fields[_TAGS]), tuple(fields[_LOSSES])
    return Row._make(fields)


def followers(workspace: Workspace, run: Run, listed: Sequence[Row] | None = None) -> dict[str, str]:
    """The ids of the runs that wait to start from a model of this one, and the stems of the checkpoints that they name
    (empty for the best one).

    `listed` are the rows of all runs if available.
    """
    rows = update(workspace).rows if listed is None else listed
    checkpoints = {}
    for row in rows:
        begun = row.epoch or row.state not in ACTIVE | {"paused"}
        run_id, _, stem = str(row.changed.get("training.start_from", "")).partition("/")
        if run_id == run.id and not begun:
            checkpoints[row.run] = stem
    return checkpoints
