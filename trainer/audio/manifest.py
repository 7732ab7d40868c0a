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
AGAIN = "Scan and split again on the Dataset page."


@dataclass(frozen=True)
class Clip:
    """One clip: `path` below data/raw, `group` (a speaker, say) that stays in one split, `digest` of its audio."""

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
    """The clips of one split. Raises FileNotFoundError when there is none, ValueError when it is damaged."""
    path = split_file(workspace, split)
    try:
        data = regular_file.read_bytes(path)
    except FileNotFoundError:
        raise FileNotFoundError(NOT_FOUND) from None
    reader = csv.DictReader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    try:
        return [_clip(row) for row in reader]
    except (KeyError, TypeError, ValueError, csv.Error):
        raise ValueError(f"{path} is corrupt in line {reader.line_num}. {AGAIN}") from None


def read_splits(workspace: Workspace) -> dict[str, list[Clip]]:
    """The clips of every split. Raises as `read_split`."""
    return {split: read_split(workspace, split) for split in SPLITS}


def fingerprint(workspace: Workspace) -> str:
    """Names this very split: 16 hexadecimal digits over the three manifests. Raises FileNotFoundError."""
    digest = hashlib.sha256()
    for split in SPLITS:
        try:
            digest.update(regular_file.read_bytes(split_file(workspace, split)) + b"\0")
        except FileNotFoundError:
            raise FileNotFoundError(NOT_FOUND) from None
    return digest.hexdigest()[:16]


def _stands(workspace: Workspace, clip: Clip) -> str:
    """How a clip on disk differs from its manifest in a word; empty when it does not."""
    try:
        found = (workspace.raw / clip.path).stat()
    except OSError:
        return "missing"
    return "" if (found.st_size, found.st_mtime_ns) == (clip.size, clip.mtime_ns) else "changed"


def problems(workspace: Workspace, splits: Mapping[str, Sequence[Clip]]) -> list[str]:
    """What stands against training on these splits, as sentences."""
    found = []
    for split in ("train", "val"):
        labels = {clip.label for clip in splits[split]}
        if "positive" not in labels:
            found.append(f"The {split} split contains no positive clips. {AGAIN}")
        if not labels & {"negative", "hard_negative"}:
            found.append(f"The {split} split contains no negative clips. {AGAIN}")
    return found + out_of_date(workspace, [*splits["train"], *splits["val"]])


def out_of_date(workspace: Workspace, clips: Sequence[Clip]) -> list[str]:
    """Sentences about clips that are missing or have changed since the split."""
    found, states = [], [(clip.path, _stands(workspace, clip)) for clip in clips]
    for word in ("missing", "changed"):
        paths = [path for path, state in states if state == word]
        if paths:
            more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
            found.append(f"Clip {paths[0]}{more} {'is' if len(paths) == 1 else 'are'} {word} on disk. {AGAIN}")
    return found
