"""A run as one file: a zip of its folder with the digest of every file; `run_import` takes it in elsewhere."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, Field

from trainer.run import reserve, runs
from trainer.run.documents import Request
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import document_file
from trainer.system.job import Report

MANIFEST = "wakeword-run.json"
DENSE = frozenset({".pt", ".onnx", ".npz", ".npy", ".flac", ".ogg", ".zip"})
"""Files that do not get smaller."""
ODD = frozenset('\\:*?"<>|')
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)
"""Devices of Windows, with whatever ending."""
LONGEST_NAME, LONGEST_PATH = 200, 1000
"""Bytes of one name, and of a path below the folder of the run."""
LATEST_SECONDS = 4.3e9
"""In the year 2106; a zip can tell no time after 2107."""
_CHUNK = 1 << 20


class Packed(BaseModel, frozen=True):
    """One file of the run: bytes, digest, and when it was changed, seconds since 1970."""

    size: int = Field(ge=0)
    sha256: str
    changed: float = Field(ge=0, le=1e10, allow_inf_nan=False)


class Manifest(BaseModel, frozen=True):
    """wakeword-run.json at the top of the zip, beside the folder `id`."""

    kind: Literal["wakeword-run"] = "wakeword-run"
    version: Literal[1] = 1
    id: str
    files: dict[str, Packed]


def is_carried(name: str) -> bool:
    """Whether a file belongs to the run wherever it is: no lock, reserve or half-written file, no name that leaves the
    folder or that other systems cannot hold."""
    parts = PurePosixPath(name).parts
    plain = not PurePosixPath(name).is_absolute() and "/".join(parts) == name and is_portable(name)
    hidden = any(part.startswith(".") for part in parts)
    return plain and not hidden and name != reserve.NAME and ".tmp." not in name


def is_portable(name: str) -> bool:
    """Whether every system can hold a file of this name."""
    parts = PurePosixPath(name).parts
    return len(name.encode("utf-8", "replace")) <= LONGEST_PATH and all(_is_portable_part(part) for part in parts)


def _is_portable_part(part: str) -> bool:
    shown = part.isprintable() and not set(part) & ODD and len(part.encode("utf-8", "replace")) <= LONGEST_NAME
    return shown and part == part.rstrip(". ") and not RESERVED.fullmatch(part)


def collisions(names: Iterable[str]) -> list[str]:
    """Names that are another's before them on a system that tells no capitals from small letters, or no accent from
    one that is written apart; a folder of several files is one."""
    taken: dict[str, str] = {}
    found = []
    for name in names:
        paths = [*reversed(PurePosixPath(name).parents[:-1]), PurePosixPath(name)]
        if any(taken.setdefault(_folded(path), str(path)) != str(path) for path in paths):
            found.append(name)
    return found


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", str(path)).casefold())


def _files(folder: Path) -> list[Path]:
    """The files to carry, links left out, in the order of their paths."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = [name for path in found if is_carried(name := path.relative_to(folder).as_posix())]
    left = set(collisions(names))
    return [folder / name for name in names if name not in left]


def left_out(run: Run) -> list[str]:
    """What somebody has put into the folder and is not carried: links, and names that other systems cannot hold."""
    found = [(path, path.relative_to(run.folder).as_posix()) for path in sorted(run.folder.rglob("*"))]
    odd = {name for path, name in found if path.is_file() and not is_portable(name)}
    odd |= set(collisions(name for path, name in found if path.is_file() and is_carried(name)))
    return [name for path, name in found if path.is_symlink() or name in odd]


def _check_at_rest(run: Run) -> None:
    """Raises ValueError when the run is changing, or would not be taken for one."""
    state = runs.status(run).state
    if state in ACTIVE:
        raise ValueError(f"Run {run.id} is {state}; pause or stop it first, so that its files stay as they are.")
    if not is_run(run):
        raise ValueError(f"{run.folder} cannot be read as a run; copy the folder by hand.")


def is_run(run: Run) -> bool:
    return document_file.read(Request, run.request_file) is not None and run.config_file.is_file()


def pack(run: Run, target: Path, report: Report) -> Path:
    """Write the run into the zip `target`, whole or not at all; one that is there is replaced.

    A run of any size needs a megabyte of memory. Raises ValueError when the run is active or none, OSError.
    """
    _check_at_rest(run)
    part = target.with_name(f"{target.name}.tmp.{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(part, "x", allowZip64=True) as archive:
            _write_all(archive, run, report)
        _check_at_rest(run)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _write_all(archive: zipfile.ZipFile, run: Run, report: Report) -> None:
    files, packed, done = _files(run.folder), {}, 0
    total = sum(path.stat().st_size for path in files)
    for path in files:
        name, digest, found, before = path.relative_to(run.folder).as_posix(), hashlib.sha256(), path.stat(), done
        with open(path, "rb") as source, archive.open(_entry(f"{run.id}/{name}", found), "w") as out:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                report(done >> 20, total >> 20, "Packing, megabytes")
        packed[name] = Packed(size=done - before, sha256=digest.hexdigest(), changed=_changed(found))
    archive.writestr(MANIFEST, Manifest(id=run.id, files=packed).model_dump_json(indent=1))


def _changed(found: os.stat_result) -> float:
    """When the file was changed; a clock that was wrong is no reason not to pack it."""
    return min(max(found.st_mtime, 0.0), LATEST_SECONDS)


def _entry(name: str, found: os.stat_result) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, max(time.localtime(_changed(found))[:6], (1980, 1, 1, 0, 0, 0)))
    entry.external_attr = 0o100644 << 16
    entry.file_size = found.st_size
    entry.compress_type = zipfile.ZIP_STORED if PurePosixPath(name).suffix in DENSE else zipfile.ZIP_DEFLATED
    return entry
