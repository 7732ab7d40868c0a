"""Scanning data/raw: every file is a clip or refused with a reason; unchanged files are not read again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trainer.audio import audio_formats
from trainer.dataset import clips, file_names
from trainer.dataset.inspector_pool import inspect_all
from trainer.dataset.measures import fingerprint_of
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import Workspace

MOST_FILES = 1_000_000
TRY_AGAIN = ("vanished", "changing", "not_answering", "decoder_hang", "decoder_crash", "bad_name")
"""Refusals that need not hold the next time, though the file is the same."""
COMPARED = ("positive", "negative", "hard_negative", "background")
"""Labels among which near duplicates are sought; room impulse responses are all alike to an ear."""
_KEY = ["path", "size", "mtime_ns"]


@dataclass(frozen=True)
class Entry:
    """A file as the folder tells it; `path` below data/raw may hold bytes that are no text (surrogates)."""

    path: str
    size: int
    mtime_ns: int


def _walk(folder: Path, below: str) -> Iterator[Entry]:
    """Every file below a folder; hidden ones are the system's, not clips. Links and odd things come as they are."""
    try:
        inside = list(os.scandir(folder))
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            yield Entry(below, 0, 0)  # a folder that cannot be opened is told as one refused file
        return
    for entry in inside:
        if entry.name.startswith(".") and not _is_hidden_audio(entry):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{below}/{entry.name}")
            continue
        try:
            facts = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError:  # a folder may tell names and nothing more; reading the file will say what is wrong
            yield Entry(f"{below}/{entry.name}", 0, 0)
            continue
        yield Entry(f"{below}/{entry.name}", facts.st_size, facts.st_mtime_ns)


def _is_hidden_audio(entry: os.DirEntry[str]) -> bool:
    """Whether a hidden file may be meant as a clip: a name that begins with ._ is what macOS puts beside files."""
    return (
        not entry.name.startswith("._") and file_names.is_audio(entry.name) and not entry.is_dir(follow_symlinks=False)
    )


def _files(workspace: Workspace) -> list[Entry]:
    found = []
    for folder in file_names.label_folders(workspace):
        for entry in _walk(workspace.raw / folder, folder):
            found.append(entry)
            if len(found) > MOST_FILES:
                raise ValueError(
                    f"There are more than {MOST_FILES:,} files below {workspace.raw}. "
                    "Check that this is the right folder, and remove files that are not clips."
                )
    return found


def printable(path: str) -> str:
    """A path that can be printed and stored; bytes that are no text are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _known(workspace: Workspace) -> pd.DataFrame:
    """What is known of files by path, size and time of change, from the last scan and a cancelled one after it."""
    tables = [found for partial in (True, False) if (found := clips.load_table(workspace, partial)) is not None]
    if not tables:
        return clips.scan_table([])
    known = pd.concat(tables, ignore_index=True)
    return known[~known["reason"].isin(TRY_AGAIN)].drop_duplicates("path")


def _bad_name(entry: Entry) -> dict[str, Any] | None:
    """The row of a file whose name alone keeps it from being a clip."""
    if entry.path.isascii() and "/." not in entry.path:  # nearly all, of a million perhaps
        return None
    if printable(entry.path) != entry.path:
        message = "Its name is not valid Unicode text; rename it."
    elif entry.path.rpartition("/")[2].startswith("."):
        message = "Its name begins with a dot, so it is hidden; rename it."
    else:
        return None
    told = {"reason": "bad_name", "message": message}
    return {"path": printable(entry.path), "size": entry.size, "mtime_ns": entry.mtime_ns, **told}


def _pace(report: Report, total: int) -> Callable[[int], None]:
    """Progress with files per second and the time left, by estimate."""
    began = time.monotonic()

    def told(done: int) -> None:
        rate = done / max(1e-3, time.monotonic() - began)
        seconds = (total - done) / rate if rate else 0
        amount = f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
        left = f", about {amount} left" if done > 50 else ""
        report(done, total, f"Reading new and changed files, {rate:,.0f} per second{left}")

    return told


def _inspected(workspace: Workspace, entries: list[Entry], rows: list[dict[str, Any]], report: Report) -> None:
    """Add a row for each of these files to `rows`."""
    told = _pace(report, len(entries))
    paths = [workspace.raw / entry.path for entry in entries]
    for done, (place, answer) in enumerate(inspect_all(paths), 1):
        entry = entries[place]
        rows.append({"path": entry.path, "size": entry.size, "mtime_ns": entry.mtime_ns, "near": -1, **answer})
        told(done)


def _with_near(found: pd.DataFrame) -> pd.DataFrame:
    from trainer.dataset import measures  # its scipy takes a second that a scan without changes need not wait

    compared = found.index[(found["reason"] == "") & file_names.labels_of(found["path"]).isin(COMPARED)]
    numbers = measures.near([fingerprint_of(text) for text in found.loc[compared, "fingerprint"]])
    found["near"] = -1
    found.loc[compared, "near"] = numbers
    return found


def scan(workspace: Workspace, report: Report) -> pd.DataFrame:
    """Read every new and changed file below data/raw/<label>; returns the table of all files (see clips.COLUMNS).

    Raises ValueError when there is not one clip, OSError. A scan that is cancelled keeps what it has read for the next.
    """
    report(0, 0, "Looking for files")
    entries = _files(workspace)
    rows = [row for entry in entries if (row := _bad_name(entry))]
    text = [entry for entry in entries if not _bad_name(entry)] if rows else entries
    now = pd.DataFrame({name: [getattr(entry, name) for entry in text] for name in _KEY})
    before, cancelled = _known(workspace), workspace.partial_scan_file.exists()
    known = now.merge(before, on=_KEY) if len(now) else before.iloc[:0]
    have = set(known["path"])
    new = [entry for entry in text if entry.path not in have]
    try:
        _inspected(workspace, new, rows, report)
        found = pd.concat([known, clips.scan_table(rows)], ignore_index=True).sort_values("path", ignore_index=True)
        clip_count = int((found["reason"] == "").sum())
        if cancelled or any(not row["reason"] for row in rows) or clip_count != int((before["reason"] == "").sum()):
            report(len(new), len(new), "Comparing clips")
            found = _with_near(found)
    except BaseException:
        clips.save_table(workspace, pd.concat([known, clips.scan_table(rows)]), partial=True)
        raise
    if rows or cancelled or len(known) != len(before) or not workspace.scan_file.exists():
        clips.save_table(workspace, found)  # also without a clip, so that no page goes on showing what is gone
    workspace.partial_scan_file.unlink(missing_ok=True)
    if not clip_count:
        raise ValueError(
            f"No usable clips in {workspace.raw} ({counted(len(found), 'file')} refused). Make demo data, or put "
            f"{audio_formats.ANY} files into data/raw/positive and data/raw/negative."
        )
    return found
