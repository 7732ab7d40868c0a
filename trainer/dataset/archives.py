"""Zip files of clips: the audio in them, written out below one folder, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer import zip_file
from trainer.audio_formats import SUFFIXES
from trainer.dataset import names
from trainer.job import Report

MOST_BYTES = 20_000_000_000
SPARE_BYTES = 500_000_000
"""Left free on the disk."""
TOO_MUCH = (
    f"The archive unpacks to more than {MOST_BYTES / 1e9:.0f} GB, {zip_file.MOST_RATIO} times its size, or the room "
    "on the disk; nothing is taken."
)


@dataclass(frozen=True)
class Extracted:
    """`files`: (path in the archive made safe, file written). `skipped`: entries that are no audio, by name."""

    files: list[tuple[str, Path]]
    skipped: list[str]


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


def extract(file: Path, folder: Path, report: Report) -> Extracted:
    """Write the audio files of a zip into `folder` under plain numbers.

    Raises ValueError with what is wrong with the archive, OSError.
    """
    files, skipped, left = [], [], _room(file, folder)
    with open(file, "rb") as packed, zip_file.opened(packed) as archive:
        entries = zip_file.entries_of(archive)
        for number, entry in enumerate(entries):
            report(number, len(entries), "Unpacking")
            name = names.safe_path(entry.filename)
            hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(entry.filename).parts)
            if hidden or PurePosixPath(name).suffix.lower() not in SUFFIXES:
                skipped.append(entry.filename)
                continue
            target = folder / f"{number:06d}"
            left -= _write(zip_file.chunks_of(archive, entry), target, left)
            files.append((name, target))
    return Extracted(files, skipped)
