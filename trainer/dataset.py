"""Scanning data/raw: every file is a clip or refused with a reason; what the scan found, counted."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from trainer import audio_file, devices, durable
from trainer.audio_file import AudioRefused
from trainer.job import Report
from trainer.manifest import Clip
from trainer.workspace import LABELS, Workspace

_AT_ONCE = 512


class Refused(BaseModel, frozen=True):
    """A file that is no clip: where, a short code, a sentence."""

    path: str
    reason: str
    message: str


class Scan(BaseModel, frozen=True):
    """What a scan found."""

    clips: list[Clip]
    refused: list[Refused]
    warnings: list[str]


def _shown(path: str) -> str:
    """A path that can be printed and stored; bytes that are no text are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder in a fixed order; hidden ones are the system's, not clips. Links are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        yield from (Path(place) / name for name in sorted([*names, *links]) if not name.startswith("."))


def group_of(relative: str) -> str:
    """Clips of one group stay in one split: the first folder below the label (a speaker), else the clip alone."""
    parts = relative.split("/")
    return parts[1] if len(parts) > 2 else relative


def _inspect(raw: Path, path: Path) -> Clip | Refused:
    relative = path.relative_to(raw).as_posix()
    if _shown(relative) != relative:
        return Refused(path=_shown(relative), reason="bad_name", message="Its name is not valid text; rename it.")
    try:
        before = path.stat(follow_symlinks=False)
        wave, facts = audio_file.read(path)
        after = path.stat(follow_symlinks=False)
    except AudioRefused as error:
        return Refused(path=relative, reason=error.reason, message=str(error))
    except FileNotFoundError:
        return Refused(path=relative, reason="vanished", message="It vanished during the scan; scan again.")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return Refused(path=relative, reason="changing", message="It changed during the scan; scan again.")
    samples = np.rint(np.clip(wave, -1, 1) * 32767).astype("<i2")
    digest = hashlib.sha256(f"{facts.sample_rate}\n".encode() + samples.tobytes()).hexdigest()
    return Clip(
        relative, relative.split("/")[0], group_of(relative), round(facts.seconds, 4), facts.sample_rate,
        facts.channels, digest, after.st_size, after.st_mtime_ns,
    )  # fmt: skip


def _warnings(workspace: Workspace, clips: list[Clip]) -> list[str]:
    found = []
    labels = {clip.label for clip in clips}
    if "positive" not in labels:
        found.append(f"No usable clips in {workspace.raw / 'positive'}. Put recordings of the word there.")
    if not labels & {"negative", "hard_negative"}:
        found.append(f"No usable clips in {workspace.raw / 'negative'}. Put other words and speech there.")
    for folder in sorted(workspace.raw.iterdir()):
        if folder.is_dir() and folder.name not in LABELS and not folder.name.startswith("."):
            name = _shown(folder.name)
            found.append(f"Folder {name} was not scanned: it is none of the labels {', '.join(LABELS)}.")
    by_digest: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_digest[clip.digest].append(clip)
    for same in by_digest.values():
        if len({clip.label for clip in same}) > 1:
            other = next(clip for clip in same if clip.label != same[0].label)
            found.append(f"{same[0].path} and {other.path} are the same audio under two labels; remove one.")
    return found


def scan(workspace: Workspace, report: Report) -> Scan:
    """Read every file below data/raw/<label> and keep what was found in data/scan.json.

    Raises ValueError when there is not one clip, OSError.
    """
    report(0, 0, "Looking for files")
    files = [path for label in LABELS for path in _files(workspace.raw / label)]
    found: list[Clip | Refused] = []
    with ThreadPoolExecutor(devices.cores()) as pool:
        for first in range(0, len(files), _AT_ONCE):
            for item in pool.map(lambda path: _inspect(workspace.raw, path), files[first : first + _AT_ONCE]):
                found.append(item)
                report(len(found), len(files), "Checking clips")
    clips = [item for item in found if isinstance(item, Clip)]
    refused = [item for item in found if isinstance(item, Refused)]
    if not clips:
        raise ValueError(
            f"No usable clips in {workspace.raw} ({len(refused)} files refused). Make demo data, or put WAV, FLAC or "
            "OGG files into data/raw/positive and data/raw/negative."
        )
    result = Scan(clips=clips, refused=refused, warnings=_warnings(workspace, clips))
    durable.replace_bytes(workspace.scan_file, result.model_dump_json().encode())
    return result


def load_scan(workspace: Workspace) -> Scan | None:
    """What the last scan found; None when there was none or its file is of no use."""
    try:
        return Scan.model_validate_json(workspace.scan_file.read_bytes())
    except (OSError, ValidationError):
        return None


def summary(found: Scan) -> dict[str, Any]:
    """Counts by label, refused files and warnings, as a document."""
    labels = {}
    for label in LABELS:
        clips = [clip for clip in found.clips if clip.label == label]
        rates = Counter(clip.sample_rate for clip in clips)
        labels[label] = {
            "clips": len(clips),
            "minutes": round(sum(clip.seconds for clip in clips) / 60, 2),
            "sample_rates": {str(rate): count for rate, count in sorted(rates.items())},
            "groups": len({clip.group for clip in clips}),
        }
    refused = [item.model_dump() for item in found.refused]
    return {"labels": labels, "refused": refused, "warnings": list(found.warnings)}
