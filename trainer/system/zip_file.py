"""Untrusted zip files: which entries may be extracted, and how many bytes."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO

MOST_ENTRIES = 200_000
MOST_RATIO = 100
FREE_BYTES = 10_000_000
"""A ratio above MOST_RATIO is a bomb only beyond this: digital silence packs well."""
MOST_FOLDERS = 32
"""Most folders that a file may be nested in."""
PLAIN = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_CHUNK = 1 << 20


def _is_regular(entry: zipfile.ZipInfo) -> bool:
    mode = entry.external_attr >> 16
    return not mode or stat.S_ISREG(mode) or stat.S_IFMT(mode) == 0


def is_outside(name: str) -> bool:
    """Whether a name leads out of the target folder, on this system or another."""
    path = name.replace("\\", "/")
    drive = path[1:2] == ":" and path[0].isalpha()
    return path.startswith("/") or ".." in PurePosixPath(path).parts or drive


Decode = Callable[[Sequence[zipfile.ZipInfo]], Sequence[str]]
"""Decodes the names of entries that zipfile decoded incorrectly."""


def entries_of(archive: zipfile.ZipFile, decode: Decode | None = None) -> list[zipfile.ZipInfo]:
    """The entries that are files, their `filename` decoded by `decode` if given.

    Raises ValueError for an archive with paths outside its folder or with links.
    """
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"The archive holds {len(entries):,} files; at most {MOST_ENTRIES:,} are supported.")
    if decode:
        for entry, name in zip(entries, decode(entries), strict=True):
            entry.filename = name
        entries = [entry for entry in entries if not entry.filename.endswith("/")]
    for entry in entries:
        if not entry.filename or is_outside(entry.filename):
            raise ValueError(
                f"The archive contains a path outside its folder ({entry.filename!r:.80}); nothing is imported."
            )
        if entry.filename.replace("\\", "/").count("/") > MOST_FOLDERS:
            raise ValueError(
                f"The archive contains a file nested in more than {MOST_FOLDERS} folders ({entry.filename!r:.80}); "
                "nothing is imported."
            )
        if not _is_regular(entry):
            raise ValueError(f"The archive contains a link ({entry.filename!r:.80}); nothing is imported.")
        if entry.flag_bits & 1:
            raise ValueError("The archive is encrypted; unpack it and upload the files.")
        if entry.header_offset < 0:
            raise zipfile.BadZipFile("a file begins before the archive")
        if entry.compress_type not in PLAIN:  # others may ask for gigabytes of memory, and fail in ways of their own
            raise ValueError(f"{entry.filename!r:.80} uses an unsupported compression; create a plain zip.")
    return entries


def chunks_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of an entry; counts actual bytes, not the declared size. Raises ValueError for a zip bomb."""
    read = 0
    with archive.open(entry) as source:
        while chunk := source.read(_CHUNK):
            read += len(chunk)
            if read > FREE_BYTES and read > MOST_RATIO * max(1, entry.compress_size):
                raise ValueError(
                    f"{entry.filename!r:.80} unpacks to over {MOST_RATIO} times its size; nothing is imported."
                )
            yield chunk


@contextmanager
def open_zip(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a zip for reading. Raises ValueError, also while it is read, when it is not a zip or is damaged."""
    # zipfile raises RuntimeError for an encrypted entry, NotImplementedError for an unknown compression.
    broken = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError)
    try:
        try:
            archive = zipfile.ZipFile(file)
        except ValueError as error:  # a directory before the file, or names that are not text
            raise zipfile.BadZipFile(error) from None
        with archive:
            yield archive
    except broken as error:
        raise ValueError(f"The archive cannot be unpacked ({error}); create a plain zip.") from None
