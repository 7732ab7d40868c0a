"""Zip archives of clips: extracts their audio files, and lists every skipped file with the reason."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from trainer.dataset import file_names, zip_names
from trainer.system import zip_file
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import LABELS

Reason = Literal["no_label", "kind", "hidden", "link", "not_a_file", "unreadable"]
WHY: dict[Reason, str] = {
    "no_label": f"in no folder named after a label ({', '.join(LABELS)})",
    "kind": "of an unsupported type",
    "hidden": "hidden",
    "link": "a link, which is not followed",
    "not_a_file": "not a regular file",
    "unreadable": "in a folder that cannot be opened",
}
MOST_SUFFIXES = 5
MOST_BYTES = 20_000_000_000
SPARE_BYTES = 500_000_000
"""Disk space that stays free."""
TOO_MUCH = (
    f"The archive unpacks to more than {MOST_BYTES / 1e9:.0f} GB, {zip_file.MOST_RATIO} times its size, or the free "
    "disk space; nothing is imported."
)


@dataclass(frozen=True)
class Skipped:
    """A skipped file or folder, by the path that the user knows."""

    path: str
    reason: Reason


def skip_documents(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """The skipped files as JSON documents."""
    return [{"path": each.path, "reason": each.reason, "message": f"It is {WHY[each.reason]}."} for each in skipped]


def skip_summary(skipped: Sequence[Skipped]) -> str:
    """The number of skipped files for each reason, with an example; empty if there are none."""
    if not skipped:
        return ""
    counts = {reason: sum(each.reason == reason for each in skipped) for reason in WHY}
    reasons = [f"{count:,} {WHY[reason]} ({_example(skipped, reason)})" for reason, count in counts.items() if count]
    return f"{counted(len(skipped), 'file')} skipped: {', '.join(reasons)}."


def _example(skipped: Sequence[Skipped], reason: Reason) -> str:
    paths = [each.path for each in skipped if each.reason == reason]
    if reason != "kind":
        return paths[0]
    suffixes = list(dict.fromkeys(PurePosixPath(path).suffix.lower() or PurePosixPath(path).name for path in paths))
    return ", ".join(suffixes[:MOST_SUFFIXES]) + (" and others" if suffixes[MOST_SUFFIXES:] else "")


@dataclass(frozen=True)
class Extracted:
    """`files`: (path in the archive, extracted file)."""

    files: list[tuple[str, Path]]
    skipped: list[Skipped]


def _write(chunks: Iterable[bytes], target: Path, left: int) -> int:
    """Write one entry and return its size in bytes. Raises ValueError if it exceeds the bytes `left`."""
    written = 0
    with open(target, "xb") as out:
        for chunk in chunks:
            written += len(chunk)
            if written > left:
                raise ValueError(TOO_MUCH)
            out.write(chunk)
    return written


def _size_limit(file: Path, folder: Path) -> int:
    """The largest number of bytes that all entries together may write, even if entries share their data."""
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    return min(MOST_BYTES, free, max(zip_file.FREE_BYTES, zip_file.MOST_RATIO * file.stat().st_size))


def _entries(archive: zipfile.ZipFile, encoding: str) -> list[zipfile.ZipInfo]:
    """The files of an archive, with decoded names and / as separator. Raises like zip_names.decode."""
    return zip_file.entries_of(
        archive, lambda entries: [name.replace("\\", "/") for name in zip_names.decode(entries, encoding)]
    )


def _reason(name: str) -> Reason | None:
    """Why an entry is not a clip; None if it is one."""
    *folders, last = PurePosixPath(name).parts
    if any(map(file_names.is_hidden, (*folders, last))):
        return "hidden"
    return None if file_names.is_audio(last) else "kind"


def extract(file: Path, folder: Path, report: Report, encoding: str = "") -> Extracted:
    """Extract the audio files of a zip into `folder`, named by number.

    `encoding` applies to names for which the zip declares none. Raises UndecidedNamesError, ValueError with the problem
    of the archive, OSError.
    """
    files, skipped, left = list[tuple[str, Path]](), list[Skipped](), _size_limit(file, folder)
    with open(file, "rb") as packed, zip_file.open_zip(packed) as archive:
        entries = _entries(archive, encoding)
        for number, entry in enumerate(entries):
            report(number, len(entries), "Unpacking")
            if reason := _reason(entry.filename):
                skipped.append(Skipped(entry.filename, reason))
                continue
            target = folder / f"{number:06d}"
            left -= _write(zip_file.chunks_of(archive, entry), target, left)
            files.append((entry.filename, target))
    return Extracted(files, skipped)


def undecided_names(file: IO[bytes]) -> dict[str, str]:
    """Possible readings of the names in a zip, by encoding; empty if they are certain. Raises ValueError."""
    with zip_file.open_zip(file) as archive:
        return zip_names.undecided(archive.infolist())
