"""The files of an engine, joined from members of its packages or copied, and verified by their SHA-256."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from trainer.synthesis.voice_catalog import VoiceFile, VoiceSet
from trainer.system import download, regular_file, zip_file
from trainer.system.download import DownloadError
from trainer.system.job import Report

MOST_FILES = 200_000
MOST_BYTES = 1 << 30
"""The most that the members of a package may hold."""
_CHUNK = 1 << 20
Index = Mapping[str, Path]
"""The files of the source by their path in it."""
Members = Mapping[tuple[str, str], bytes]
"""What verified packages hold, by package file and member."""


def assemble(voices: VoiceSet, source: Path, place: Path, report: Report) -> None:
    """Write every file of the engine into `place` from a folder with packages or unpacked files. Raises ValueError
    when one is missing or is not the published one, OSError."""
    index = _files_below(source)
    members = _members(voices, index, report)
    for number, file in enumerate(voices.files):
        report(number, len(voices.files), f"Verifying {file.path}")
        target = place / file.path
        target.parent.mkdir(exist_ok=True)
        _write(target, file, _pieces(voices, file, members, index, source))


def _files_below(source: Path) -> dict[str, Path]:
    """The regular files below a folder; links are not followed."""
    paths = (Path(place, name) for place, _, names in os.walk(source) for name in sorted(names))
    files = (path for path in paths if path.is_file() and not path.is_symlink())
    return {path.relative_to(source).as_posix(): path for path, _ in zip(files, range(MOST_FILES), strict=False)}


def _members(voices: VoiceSet, index: Index, report: Report) -> Members:
    """The wanted members of the packages that are there. Raises ValueError for one that is not the published file."""
    by_name = {path.name: path for path in index.values()}
    members = dict[tuple[str, str], bytes]()
    for package in voices.packages:
        if archive := by_name.get(package.file):
            try:
                download.check_digest(archive, package.sha256, report)
            except DownloadError as error:
                raise ValueError(f"{error} Nothing was installed. Remove it, and get it again.") from None
            wanted = {member for file in voices.files for name, member in file.parts if name == package.file}
            members |= {(package.file, member): data for member, data in _read(archive, wanted).items()}
    return members


def _read(archive: Path, wanted: set[str]) -> dict[str, bytes]:
    """The wanted members of a published archive; nothing else of it is unpacked."""
    with regular_file.open_binary(archive) as file:
        return _read_tar(file, wanted) if archive.suffix == ".tgz" else _read_zip(file, wanted)


def _read_zip(file: IO[bytes], wanted: set[str]) -> dict[str, bytes]:
    with zip_file.open_zip(file) as archive:
        entries = [entry for entry in zip_file.entries_of(archive) if entry.filename in wanted]
        return {entry.filename: b"".join(zip_file.chunks_of(archive, entry)) for entry in entries}


def _read_tar(file: IO[bytes], wanted: set[str]) -> dict[str, bytes]:
    members, left = dict[str, bytes](), MOST_BYTES
    with tarfile.open(fileobj=file, mode="r|gz") as archive:
        for entry in archive:
            left -= entry.size
            if left < 0:
                break
            if entry.name in wanted and (source := archive.extractfile(entry)):
                members[entry.name] = source.read()
    return members


def _pieces(voices: VoiceSet, file: VoiceFile, members: Members, index: Index, source: Path) -> Iterable[bytes]:
    """The content of a file: from packages, else the file itself, else unpacked members. Raises ValueError."""
    if all(part in members for part in file.parts):
        return (members[part] for part in file.parts)
    if loose := _loose(file, index):
        return _chunks(loose)
    unpacked = [_below(member, index) for _, member in file.parts]
    paths = [path for path in unpacked if path]
    if len(paths) == len(file.parts):
        return (chunk for path in paths for chunk in _chunks(path))
    absent = [name for (name, member) in file.parts if (name, member) not in members]
    raise ValueError(f"{source} does not hold {voices.title}: {absent[0]} is missing, and so is {file.path}.")


def _loose(file: VoiceFile, index: Index) -> Path | None:
    """The unpacked file: of its size and name; a network may have any name."""
    name, is_network = Path(file.path).name, file.path.endswith(".onnx")
    named = (path for path in index.values() if path.name == name or (is_network and path.suffix == ".onnx"))
    return next((path for path in named if path.stat().st_size == file.size), None)


def _below(member: str, index: Index) -> Path | None:
    """A member of an unpacked archive."""
    return next((path for name, path in index.items() if f"/{name}".endswith(f"/{member}")), None)


def _chunks(path: Path) -> Iterator[bytes]:
    with regular_file.open_binary(path) as source:
        yield from iter(lambda: source.read(_CHUNK), b"")


def _write(target: Path, file: VoiceFile, pieces: Iterable[bytes]) -> None:
    """Write a file, at most its size. Raises ValueError when it is not the published one, OSError."""
    digest, written = hashlib.sha256(), 0
    try:
        with open(target, "xb") as out:
            for piece in pieces:
                written += len(piece)
                if written > file.size:
                    break
                digest.update(piece)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(target.parent).free
        raise DownloadError(
            f"The disk is full: {file.path} needs {file.size / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free in "
            f"{target.parent.parent}. Free some space. {download.AGAIN}"
        ) from None
    if written != file.size or digest.hexdigest() != file.sha256:
        raise ValueError(
            f"{file.path} is not the published file: its SHA-256 is {digest.hexdigest():.12}… instead of "
            f"{file.sha256:.12}…. Nothing was installed. Get it again."
        )
