"""Manifests in data/splits: which clip belongs to which split, and whether its file is unchanged."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from trainer.system import durable, regular_file
from trainer.system.workspace import Workspace

SPLITS = ("train", "val", "test")
NOT_FOUND = "Dataset splits not found. Scan and split on the Dataset page first."
SPLIT_AGAIN = "Scan and split again on the Dataset page."


@dataclass(frozen=True)
class Clip:
    """One clip: `path` relative to data/raw, `group` (such as the speaker) that stays in one split, `digest` of its
    audio."""

    path: str
    label: str
    group: str
    seconds: float
    sample_rate: int
    channels: int
    digest: str
    size: int
    mtime_ns: int


def split_file(workspace: Workspace, split: str) -> Path:
    return workspace.splits / f"{split}.csv"


def write_split(workspace: Workspace, split: str, clips: Sequence[Clip]) -> None:
    """Write one manifest atomically. Raises OSError."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(field.name for field in fields(Clip))
    writer.writerows(map(astuple, clips))
    workspace.splits.mkdir(parents=True, exist_ok=True)
    durable.replace_bytes(split_file(workspace, split), text.getvalue().encode())


def _clip(row: Mapping[str, str]) -> Clip:
    return Clip(
        row["path"],
        row["label"],
        row["group"],
        float(row["seconds"]),
        int(row["sample_rate"]),
        int(row["channels"]),
        row["digest"],
        int(row["size"]),
        int(row["mtime_ns"]),
    )


def read_split(workspace: Workspace, split: str) -> list[Clip]:
    """The clips of one split. Raises FileNotFoundError without a manifest, ValueError for a corrupt one."""
    path = split_file(workspace, split)
    try:
        data = regular_file.read_bytes(path)
    except FileNotFoundError:
        raise FileNotFoundError(NOT_FOUND) from None
    reader = csv.DictReader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    try:
        return [_clip(row) for row in reader]
    except (KeyError, TypeError, ValueError, csv.Error):
        raise ValueError(f"{path} is corrupt in line {reader.line_num}. {SPLIT_AGAIN}") from None


def read_splits(workspace: Workspace) -> dict[str, list[Clip]]:
    """The clips of every split. Raises as `read_split`."""
    return {split: read_split(workspace, split) for split in SPLITS}


def fingerprint(workspace: Workspace) -> str:
    """Digest of the three manifests, 16 hexadecimal digits. Raises FileNotFoundError."""
    digest = hashlib.sha256()
    for split in SPLITS:
        try:
            digest.update(regular_file.read_bytes(split_file(workspace, split)) + b"\0")
        except FileNotFoundError:
            raise FileNotFoundError(NOT_FOUND) from None
    return digest.hexdigest()[:16]


def _state(workspace: Workspace, clip: Clip) -> str:
    """`missing` or `changed` for a file that differs from its manifest, else empty."""
    try:
        stat = (workspace.raw / clip.path).stat()
    except OSError:
        return "missing"
    return "" if (stat.st_size, stat.st_mtime_ns) == (clip.size, clip.mtime_ns) else "changed"


def problems(workspace: Workspace, splits: Mapping[str, Sequence[Clip]]) -> list[str]:
    """Sentences that say why these splits cannot be trained on."""
    sentences = []
    for split in ("train", "val"):
        labels = {clip.label for clip in splits[split]}
        if "positive" not in labels:
            sentences.append(f"The {split} split contains no positive clips. {SPLIT_AGAIN}")
        if not labels & {"negative", "hard_negative"}:
            sentences.append(f"The {split} split contains no negative clips. {SPLIT_AGAIN}")
    return sentences + out_of_date(workspace, [*splits["train"], *splits["val"]])


def out_of_date(workspace: Workspace, clips: Sequence[Clip]) -> list[str]:
    """Sentences about clips that are missing or have changed since the split."""
    sentences, states = [], [(clip.path, _state(workspace, clip)) for clip in clips]
    for word in ("missing", "changed"):
        paths = [path for path, state in states if state == word]
        if paths:
            more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
            verb = "is" if len(paths) == 1 else "are"
            sentences.append(f"Clip {paths[0]}{more} {verb} {word} on disk. {SPLIT_AGAIN}")
    return sentences
