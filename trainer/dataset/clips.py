"""What the last scan found, as the pages and the split use it: clips with label and speaker, refused files, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from trainer.audio.manifest import Clip
from trainer.dataset import names, speakers, table
from trainer.dataset.findings import Finding
from trainer.system.counted import counted
from trainer.system.workspace import LABELS, Workspace

MOST_ALIKE_SHARE = 0.05
"""Of the clips of a label; a larger set of near duplicates does not tie its clips to one split."""


@dataclass(frozen=True)
class Found:
    """`clips`: the columns of dataset.table and `label`, `speaker` (empty: unknown), `group` (the speaker, else the
    clip alone: what stays in one split). `refused`: path, reason, message."""

    clips: pd.DataFrame
    refused: pd.DataFrame

    def __len__(self) -> int:
        return len(self.clips)


def of_table(workspace: Workspace, files: pd.DataFrame) -> Found:
    """Clips and refused files of a table, speakers by the rule in force."""
    fine = files["reason"] == ""
    clips = files[fine].reset_index(drop=True)
    clips["label"] = names.labels_of(clips["path"])
    clips["speaker"] = speakers.current(workspace, clips["path"])
    clips["group"] = clips["speaker"].where(clips["speaker"] != "", clips["path"])
    return Found(clips, files.loc[~fine, ["path", "reason", "message"]].reset_index(drop=True))


def load(workspace: Workspace) -> Found | None:
    """What the last scan found; None when there was none."""
    files = table.load_table(workspace)
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
            f"{positives:,} positive and {negatives:,} negative clips: the {fewer} ones will be repeated very often. "
            f"Get more {fewer} clips, or fewer of the others."
        )
    told += filter(None, [speakers.problem(workspace, found.clips["path"])])
    return told + _outside(workspace)


def _outside(workspace: Workspace) -> list[str]:
    """What lies in data/raw outside of the labels' folders, where no scan looks, as sentences."""
    folders, loose = list[str](), list[str]()
    for path in sorted(workspace.raw.iterdir()) if workspace.raw.is_dir() else ():
        shown = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if path.is_dir() and not names.label_of(path.name) and not names.is_hidden(path.name):
            folders.append(f"Folder {shown} was not scanned: it is none of the labels {', '.join(LABELS)}.")
        elif names.is_audio(shown) and not path.is_dir():
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
