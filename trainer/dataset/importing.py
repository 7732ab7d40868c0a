"""Importing clips into data/raw from folders, archives and uploads. Nothing is overwritten; an import can be undone."""

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
"""Left free on the disk by an import."""
ROOTS_VARIABLE = "WAKEWORD_IMPORT_ROOTS"

FORGOTTEN_SECONDS = 86_400

How = Literal["copy", "link"]


@dataclass(frozen=True)
class Imported:
    """What an import did: clips by label, files that were left, and how many got another name."""

    change: Change
    counts: Counter[str]
    left_out: Sequence[Skipped]
    renamed: int

    @property
    def skipped(self) -> int:
        return len(self.left_out)

    def sentence(self) -> str:
        told = ", ".join(f"{count:,} into {label}" for label, count in self.counts.items())
        taken = "its name already existed" if self.renamed == 1 else "their names already existed"
        were = "was" if self.renamed == 1 else "were"
        numbered = f"{self.renamed:,} {were} numbered, as {taken}." if self.renamed else ""
        parts = [f"Imported {told}.", archives.skip_summary(self.left_out), numbered, "To undo it, open Changes."]
        return " ".join(filter(None, parts))


def document(made: Imported) -> dict[str, Any]:
    """What an import did, for scripts."""
    return {
        "change": made.change.id,
        "imported": made.counts,
        "renamed": made.renamed,
        "skipped": made.skipped,
        "skipped_files": archives.skip_documents(made.left_out),
    }


def allowed_roots() -> list[Path]:
    """Folders that the page may import from: those in WAKEWORD_IMPORT_ROOTS, else the home folder."""
    named = os.environ.get(ROOTS_VARIABLE)
    return [Path(part).expanduser().resolve() for part in named.split(os.pathsep) if part] if named else [Path.home()]


def path_named(text: str) -> Path:
    """The path that a user typed. Raises ValueError when there can be none of this name."""
    try:
        path = Path(text.strip()).expanduser().resolve()
        path.exists()
    except (RuntimeError, ValueError, OSError):  # the home of nobody, a byte of zero, too long, forbidden
        raise ValueError(f"{text.strip()!r:.80} is not a readable path. Check the spelling.") from None
    return path


def check_inside(path: Path, roots: Sequence[Path]) -> None:
    """Raises ValueError for a path outside the allowed roots."""
    if not any(path.is_relative_to(root) for root in roots):
        named = ", ".join(map(str, roots))
        raise ValueError(f"{path} is not inside {named}. To allow others, start the app with {ROOTS_VARIABLE} set.")


def check_folder(text: str, roots: Sequence[Path] | None = None) -> Path:
    """The folder that a user named. Raises ValueError when it is none, or outside the allowed roots."""
    if not text.strip():
        raise ValueError("Enter the folder that contains your clips, such as ~/recordings.")
    folder = path_named(text)
    if roots is not None:
        check_inside(folder, roots)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder. Check the spelling.")
    return folder


def check_label(label: str) -> str:
    """The label that is meant, in whatever case; an empty text for none. Raises ValueError when there is no such."""
    meant = label.strip().lower().replace("-", "_")
    if meant and meant not in LABELS:
        raise ValueError(f"There is no label {label!r:.40}; choose one of {', '.join(LABELS)}.")
    return meant


@contextmanager
def staging(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    """(id of the change to come, an empty folder of its own in data/incoming); what is left there goes at the end."""
    change_id = changes.new_id()
    folder = workspace.root / "data" / INCOMING / change_id
    folder.mkdir(parents=True)
    _sweep(folder.parent)
    _sweep(workspace.uploads)
    try:
        yield change_id, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what killed imports left behind."""
    for left in folder.iterdir() if folder.is_dir() else ():
        if time.time() - left.stat().st_mtime > FORGOTTEN_SECONDS:
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _label_of(path: str, label: str) -> tuple[str, str]:
    """(label, path below it) of a file; without a label given, a folder of the path must be one."""
    if label:
        return label, path
    parts = path.split("/")
    for place, part in enumerate(parts[:-1]):
        if found := file_names.label_of(part):
            return found, "/".join(parts[place + 1 :])
    return "", path


def take(
    workspace: Workspace,
    files: Sequence[tuple[str, Path]],
    label: str,
    title: str,
    change_id: str,
    left: Sequence[Skipped] = (),
    speaker: str = "",
) -> Imported:
    """Move staged files (their path as the user knows it, the file) into data/raw as one change.

    Without a label, one of the folders in each path must be named after one; other files are skipped, as are those in
    `left` before them. Raises ValueError when there is nothing to take, OSError.
    """
    data = workspace.root / "data"
    taken = {path.relative_to(workspace.raw).as_posix().casefold() for path in workspace.raw.rglob("*")}
    moves, counts, renamed, others = [], Counter[str](), 0, list(left)
    for path, file in files:
        found, below = _label_of(file_names.safe_path(path), label)
        if not found:
            others.append(Skipped(path, "no_label"))
            continue
        wanted = "/".join(part for part in (found, file_names.safe_part(speaker), below) if part)
        name = file_names.free(wanted, taken)
        renamed += name != wanted
        counts[found] += 1
        moves.append(Move(source=file.relative_to(data).as_posix(), target=f"{RAW}/{name}"))
    if not moves:
        why = archives.skip_summary(others) or "no audio files found."
        hint = "" if label else f" Choose a label, or name the folders inside {', '.join(LABELS)}."
        raise ValueError(f"Nothing to import: {why}{hint}")
    return Imported(changes.apply(workspace, title, moves, change_id), counts, others, renamed)


def _text(folder: Path, path: Path) -> str:
    return os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")


def _reason(path: Path) -> Reason | None:
    """Why a file, or a folder that is not looked into, is no clip."""
    if file_names.is_hidden(path.name):
        return "hidden"
    if path.is_symlink():
        return "link"
    if not path.is_dir() and not file_names.is_audio(os.fsencode(path.name).decode("utf-8", "replace")):
        return "kind"
    return None if path.is_file() else "not_a_file"


def _audio_below(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """Audio files below a folder, and what else there is; links and hidden files are no clips."""
    found, left = list[Path](), list[Skipped]()

    def unreadable(error: OSError) -> None:
        left.append(Skipped(_text(folder, Path(os.fsdecode(error.filename))), "unreadable"))

    for place, folders, files in os.walk(folder, onerror=unreadable):
        outside = [name for name in folders if file_names.is_hidden(name) or Path(place, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(outside))
        for path in (Path(place, name) for name in sorted([*files, *outside])):
            if reason := _reason(path):
                left.append(Skipped(_text(folder, path), reason))
            else:
                found.append(path)
            if len(found) > MOST_FILES:
                raise ValueError(f"{folder} contains more than {MOST_FILES:,} clips; import its folders one by one.")
    return found, left


def _check_space(workspace: Workspace, files: Sequence[Path]) -> None:
    need, free = sum(file.stat().st_size for file in files), shutil.disk_usage(workspace.root).free
    if need + SPARE_BYTES > free:
        raise ValueError(
            f"The clips need {need / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free. Free some space, or import "
            "by link."
        )


def import_folder(
    workspace: Workspace, folder: Path, label: str, how: How, report: Report, speaker: str = ""
) -> Imported:
    """Copy or hard-link the audio files below a folder. Raises ValueError with the reason, OSError."""
    label = check_label(label)
    if folder.is_relative_to(workspace.root / "data") or workspace.raw.is_relative_to(folder):
        raise ValueError(
            f"{folder} and this workspace's data contain each other; choose the folder of the original recordings."
        )
    sources, others = _audio_below(folder)
    if how == "copy":
        _check_space(workspace, sources)
    with staging(workspace) as (change_id, incoming):
        files = []
        for number, source in enumerate(sources):
            report(number, len(sources), "Importing")
            target = incoming / f"{number:06d}"
            _bring(source, target, how)
            files.append((_text(folder, source), target))
        return take(workspace, files, label, f"Import of {folder.name}", change_id, others, speaker)


def _bring(source: Path, target: Path, how: How) -> None:
    if how == "copy":
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
    """Take the audio files of a zip; `encoding` is that of its names where the zip does not say it.

    Raises ValueError with the reason, OSError.
    """
    label = check_label(label)
    with staging(workspace) as (change_id, incoming):
        found = archives.extract(file, incoming, report, encoding)
        title = f"Import of {file_names.safe_part(name or file.name) or 'a zip'}"
        return take(workspace, found.files, label, title, change_id, found.skipped, speaker)


def import_paths(
    workspace: Workspace, files: Sequence[tuple[str, Path]], label: str, title: str, change_id: str, speaker: str = ""
) -> Imported:
    """Take staged files, those that are audio by their name. Raises ValueError with the reason, OSError."""
    label = check_label(label)
    left = [
        Skipped(name, "hidden" if file_names.is_hidden(name) else "kind")
        for name, _ in files
        if file_names.is_hidden(name) or not file_names.is_audio(name)
    ]
    passed = {each.path for each in left}
    return take(workspace, [each for each in files if each[0] not in passed], label, title, change_id, left, speaker)
