"""Zip files of clips: the audio in them, written out below one folder, and nothing else."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from trainer.dataset import names, zip_names
from trainer.dataset.skipped import Reason, Skipped
from trainer.system import zip_file
from trainer.system.job import Report

MOST_BYTES = 20_000_000_000
SPARE_BYTES = 500_000_000
"""Left free on the disk."""
TOO_MUCH = (
    f"The archive unpacks to more than {MOST_BYTES / 1e9:.0f} GB, {zip_file.MOST_RATIO} times its size, or the room "
    "on the disk; nothing is taken."
)


@dataclass(frozen=True)
class Extracted:
    """`files`: (path in the archive, file written)."""

    files: list[tuple[str, Path]]
    skipped: list[Skipped]


def _write(chunks: Iterable[bytes], target: Path, left: int) -> int:
    """Write one entry; returns its bytes. Raises ValueError when that are more than are left."""
    written = 0
    with open(target, "xb") as out:
        for chunk in chunks:
            written += len(chunk)
            if written > left:
                raise ValueError(TOO_MUCH)
            out.write(chunk)
    return written


def _room(file: Path, folder: Path) -> int:
    """Most bytes that all entries together may write; entries that share their data are no way around it."""
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    return min(MOST_BYTES, free, max(zip_file.FREE_BYTES, zip_file.MOST_RATIO * file.stat().st_size))


def _entries(archive: zipfile.ZipFile, encoding: str) -> list[zipfile.ZipInfo]:
    """The files of an archive, their names as text with / between the parts. Raises as zip_names.decode."""
    return zip_file.entries_of(
        archive, lambda entries: [name.replace("\\", "/") for name in zip_names.decode(entries, encoding)]
    )


def _reason(name: str) -> Reason | None:
    """Why an entry is no clip."""
    *folders, last = PurePosixPath(name).parts
    if any(map(names.is_hidden, (*folders, last))):
        return "hidden"
    return None if names.is_audio(last) else "kind"


def extract(file: Path, folder: Path, report: Report, encoding: str = "") -> Extracted:
    """Write the audio files of a zip into `folder` under plain numbers; `encoding` is that of its names where the zip
    does not say it.

    Raises UndecidedNamesError, ValueError with what is wrong with the archive, OSError.
    """
    files, skipped, left = list[tuple[str, Path]](), list[Skipped](), _room(file, folder)
    with open(file, "rb") as packed, zip_file.opened(packed) as archive:
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
    """How the names in a zip may read, by encoding; empty when it is clear. Raises ValueError for what is no zip."""
    with zip_file.opened(file) as archive:
        return zip_names.undecided(archive.infolist())
