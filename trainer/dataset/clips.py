"""The result of the last scan: the table in data/scan.parquet, its clips with label and speaker, and its summary."""

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
from trainer.system.workspace import LABELS, STREAM, Workspace

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
"""`path` is relative to data/raw with / as separator; `reason` and `message` are empty for a clip. `near` is the number
of a set of near duplicates, or -1. The others are fields of audio_file.AudioFacts and dataset.measures.Measures."""
_EMPTY: dict[str, Any] = {"str": "", "int64": 0, "float64": 0.0}
VERSION = b"2"
MOST_NEAR_SHARE = 0.05
"""A set of near duplicates with more than this share of the clips of its label does not stay in one split."""


def scan_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table of these rows, sorted by path; missing values, as of a refused file, are empty."""
    columns = {name: [row.get(name, _EMPTY[kind]) for row in rows] for name, kind in COLUMNS.items()}
    table = pd.DataFrame(columns).astype(COLUMNS)
    return table.sort_values("path", ignore_index=True)


def save_table(workspace: Workspace, table: pd.DataFrame, partial: bool = False) -> None:
    """Replace the table atomically. `partial`: results of a cancelled scan, which only the next scan reads."""
    arrow = pyarrow.Table.from_pandas(table[list(COLUMNS)], preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"version": VERSION})
    out = io.BytesIO()
    pyarrow.parquet.write_table(arrow, out, compression="zstd")
    file = workspace.partial_scan_file if partial else workspace.scan_file
    file.parent.mkdir(parents=True, exist_ok=True)
    durable.replace_bytes(file, out.getvalue())


def load_table(workspace: Workspace, partial: bool = False) -> pd.DataFrame | None:
    """The table of the last scan; None without one, or if its file is damaged or of another version."""
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
class ScannedClips:
    """The clips and the refused files of a scan.

    `clips` has COLUMNS and `label`, `speaker` (empty if unknown) and `group`, which stays in one split: the speaker, or
    the path of a clip of an unknown speaker. `refused` has path, reason and message.
    """

    clips: pd.DataFrame
    refused: pd.DataFrame

    def __len__(self) -> int:
        return len(self.clips)


def of_table(workspace: Workspace, files: pd.DataFrame) -> ScannedClips:
    """The clips and refused files of a table, with speakers by the saved rule."""
    accepted = files["reason"] == ""
    clips = files[accepted].reset_index(drop=True)
    clips["label"] = file_names.labels_of(clips["path"])
    clips["speaker"] = speakers.current(workspace, clips["path"])
    clips["group"] = clips["speaker"].where(clips["speaker"] != "", clips["path"])
    return ScannedClips(clips, files.loc[~accepted, ["path", "reason", "message"]].reset_index(drop=True))


def load(workspace: Workspace) -> ScannedClips | None:
    """The result of the last scan; None without one."""
    files = load_table(workspace)
    return None if files is None else of_table(workspace, files)


def as_manifest(clips: pd.DataFrame) -> list[Clip]:
    """The clips as rows of a manifest."""
    columns = [
        clips[name].tolist()
        for name in ("path", "label", "group", "seconds", "sample_rate", "channels", "digest", "size", "mtime_ns")
    ]
    return [Clip(*row) for row in zip(*columns, strict=True)]


def near_sets(clips: pd.DataFrame) -> dict[str, int]:
    """The number of the set of near duplicates that must stay in one split, by path.

    Only clips without a known speaker are in a set: other clips stay together by speaker, and voices may be similar. A
    large set is left out, as it contains one kind of sound rather than copies of one recording.
    """
    unknown = clips[(clips["near"] >= 0) & (clips["speaker"] == "")]
    sizes = unknown.groupby("near")["path"].transform("size")
    most = MOST_NEAR_SHARE * unknown["label"].map(clips["label"].value_counts())
    near = unknown[sizes <= most.clip(lower=2)]
    return dict(zip(near["path"], near["near"].astype(int), strict=True))


def warnings(workspace: Workspace, scanned: ScannedClips) -> list[str]:
    """Problems of the whole data set, as sentences."""
    sentences = []
    counts = scanned.clips["label"].value_counts()
    positives, negatives = counts.get("positive", 0), counts.get("negative", 0) + counts.get("hard_negative", 0)
    if not positives:
        sentences.append(f"No usable clips in {workspace.raw / 'positive'}. Put recordings of the word there.")
    if not negatives:
        sentences.append(f"No usable clips in {workspace.raw / 'negative'}. Put other words and speech there.")
    if positives and negatives and max(positives, negatives) > 50 * min(positives, negatives):
        fewer = "positive" if positives < negatives else "negative"
        sentences.append(
            f"{positives:,} positive and {negatives:,} negative clips: training repeats the {fewer} ones very often. "
            f"Add {fewer} clips, or remove some of the others."
        )
    sentences += filter(None, [speakers.problem(workspace, scanned.clips["path"])])
    return sentences + _unscanned(workspace)


def _unscanned(workspace: Workspace) -> list[str]:
    """Files and folders in data/raw outside of label folders, which no scan reads, as sentences."""
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
    return [
        *folders,
        f"{counted(len(loose), 'file')} in {workspace.raw} itself ({loose[0]}) {were} not scanned. "
        f"Move them into a folder named after their label: {', '.join(LABELS)}.",
    ]


def _label_summary(clips: pd.DataFrame) -> dict[str, Any]:
    rates = clips["sample_rate"].value_counts().sort_index()
    return {
        "clips": len(clips),
        "minutes": round(float(clips["seconds"].sum()) / 60, 2),
        "sample_rates": {str(rate): int(count) for rate, count in rates.items()},
        "speakers": int(clips.loc[clips["speaker"] != "", "speaker"].nunique()),
        "without_speaker": int((clips["speaker"] == "").sum()),
    }


def summary(workspace: Workspace, scanned: ScannedClips, health: Sequence[Finding]) -> dict[str, Any]:
    """Counts by label, refused files, warnings and findings, as a JSON document. Long recordings are optional, so their
    label is left out where there are none."""
    of_label = {label: scanned.clips[scanned.clips["label"] == label] for label in LABELS}
    labels = {label: _label_summary(of) for label, of in of_label.items() if len(of) or label != STREAM}
    refused = scanned.refused.to_dict("records")
    findings = [
        {
            "finding": finding.code,
            "severity": finding.severity,
            "title": finding.title,
            "clips": len(finding.paths),
            "remedy": finding.remedy,
        }
        for finding in health
    ]
    return {"labels": labels, "refused": refused, "warnings": warnings(workspace, scanned), "findings": findings}
