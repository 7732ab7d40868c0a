"""Imports clips into data/raw from folders, archives and uploads. Overwrites nothing, and can be undone."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.dataset import archives, changes, file_names
from trainer.dataset.archives import Reason, Skipped
from trainer.dataset.changes import INCOMING, RAW, Change, Move
from trainer.system.job import Report
from trainer.system.workspace import LABELS, Workspace

MOST_FILES = 200_000
SPARE_BYTES = 500_000_000
"""Disk space that stays free."""
ROOTS_VARIABLE = "WAKEWORD_IMPORT_ROOTS"
STALE_SECONDS = 86_400
"""Age at which staged files of a killed import are removed."""
Mode = Literal["copy", "link"]


@dataclass(frozen=True)
class Imported:
    """The result of an import: clips by label, skipped files, and how many clips were renamed."""

    change: Change
    counts: Counter[str]
    skipped: Sequence[Skipped]
    renamed: int

    def sentence(self) -> str:
        counts = ", ".join(f"{count:,} into {label}" for label, count in self.counts.items())
        taken = "its name already existed" if self.renamed == 1 else "their names already existed"
        were = "was" if self.renamed == 1 else "were"
        numbered = f"{self.renamed:,} {were} numbered, as {taken}." if self.renamed else ""
        parts = [f"Imported {counts}.", archives.skip_summary(self.skipped), numbered, "To undo it, open Changes."]
        return " ".join(filter(None, parts))


def document(imported: Imported) -> dict[str, Any]:
    """The result of an import as a JSON document."""
    return {
        "change": imported.change.id,
        "imported": imported.counts,
        "renamed": imported.renamed,
        "skipped": len(imported.skipped),
        "skipped_files": archives.skip_documents(imported.skipped),
    }


def allowed_roots() -> list[Path]:
    """Folders that the page may import from: those in WAKEWORD_IMPORT_ROOTS, else the home folder."""
    named = os.environ.get(ROOTS_VARIABLE)
    return [Path(part).expanduser().resolve() for part in named.split(os.pathsep) if part] if named else [Path.home()]


def path_named(text: str) -> Path:
    """The path that a user typed. Raises ValueError if it is not a valid path."""
    try:
        path = Path(text.strip()).expanduser().resolve()
        path.exists()
    except (RuntimeError, ValueError, OSError):  # an unknown home folder, a zero byte, too long, forbidden
        raise ValueError(f"{text.strip()!r:.80} is not a readable path. Check the spelling.") from None
    return path


def check_inside(path: Path, roots: Sequence[Path]) -> None:
    """Raises ValueError for a path outside the allowed roots."""
    if not any(path.is_relative_to(root) for root in roots):
        named = ", ".join(map(str, roots))
        raise ValueError(f"{path} is not inside {named}. To allow others, start the app with {ROOTS_VARIABLE} set.")


def check_folder(text: str, roots: Sequence[Path] | None = None) -> Path:
    """The folder that a user typed. Raises ValueError if it is not a folder, or outside the allowed roots."""
    if not text.strip():
        raise ValueError("Enter the folder that contains your clips, such as ~/recordings.")
    folder = path_named(text)
    if roots is not None:
        check_inside(folder, roots)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder. Check the spelling.")
    return folder


def check_label(label: str) -> str:
    """The label that a user typed, in any case; empty for none. Raises ValueError for an unknown label."""
    normalized = label.strip().lower().replace("-", "_")
    if normalized and normalized not in LABELS:
        raise ValueError(f"There is no label {label!r:.40}; choose one of {', '.join(LABELS)}.")
    return normalized


@contextmanager
def staging(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    """(id of a new change, an empty folder for it in data/incoming); the folder is removed at the end."""
    change_id = changes.new_id()
    folder = workspace.root / "data" / INCOMING / change_id
    folder.mkdir(parents=True)
    _remove_stale(folder.parent)
    _remove_stale(workspace.uploads)
    try:
        yield change_id, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(folder: Path) -> None:
    """Remove old files of killed imports."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _label_of(path: str, label: str) -> tuple[str, str]:
    """(label, path below the label) of a file; if `label` is empty, it is that of a folder in the path, if any."""
    if label:
        return label, path
    parts = path.split("/")
    for place, part in enumerate(parts[:-1]):
        if named := file_names.label_of(part):
            return named, "/".join(parts[place + 1 :])
    return "", path


def take(
    workspace: Workspace,
    files: Sequence[tuple[str, Path]],
    label: str,
    title: str,
    change_id: str,
    skipped: Sequence[Skipped] = (),
    speaker: str = "",
) -> Imported:
    """Move staged files, given as (path that the user knows, file), into data/raw as one change.

    If `label` is empty, it is that of a folder in each path, and files without one are added to `skipped`. Raises
    ValueError when no file is left, OSError.
    """
    data = workspace.root / "data"
    taken = {path.relative_to(workspace.raw).as_posix().casefold() for path in workspace.raw.rglob("*")}
    moves, counts, renamed, left_out = [], Counter[str](), 0, list(skipped)
    for path, file in files:
        own_label, below = _label_of(file_names.safe_path(path), label)
        if not own_label:
            left_out.append(Skipped(path, "no_label"))
            continue
        wanted = "/".join(part for part in (own_label, file_names.safe_part(speaker), below) if part)
        name = file_names.free(wanted, taken)
        renamed += name != wanted
        counts[own_label] += 1
        moves.append(Move(source=file.relative_to(data).as_posix(), target=f"{RAW}/{name}"))
    if not moves:
        reason = archives.skip_summary(left_out) or "no audio files found."
        hint = "" if label else f" Choose a label, or name the folders inside {', '.join(LABELS)}."
        raise ValueError(f"Nothing to import: {reason}{hint}")
    return Imported(changes.apply(workspace, title, moves, change_id), counts, left_out, renamed)


def _text(folder: Path, path: Path) -> str:
    return os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")


def _reason(path: Path) -> Reason | None:
    """Why a file, or a folder that is not searched, is skipped; None for a clip."""
    if file_names.is_hidden(path.name):
        return "hidden"
    if path.is_symlink():
        return "link"
    if not path.is_dir() and not file_names.is_audio(os.fsencode(path.name).decode("utf-8", "replace")):
        return "kind"
    return None if path.is_file() else "not_a_file"


def _audio_below(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """The audio files below a folder, and the skipped files; links are not followed."""
    clips, skipped = list[Path](), list[Skipped]()

    def unreadable(error: OSError) -> None:
        skipped.append(Skipped(_text(folder, Path(os.fsdecode(error.filename))), "unreadable"))

    for place, folders, files in os.walk(folder, onerror=unreadable):
        excluded = [name for name in folders if file_names.is_hidden(name) or Path(place, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(excluded))
        for path in (Path(place, name) for name in sorted([*files, *excluded])):
            if reason := _reason(path):
                skipped.append(Skipped(_text(folder, path), reason))
            else:
                clips.append(path)
            if len(clips) > MOST_FILES:
                raise ValueError(f"{folder} contains more than {MOST_FILES:,} clips; import its folders one by one.")
    return clips, skipped


def _check_space(workspace: Workspace, files: Sequence[Path]) -> None:
    need, free = sum(file.stat().st_size for file in files), shutil.disk_usage(workspace.root).free
    if need + SPARE_BYTES > free:
        raise ValueError(
            f"The clips need {need / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free. Free some space, or import "
            "by link."
        )


def import_folder(
    workspace: Workspace, folder: Path, label: str, mode: Mode, report: Report, speaker: str = ""
) -> Imported:
    """Copy or hard-link the audio files below a folder. Raises ValueError with the reason, OSError."""
    label = check_label(label)
    if folder.is_relative_to(workspace.root / "data") or workspace.raw.is_relative_to(folder):
        raise ValueError(
            f"{folder} and this workspace's data contain each other; choose the folder of the original recordings."
        )
    sources, skipped = _audio_below(folder)
    if mode == "copy":
        _check_space(workspace, sources)
    with staging(workspace) as (change_id, incoming):
        files = []
        for number, source in enumerate(sources):
            report(number, len(sources), "Importing")
            target = incoming / f"{number:06d}"
            _copy_or_link(source, target, mode)
            files.append((_text(folder, source), target))
        return take(workspace, files, label, f"Import of {folder.name}", change_id, skipped, speaker)


def _copy_or_link(source: Path, target: Path, mode: Mode) -> None:
    if mode == "copy":
        shutil.copyfile(source, target)
        return
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
            raise ValueError(f"{source} cannot be linked: it is on another disk. Import by copy.") from None
        raise


def import_zip(
    workspace: Workspace, file: Path, label: str, report: Report, name: str = "", speaker: str = "", encoding: str = ""
) -> Imported:
    """Import the audio files of a zip; `encoding` applies to names for which the zip declares none.

    Raises ValueError with the reason, OSError.
    """
    label = check_label(label)
    with staging(workspace) as (change_id, incoming):
        extracted = archives.extract(file, incoming, report, encoding)
        title = f"Import of {file_names.safe_part(name or file.name) or 'a zip'}"
        return take(workspace, extracted.files, label, title, change_id, extracted.skipped, speaker)


def import_paths(
    workspace: Workspace, files: Sequence[tuple[str, Path]], label: str, title: str, change_id: str, speaker: str = ""
) -> Imported:
    """Import those staged files whose name is that of an audio file. Raises ValueError with the reason, OSError."""
    label = check_label(label)
    skipped = [
        Skipped(name, "hidden" if file_names.is_hidden(name) else "kind")
        for name, _ in files
        if file_names.is_hidden(name) or not file_names.is_audio(name)
    ]
    names = {each.path for each in skipped}
    clips = [each for each in files if each[0] not in names]
    return take(workspace, clips, label, title, change_id, skipped, speaker)
