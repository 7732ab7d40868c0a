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
from trainer.system import document_file, durable, processes, zip_file
from trainer.system.job import Report
from trainer.system.processes import ProcessIdentity
from trainer.system.workspace import Workspace

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
    return plain and not hidden and name != documents.RESERVE and ".tmp." not in name


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


def _files_to_pack(folder: Path) -> list[Path]:
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
    files, packed, done = _files_to_pack(run.folder), {}, 0
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


MOST_MANIFEST_BYTES = 64 << 20
SPARE_BYTES = 500_000_000
"""Left free on the disk."""
NO_RUN = "The file is no run of Wakeword Studio ({}). Make one with: python -m trainer pack RUN FILE.zip"


class _DamagedError(Exception):
    """A file in the archive is not what the manifest says."""


@dataclass(frozen=True)
class Unpacked:
    """A run that was taken in, and the id it had before: another one when that was taken here."""

    run: Run
    packed_id: str


def unpack(workspace: Workspace, file: IO[bytes], report: Report) -> Unpacked:
    """Take in a run as a new folder: under its id, or under another where that is taken.

    Every file must be as it was packed, so a checkpoint is what its mark says; whoever reads one takes tensors alone
    (`checkpoints.load`). Raises ValueError with what is wrong with the file, and then nothing is taken; OSError.
    """
    workspace.runs.mkdir(exist_ok=True)
    incoming = workspace.runs / ".incoming"
    with processes.exclusive_lock(workspace.runs / ".incoming.lock"):
        shutil.rmtree(incoming, ignore_errors=True)  # of one that was killed
        incoming.mkdir()
        try:
            with zip_file.opened(file) as archive:
                manifest = _manifest(archive)
                _check_room(manifest, workspace)
                _extract(archive, manifest, incoming, report)
            _lay_to_rest(Run(incoming))
            _check_models(Run(incoming), report)
            return Unpacked(_name(workspace, incoming, manifest.id), manifest.id)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    """What the zip says of itself, and that this is all there is in it. Raises ValueError."""
    listed = zip_file.entries_of(archive)
    entries = {entry.filename: entry for entry in listed}
    if MANIFEST not in entries:
        raise ValueError(NO_RUN.format(f"{MANIFEST} is not in it"))
    if entries[MANIFEST].file_size > MOST_MANIFEST_BYTES:
        raise ValueError(NO_RUN.format(f"{MANIFEST} is too large"))
    try:
        found = Manifest.model_validate_json(b"".join(zip_file.chunks_of(archive, entries[MANIFEST])))
    except ValidationError as error:
        raise ValueError(NO_RUN.format(f"{MANIFEST}: {error.errors()[0]['msg']}")) from None
    if not ID.fullmatch(found.id):
        raise ValueError(NO_RUN.format(f"{found.id!r:.80} is no id"))
    expected = {MANIFEST, *(f"{found.id}/{name}" for name in found.files)}
    if entries.keys() != expected or len(listed) != len(expected):
        other = next(iter(sorted(entries.keys() ^ expected)), "a file twice")
        raise ValueError(f"The archive does not hold what it says: {other!r:.80}. Pack the run again.")
    for name in found.files:
        if not is_portable(name):
            raise ValueError(
                f"The archive holds a file that no run has, as other systems cannot hold its name: {name!r:.80}; "
                "nothing is taken."
            )
        if not is_carried(name):
            raise ValueError(f"The archive holds a file that no run has: {name!r:.80}; nothing is taken.")
    if twice := collisions(found.files):
        raise ValueError(
            f"The archive holds two files that other systems take for one, {twice[0]!r:.80} and another; nothing is "
            "taken."
        )
    return found


def _check_room(manifest: Manifest, workspace: Workspace) -> None:
    needed, free = sum(each.size for each in manifest.files.values()), shutil.disk_usage(workspace.runs).free
    if needed + SPARE_BYTES > free:
        raise ValueError(
            f"The run needs {needed / 1e6:,.0f} MB of disk; {free / 1e6:,.0f} MB are free in {workspace.runs}, and "
            f"{SPARE_BYTES / 1e6:,.0f} MB of them are left free."
        )


def _extract(archive: zipfile.ZipFile, manifest: Manifest, folder: Path, report: Report) -> None:
    """Write every file below `folder` as the manifest says it is. Raises ValueError."""
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
            raise ValueError(f"{name!r:.80} in the archive is not what was packed. Pack the run again.") from None
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f"The archive holds two files of the name {name!r:.80}; nothing is taken.") from None
        os.utime(folder / name, (packed.changed, packed.changed))


def _as_packed(chunks: Iterator[bytes], packed: Packed) -> Iterator[bytes]:
    """The chunks, as long as they are what was packed. Raises _DamagedError when not, and writes no byte too many."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if size > packed.size:
            raise _DamagedError
        yield chunk
    if size != packed.size or digest.hexdigest() != packed.sha256:
        raise _DamagedError


def _lay_to_rest(run: Run) -> None:
    """See to it that the run is shown as it ended. Raises ValueError when it is none, or would be taken for active.

    Only a run that has ended is packed. Where nobody wrote how, another machine cannot know that it has.
    """
    if not is_run(run):
        raise ValueError(NO_RUN.format("request.json or config.yaml is not that of a run"))
    if runs.status(run).state in ACTIVE:
        durable.replace_json(run.process_file, _gone(run).model_dump())
    if (state := runs.status(run).state) in ACTIVE:
        raise ValueError(f"The run in the archive says that it is {state}. Pack it when it has ended.")


def _gone(run: Run) -> Processes:
    """The processes of the run, which are gone."""
    if found := document_file.read(Processes, run.process_file):
        return found.model_copy(update={"gone": True})
    nobody = ProcessIdentity(host="", boot_id="", pid=0, start_ticks=0)
    attempt = max(1, documents.newest_attempt(run.folder))
    return Processes(attempt=attempt, host="", boot_id="", supervisor=nobody, clock=0.0, gone=True)


def _check_models(run: Run, report: Report) -> None:
    """Raises ValueError for a model that is not to be loaded, and not to be taken elsewhere either. One that is damaged
    is nobody's: it is told where it would be used."""
    from trainer.detector import onnx_file  # onnx takes a while to import

    for folder in [run.model, *sorted((run.folder / "models").glob("*"))]:
        for model in sorted(folder.glob("*.onnx")):
            report(0, 0, f"Trying {model.name}")
            try:
                onnx_file.read(model)
            except onnx_file.ModelRefused as error:
                told = str(error).replace(f"{run.folder}{os.sep}", "")
                raise ValueError(f"A model in the archive is refused, so nothing is taken. {told}") from None
            except (ValueError, FileNotFoundError):
                continue


def _name(workspace: Workspace, folder: Path, run_id: str) -> Run:
    """Give the folder the name that it had, or another one of the same time when that is taken."""
    run = Run(workspace.runs / run_id)
    while run.folder.exists():
        run = Run(workspace.runs / f"{run_id[:-4]}{secrets.token_hex(2)}")
    return Run(folder.rename(run.folder))


def sentence(taken: Unpacked) -> str:
    """What came of it, for a person."""
    if taken.run.id == taken.packed_id:
        return f"Run {taken.run.id} is here now."
    return f"There is a run {taken.packed_id} here already, so the one in the file is run {taken.run.id} now."
