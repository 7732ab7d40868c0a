"""The result of the last scan: the table in data/scan.parquet, and its clips with label, speaker and findings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from trainer.audio.manifest import Clip
from trainer.dataset import file_names, speakers
from trainer.dataset.findings import Finding
from trainer.system import durable, regular_file
from trainer.system.display_text import counted
from trainer.system.workspace import LABELS, Workspace

COLUMNS = {
    "path": "str",
    "size": "int64",
    "mtime_ns": "int64",
    "reason": "str",
    "message": "str",
    "seconds": "float64",
    "sample_rate": "int64",
    "channels": "int64",
    "format": "str",
    "subtype": "str",
    "length_wrong": "int64",
    "channel_fault": "str",
    "used_channel": "int64",
    "best_channel": "int64",
    "digest": "str",
    "peak_db": "float64",
    "level_db": "float64",
    "clipped": "float64",
    "offset": "float64",
    "lead_seconds": "float64",
    "tail_seconds": "float64",
    "fingerprint": "str",
    "near": "int64",
}
"""`path` below data/raw with / between its parts; `reason` and `message` are empty for a clip. `near` numbers sets of
clips that sound nearly the same; -1: alone. For the others see audio_file.AudioFacts and dataset.measures.Measures."""
_EMPTY: dict[str, Any] = {"str": "", "int64": 0, "float64": 0.0}
VERSION = b"2"


MOST_ALIKE_SHARE = 0.05
"""Of the clips of a label; a larger set of near duplicates does not tie its clips to one split."""


def scan_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table of these rows, sorted by path; what a row lacks (a refused file has no sound) is empty."""
    columns = {name: [row.get(name, _EMPTY[kind]) for row in rows] for name, kind in COLUMNS.items()}
    table = pd.DataFrame(columns).astype(COLUMNS)
    return table.sort_values("path", ignore_index=True)


def save_table(workspace: Workspace, table: pd.DataFrame, partial: bool = False) -> None:
    """Replace the table atomically. `partial`: results of a cancelled scan, read only by the next one."""
    arrow = pyarrow.Table.from_pandas(table[list(COLUMNS)], preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"version": VERSION})
    out = io.BytesIO()
    pyarrow.parquet.write_table(arrow, out, compression="zstd")
    file = workspace.partial_scan_file if partial else workspace.scan_file
    file.parent.mkdir(parents=True, exist_ok=True)
    durable.replace_bytes(file, out.getvalue())


def load_table(workspace: Workspace, partial: bool = False) -> pd.DataFrame | None:
    """The table of the last scan; None when there was none or its file is unusable (corrupt, of another version)."""
    try:
        file = workspace.partial_scan_file if partial else workspace.scan_file
        with regular_file.open_binary(file) as opened:
            arrow = pyarrow.parquet.read_table(opened)
    except (OSError, pyarrow.ArrowException):
        return None
    if (arrow.schema.metadata or {}).get(b"version") != VERSION:
        return None
    return pd.DataFrame(arrow.to_pandas()).astype(COLUMNS)


@dataclass(frozen=True)
class Found:
    """`clips`: those of COLUMNS and `label`, `speaker` (empty: unknown), `group` (the speaker, else the
    clip alone: what stays in one split). `refused`: path, reason, message."""

    clips: pd.DataFrame
    refused: pd.DataFrame

    def __len__(self) -> int:
        return len(self.clips)


def of_table(workspace: Workspace, files: pd.DataFrame) -> Found:
    """Clips and refused files of a table, speakers by the rule in force."""
    fine = files["reason"] == ""
    clips = files[fine].reset_index(drop=True)
    clips["label"] = file_names.labels_of(clips["path"])
    clips["speaker"] = speakers.current(workspace, clips["path"])
    clips["group"] = clips["speaker"].where(clips["speaker"] != "", clips["path"])
    return Found(clips, files.loc[~fine, ["path", "reason", "message"]].reset_index(drop=True))


def load(workspace: Workspace) -> Found | None:
    """What the last scan found; None when there was none."""
    files = load_table(workspace)
    return None if files is None else of_table(workspace, files)


def as_manifest(clips: pd.DataFrame) -> list[Clip]:
    """Rows as the manifests hold them."""
    columns = [
        clips[name].tolist()
        for name in ("path", "label", "group", "seconds", "sample_rate", "channels", "digest", "size", "mtime_ns")
    ]
    return [Clip(*row) for row in zip(*columns, strict=True)]


def near_sets(clips: pd.DataFrame) -> dict[str, int]:
    """Sets of near duplicates by path, as far as they tie their clips to one split.

    Clips of known speakers are tied by these, and voices may be alike; so only clips of nobody known are in sets here.
    A large set is none: not copies of one recording, but one kind of sound.
    """
    nobody = clips[(clips["near"] >= 0) & (clips["speaker"] == "")]
    sizes = nobody.groupby("near")["path"].transform("size")
    most = MOST_ALIKE_SHARE * nobody["label"].map(clips["label"].value_counts())
    alike = nobody[sizes <= most.clip(lower=2)]
    return dict(zip(alike["path"], alike["near"].astype(int), strict=True))


def warnings(workspace: Workspace, found: Found) -> list[str]:
    """What stands in the way of a good training, beyond single clips."""
    told = []
    counts = found.clips["label"].value_counts()
    positives, negatives = counts.get("positive", 0), counts.get("negative", 0) + counts.get("hard_negative", 0)
    if not positives:
        told.append(f"No usable clips in {workspace.raw / 'positive'}. Put recordings of the word there.")
    if not negatives:
        told.append(f"No usable clips in {workspace.raw / 'negative'}. Put other words and speech there.")
    if positives and negatives and max(positives, negatives) > 50 * min(positives, negatives):
        fewer = "positive" if positives < negatives else "negative"
        told.append(
            f"{positives:,} positive and {negatives:,} negative clips: training repeats the {fewer} ones very often. "
            f"Add {fewer} clips, or remove some of the others."
        )
    told += filter(None, [speakers.problem(workspace, found.clips["path"])])
    return told + _outside(workspace)


def _outside(workspace: Workspace) -> list[str]:
    """What lies in data/raw outside of the labels' folders, where no scan looks, as sentences."""
    folders, loose = list[str](), list[str]()
    for path in sorted(workspace.raw.iterdir()) if workspace.raw.is_dir() else ():
        shown = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if path.is_dir() and not file_names.label_of(path.name) and not file_names.is_hidden(path.name):
            folders.append(f"Folder {shown} was not scanned: it is not one of the labels {', '.join(LABELS)}.")
        elif file_names.is_audio(shown) and not path.is_dir():
            loose.append(shown)
    if not loose:
        return folders
    were = "was" if len(loose) == 1 else "were"
    told = f"{counted(len(loose), 'file')} in {workspace.raw} itself ({loose[0]}) {were} not scanned. "
    return [*folders, f"{told}Move them into a folder named after their label: {', '.join(LABELS)}."]


def _label_summary(clips: pd.DataFrame) -> dict[str, Any]:
    rates = clips["sample_rate"].value_counts().sort_index()
    return {
        "clips": len(clips),
        "minutes": round(float(clips["seconds"].sum()) / 60, 2),
        "sample_rates": {str(rate): int(count) for rate, count in rates.items()},
        "speakers": int(clips.loc[clips["speaker"] != "", "speaker"].nunique()),
        "without_speaker": int((clips["speaker"] == "").sum()),
    }


def summary(workspace: Workspace, found: Found, health: Sequence[Finding]) -> dict[str, Any]:
    """Counts by label, refused files, warnings and the findings about the clips, as a document."""
    labels = {label: _label_summary(found.clips[found.clips["label"] == label]) for label in LABELS}
    refused = found.refused.to_dict("records")
    told = [
        {
            "finding": one.code,
            "severity": one.severity,
            "title": one.title,
            "clips": len(one.paths),
            "remedy": one.remedy,
        }
        for one in health
    ]
    return {"labels": labels, "refused": refused, "warnings": warnings(workspace, found), "findings": told}
