"""A run as one file: a zip of its folder with the digest of every file; `run_import` takes it in elsewhere."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, Field

from trainer import documents, reserve, runs
from trainer.documents import Request
from trainer.job import Report
from trainer.runs import Run
from trainer.state import ACTIVE

MANIFEST = "wakeword-run.json"
DENSE = frozenset({".pt", ".onnx", ".npz", ".npy", ".flac", ".ogg", ".zip"})
"""Files that do not get smaller."""
ODD = frozenset('\\:*?"<>|')
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
    plain = not PurePosixPath(name).is_absolute() and "/".join(parts) == name and not set(name) & ODD
    shown = all(part.isprintable() and not part.startswith(".") for part in parts)
    return plain and shown and name != reserve.NAME and ".tmp." not in name


def _files(folder: Path) -> list[Path]:
    """The files to carry, links left out, in the order of their paths."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if is_carried(path.relative_to(folder).as_posix()))


def left_out(run: Run) -> list[str]:
    """What somebody has put into the folder and is not carried: links, and names that other systems cannot hold."""
    found = [(path, path.relative_to(run.folder).as_posix()) for path in sorted(run.folder.rglob("*"))]
    odd = [name for path, name in found if path.is_file() and (set(name) & ODD or not name.isprintable())]
    return [name for path, name in found if path.is_symlink() or name in odd]


def _check_at_rest(run: Run) -> None:
    """Raises ValueError when the run is changing, or would not be taken for one."""
    state = runs.status(run).state
    if state in ACTIVE:
        raise ValueError(f"Run {run.id} is {state}; pause or stop it first, so that its files stay as they are.")
    if not is_run(run):
        raise ValueError(f"{run.folder} cannot be read as a run; copy the folder by hand.")


def is_run(run: Run) -> bool:
    return documents.read(Request, run.request_file) is not None and run.config_file.is_file()


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
