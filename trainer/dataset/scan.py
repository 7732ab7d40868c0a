"""Scans data/raw: every file is a clip or refused with a reason; unchanged files are not read again.

Several inspector processes read the files, so that a crash, a hang or a decompression bomb costs one file.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trainer.audio import audio_formats, audio_reader
from trainer.audio.audio_reader import COMMAND, Message, Reader, ReaderFailed
from trainer.dataset import clips, file_names, room_recordings
from trainer.dataset.measures import fingerprint_of
from trainer.system import limits
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import Workspace

BATCH = 32
SECONDS = audio_reader.SECONDS
MOST_SILENT = 3
NOT_TRIED = "The disk did not respond for the files before it; check the disk, then scan again."
_Result = tuple[int, Message | ReaderFailed]


def _request(path: Path) -> Message:
    return {"do": "inspect", "path": str(path), "seconds": audio_reader.allowance(path, SECONDS)}


def _inspect_batch(reader: Reader, paths: Sequence[Path]) -> Iterator[Message | ReaderFailed]:
    waiting = [_request(path) for path in paths]
    while waiting:
        reader.ask(*waiting)
        while waiting:
            try:
                yield reader.answer(waiting.pop(0)["seconds"])
            except ReaderFailed as error:
                yield error
                break  # the files after it are requested again from a new process


def _second_try(path: Path) -> Message:
    """The answer of a new process while no other reads."""
    request = _request(path)
    with Reader(COMMAND) as reader:
        reader.ask(request)
        try:
            return reader.answer(request["seconds"])
        except ReaderFailed as error:
            return {"reason": error.reason, "message": f"{error.cause}, twice; {error.advice}."}


def _second_tries(paths: Sequence[Path], doubtful: Sequence[int]) -> Iterator[tuple[int, Message]]:
    """Answers for files that got none at first; only a few are tried again on a disk that does not respond."""
    silent = 0
    for place in doubtful:
        if silent == MOST_SILENT:
            yield place, {"reason": "not_answering", "message": NOT_TRIED}
            continue
        answer = _second_try(paths[place])
        silent = silent + 1 if answer["reason"] == "not_answering" else 0
        yield place, answer


def inspect_all(paths: Sequence[Path]) -> Iterator[tuple[int, Message]]:
    """Yields (index in `paths`, answer) for every file as it becomes ready, from one process per core.

    An answer holds `reason` and `message` (empty for a clip) and a clip's facts and measures. Closing the iterator
    ends the processes. A file that gets no answer is tried again after all others.
    """
    batches: queue.SimpleQueue[int] = queue.SimpleQueue()
    for first in range(0, len(paths), BATCH):
        batches.put(first)
    ready: queue.Queue[_Result | BaseException | None] = queue.Queue(maxsize=8 * BATCH)
    ended = threading.Event()

    def work() -> None:
        try:
            with Reader(COMMAND) as reader:
                while not ended.is_set():
                    try:
                        first = batches.get_nowait()
                    except queue.Empty:
                        break
                    for place, answer in enumerate(_inspect_batch(reader, paths[first : first + BATCH]), first):
                        ready.put((place, answer))
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    doubtful = list[int]()
    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(limits.cores(), -(-len(paths) // BATCH)))]
    for worker in workers:
        worker.start()
    try:
        for place, answer in _answers(ready, len(workers)):
            if isinstance(answer, ReaderFailed):
                doubtful.append(place)
            else:
                yield place, answer
        yield from _second_tries(paths, doubtful)
    finally:
        ended.set()
        while any(worker.is_alive() for worker in workers):
            _drain(ready)
            time.sleep(0.01)


def _answers(ready: queue.Queue[_Result | BaseException | None], workers: int) -> Iterator[_Result]:
    while workers:
        item = ready.get()
        if item is None:
            workers -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            yield item


def _drain(ready: queue.Queue[_Result | BaseException | None]) -> None:
    """Empty the queue, so that no worker blocks after the reader has stopped."""
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return


MOST_FILES = 1_000_000
TRY_AGAIN = ("vanished", "changing", "not_answering", "decoder_hang", "decoder_crash", "bad_name")
"""Reasons of refusals that may not recur for the same file."""
COMPARED = ("positive", "negative", "hard_negative", "background")
"""Labels that are compared for near duplicates; room impulse responses are all alike."""
_KEY = ["path", "size", "mtime_ns"]


@dataclass(frozen=True)
class Entry:
    """A file in a listing; `path` below data/raw may hold bytes that are not text (surrogates)."""

    path: str
    size: int
    mtime_ns: int


def _walk(folder: Path, below: str) -> Iterator[Entry]:
    """Every file below a folder, except hidden ones; links and special files included."""
    try:
        inside = list(os.scandir(folder))
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            yield Entry(below, 0, 0)  # a folder that cannot be opened is one refused file
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
        except OSError:  # reading the file reports what is wrong
            yield Entry(f"{below}/{entry.name}", 0, 0)
            continue
        yield Entry(f"{below}/{entry.name}", facts.st_size, facts.st_mtime_ns)


def _is_hidden_audio(entry: os.DirEntry[str]) -> bool:
    """Whether a hidden file may be a clip; names that begin with ._ are metadata of macOS."""
    return (
        not entry.name.startswith("._") and file_names.is_audio(entry.name) and not entry.is_dir(follow_symlinks=False)
    )


def _files(workspace: Workspace) -> list[Entry]:
    entries = []
    for folder in file_names.label_folders(workspace):
        for entry in _walk(workspace.raw / folder, folder):
            entries.append(entry)
            if len(entries) > MOST_FILES:
                raise ValueError(
                    f"There are more than {MOST_FILES:,} files below {workspace.raw}. "
                    "Check that this is the right folder, and remove files that are not clips."
                )
    return entries


def printable(path: str) -> str:
    """The path with bytes that are not text escaped, so that it can be printed and stored."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _known(workspace: Workspace) -> pd.DataFrame:
    """The rows of the last scan, and of a cancelled one after it, that need no new reading."""
    tables = [table for partial in (True, False) if (table := clips.load_table(workspace, partial)) is not None]
    if not tables:
        return clips.scan_table([])
    rows = pd.concat(tables, ignore_index=True)
    return rows[~rows["reason"].isin(TRY_AGAIN)].drop_duplicates("path")


def _bad_name(entry: Entry) -> dict[str, Any] | None:
    """The row of a file that is refused because of its name; None for a good name."""
    if entry.path.isascii() and "/." not in entry.path:  # the usual case, tested first for speed
        return None
    if printable(entry.path) != entry.path:
        message = "Its name is not valid Unicode text; rename it."
    elif entry.path.rpartition("/")[2].startswith("."):
        message = "Its name begins with a dot, so it is hidden; rename it."
    else:
        return None
    path = printable(entry.path)
    return {"path": path, "size": entry.size, "mtime_ns": entry.mtime_ns, "reason": "bad_name", "message": message}


def _pace(report: Report, total: int) -> Callable[[int], None]:
    """A function that reports the number of read files with the rate."""
    started = time.monotonic()

    def report_done(done: int) -> None:
        rate = done / max(1e-3, time.monotonic() - started)
        report(done, total, f"Reading new and changed files, {rate:,.0f} per second")

    return report_done


def _inspected(workspace: Workspace, entries: list[Entry], rows: list[dict[str, Any]], report: Report) -> None:
    """Add a row for each of these files to `rows`."""
    report_done = _pace(report, len(entries))
    paths = [workspace.raw / entry.path for entry in entries]
    for done, (place, answer) in enumerate(inspect_all(paths), 1):
        entry = entries[place]
        rows.append({"path": entry.path, "size": entry.size, "mtime_ns": entry.mtime_ns, "near": -1, **answer})
        report_done(done)


def _number_near(table: pd.DataFrame) -> None:
    """Set the column `near` to the numbers of the sets of near duplicates."""
    from trainer.dataset import near_duplicates  # imports scipy, which takes a second

    compared = table.index[(table["reason"] == "") & file_names.labels_of(table["path"]).isin(COMPARED)]
    table["near"] = -1
    table.loc[compared, "near"] = near_duplicates.near(
        [fingerprint_of(text) for text in table.loc[compared, "fingerprint"]]
    )


def scan(workspace: Workspace, report: Report) -> pd.DataFrame:
    """Read every new and changed file below data/raw/<label>; returns the table of all files (see clips.COLUMNS).

    The scan after a cancelled one reuses what that has read. Raises ValueError when there is no clip, OSError.
    """
    report(0, 0, "Looking for files")
    room_recordings.make_clips_of_killed(workspace)
    entries = _files(workspace)
    rows = [row for entry in entries if (row := _bad_name(entry))]
    named = [entry for entry in entries if not _bad_name(entry)] if rows else entries
    files = pd.DataFrame({name: [getattr(entry, name) for entry in named] for name in _KEY})
    before, cancelled = _known(workspace), workspace.partial_scan_file.exists()
    unchanged = files.merge(before, on=_KEY) if len(files) else before.iloc[:0]
    unchanged_paths = set(unchanged["path"])
    new = [entry for entry in named if entry.path not in unchanged_paths]
    try:
        _inspected(workspace, new, rows, report)
        table = pd.concat([unchanged, clips.scan_table(rows)], ignore_index=True).sort_values("path", ignore_index=True)
        clip_count = int((table["reason"] == "").sum())
        if cancelled or any(not row["reason"] for row in rows) or clip_count != int((before["reason"] == "").sum()):
            report(len(new), len(new), "Comparing clips")
            _number_near(table)
    except BaseException:
        clips.save_table(workspace, pd.concat([unchanged, clips.scan_table(rows)]), partial=True)
        raise
    if rows or cancelled or len(unchanged) != len(before) or not workspace.scan_file.exists():
        clips.save_table(workspace, table)  # also without a clip, so that no page shows removed ones
    workspace.partial_scan_file.unlink(missing_ok=True)
    if not clip_count:
        raise ValueError(
            f"No usable clips in {workspace.raw} ({counted(len(table), 'file')} refused). Make demo data, or put "
            f"{audio_formats.ANY} files into data/raw/positive and data/raw/negative."
        )
    return table
