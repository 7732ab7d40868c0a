"""A run as one zip file: packing its folder with the digest of every file, and importing such a file elsewhere."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from pydantic import BaseModel, Field, ValidationError

from trainer.run import documents, runs
from trainer.run.documents import Processes, Request
from trainer.run.runs import ID, Run
from trainer.run.state import ACTIVE
from trainer.system import durable, processes, zip_file
from trainer.system.job import Report
from trainer.system.processes import ProcessIdentity
from trainer.system.workspace import Workspace

MANIFEST = "wakeword-run.json"
DENSE = frozenset({".pt", ".onnx", ".npz", ".npy", ".flac", ".ogg", ".zip"})
"""Files that compression does not shrink."""
FORBIDDEN = frozenset('\\:*?"<>|')
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)
"""Device names of Windows, with any extension."""
LONGEST_NAME, LONGEST_PATH = 200, 1000
"""The longest file name and path below the run folder, in bytes."""
LATEST_SECONDS = 4.3e9
"""In the year 2106; a zip holds no time after 2107."""
_CHUNK = 1 << 20


class Packed(BaseModel, frozen=True):
    """One file of the run: size in bytes, digest, and change time in seconds since 1970."""

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
    """Whether a file is packed: it is no lock, reserve or partial file, lies in the folder, and has a portable name."""
    parts = PurePosixPath(name).parts
    plain = not PurePosixPath(name).is_absolute() and "/".join(parts) == name and is_portable(name)
    hidden = any(part.startswith(".") for part in parts)
    return plain and not hidden and name != documents.RESERVE and ".tmp." not in name


def is_portable(name: str) -> bool:
    """Whether every system allows a file with this name."""
    parts = PurePosixPath(name).parts
    return len(name.encode("utf-8", "replace")) <= LONGEST_PATH and all(_is_portable_part(part) for part in parts)


def _is_portable_part(part: str) -> bool:
    shown = part.isprintable() and not set(part) & FORBIDDEN and len(part.encode("utf-8", "replace")) <= LONGEST_NAME
    return shown and part == part.rstrip(". ") and not RESERVED.fullmatch(part)


def collisions(names: Iterable[str]) -> list[str]:
    """Names that equal an earlier one on a system that ignores case or the composition of accents."""
    taken: dict[str, str] = {}
    repeated = []
    for name in names:
        paths = [*reversed(PurePosixPath(name).parents[:-1]), PurePosixPath(name)]
        if any(taken.setdefault(_folded(path), str(path)) != str(path) for path in paths):
            repeated.append(name)
    return repeated


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", str(path)).casefold())


def _files_to_pack(folder: Path) -> list[Path]:
    """The files to pack, without links, in the order of their paths."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = [name for path in files if is_carried(name := path.relative_to(folder).as_posix())]
    repeated = set(collisions(names))
    return [folder / name for name in names if name not in repeated]


def left_out(run: Run) -> list[str]:
    """Entries of the folder that are not packed: links, and files whose names some systems do not allow."""
    entries = [(path, path.relative_to(run.folder).as_posix()) for path in sorted(run.folder.rglob("*"))]
    unportable = {name for path, name in entries if path.is_file() and not is_portable(name)}
    unportable |= set(collisions(name for path, name in entries if path.is_file() and is_carried(name)))
    return [name for path, name in entries if path.is_symlink() or name in unportable]


def _check_at_rest(run: Run) -> None:
    """Raises ValueError when the run is active or its folder is not a readable run."""
    state = runs.status(run).state
    if state in ACTIVE:
        raise ValueError(f"Run {run.id} is {state}. Pause or stop it first, so that its files do not change.")
    if not is_run(run):
        raise ValueError(f"{run.folder} cannot be read as a run. Copy the folder by hand.")


def is_run(run: Run) -> bool:
    return durable.read_document(Request, run.request_file) is not None and run.config_file.is_file()


def pack(run: Run, target: Path, report: Report) -> Path:
    """Write the run to the zip file `target` atomically, replacing an existing file.

    Raises ValueError when the run is active or unreadable, OSError.
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
    files, packed, done = _files_to_pack(run.folder), {}, 0
    total = sum(path.stat().st_size for path in files)
    for path in files:
        name, digest, stat, before = path.relative_to(run.folder).as_posix(), hashlib.sha256(), path.stat(), done
        with open(path, "rb") as source, archive.open(_entry(f"{run.id}/{name}", stat), "w") as out:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                report(done >> 20, total >> 20, "Packing, megabytes")
        packed[name] = Packed(size=done - before, sha256=digest.hexdigest(), changed=_changed(stat))
    archive.writestr(MANIFEST, Manifest(id=run.id, files=packed).model_dump_json(indent=1))


def _changed(stat: os.stat_result) -> float:
    """The change time of the file, limited to what a zip can hold."""
    return min(max(stat.st_mtime, 0.0), LATEST_SECONDS)


def _entry(name: str, stat: os.stat_result) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, max(time.localtime(_changed(stat))[:6], (1980, 1, 1, 0, 0, 0)))
    entry.external_attr = 0o100644 << 16
    entry.file_size = stat.st_size
    entry.compress_type = zipfile.ZIP_STORED if PurePosixPath(name).suffix in DENSE else zipfile.ZIP_DEFLATED
    return entry


MOST_MANIFEST_BYTES = 64 << 20
SPARE_BYTES = 500_000_000
"""Space that an import leaves free on the disk."""
NO_RUN = "The file is not a packed run of Wakeword Studio ({}). Create one with: python -m trainer pack RUN FILE.zip"


class _DamagedError(Exception):
    """A file in the archive does not match the manifest."""


@dataclass(frozen=True)
class Unpacked:
    """An imported run, and its id in the archive, which differs when that id was already in use."""

    run: Run
    packed_id: str


def unpack(workspace: Workspace, file: IO[bytes], report: Report) -> Unpacked:
    """Import a run as a new folder, under its id, or under a new one if that is in use.

    Every file must match its digest; checkpoints are never unpickled (`checkpoints.load`). Raises ValueError for a bad
    archive, of which nothing is imported, OSError.
    """
    workspace.runs.mkdir(exist_ok=True)
    incoming = workspace.runs / ".incoming"
    with processes.exclusive_lock(workspace.runs / ".incoming.lock"):
        shutil.rmtree(incoming, ignore_errors=True)  # from an import that was killed
        incoming.mkdir()
        try:
            with zip_file.open_zip(file) as archive:
                manifest = _manifest(archive)
                _check_room(manifest, workspace)
                _extract(archive, manifest, incoming, report)
            _mark_ended(Run(incoming))
            _check_models(Run(incoming), report)
            return Unpacked(_name(workspace, incoming, manifest.id), manifest.id)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    """The manifest of the archive, checked against its entries. Raises ValueError."""
    listed = zip_file.entries_of(archive)
    entries = {entry.filename: entry for entry in listed}
    if MANIFEST not in entries:
        raise ValueError(NO_RUN.format(f"it does not contain {MANIFEST}"))
    if entries[MANIFEST].file_size > MOST_MANIFEST_BYTES:
        raise ValueError(NO_RUN.format(f"{MANIFEST} is too large"))
    try:
        manifest = Manifest.model_validate_json(b"".join(zip_file.chunks_of(archive, entries[MANIFEST])))
    except ValidationError as error:
        raise ValueError(NO_RUN.format(f"{MANIFEST}: {error.errors()[0]['msg']}")) from None
    if not ID.fullmatch(manifest.id):
        raise ValueError(NO_RUN.format(f"{manifest.id!r:.80} is not an id"))
    expected = {MANIFEST, *(f"{manifest.id}/{name}" for name in manifest.files)}
    if entries.keys() != expected or len(listed) != len(expected):
        other = next(iter(sorted(entries.keys() ^ expected)), "a file twice")
        raise ValueError(f"The archive does not match its manifest: {other!r:.80}. Pack the run again.")
    for name in manifest.files:
        if not is_portable(name):
            raise ValueError(
                f"The archive contains a file whose name some systems do not allow: {name!r:.80}; nothing is imported."
            )
        if not is_carried(name):
            raise ValueError(
                f"The archive contains a file that does not belong to a run: {name!r:.80}; nothing is imported."
            )
    if twice := collisions(manifest.files):
        raise ValueError(
            f"The archive contains two files with the same name on some systems, {twice[0]!r:.80} and another; "
            "nothing is imported."
        )
    return manifest


def _check_room(manifest: Manifest, workspace: Workspace) -> None:
    needed, free = sum(each.size for each in manifest.files.values()), shutil.disk_usage(workspace.runs).free
    if needed + SPARE_BYTES > free:
        raise ValueError(
            f"The run needs {needed / 1e6:,.0f} MB of disk space, and {SPARE_BYTES / 1e6:,.0f} MB must stay free; "
            f"{free / 1e6:,.0f} MB are free in {workspace.runs}."
        )


def _extract(archive: zipfile.ZipFile, manifest: Manifest, folder: Path, report: Report) -> None:
    """Write every file below `folder` and check it against the manifest. Raises ValueError."""
    total, done = sum(each.size for each in manifest.files.values()), 0
    for name, packed in manifest.files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with open(folder / name, "xb") as out:
                for chunk in _as_packed(zip_file.chunks_of(archive, archive.getinfo(f"{manifest.id}/{name}")), packed):
                    out.write(chunk)
                    done += len(chunk)
                    report(done >> 20, total >> 20, "Unpacking, megabytes")
                out.flush()
                os.fsync(out.fileno())
        except _DamagedError:
            raise ValueError(f"{name!r:.80} in the archive is damaged. Pack the run again.") from None
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f"The archive contains two files named {name!r:.80}; nothing is imported.") from None
        os.utime(folder / name, (packed.changed, packed.changed))


def _as_packed(chunks: Iterator[bytes], packed: Packed) -> Iterator[bytes]:
    """The chunks, checked against size and digest. Raises _DamagedError before it exceeds the size."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if size > packed.size:
            raise _DamagedError
        yield chunk
    if size != packed.size or digest.hexdigest() != packed.sha256:
        raise _DamagedError


def _mark_ended(run: Run) -> None:
    """Mark the processes of the run as gone, as a lost run has no outcome that tells another machine.

    Raises ValueError when it is not a run or would still appear active.
    """
    if not is_run(run):
        raise ValueError(NO_RUN.format("request.json or config.yaml is not that of a run"))
    if runs.status(run).state in ACTIVE:
        durable.replace_json(run.process_file, _gone(run).model_dump())
    if (state := runs.status(run).state) in ACTIVE:
        raise ValueError(f"The run in the archive is {state}. Pack it after it has ended.")


def _gone(run: Run) -> Processes:
    """The processes of the run, marked as gone."""
    if known := durable.read_document(Processes, run.process_file):
        return known.model_copy(update={"gone": True})
    nobody = ProcessIdentity(host="", boot_id="", pid=0, start_ticks=0)
    attempt = max(1, documents.newest_attempt(run.folder))
    return Processes(attempt=attempt, host="", boot_id="", supervisor=nobody, clock=0.0, gone=True)


def _check_models(run: Run, report: Report) -> None:
    """Raises ValueError for a model that must not be loaded. A damaged one is imported: its use reports the damage."""
    from trainer.detector import onnx_file  # onnx takes a while to import

    for folder in [run.model, *sorted((run.folder / "models").glob("*"))]:
        for model in sorted(folder.glob("*.onnx")):
            report(0, 0, f"Checking {model.name}")
            try:
                onnx_file.read(model)
            except onnx_file.ModelRefused as error:
                reason = str(error).replace(f"{run.folder}{os.sep}", "")
                raise ValueError(f"A model in the archive was refused, so nothing is imported. {reason}") from None
            except (ValueError, FileNotFoundError):
                continue


def _name(workspace: Workspace, folder: Path, run_id: str) -> Run:
    """Rename the folder to its id, or to a new id of the same time if that is in use."""
    run = Run(workspace.runs / run_id)
    while run.folder.exists():
        run = Run(workspace.runs / f"{run_id[:-4]}{secrets.token_hex(2)}")
    return Run(folder.rename(run.folder))


def sentence(unpacked: Unpacked) -> str:
    """The result of an import, as a sentence."""
    if unpacked.run.id == unpacked.packed_id:
        return f"Imported run {unpacked.run.id}."
    return f"Run {unpacked.packed_id} already exists, so the imported run is run {unpacked.run.id}."
