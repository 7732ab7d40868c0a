"""Zip files from strangers: what is safe in them, written out below one folder, and nothing else."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer.audio_file import SUFFIXES
from trainer.dataset import names
from trainer.job import Report

MOST_ENTRIES = 200_000
MOST_BYTES = 20_000_000_000
MOST_RATIO = 100
SPARE_BYTES = 500_000_000
"""Left free on the disk."""
_FREE_BYTES = 10_000_000
"""A ratio above MOST_RATIO is a bomb only beyond this: digital silence packs well."""
TOO_MUCH = (
    f"The archive unpacks to more than {MOST_BYTES / 1e9:.0f} GB, {MOST_RATIO} times its size, or the room on the "
    "disk; nothing is taken."
)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Extracted:
    """`files`: (path in the archive made safe, file written). `skipped`: entries that are no audio, by name."""

    files: list[tuple[str, Path]]
    skipped: list[str]


def _is_regular(entry: zipfile.ZipInfo) -> bool:
    mode = entry.external_attr >> 16
    return not mode or stat.S_ISREG(mode) or stat.S_IFMT(mode) == 0


def _is_outside(name: str) -> bool:
    path = name.replace("\\", "/")
    return path.startswith("/") or ".." in PurePosixPath(path).parts or (len(path) > 1 and path[1] == ":")


def _entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Entries that are files. Raises ValueError for an archive that wants to write elsewhere or is no data set."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"The archive holds {len(entries):,} files; at most {MOST_ENTRIES:,} are taken.")
    for entry in entries:
        if _is_outside(entry.filename):
            raise ValueError(
                f"The archive wants to write outside its folder ({entry.filename!r:.80}); nothing is taken."
            )
        if not _is_regular(entry):
            raise ValueError(f"The archive holds a link ({entry.filename!r:.80}); nothing is taken.")
        if entry.flag_bits & 1:
            raise ValueError("The archive is encrypted; unpack it and upload the files.")
    return entries


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write one entry, counting the bytes that come, not those it says; returns them. Raises ValueError."""
    written = 0
    with archive.open(entry) as source, open(target, "xb") as out:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > _FREE_BYTES and written > MOST_RATIO * max(1, entry.compress_size):
                raise ValueError(
                    f"{entry.filename!r:.80} unpacks to over {MOST_RATIO} times its size; nothing is taken."
                )
            if written > left:
                raise ValueError(TOO_MUCH)
            out.write(chunk)
    return written


def _room(file: Path, folder: Path) -> int:
    """Most bytes that all entries together may write; entries that share their data are no way around it."""
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    return min(MOST_BYTES, free, max(_FREE_BYTES, MOST_RATIO * file.stat().st_size))


def extract(file: Path, folder: Path, report: Report) -> Extracted:
    """Write the audio files of a zip into `folder` under plain numbers.

    Raises ValueError with what is wrong with the archive, OSError.
    """
    files, skipped, left = [], [], _room(file, folder)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive)
            for number, entry in enumerate(entries):
                report(number, len(entries), "Unpacking")
                name = names.safe_path(entry.filename)
                hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(entry.filename).parts)
                if hidden or PurePosixPath(name).suffix.lower() not in SUFFIXES:
                    skipped.append(entry.filename)
                    continue
                target = folder / f"{number:06d}"
                left -= _write(archive, entry, target, left)
                files.append((name, target))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"The archive cannot be unpacked ({error}); make it again as a plain zip.") from None
    return Extracted(files, skipped)
